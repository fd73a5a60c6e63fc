//! The report of a run as a table.

use sealift_mirror::{ImageReport, Outcome, Report, Totals};
use sealift_oci::Platform;

use super::table::{Align, Column, Row, render, wrap};
use super::units::{bytes, count, narrow_bytes, seconds};

/// How wide a report is where no terminal says otherwise.
const WIDTH: usize = 100;

const COLUMNS: [Column; 8] = [
    Column { title: "image", align: Align::Left, spare: 0 },
    Column { title: "outcome", align: Align::Left, spare: 0 },
    Column { title: "digest", align: Align::Left, spare: 1 },
    Column { title: "platform", align: Align::Left, spare: 5 },
    Column { title: "moved", align: Align::Right, spare: 0 },
    Column { title: "mounted", align: Align::Right, spare: 2 },
    Column { title: "there", align: Align::Right, spare: 3 },
    Column { title: "time", align: Align::Right, spare: 4 },
];

/// Writes the table of the images and the totals.
pub(crate) fn text(report: &Report, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH);
    let mut rows = Vec::new();
    for group in groups(report) {
        rows.push(Row::Heading(heading(&group)));
        rows.extend(group.iter().filter(|image| !is_not_part(image)).map(|image| row(image)));
    }
    let mut text = render(&COLUMNS, &rows, Some(width));
    text.push('\n');
    for group in groups(report) {
        text.push_str(&absent(&group, width));
    }
    text.push_str(&skipped(report));
    text.push_str(&beside(report));
    text.push_str(&totals(report, "image"));
    text
}

/// Writes the totals of a run that brought blobs alone, each of which counts as an image.
pub(crate) fn blobs(report: &Report) -> String {
    totals(report, "blob")
}

/// Cuts the images into their releases; the report has them in order.
fn groups(report: &Report) -> Vec<Vec<&ImageReport>> {
    let mut groups: Vec<Vec<&ImageReport>> = Vec::new();
    for image in &report.images {
        match groups.last_mut() {
            Some(group) if group[0].group == image.group => group.push(image),
            _ => groups.push(vec![image]),
        }
    }
    groups
}

fn heading(group: &[&ImageReport]) -> String {
    match (&group[0].group, &group[0].request.tag) {
        (Some(name), Some(tag)) if tag.as_str() != name => format!("{name} as {tag}:"),
        (Some(name), _) => format!("{name}:"),
        (None, _) => "images:".to_owned(),
    }
}

fn is_not_part(image: &ImageReport) -> bool {
    matches!(image.outcome, Outcome::NotPart)
}

fn row(image: &ImageReport) -> Row {
    let amount = |count: u64| if count == 0 { "-".to_owned() } else { narrow_bytes(count) };
    let time = if image.elapsed.is_zero() { "-".to_owned() } else { seconds(image.elapsed).replace(' ', "") };
    Row::Cells(vec![
        image.request.name.clone(),
        outcome(&image.outcome).to_owned(),
        image.digest.map_or_else(|| "-".to_owned(), |digest| digest.short()),
        platforms(&image.platforms),
        amount(image.moved),
        amount(image.mounted),
        amount(image.present),
        time,
    ])
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Arrived => "arrived",
        Outcome::AlreadyThere => "there",
        Outcome::NotPart => "not part",
        Outcome::Missing => "missing",
        Outcome::Withheld => "withheld",
        Outcome::Failed(_) => "failed",
        Outcome::Interrupted => "stopped",
    }
}

/// Nearly all images are for Linux, so that is not said of each.
fn platforms(platforms: &[Platform]) -> String {
    let short = |platform: &Platform| {
        let text = platform.to_string();
        text.strip_prefix("linux/").map(str::to_owned).unwrap_or(text)
    };
    let mut names: Vec<String> = platforms.iter().map(short).collect();
    names.dedup();
    match names.len() {
        0 => "-".to_owned(),
        1..=2 => names.join(","),
        more => format!("{},+{}", names[0], more - 1),
    }
}

fn absent(group: &[&ImageReport], width: usize) -> String {
    let absent: Vec<&str> =
        group.iter().filter(|image| is_not_part(image)).map(|image| image.request.name.as_str()).collect();
    if absent.is_empty() {
        return String::new();
    }
    let name = group[0].group.as_deref().unwrap_or("the selection");
    wrap(&format!("Not part of {name}:"), &absent, width) + "\n"
}

fn skipped(report: &Report) -> String {
    let mut text = String::new();
    for image in report.images.iter().filter(|image| !image.skipped.is_empty()) {
        let layers = count(image.skipped.len(), "foreign layer");
        text.push_str(&format!(
            "{}: {layers} left out, which the source lacks (--foreign-urls fetches them).\n",
            image.request.name
        ));
    }
    text
}

/// Images that got another tag than they were to have.
fn beside(report: &Report) -> String {
    let mut text = String::new();
    for image in report.images.iter().filter(|image| image.is_there()) {
        if let Some(tag) = image.request.tag_of_list() {
            let (name, target) = (&image.request.name, image.request.target_name());
            text.push_str(&format!("{name}: tagged {target}; {tag} lists what is attached to it.\n"));
        }
    }
    text
}

fn totals(report: &Report, what: &str) -> String {
    let number = |wanted: &str| report.wanted().filter(|image| outcome(&image.outcome) == wanted).count();
    let outcomes = [
        ("arrived", "arrived"),
        ("there", "there already"),
        ("withheld", "withheld"),
        ("missing", "missing"),
        ("failed", "failed"),
        ("stopped", "stopped"),
    ];
    let parts = outcomes.into_iter().map(|(key, words)| (number(key), words));
    let parts: Vec<String> =
        parts.filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    format!(
        "{}: {}.\n{}; {}.\n",
        count(report.wanted().count(), what),
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") },
        amounts(&report.totals),
        seconds(report.totals.elapsed),
    ) + &attachments(report)
}

fn amounts(totals: &Totals) -> String {
    let moved = format!("moved in {}", count(totals.blobs_moved, "blob"));
    let amounts = [
        (totals.bytes_moved, moved.as_str()),
        (totals.bytes_mounted, "mounted"),
        (totals.bytes_read_back, "read back"),
        (totals.bytes_present, "there already"),
    ];
    let amounts: Vec<String> = amounts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", bytes(*count)))
        .collect();
    if amounts.is_empty() { "Nothing moved".to_owned() } else { amounts.join(", ") }
}

fn attachments(report: &Report) -> String {
    match report.images.iter().map(|image| image.attachments.len()).sum() {
        0 => String::new(),
        number => format!("{} came with the images.\n", count(number, "attachment")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_short() {
        let parse = |texts: &[&str]| texts.iter().map(|it| it.parse().unwrap()).collect::<Vec<Platform>>();
        for (given, expected) in [
            (&[][..], "-"),
            (&["linux/amd64"], "amd64"),
            (&["linux/amd64", "linux/arm64"], "amd64,arm64"),
            (&["windows/amd64"], "windows/amd64"),
            (&["linux/amd64", "linux/arm64", "linux/s390x"], "amd64,+2"),
        ] {
            assert_eq!(platforms(&parse(given)), expected);
        }
    }
}
