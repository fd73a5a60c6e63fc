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

/// Runs every step that is wanted in every round and returns the table.
pub(crate) async fn bench(rounds: usize, wanted: &[String]) -> io::Result<String> {
    let yard = Yard::new().await?;
    let mut rows: Vec<Row> = chosen(wanted).map(|step| Row { step, runs: Vec::new() }).collect();
    let is_row = |step: &Step| rows.iter().any(|row| row.step == *step);
    for step in needed(&rows).into_iter().filter(|step| !is_row(step)) {
        yard.run(step).await?;
    }
    for _ in 0..rounds {
        for row in &mut rows {
            row.runs.push(yard.run(row.step).await?);
        }
    }
    Ok(table::render(&yard, &rows))
}

/// The steps of which some text names one, and the floors of their parts; all where nothing is named.
fn chosen(wanted: &[String]) -> impl Iterator<Item = Step> {
    let is_named =
        |step: &Step| wanted.is_empty() || wanted.iter().any(|text| step.name().contains(text.as_str()));
    let parts: Vec<_> = Step::all().filter(is_named).map(Step::part).collect();
    Step::all().filter(move |step| is_named(step) || (step.is_floor() && parts.contains(&step.part())))
}

/// The steps that others read the output of, each once and before those.
fn needed(rows: &[Row]) -> Vec<Step> {
    Step::all().filter(|step| rows.iter().any(|row| row.step.needs() == Some(*step))).collect()
}

impl Row {
    /// Returns the row that this one is held against.
    fn floor(&self, rows: &[Self]) -> usize {
        let is_floor = |row: &Self| row.step.is_floor() && row.step.part() == self.step.part();
        rows.iter().position(is_floor).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_named_by_a_part_of_their_names() {
        let all = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
            chosen(&wanted).map(Step::name).collect::<Vec<_>>()
        };
        assert_eq!(all(&[]).len(), Step::all().count());
        assert_eq!(
            all(&["pack, one file"]),
            ["curl and sync, 4 at a time (the floor)", "sealift pack, one file"]
        );
        assert_eq!(all(&["load, enc"]), ["curl, 4 at a time (the floor)", "sealift load, encrypted"]);
        assert_eq!(all(&["nothing"]), [""; 0]);
        let rows: Vec<Row> =
            chosen(&["sealift load".to_owned()]).map(|step| Row { step, runs: Vec::new() }).collect();
        assert_eq!(needed(&rows).len(), steps::Form::ALL.len());
    }
}
