//! `verify`, of a bundle.

use super::Page;
use super::sheet::{Sheet, Standing, ending};
use crate::output::json::{BundleVerification, Difference, ScopeName};
use crate::output::units::{bytes, count};

impl Page for BundleVerification {
    fn sheet(&self) -> Sheet<'_> {
        let is_whole = self.findings.is_empty();
        Sheet {
            title: "Report of a verification",
            headline: format!("The bundle {}", self.bundle),
            standing: match (self.exit_code, is_whole) {
                (0, _) => Standing::Good,
                (_, true) => Standing::Short,
                _ => Standing::Bad,
            },
            sentence: match (self.scope, is_whole) {
                (None, _) => "The check could not begin.".to_owned(),
                (Some(ScopeName::Nothing), _) => "Nothing could be checked.".to_owned(),
                (_, true) => "Nothing differs.".to_owned(),
                _ => format!("{} found.", count(self.findings.len(), "difference")),
            },
            version: self.version,
            run: &self.run,
            facts: vec![("Read", bytes(self.bytes_read)), ("Exit code", ending(self.exit_code).to_owned())],
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

fn finding(difference: &Difference) -> (String, Vec<String>) {
    let at = difference.position.map(|position| format!(" at byte {position}")).unwrap_or_default();
    let mut lines = vec![difference.what.clone()];
    lines.extend(difference.images.iter().map(|image| format!("hits {image}")));
    (format!("{}{at}", difference.path), lines)
}
