//! The table: medians, and how far the runs lie apart.

use std::fmt::Write as _;

use crate::contenders::Contender;
use crate::measure::Cost;
use crate::world::World;

const MB: f64 = 1e6;

pub(crate) fn render(world: &World, costs: &[(Contender, Vec<Cost>)]) -> String {
    let set = &world.set;
    let each: u64 = set.images().iter().flat_map(|image| image.blobs()).map(|blob| blob.size).sum();
    let mut table = format!(
        "{} images, {} distinct blobs, {:.0} MB distinct, {:.0} MB if each image is taken alone; {} runs each\n\n",
        set.images().len(),
        set.blobs().len(),
        set.size() as f64 / MB,
        each as f64 / MB,
        costs.first().map_or(0, |(_, costs)| costs.len()),
    );
    table += "| tool | wall s (median, min–max) | CPU s | peak memory MB | requests source / target | source MB |\n";
    table += "|---|---|---|---|---|---|\n";
    for (contender, costs) in costs {
        row(&mut table, *contender, costs);
    }
    table
}

fn row(table: &mut String, contender: Contender, costs: &[Cost]) {
    let wall = |cost: &Cost| cost.wall.as_secs_f64();
    let last = costs.last().cloned().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "| {} | {:.2} ({:.2}–{:.2}) | {:.2} | {:.1} | {} / {} | {:.1} |",
        contender.name(),
        median(costs, wall),
        costs.iter().map(wall).fold(f64::INFINITY, f64::min),
        costs.iter().map(wall).fold(0.0, f64::max),
        median(costs, |cost| cost.cpu.as_secs_f64()),
        costs.iter().map(|cost| cost.memory).max().unwrap_or_default() as f64 / MB,
        last.source_requests,
        last.target_requests,
        last.source_bytes as f64 / MB,
    );
}

fn median(costs: &[Cost], value: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
