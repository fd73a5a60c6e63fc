//! `verify`, of the directory of a registry.

use super::Page;
use super::sheet::{Sheet, Standing, ending};
use crate::output::json::{DirectoryVerification, Fault};
use crate::output::units::{bytes, count};

impl Page for DirectoryVerification {
    fn sheet(&self) -> Sheet<'_> {
        let faults = count(self.findings.len(), "fault");
        let (standing, sentence) = match (self.checks.is_empty(), self.findings.is_empty()) {
            (true, _) => (Standing::Short, "The check could not begin.".to_owned()),
            (false, true) => (Standing::Good, "Everything is whole.".to_owned()),
            (false, false) => (Standing::Bad, format!("{faults} found.")),
        };
        Sheet {
            title: "Report of a verification",
            headline: format!("The directory of a registry {}", self.directory),
            standing,
            sentence,
            version: self.version,
            run: &self.run,
            facts: vec![
                ("Repositories", self.repositories.to_string()),
                ("Manifests", self.manifests.to_string()),
                ("Read", bytes(self.bytes_read)),
                ("Exit code", ending(self.exit_code).to_owned()),
            ],
            failures: &self.failures,
            findings: self.findings.iter().map(finding).collect(),
            checks: &self.checks,
            amounts: &[],
            images: Vec::new(),
            content: &[],
            bundles: &[],
        }
    }
}

fn finding(fault: &Fault) -> (String, Vec<String>) {
    let digest = fault.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    (format!("{}{digest}", fault.repository), vec![fault.what.clone()])
}
