//! `sealift.directory-verification/1`: whether the directory of a registry is whole.

use std::path::Path;

use schemars::JsonSchema;
use sealift_store::{Check as Found, Finding};
use serde::Serialize;

use super::common::{Failure, VERSION};
use super::run::{Check, CheckName, Run};
use crate::errors::{CommandError, Exit};
use crate::output::units::bytes;

const SCHEMA: &str = "sealift.directory-verification/1";

/// What `sealift verify DIRECTORY --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.directory-verification/1")]
pub(crate) struct DirectoryVerification {
    /// Always `sealift.directory-verification/1`.
    pub(in crate::output) schema: &'static str,
    /// The version of sealift that wrote the document.
    pub(in crate::output) version: &'static str,
    /// Who ran what, and when.
    #[serde(flatten)]
    pub(in crate::output) run: Run,
    /// What the process ends with.
    pub(in crate::output) exit_code: u8,
    /// The directory's path.
    pub(in crate::output) directory: String,
    /// How it was checked; empty where the check could not begin.
    pub(in crate::output) checks: Vec<Check>,
    /// How many repositories there are.
    pub(in crate::output) repositories: u64,
    /// How many manifests they list.
    pub(in crate::output) manifests: u64,
    /// How many bytes were read.
    pub(in crate::output) bytes_read: u64,
    /// What is wrong; empty where everything is whole.
    pub(in crate::output) findings: Vec<Fault>,
    /// Why the check could not begin.
    pub(in crate::output) failures: Vec<Failure>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Fault {
    /// In which repository.
    pub(in crate::output) repository: String,
    /// The manifest or blob; null where the repository's list is broken.
    pub(in crate::output) digest: Option<String>,
    /// What is wrong with it.
    pub(in crate::output) what: String,
}

impl DirectoryVerification {
    pub(crate) fn new(run: Run, path: &Path, checked: Result<&Found, &CommandError>, exit: Exit) -> Self {
        let head = Self {
            schema: SCHEMA,
            version: VERSION,
            run,
            exit_code: exit.code(),
            directory: path.display().to_string(),
            checks: Vec::new(),
            repositories: 0,
            manifests: 0,
            bytes_read: 0,
            findings: Vec::new(),
            failures: Vec::new(),
        };
        match checked {
            Ok(found) => Self {
                checks: vec![check(found)],
                repositories: found.repositories,
                manifests: found.manifests,
                bytes_read: found.bytes,
                findings: found.findings.iter().map(Fault::of).collect(),
                ..head
            },
            Err(error) => Self { failures: vec![Failure::of_command(error)], ..head },
        }
    }
}

/// Says what was looked at.
fn check(found: &Found) -> Check {
    let read = bytes(found.bytes);
    let message = format!(
        "Every byte ({read}) was read and compared with its digest, and everything looked for that manifests link to."
    );
    Check::new(CheckName::DirectoryRead, message)
}

impl Fault {
    fn of(finding: &Finding) -> Self {
        let Finding { repository, digest, what } = finding;
        Self {
            repository: repository.to_string(),
            digest: digest.map(|digest| digest.to_string()),
            what: what.clone(),
        }
    }
}
