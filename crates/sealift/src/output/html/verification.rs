//! `verify`, of a registry.

use std::time::Duration;

use super::Page;
use super::sheet::{Row, Sheet, Standing, ending};
use super::transfer::{listed, place};
use crate::output::json::{VerdictName, VerificationReport, VerifiedImage};
use crate::output::units::{bytes, count, seconds};

impl Page for VerificationReport {
    fn sheet(&self) -> Sheet<'_> {
        let wanted = self.images.iter().filter(|image| image.verdict != VerdictName::NotPart);
        let (wanted, right) = (wanted.count(), self.count(VerdictName::Right));
        let differ = self.count(VerdictName::Wrong);
        Sheet {
            title: "Report of a verification",
            headline: match &self.target {
                Some(target) => format!("{} at {}", count(wanted, "image"), place(target)),
                None => "A check that ended before it began".to_owned(),
            },
            standing: match (self.exit_code, differ) {
                (0, _) => Standing::Good,
                (_, 0) => Standing::Short,
                _ => Standing::Bad,
            },
            sentence: match (self.exit_code, differ) {
                (0, _) => format!("All {} are right.", count(wanted, "image")),
                (_, 0) => {
                    format!("Not all could be compared: {right} of {} are right.", count(wanted, "image"))
                }
                _ => format!("The target differs in {} of {wanted}.", count(differ, "image")),
            },
            version: self.version,
            run: &self.run,
            facts: facts(self),
            failures: &self.failures,
            findings: self.images.iter().filter_map(findings).collect(),
            checks: &self.checks,
            amounts: &[],
            images: self.images.iter().map(row).collect(),
            content: &self.content,
            bundles: &[],
        }
    }
}

impl VerificationReport {
    fn count(&self, verdict: VerdictName) -> usize {
        self.images.iter().filter(|image| image.verdict == verdict).count()
    }
}

fn facts(report: &VerificationReport) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(target) = &report.target {
        let sources = report.images.iter().map(|it| it.source.as_str());
        let source = report.source.as_ref().map_or_else(|| listed(sources), place);
        facts.extend([("Looked at", place(target)), ("Compared with", source)]);
    }
    facts.extend([
        ("Read back and hashed", bytes(report.bytes_read)),
        ("Blobs looked at", report.blobs.to_string()),
        ("Time taken", seconds(Duration::from_millis(report.elapsed_milliseconds))),
        ("Exit code", ending(report.exit_code).to_owned()),
    ]);
    facts
}

fn findings(image: &VerifiedImage) -> Option<(String, Vec<String>)> {
    let lines: Vec<String> = image.findings.iter().map(|finding| finding.message.clone()).collect();
    (!lines.is_empty()).then(|| (image.target.clone(), lines))
}

fn row(image: &VerifiedImage) -> Row<'_> {
    let (outcome, standing) = match image.verdict {
        VerdictName::Right => ("right", Standing::Good),
        VerdictName::NotPart => ("not part of the release", Standing::Good),
        VerdictName::Missing => ("missing at the source", Standing::Bad),
        VerdictName::Wrong => ("differs", Standing::Bad),
        VerdictName::Failed => ("could not be compared", Standing::Short),
    };
    Row {
        name: &image.name,
        release: image.release.as_deref(),
        source: &image.source,
        target: &image.target,
        digest: image.digest.as_deref(),
        outcome,
        standing,
        platforms: &[],
        attached: &image.attached,
        amounts: Vec::new(),
    }
}
