//! `sealift.bundle-verification/1`: whether a bundle is as it was packed.

use std::path::Path;

use schemars::JsonSchema;
use sealift_bundle::{Finding, Scope, Verified};
use serde::Serialize;

use super::common::{Failure, VERSION};
use crate::errors::{CommandError, Exit};

const SCHEMA: &str = "sealift.bundle-verification/1";

/// What `sealift verify BUNDLE --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.bundle-verification/1")]
pub(crate) struct BundleVerification {
    /// Always `sealift.bundle-verification/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// The bundle's path.
    bundle: String,
    /// How far the check could go; null where it could not begin.
    scope: Option<ScopeName>,
    /// How many bytes were read.
    bytes_read: u64,
    /// What is wrong; empty where the bundle is whole.
    findings: Vec<Difference>,
    /// Why the check could not begin.
    failures: Vec<Failure>,
}

/// How far a check could go.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ScopeName {
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
struct Difference {
    /// The file.
    path: String,
    /// The byte in it where what is wrong begins; null where it is the whole file.
    position: Option<u64>,
    /// What is wrong.
    what: String,
    /// The images that it hits, as they were called at the source.
    images: Vec<String>,
}

impl BundleVerification {
    pub(crate) fn new(path: &Path, checked: Result<&Verified, &CommandError>, exit: Exit) -> Self {
        let head = Self {
            schema: SCHEMA,
            version: VERSION,
            exit_code: exit.code(),
            bundle: path.display().to_string(),
            scope: None,
            bytes_read: 0,
            findings: Vec::new(),
            failures: Vec::new(),
        };
        match checked {
            Ok(verified) => Self {
                scope: Some(ScopeName::of(verified.scope)),
                bytes_read: verified.bytes,
                findings: verified.findings.iter().map(|it| Difference::of(it, verified)).collect(),
                ..head
            },
            Err(error) => Self { failures: vec![Failure::of_command(error)], ..head },
        }
    }
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
