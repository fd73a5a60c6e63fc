//! Measures sealift beside what people use today, on the same images, between the same real registries, in
//! one run.
//!
//! Each tool copies a release of 15 images and over 1.2 GB from one `docker-registry` into an empty one; the
//! tools take turns, so that a busy machine hits all of them. What a tool costs is taken from the kernel, what
//! the registries were asked from their access logs. The table goes to standard output. With `--growth` it
//! measures how sealift's own costs grow with the number of images, with `--large` what one large blob costs,
//! with `--bundles` what bundles cost, with `--deltas` what the update of a month does, and with `--serve` what the
//! registry costs.

mod arguments;
mod bundles;
mod contenders;
mod deltas;
mod growth;
mod large;
mod measure;
mod serve;
mod table;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use arguments::{Arguments, Mode};
use clap::Parser as _;
use contenders::{Contender, Link};
use measure::Cost;
use world::World;

/// One row of the table: a tool, what lies before the source, and what its runs cost.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) link: Link,
    pub(crate) costs: Vec<Cost>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // The bench runs itself around each tool, so that the kernel's account holds that tool alone.
    if let Some((measure::MODE, command)) = given.split_first().map(|(mode, rest)| (mode.as_str(), rest)) {
        return measure::run_inner(command);
    }
    let arguments = Arguments::parse();
    finish(match arguments.mode() {
        Mode::Mirror => bench(&arguments).await,
        Mode::Bundles => bundles::bench(arguments.rounds, &arguments.step).await,
        Mode::Serve => serve::bench(arguments.rounds).await,
        Mode::Growth => growth::bench().await,
        Mode::Large => large::bench().await,
        Mode::Deltas => deltas::bench(&arguments.step).await,
    })
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

async fn bench(arguments: &Arguments) -> std::io::Result<String> {
    let world = World::new().await?;
    let row = |(contender, link)| Row { contender, link, costs: Vec::new() };
    let mut rows: Vec<Row> = arguments.rows().into_iter().map(row).collect();
    for _ in 0..arguments.rounds {
        for row in &mut rows {
            row.costs.push(world.measure(row.contender, row.link).await?);
        }
    }
    Ok(table::render(&world, &rows))
}
