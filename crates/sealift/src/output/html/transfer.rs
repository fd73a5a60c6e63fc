//! `mirror`, `pack` and `load`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Page;
use super::sheet::{Row, Sheet, Standing, ending};
use crate::output::json::{Image, OutcomeName, Place, Report};
use crate::output::units::{bytes, count, seconds};

impl Page for Report {
    fn sheet(&self) -> Sheet<'_> {
        let (wanted, there) = (self.totals.images, self.totals.images_there);
        Sheet {
            title: "Report of a transfer",
            headline: headline(self),
            standing: match (self.exit_code, there) {
                (0, _) => Standing::Good,
                (_, 0) => Standing::Bad,
                _ => Standing::Short,
            },
            sentence: match (self.exit_code, wanted) {
                (0, _) => format!("Complete: all {} are at the target.", count(wanted, "image")),
                (_, 0) => "Nothing was carried.".to_owned(),
                (130, _) => format!(
                    "Stopped before its end: {there} of {} are at the target.",
                    count(wanted, "image")
                ),
                _ => format!("Not complete: {there} of {} are at the target.", count(wanted, "image")),
            },
            version: self.version,
            run: &self.run,
            facts: facts(self),
            failures: &self.failures,
            findings: Vec::new(),
            checks: &self.checks,
            amounts: &["Fetched", "Linked", "Was there"],
            images: self.images.iter().map(row).collect(),
            content: &self.content,
            bundles: &self.bundles,
        }
    }
}

fn headline(report: &Report) -> String {
    let images = count(report.totals.images, "image");
    match &report.target {
        Some(target) => format!("{images} to {}", place(target)),
        None => "A run that ended before it began".to_owned(),
    }
}

/// Names a place in words.
pub(super) fn place(place: &Place) -> String {
    match place {
        Place::Registry { registry, repository } => format!("{registry}/{repository}"),
        Place::Bundle { bundle } => format!("the bundle {bundle}"),
        Place::Directory { directory } => format!("the directory {directory}"),
    }
}

/// Names the registries of a list, which its images begin with.
pub(super) fn listed<'a>(sources: impl Iterator<Item = &'a str>) -> String {
    const NAMED: usize = 6;
    let registries: BTreeSet<&str> = sources.filter_map(|source| Some(source.split_once('/')?.0)).collect();
    let named: Vec<&str> = registries.iter().copied().take(NAMED).collect();
    match registries.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let totals = &report.totals;
    let took = seconds(Duration::from_millis(totals.elapsed_milliseconds));
    let mut facts = Vec::new();
    if let Some(target) = &report.target {
        let source = report
            .source
            .as_ref()
            .map_or_else(|| listed(report.images.iter().map(|it| it.source.as_str())), place);
        facts.extend([("From", source), ("To", place(target))]);
    }
    let coverages = report.bundles.iter().filter_map(|bundle| bundle.coverage.as_ref());
    facts.extend(coverages.map(|it| ("Carried as what differs", it.message.clone())));
    let earlier = report.bundles.iter().filter_map(|bundle| bundle.bytes_of_earlier_layers);
    facts.extend(earlier.filter(|count| *count > 0).map(|count| ("Read of earlier layers", bytes(count))));
    facts.extend([
        ("Fetched", format!("{} in {}", bytes(totals.bytes_moved), count(totals.blobs_moved, "blob"))),
        ("Linked within the target", bytes(totals.bytes_mounted.saturating_add(totals.bytes_read_back))),
        ("Was there already", bytes(totals.bytes_present)),
        ("Time taken", took),
        ("Exit code", ending(report.exit_code).to_owned()),
    ]);
    facts
}

fn row(image: &Image) -> Row<'_> {
    let (outcome, standing) = outcome(image.outcome);
    Row {
        name: &image.name,
        release: image.release.as_deref(),
        source: &image.source,
        target: &image.target,
        digest: image.digest.as_deref(),
        outcome,
        standing,
        platforms: &image.platforms,
        attached: &image.attached,
        amounts: vec![image.bytes_moved, image.bytes_mounted, image.bytes_present],
    }
}

fn outcome(outcome: OutcomeName) -> (&'static str, Standing) {
    match outcome {
        OutcomeName::Arrived => ("arrived", Standing::Good),
        OutcomeName::AlreadyThere => ("was there", Standing::Good),
        OutcomeName::NotPart => ("not part of the release", Standing::Good),
        OutcomeName::Missing => ("missing at the source", Standing::Bad),
        OutcomeName::Withheld => ("here, tag withheld", Standing::Short),
        OutcomeName::Failed => ("failed", Standing::Bad),
        OutcomeName::Interrupted => ("interrupted", Standing::Short),
        OutcomeName::NotBegun => ("not begun", Standing::Short),
    }
}
