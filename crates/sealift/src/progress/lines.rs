//! Progress for programs: one JSON object a line on stderr, `sealift.progress/1`. docs/PROGRESS.md explains it.

use std::time::Duration;

use schemars::JsonSchema;
use sealift_bundle::ListedDelta;
use serde::Serialize;

use super::board::{Phase, Snapshot};
use crate::output::json::ratio;

/// The version of these lines.
const SCHEMA: &str = "sealift.progress/1";

/// One line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Line {
    /// `sealift.progress/1`.
    schema: &'static str,
    #[serde(flatten)]
    what: What,
}

/// What a line tells.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum What {
    /// It is known what is to be done; nothing has moved yet.
    Start {
        /// How many images are to be brought.
        images: usize,
        /// How many distinct blobs they need.
        blobs: usize,
        /// How many bytes those have; what the target has already is not fetched.
        bytes: u64,
    },
    /// How far it is, about once a second.
    Progress(Progress),
    /// What becomes of an image.
    Image {
        /// Its repository and tag at the source.
        name: String,
        /// `ready`: all but its tag is there; later, or at once, `arrived`, `already-there`, `withheld` or `failed`.
        /// Of `verify`: `compared`.
        outcome: &'static str,
        /// The bytes that were fetched for it; not known before.
        bytes_moved: Option<u64>,
    },
    /// Something broke and is tried again.
    Retry {
        /// What broke.
        message: String,
        /// How long it waits first.
        wait_milliseconds: u64,
    },
    /// How a bundle carries a layer that is to come. What the target has already is told, too.
    Layer {
        /// Its digest.
        digest: String,
        /// Its bytes.
        bytes: u64,
        /// How many the bundle carries of it.
        bytes_carried: u64,
        /// The second as a part of the first, with four digits.
        ratio: f64,
        /// What its plain bytes are compressed with; null where it is carried as it is, or not compressed.
        encoder: Option<String>,
        /// The digests of what it builds on; empty where it is carried as it is.
        bases: Vec<String>,
        /// Why it is carried as it is, where it might have been a delta.
        reason: Option<String>,
    },
    /// What people would read.
    Message {
        /// `status`, `warning`, `error` or `note`, which belongs to the line before.
        level: &'static str,
        /// The text.
        text: String,
    },
    /// Nothing moves any more.
    End,
}

/// How far it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// `moving`, `comparing` or `reading`.
    phase: &'static str,
    /// Since the first byte could move.
    elapsed_milliseconds: u64,
    /// How many images there are, and how many have all they need.
    images: usize,
    images_done: usize,
    /// How many bytes are planned, at most; `null` where nobody knows.
    bytes_planned: Option<u64>,
    /// How many of them need no more work.
    bytes_done: u64,
    /// How many bytes came in.
    bytes_moved: u64,
    /// How fast, over the last seconds; `null` as long as that is not known.
    bytes_per_second: Option<u64>,
    /// How long the rest takes at that speed.
    seconds_left: Option<u64>,
    /// What is on its way.
    transfers: Vec<Transfer>,
}

/// One blob on its way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    /// The repository of the target that it is for.
    repository: String,
    /// The blob.
    digest: String,
    /// Its size in bytes.
    size: u64,
    /// How much of it has passed.
    position: u64,
    /// How fast, over the last seconds.
    bytes_per_second: Option<u64>,
    /// How long the rest takes at that speed.
    seconds_left: Option<u64>,
}

/// Writes a line, with its end.
pub(crate) fn line(what: What) -> String {
    // Plain fields with text keys can always be written.
    serde_json::to_string(&Line { schema: SCHEMA, what }).unwrap_or_default() + "\n"
}

/// Writes a time in whole milliseconds.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl What {
    /// Tells of a layer.
    pub(crate) fn layer(listed: &ListedDelta) -> Self {
        Self::Layer {
            digest: listed.digest.to_string(),
            bytes: listed.size,
            bytes_carried: listed.carried,
            ratio: ratio(listed),
            encoder: listed.encoder.clone(),
            bases: listed.bases.iter().map(ToString::to_string).collect(),
            reason: listed.why_whole.clone(),
        }
    }
}

impl Progress {
    pub(super) fn of(seen: &Snapshot) -> Self {
        let phase = match seen.phase {
            Phase::Moving => "moving",
            Phase::Comparing => "comparing",
            Phase::Reading => "reading",
        };
        let transfer = |row: &super::board::Row| Transfer {
            repository: row.repository.clone(),
            digest: row.digest.to_string(),
            size: row.size,
            position: row.position,
            bytes_per_second: row.per_second,
            seconds_left: row.left.map(|time| time.as_secs()),
        };
        Self {
            phase,
            elapsed_milliseconds: milliseconds(seen.elapsed),
            images: seen.images,
            images_done: seen.images_done,
            bytes_planned: (seen.planned > 0).then_some(seen.planned),
            bytes_done: seen.done,
            bytes_moved: seen.moved,
            bytes_per_second: seen.per_second,
            seconds_left: seen.left.map(|time| time.as_secs()),
            transfers: seen.rows.iter().map(transfer).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::tests::seen;

    #[test]
    fn every_line_is_one_object_with_its_version() {
        let texts = [
            What::Start { images: 1, blobs: 2, bytes: 3 },
            What::Progress(Progress::of(&seen(1))),
            What::Image { name: "a:v1".to_owned(), outcome: "ready", bytes_moved: None },
            What::Retry { message: "x\n\u{1b}[31m".to_owned(), wait_milliseconds: 5 },
            What::Message { level: "note", text: "y".to_owned() },
            What::End,
        ]
        .map(line);
        for text in &texts {
            assert!(text.starts_with("{\"schema\":\"sealift.progress/1\",\"type\":\""), "{text}");
            assert!(text.ends_with("}\n") && !text.trim_end().contains(['\n', '\x1b']), "{text}");
        }
        insta::assert_snapshot!(texts.concat(), @r#"
        {"schema":"sealift.progress/1","type":"start","images":1,"blobs":2,"bytes":3}
        {"schema":"sealift.progress/1","type":"progress","phase":"moving","elapsedMilliseconds":42000,"images":54,"imagesDone":12,"bytesPlanned":4560000000,"bytesDone":1300000000,"bytesMoved":1230000000,"bytesPerSecond":45100000,"secondsLeft":72,"transfers":[{"repository":"site/arcdata/arc-sqlmi","digest":"sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9","size":100000000,"position":0,"bytesPerSecond":null,"secondsLeft":null}]}
        {"schema":"sealift.progress/1","type":"image","name":"a:v1","outcome":"ready","bytesMoved":null}
        {"schema":"sealift.progress/1","type":"retry","message":"x\n\u001b[31m","waitMilliseconds":5}
        {"schema":"sealift.progress/1","type":"message","level":"note","text":"y"}
        {"schema":"sealift.progress/1","type":"end"}
        "#);
    }

    /// `UPDATE_SNAPSHOTS=1` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/progress.schema.json");
        let current = crate::output::json::text(&schemars::schema_for!(Line));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == current, "docs/progress.schema.json is old; UPDATE_SNAPSHOTS=1 cargo test");
    }
}
