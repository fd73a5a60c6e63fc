//! The table: medians, and how far the runs lie apart.

use std::fmt::Write as _;

use crate::Row;
use crate::contenders::{Contender, Link};
use crate::measure::Cost;
use crate::world::World;

const MB: f64 = 1e6;

pub(crate) fn render(world: &World, rows: &[Row]) -> String {
    let set = &world.set;
    let each: u64 = set.images().iter().flat_map(|image| image.blobs()).map(|blob| blob.size).sum();
    let mut table = format!(
        "{} images, {} distinct blobs, {:.0} MB distinct, {:.0} MB if each image is taken alone; {} runs each. \
         WAN: {} ms each way, {:.0} Mbit/s before the source; the link alone needs {:.1} s.\n\n",
        set.images().len(),
        set.blobs().len(),
        set.size() as f64 / MB,
        each as f64 / MB,
        rows.first().map_or(0, |row| row.costs.len()),
        Link::WAN_DELAY.as_millis(),
        Link::WAN_RATE as f64 * 8.0 / MB,
        set.size() as f64 / Link::WAN_RATE as f64,
    );
    table += "| link | tool | wall s (median, min–max) | × floor | CPU s | peak memory MB | requests source / target | source MB |\n";
    table += "|---|---|---|---|---|---|---|---|\n";
    for row in rows {
        let floor = rows.iter().find(|it| it.link == row.link && it.contender == Contender::Curl);
        line(&mut table, row, floor.map_or(&[], |floor| &floor.costs));
    }
    table
}

fn line(table: &mut String, row: &Row, floor: &[Cost]) {
    let (costs, wall) = (&row.costs, |cost: &Cost| cost.wall.as_secs_f64());
    let last = costs.last().cloned().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "| {} | {} | {:.2} ({:.2}–{:.2}) | {:.2} | {:.2} | {:.1} | {} / {} | {:.1} |",
        row.link.name(),
        row.contender.name(),
        median(costs, wall),
        costs.iter().map(wall).fold(f64::INFINITY, f64::min),
        costs.iter().map(wall).fold(0.0, f64::max),
        pairs(costs, floor),
        median(costs, |cost| cost.cpu.as_secs_f64()),
        costs.iter().map(|cost| cost.memory).max().unwrap_or_default() as f64 / MB,
        last.source_requests,
        last.target_requests,
        last.source_bytes as f64 / MB,
    );
}

/// The median of the ratios to the floor of the same round: the machine was equally busy for both.
fn pairs(costs: &[Cost], floor: &[Cost]) -> f64 {
    let ratio = |(cost, floor): (&Cost, &Cost)| cost.wall.as_secs_f64() / floor.wall.as_secs_f64();
    middle(costs.iter().zip(floor).map(ratio).collect())
}

fn median(costs: &[Cost], value: impl Fn(&Cost) -> f64) -> f64 {
    middle(costs.iter().map(value).collect())
}

pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
