//! A plan that is not run, as a table.

use std::time::Duration;

use sealift_mirror::{PlannedImage, Step, Weight};

use super::table::{Align, Column, Row, render, wrap};
use super::units::{bytes, count, narrow_bytes, seconds};
use crate::commands::{Proposal, Volumes};

/// How wide a report is where no terminal says otherwise.
const WIDTH: usize = 100;

const COLUMNS: [Column; 7] = [
    Column { title: "image", align: Align::Left, spare: 0 },
    Column { title: "step", align: Align::Left, spare: 0 },
    Column { title: "fetch", align: Align::Right, spare: 0 },
    Column { title: "mount", align: Align::Right, spare: 1 },
    Column { title: "there", align: Align::Right, spare: 2 },
    Column { title: "requests", align: Align::Right, spare: 4 },
    Column { title: "time", align: Align::Right, spare: 3 },
];

/// Writes what each image costs, and all of them together.
pub(crate) fn text(proposal: &Proposal, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH);
    let (mut rows, mut absent, mut last) = (Vec::new(), Vec::new(), None);
    for (group, image, weight) in proposal.images() {
        if matches!(image.step, Step::NotPart) {
            absent.push(image.request.name.as_str());
            continue;
        }
        if last != Some(group) {
            rows.push(Row::Heading(format!("{}:", group.unwrap_or("images"))));
            last = Some(group);
        }
        rows.push(row(image, weight, proposal.time(weight)));
    }
    let mut text = render(&COLUMNS, &rows, Some(width)) + "\n";
    if !absent.is_empty() {
        absent.dedup();
        text.push_str(&(wrap("Not part of its release:", &absent, width) + "\n"));
    }
    text + &totals(proposal)
}

fn row(image: &PlannedImage, weight: &Weight, time: Duration) -> Row {
    let amount = |count: u64| if count == 0 { "-".to_owned() } else { narrow_bytes(count) };
    Row::Cells(vec![
        image.request.name.clone(),
        step(image).to_owned(),
        amount(weight.fetch),
        amount(weight.mount),
        amount(weight.present),
        if weight.requests == 0 { "-".to_owned() } else { weight.requests.to_string() },
        if weight.fetch == 0 { "-".to_owned() } else { seconds(time) },
    ])
}

fn step(image: &PlannedImage) -> &'static str {
    match &image.step {
        Step::Copy { .. } => "copy",
        // What is attached can come later than the image.
        Step::Keep(_) if !image.attachments.is_empty() => "attach",
        Step::Keep(_) => "there",
        Step::Missing => "missing",
        Step::NotPart => "not part",
        Step::Failed(_) => "failed",
    }
}

fn totals(proposal: &Proposal) -> String {
    let number = |wanted: &str| proposal.images().filter(|(_, image, _)| step(image) == wanted).count();
    let steps = [
        ("copy", "to copy"),
        ("attach", "to attach to"),
        ("there", "there already"),
        ("missing", "missing"),
        ("failed", "failed"),
    ];
    let parts = steps.into_iter().map(|(key, words)| (number(key), words)).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, words)| format!("{count} {words}")).collect();
    let total = &proposal.weights.total;
    let images = proposal.images().count() - number("not part");
    let rate = bytes(proposal.rate.0);
    let assumed = if proposal.is_assumed { ", which is assumed (--bandwidth says otherwise)" } else { "" };
    let volumes = proposal.volumes.map_or_else(String::new, |it| volumes(proposal, it));
    format!(
        "{}: {}.\n{} to fetch, {} to mount, {} there already.\n{}, of which {} look up what there is.\n{volumes}At {rate}/s{assumed}: {}. Nothing was written.\n",
        count(images, "image"),
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") },
        bytes(total.fetch),
        bytes(total.mount),
        bytes(total.present),
        count(usize::try_from(proposal.requests()).unwrap_or(usize::MAX), "request"),
        proposal.survey_requests,
        seconds(proposal.time(total)),
    )
}

/// Tells of the blobs and volumes that a bundle would have, or that would be loaded from one.
fn volumes(proposal: &Proposal, volumes: Volumes) -> String {
    match volumes {
        Volumes::Needed { blobs, least, deltas } => {
            let deltas = deltas.map_or_else(String::new, |promise| format!("{promise}.\n"));
            format!("{}, in {} at least.\n{deltas}", count(blobs, "blob"), count(least, "volume"))
        }
        Volumes::Present { all, unreadable, deltas } => {
            let deltas = deltas.map_or_else(String::new, |carried| format!("{carried}.\n"));
            let blobs = usize::try_from(proposal.weights.total.blobs).unwrap_or(usize::MAX);
            let text = format!("{} to load, from {}", count(blobs, "blob"), count(all, "volume"));
            let text = match unreadable {
                0 => text + ".\n",
                unreadable => format!("{text}, of which {unreadable} cannot be read.\n"),
            };
            text + &deltas
        }
    }
}
