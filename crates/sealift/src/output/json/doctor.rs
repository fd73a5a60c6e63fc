//! `sealift.doctor/1`: what the doctor found.

use schemars::JsonSchema;
use serde::Serialize;

use super::common::{Failure, VERSION};
use crate::commands::{Check, Examination, Part, Verdict};
use crate::errors::CommandError;

const SCHEMA: &str = "sealift.doctor/1";

/// What `sealift doctor --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.doctor/1")]
pub(crate) struct DoctorReport {
    /// Always `sealift.doctor/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// Each registry of the source, the target, and this machine.
    parts: Vec<ExaminedPart>,
    /// Why nothing could be looked at.
    failures: Vec<Failure>,
}

/// What was looked at in one place.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExaminedPart {
    /// `source`, `target` or `machine`.
    role: &'static str,
    /// Which registry; of the target with the repository.
    place: String,
    /// One thing after the other.
    checks: Vec<ExaminedCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExaminedCheck {
    /// `name`, `connection`, `proxy`, `TLS`, `clock`, `credentials`, `pull`, `push`, `mount`, `attachments`, `delete`,
    /// `state` or `spool`.
    name: &'static str,
    /// `ok`, `warn`, `fail`, or `skipped` where something before it failed.
    verdict: &'static str,
    /// What was found, for people.
    found: String,
    /// What to do next, for people.
    next: Option<String>,
}

impl DoctorReport {
    pub(crate) fn new(found: &Examination) -> Self {
        Self {
            schema: SCHEMA,
            version: VERSION,
            exit_code: found.exit().code(),
            parts: found.parts.iter().map(ExaminedPart::of).collect(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn of_error(error: &CommandError) -> Self {
        let failures = vec![Failure::of_command(error)];
        Self { schema: SCHEMA, version: VERSION, exit_code: error.exit().code(), parts: Vec::new(), failures }
    }
}

impl ExaminedPart {
    fn of(part: &Part) -> Self {
        Self {
            role: part.role,
            place: part.place.clone(),
            checks: part.checks.iter().map(ExaminedCheck::of).collect(),
        }
    }
}

impl ExaminedCheck {
    fn of(check: &Check) -> Self {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::Skipped => "skipped",
        };
        Self { name: check.name, verdict, found: check.found.clone(), next: check.next.clone() }
    }
}
