//! The documents for programs. docs/REPORT.md explains every field and what is promised of them; the
//! schemas beside it are made from the types here, and a test says when they differ.

mod bundle_verification;
mod common;
mod contents;
mod directory_verification;
mod discovery;
mod doctor;
mod images;
mod layers;
mod lock;
mod plan;
mod report;
mod run;
mod verification;

use serde::Serialize;

pub(crate) use bundle_verification::BundleVerification;
pub(in crate::output) use bundle_verification::{Difference, ScopeName};
pub(in crate::output) use common::{Failure, Place};
pub(crate) use contents::Contents;
pub(crate) use directory_verification::DirectoryVerification;
pub(in crate::output) use directory_verification::Fault;
pub(crate) use discovery::DiscoveryReport;
pub(crate) use doctor::DoctorReport;
pub(crate) use images::ImagesReport;
pub(crate) use layers::ratio;
pub(crate) use lock::{Lock, Locked};
pub(crate) use plan::PlanReport;
pub(crate) use report::BundleFacts;
pub(crate) use report::Report;
pub(in crate::output) use report::{Image, OutcomeName};
pub(crate) use run::Run;
#[cfg(test)]
pub(in crate::output) use run::Ways;
pub(in crate::output) use run::{Attached, Blob, Check};
pub(crate) use verification::VerificationReport;
pub(in crate::output) use verification::{VerdictName, VerifiedImage};

/// Writes a document, indented, for people look at it as well.
pub(crate) fn text(document: &impl Serialize) -> String {
    // Plain fields with text keys can always be written.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_SNAPSHOTS=1` writes the schemas anew.
    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        for (file, schema) in [
            ("bundle-verification.schema.json", schemars::schema_for!(BundleVerification)),
            ("contents.schema.json", schemars::schema_for!(Contents)),
            ("directory-verification.schema.json", schemars::schema_for!(DirectoryVerification)),
            ("discovery.schema.json", schemars::schema_for!(DiscoveryReport)),
            ("doctor.schema.json", schemars::schema_for!(DoctorReport)),
            ("images.schema.json", schemars::schema_for!(ImagesReport)),
            ("lock.schema.json", schemars::schema_for!(Lock)),
            ("plan.schema.json", schemars::schema_for!(PlanReport)),
            ("report.schema.json", schemars::schema_for!(Report)),
            ("verification.schema.json", schemars::schema_for!(VerificationReport)),
        ] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/").to_owned() + file;
            let current = text(&schema);
            if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
                std::fs::write(&path, &current).unwrap();
            }
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(published == current, "docs/{file} is old; UPDATE_SNAPSHOTS=1 cargo test -p sealift");
        }
    }
}
