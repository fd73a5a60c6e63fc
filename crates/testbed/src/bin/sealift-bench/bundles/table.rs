//! The table: medians, how far the runs lie apart, and each row beside its floor.

use std::fmt::Write as _;

use super::Row;
use super::steps::{Part, Step};
use super::yard::{Run, Yard};
use crate::table::middle;

const MB: f64 = 1e6;

pub(crate) fn render(yard: &Yard, rows: &[Row]) -> String {
    let set = &yard.set;
    let mut table = format!(
        "{} images, {} distinct blobs, {:.1} MB distinct; {} runs each, in turns. In the next release {:.1} MB are new.\n\n",
        set.images().len(),
        set.blobs().len(),
        set.size() as f64 / MB,
        rows.first().map_or(0, |row| row.runs.len()),
        yard.next.bytes() as f64 / MB,
    );
    table += "| step | wall s (median, min–max) | × floor | CPU s | peak memory MB | files MB | disk at the peak / files | source MB |\n";
    table += "|---|---|---|---|---|---|---|---|\n";
    for row in rows {
        line(&mut table, row, &rows[row.floor(rows)]);
    }
    table
}

fn line(table: &mut String, row: &Row, floor: &Row) {
    let (runs, wall) = (&row.runs, |run: &Run| run.cost.wall.as_secs_f64());
    let size = median(runs, |run| run.size as f64);
    let is_pack = row.step.part() == Part::Pack;
    let or_none = |is_told: bool, value: String| if is_told { value } else { "–".to_owned() };
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "| {} | {:.2} ({:.2}–{:.2}) | {} | {:.2} | {:.1} | {:.1} | {} | {} |",
        row.step.name(),
        median(runs, wall),
        runs.iter().map(wall).fold(f64::INFINITY, f64::min),
        runs.iter().map(wall).fold(0.0, f64::max),
        or_none(row.step != Step::PackNext, format!("{:.2}", ratio(row, floor))),
        median(runs, |run| run.cost.cpu.as_secs_f64()),
        runs.iter().map(|run| run.cost.memory).max().unwrap_or_default() as f64 / MB,
        size / MB,
        or_none(
            is_pack,
            format!("{:.3}", runs.iter().map(|run| run.peak).max().unwrap_or_default() as f64 / size)
        ),
        or_none(is_pack, format!("{:.1}", median(runs, |run| run.cost.source_bytes as f64) / MB)),
    );
}

/// The median of the ratios to the floor of the same round: the machine was equally busy for both.
fn ratio(row: &Row, floor: &Row) -> f64 {
    let ratio = |(one, floor): (&Run, &Run)| one.cost.wall.as_secs_f64() / floor.cost.wall.as_secs_f64();
    middle(row.runs.iter().zip(&floor.runs).map(ratio).collect())
}

fn median(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    middle(runs.iter().map(value).collect())
}
