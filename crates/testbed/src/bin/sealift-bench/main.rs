//! Measures sealift beside what people use today, on the same images, between the same real registries, in
//! one run.
//!
//! Each tool copies a release of 15 images and over 1.2 GB from one `docker-registry` into an empty one; the
//! tools take turns, so that a busy machine hits all of them. What a tool costs is taken from the kernel, what
//! the registries were asked from their access logs. The table goes to standard output. With `--growth` it
//! measures how sealift's own costs grow with the number of images.

mod bundles;
mod contenders;
mod growth;
mod measure;
mod table;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use contenders::{Contender, Link};
use measure::Cost;
use world::World;

/// How often each tool runs; the table shows medians.
const ROUNDS: usize = 5;

/// One row of the table: a tool, what lies before the source, and what its runs cost.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) link: Link,
    pub(crate) costs: Vec<Cost>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        // The bench runs itself around each tool, so that the kernel's account holds that tool alone.
        Some((mode, command)) if mode == measure::MODE => measure::run_inner(command),
        _ if arguments.iter().any(|it| it == "--growth") => finish(growth::bench().await),
        _ if arguments.iter().any(|it| it == "--bundles") => finish(bundles::bench(rounds(&arguments)).await),
        _ => finish(bench(rounds(&arguments)).await),
    }
}

fn rounds(arguments: &[String]) -> usize {
    let given = arguments.iter().position(|it| it == "--rounds").and_then(|at| arguments.get(at + 1));
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

fn finish(result: std::io::Result<String>) -> ExitCode {
    match result {
        Ok(table) => {
            // A reader that has gone away is no failure of the bench.
            let _ = std::io::stdout().write_all(table.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sealift-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(rounds: usize) -> std::io::Result<String> {
    let world = World::new().await?;
    let rows = [Link::Loopback, Link::Wan].into_iter().flat_map(|link| {
        Contender::ALL.into_iter().map(move |contender| Row { contender, link, costs: Vec::new() })
    });
    let mut rows: Vec<Row> = rows.collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.costs.push(world.measure(row.contender, row.link).await?);
        }
    }
    Ok(table::render(&world, &rows))
}
