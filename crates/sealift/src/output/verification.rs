//! What verifying found, as a table.

use sealift_mirror::{Finding, ImageVerdict, Verdict, Verification};

use super::table::{Align, Column, Row, render, wrap};
use super::units::{bytes, count, seconds};

/// How wide a report is where no terminal says otherwise.
const WIDTH: usize = 100;

const COLUMNS: [Column; 4] = [
    Column { title: "image", align: Align::Left, spare: 0 },
    Column { title: "verdict", align: Align::Left, spare: 0 },
    Column { title: "findings", align: Align::Right, spare: 2 },
    Column { title: "digest", align: Align::Left, spare: 1 },
];

/// Writes the table of the verdicts, every finding, and the totals.
pub(crate) fn text(verification: &Verification, deep: bool, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH);
    let images = &verification.images;
    let mut rows = Vec::new();
    let mut group = None;
    for image in images.iter().filter(|image| !is_not_part(image)) {
        if group != Some(&image.group) {
            rows.push(Row::Heading(format!("{}:", image.group.as_deref().unwrap_or("images"))));
            group = Some(&image.group);
        }
        rows.push(row(image));
    }
    let mut text = render(&COLUMNS, &rows, Some(width));
    text.push('\n');
    let absent: Vec<&str> =
        images.iter().filter(|it| is_not_part(it)).map(|it| it.request.name.as_str()).collect();
    if !absent.is_empty() {
        text.push_str(&(wrap("Not part of this release:", &absent, width) + "\n"));
    }
    for image in images {
        text.push_str(&findings(image));
    }
    for image in images.iter().filter(|image| !image.absent.is_empty()) {
        let layers = count(image.absent.len(), "foreign layer");
        text.push_str(&format!(
            "{}: {layers} not at the target (`sealift mirror --foreign-urls` fetches them).\n",
            image.request.name
        ));
    }
    text + &totals(verification, deep)
}

fn is_not_part(image: &ImageVerdict) -> bool {
    matches!(image.verdict, Verdict::NotPart)
}

fn row(image: &ImageVerdict) -> Row {
    let findings = match &image.verdict {
        Verdict::Wrong(findings) => findings.len().to_string(),
        _ => "-".to_owned(),
    };
    Row::Cells(vec![
        image.request.name.clone(),
        verdict(&image.verdict).to_owned(),
        findings,
        image.digest.map_or_else(|| "-".to_owned(), |digest| digest.short()),
    ])
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Right => "right",
        Verdict::NotPart => "not part",
        Verdict::Missing => "missing",
        Verdict::Wrong(_) => "wrong",
        Verdict::Failed(_) => "failed",
    }
}

fn findings(image: &ImageVerdict) -> String {
    let Verdict::Wrong(findings) = &image.verdict else { return String::new() };
    let lines = findings.iter().map(|it| format!("{}: {}\n", image.request.target_name(), sentence(it)));
    lines.collect()
}

/// Says what differs.
pub(crate) fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::NoManifest(reference) => format!("the target has no manifest {reference}"),
        Finding::WrongTag { tag, expected, actual } => {
            format!("the tag {tag} points at {actual} and should point at {expected}")
        }
        Finding::NotAttached { digest, subject } => {
            format!("{digest} is not attached to {subject} at the target")
        }
        Finding::NoBlob(digest) => format!("the target has no blob {digest}"),
        Finding::WrongContent(digest, error) => format!("the content of {digest} is wrong: {error}"),
    }
}

fn totals(verification: &Verification, deep: bool) -> String {
    let number =
        |wanted: &str| verification.images.iter().filter(|it| verdict(&it.verdict) == wanted).count();
    let parts = ["right", "wrong", "missing", "failed"].map(|it| (number(it), it));
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, it)| format!("{count} {it}")).collect();
    let looked = match deep {
        true => format!("{} read back and hashed", bytes(verification.bytes_read)),
        false => "presence and size compared (--deep reads them back)".to_owned(),
    };
    let attached = match verification.images.iter().map(|image| image.attachments.len()).sum() {
        0 => String::new(),
        number => format!("{} compared.\n", count(number, "attachment")),
    };
    format!(
        "{}: {}.\n{attached}{}: {looked}; {}.\n",
        count(verification.images.len() - number("not part"), "image"),
        parts.join(", "),
        count(verification.blobs, "blob"),
        seconds(verification.elapsed)
    )
}
