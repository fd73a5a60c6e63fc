//! Measures the ways over the gap: what it costs to pack a release, to check the bundle and to load it, beside what
//! plain tools need for the same bytes and what skopeo needs for the same images.
//!
//! Every step has a floor in its own round: `curl` and `sync` of the distinct blobs for packing, `sha256sum` for
//! checking, `curl` of the distinct blobs for loading. Only what is compared in one round was run on an equally busy
//! machine, so the ratios are those of rounds.

mod disk;
mod next;
mod steps;
mod table;
mod yard;

use std::io;

use steps::Step;
use yard::{Run, Yard};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    step: Step,
    runs: Vec<Run>,
}

/// Runs every step in every round and returns the table.
pub(crate) async fn bench(rounds: usize) -> io::Result<String> {
    let yard = Yard::new().await?;
    let mut rows: Vec<Row> = Step::all().map(|step| Row { step, runs: Vec::new() }).collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.runs.push(yard.run(row.step).await?);
        }
    }
    Ok(table::render(&yard, &rows))
}

impl Row {
    /// Returns the row that this one is held against.
    fn floor(&self, rows: &[Self]) -> usize {
        let is_floor = |row: &Self| row.step.is_floor() && row.step.part() == self.step.part();
        rows.iter().position(is_floor).unwrap_or_default()
    }
}
