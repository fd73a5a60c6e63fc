//! What discovery found, as a table.

use sealift_catalog::{Discovery, Drift, UnknownRelease};

use super::table::{Align, Column, Row, render, wrap};
use super::units::count;
use crate::discovery::{Seen, repositories};
use crate::settings::PlaceSettings;

/// How wide a report is where no terminal says otherwise.
const WIDTH: usize = 100;

const COLUMNS: [Column; 3] = [
    Column { title: "release", align: Align::Left, spare: 0 },
    Column { title: "images", align: Align::Right, spare: 0 },
    Column { title: "differs from the table", align: Align::Left, spare: 0 },
];

/// Writes the table of the releases that are there, and what else differs.
pub(crate) fn text(place: &PlaceSettings, seen: &Seen, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH);
    let found = &seen.discovery;
    let mut rows = Vec::new();
    for drift in &found.releases {
        rows.extend(row(drift, found));
    }
    let mut text = render(&COLUMNS, &rows, Some(width));
    text.push('\n');
    text.push_str(&names("In the table and not there:", &found.absent_releases, width));
    text.push_str(&names("Repositories of no known image:", &found.unknown_repositories, width));
    for (name, reason) in &found.broken_repositories {
        text.push_str(&format!("{name} cannot be read: {reason}\n"));
    }
    text + &summary(place, seen)
}

/// A release that differs in several ways has a line for each.
fn row(drift: &Drift, found: &Discovery) -> Vec<Row> {
    let unknown = found.unknown_releases.iter().find(|it| it.tag == drift.tag);
    let list =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let differences = [
        unknown.map(not_in_table),
        list("has also", &drift.extra),
        list("lacks", &drift.missing),
        list("cannot be read:", &drift.unreadable),
    ];
    let mut differences: Vec<String> = differences.into_iter().flatten().collect();
    if differences.is_empty() {
        differences
            .push(if drift.has_list { "nothing" } else { "nothing; no list was published" }.to_owned());
    }
    let first = [drift.tag.to_string(), drift.found.len().to_string()];
    let starts = std::iter::once(first).chain(std::iter::repeat_with(<[String; 2]>::default));
    let rows = starts.zip(differences).map(|([tag, images], text)| Row::Cells(vec![tag, images, text]));
    rows.collect()
}

fn not_in_table(unknown: &UnknownRelease) -> String {
    match unknown.note {
        Some(note) => format!("not in the table: {note}"),
        None => "not in the table".to_owned(),
    }
}

fn names<T: ToString>(head: &str, names: &[T], width: usize) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    wrap(head, &names.iter().map(String::as_str).collect::<Vec<_>>(), width) + "\n"
}

fn summary(place: &PlaceSettings, seen: &Seen) -> String {
    let found = &seen.discovery;
    let how = match seen.has_catalog {
        true => "listed by the registry",
        false => "asked for by the names of the table, since the registry lists none",
    };
    format!(
        "{}/{}: {}, {how}; {}, {} not in the table.\n",
        place.registry,
        place.repository,
        repositories(seen.repositories),
        count(found.releases.len(), "release"),
        found.unknown_releases.len()
    )
}
