//! `sealift.bundle-verification/1`: whether a bundle is as it was packed.

use std::path::Path;

use schemars::JsonSchema;
use sealift_bundle::{Finding, Scope, Verified};
use serde::Serialize;

use super::common::{Failure, VERSION};
use super::run::{Check, CheckName, Run};
use crate::errors::{CommandError, Exit};
use crate::output::units::bytes;

const SCHEMA: &str = "sealift.bundle-verification/1";

/// What `sealift verify BUNDLE --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.bundle-verification/1")]
pub(crate) struct BundleVerification {
    /// Always `sealift.bundle-verification/1`.
    pub(in crate::output) schema: &'static str,
    /// The version of sealift that wrote the document.
    pub(in crate::output) version: &'static str,
    /// Who ran what, and when.
    #[serde(flatten)]
    pub(in crate::output) run: Run,
    /// What the process ends with.
    pub(in crate::output) exit_code: u8,
    /// The bundle's path.
    pub(in crate::output) bundle: String,
    /// How far the check could go; null where it could not begin.
    pub(in crate::output) scope: Option<ScopeName>,
    /// How it was checked; empty where the check could not begin.
    pub(in crate::output) checks: Vec<Check>,
    /// How many bytes were read.
    pub(in crate::output) bytes_read: u64,
    /// What is wrong; empty where the bundle is whole.
    pub(in crate::output) findings: Vec<Difference>,
    /// Why the check could not begin.
    pub(in crate::output) failures: Vec<Failure>,
}

/// How far a check could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::output) enum ScopeName {
    /// Every byte, and every piece of content against its digest.
    Everything,
    /// The checksums only: the bundle is encrypted, and nothing that opens it was given.
    Checksums,
    /// Nothing: it is encrypted and has no checksums.
    Nothing,
}

/// Something that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Difference {
    /// The file.
    pub(in crate::output) path: String,
    /// The byte in it where what is wrong begins; null where it is the whole file.
    pub(in crate::output) position: Option<u64>,
    /// What is wrong.
    pub(in crate::output) what: String,
    /// The images that it hits, as they were called at the source.
    pub(in crate::output) images: Vec<String>,
}

impl BundleVerification {
    pub(crate) fn new(run: Run, path: &Path, checked: Result<&Verified, &CommandError>, exit: Exit) -> Self {
        let head = Self {
            schema: SCHEMA,
            version: VERSION,
            run,
            exit_code: exit.code(),
            bundle: path.display().to_string(),
            scope: None,
            checks: Vec::new(),
            bytes_read: 0,
            findings: Vec::new(),
            failures: Vec::new(),
        };
        match checked {
            Ok(verified) => Self {
                scope: Some(ScopeName::of(verified.scope)),
                checks: vec![check(verified)],
                bytes_read: verified.bytes,
                findings: verified.findings.iter().map(|it| Difference::of(it, verified)).collect(),
                ..head
            },
            Err(error) => Self { failures: vec![Failure::of_command(error)], ..head },
        }
    }
}

/// Says how far the bundle was read.
fn check(verified: &Verified) -> Check {
    let read = bytes(verified.bytes);
    let message = match verified.scope {
        Scope::Everything => {
            format!("Every byte ({read}) was read, and all content compared with its digest.")
        }
        Scope::Checksums => format!(
            "Every file ({read}) was compared with its checksum; the content is encrypted and was not opened."
        ),
        Scope::Nothing => {
            "Nothing could be checked: the bundle is encrypted and has no checksums.".to_owned()
        }
    };
    Check::new(CheckName::BundleRead, message)
}

impl ScopeName {
    fn of(scope: Scope) -> Self {
        match scope {
            Scope::Everything => Self::Everything,
            Scope::Checksums => Self::Checksums,
            Scope::Nothing => Self::Nothing,
        }
    }
}

impl Difference {
    fn of(finding: &Finding, verified: &Verified) -> Self {
        let name = |at: &usize| verified.images.get(*at).cloned();
        Self {
            path: finding.path.display().to_string(),
            position: finding.position,
            what: finding.what.clone(),
            images: finding.images.iter().filter_map(name).collect(),
        }
    }
}
