//! `sealift releases`: the table of known releases, and what a registry really has of them.

use std::sync::Arc;

use sealift_catalog::{Discovery, GATE_IMAGE, Release, ReleaseTag, newest, releases};
use sealift_oci::Tag;
use sealift_store::Side;
use serde::Serialize;

use super::Result;
use super::job::look_up;
use super::mirror::write;
use crate::answers::Answer;
use crate::args::{AnswerArgs, Format, ReleasesArgs};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::identity::Lookup;
use crate::output::json;
use crate::output::table::{Align, Column, Row, render};
use crate::places::{Connection, release_tags};
use crate::settings::{Asker, Given, PlaceSettings};
use crate::stop::Stop;
use crate::ui::Ui;

/// Lists the known releases; with a source, also what is there.
pub(crate) async fn run(ui: &Arc<Ui>, args: &ReleasesArgs, environment: &mut Environment) -> Result<Exit> {
    Stop::listen(ui).unless_asked(list(ui, args, environment)).await?
}

async fn list(ui: &Ui, args: &ReleasesArgs, environment: &mut Environment) -> Result<Exit> {
    let connection = Connection::read(&args.connection, environment)?;
    let (place, there) = match source(ui, args, environment)? {
        Some(mut place) => {
            look_up(&Lookup::new(environment, ui), &mut place).await?;
            let store = connection.open(&place, Side::Source)?;
            let tags = release_tags(store.as_ref(), &place).await.map_err(|error| place.refusal(error))?;
            (Some(place), Some(tags))
        }
        None => (None, None),
    };
    let listing = Listing::new(place.as_ref(), there.as_deref());
    match args.output.output {
        Format::Text => write(ui, &listing.text(ui.width()))?,
        Format::Json => write(ui, &json::text(&listing))?,
    }
    Ok(Exit::Success)
}

/// The source counts as given when its registry is; nothing is asked for.
fn source(ui: &Ui, args: &ReleasesArgs, environment: &mut Environment) -> Result<Option<PlaceSettings>> {
    let answers = AnswerArgs { source: args.source.clone(), ..AnswerArgs::default() };
    let given = Given::read(&Answer::SOURCE, &answers, environment)?;
    if !given.has(Answer::SourceRegistry) {
        return Ok(None);
    }
    Asker::new(given, None, ui).source().map(Some)
}

/// What `sealift releases --output json` writes; docs/REPORT.md explains it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    schema: &'static str,
    source: Option<String>,
    newest: Option<String>,
    releases: Vec<Entry>,
}

/// One release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    tag: String,
    date: Option<String>,
    /// How many images its list has; none where no list is known.
    images: Option<usize>,
    extension: Option<String>,
    /// Whether sealift's table has it.
    known: bool,
    /// Whether the source has it; none where no source was asked.
    at_source: Option<bool>,
}

impl Listing {
    fn new(place: Option<&PlaceSettings>, there: Option<&[Tag]>) -> Self {
        let found = there.map(|tags| {
            let opening = [(GATE_IMAGE.to_owned(), Ok(tags.to_vec()))];
            Discovery::compare(&opening.into(), &[])
        });
        let is_there = |tag: &Tag| found.as_ref().map(|found| !found.absent_releases.contains(tag));
        let mut entries: Vec<(ReleaseTag, Entry)> = releases()
            .iter()
            .map(|release| (ReleaseTag::of(&release.tag), Entry::known(release, is_there(&release.tag))))
            .collect();
        let unknown = found.iter().flat_map(|found| &found.unknown_releases);
        entries.extend(unknown.map(|it| (ReleaseTag::of(&it.tag), Entry::unknown(&it.tag))));
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        let table: Vec<Tag> = releases().iter().map(|release| release.tag.clone()).collect();
        Self {
            schema: "sealift.releases/1",
            source: place.map(|place| format!("{}/{}", place.registry, place.repository)),
            newest: newest(there.unwrap_or(&table)).map(|tag| tag.to_string()),
            releases: entries.into_iter().map(|(_, entry)| entry).collect(),
        }
    }

    fn text(&self, width: Option<usize>) -> String {
        let is_asked = self.source.is_some();
        let columns = columns(is_asked);
        let rows: Vec<Row> = self.releases.iter().map(|entry| self.row(entry, is_asked)).collect();
        let mut text = render(&columns, &rows, width);
        text.push_str("\n* the newest. A release without a list is asked for image by image.\n");
        if let Some(source) = &self.source {
            let count = |known: bool, there: bool| {
                let fits = |entry: &&Entry| entry.known == known && entry.at_source == Some(there);
                self.releases.iter().filter(fits).count()
            };
            text.push_str(&format!(
                "{source}: {} of the known releases are there, {} are not; {} are there that sealift does not know.\n",
                count(true, true),
                count(true, false),
                count(false, true)
            ));
        }
        text
    }

    fn row(&self, entry: &Entry, is_asked: bool) -> Row {
        let mark = if self.newest.as_ref() == Some(&entry.tag) { "*" } else { " " };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut cells = vec![
            format!("{mark} {}", entry.tag),
            or_dash(entry.date.clone()),
            or_dash(entry.images.map(|count| count.to_string())),
            or_dash(entry.extension.clone()),
        ];
        if is_asked {
            cells.push(whereabouts(entry).to_owned());
        }
        Row::Cells(cells)
    }
}

fn columns(is_asked: bool) -> Vec<Column> {
    let column = |title, align, spare| Column { title, align, spare };
    let mut columns = vec![
        column("  release", Align::Left, 0),
        column("date", Align::Left, 2),
        column("images", Align::Right, 0),
        column("extension", Align::Left, 1),
    ];
    if is_asked {
        columns.push(column("at the source", Align::Left, 0));
    }
    columns
}

fn whereabouts(entry: &Entry) -> &'static str {
    match (entry.known, entry.at_source) {
        (true, Some(true)) => "yes",
        (true, _) => "no",
        (false, _) => "yes, not in sealift's table",
    }
}

impl Entry {
    fn known(release: &Release, at_source: Option<bool>) -> Self {
        Self {
            tag: release.tag.to_string(),
            date: Some(release.date.clone()),
            images: release.images.as_ref().map(Vec::len),
            extension: release.helm_extension.clone(),
            known: true,
            at_source,
        }
    }

    fn unknown(tag: &Tag) -> Self {
        Self {
            tag: tag.to_string(),
            date: None,
            images: None,
            extension: None,
            known: false,
            at_source: Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_compared_with_the_table() {
        let there: Vec<Tag> = ["latest", "v1.46.0_2026-05-12", "v1.47.0_2026-09-08"]
            .iter()
            .map(|tag| tag.parse().unwrap())
            .collect();
        let listing = Listing::new(None, Some(&there));
        assert_eq!(listing.newest.as_deref(), Some("v1.47.0_2026-09-08"));
        let find = |tag: &str| listing.releases.iter().find(|entry| entry.tag == tag);
        assert_eq!(whereabouts(find("v1.46.0_2026-05-12").unwrap()), "yes");
        assert_eq!(whereabouts(find("v1.45.0_2026-04-14").unwrap()), "no");
        assert_eq!(whereabouts(find("v1.47.0_2026-09-08").unwrap()), "yes, not in sealift's table");
        assert!(find("latest").is_none(), "it names no release");
        assert_eq!(listing.releases.last().unwrap().tag, "v1.47.0_2026-09-08");
    }
}
