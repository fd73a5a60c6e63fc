//! What a command gives back: tables for people, documents for programs.

pub(crate) mod contents;
pub(crate) mod discovery;
pub(crate) mod doctor;
pub(crate) mod failures;
pub(crate) mod html;
pub(crate) mod images;
pub(crate) mod json;
pub(crate) mod layers;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod verification;
