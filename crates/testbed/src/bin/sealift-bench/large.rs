//! What one very large blob costs: its bytes are not to show in the memory. And how well a whole release keeps to
//! `--bandwidth`.

use std::io;

use sealift_testbed::images::{ReleaseOptions, Size, cache_directory, release_set, sparse_set};
use sealift_testbed::pushing::seed_docker_registry;

use crate::contenders::{Ends, mirror, sealift};
use crate::growth::run;
use crate::world::start;

/// The size of the blob in bytes.
const SIZE: u64 = 5_000_000_000;
/// The bandwidth in MB/s: half of what registries on this disk take, so that it alone decides.
const BANDWIDTH: f64 = 100.0;

/// Measures both.
pub(crate) async fn bench() -> io::Result<String> {
    Ok(one_blob().await? + &paced().await?)
}

/// Mirrors the release at a given bandwidth, and returns which it had, questions and tags included.
async fn paced() -> io::Result<String> {
    let cache = cache_directory();
    let set = release_set(&ReleaseOptions::new(Size::Bench), &cache)?;
    let directory = tempfile::tempdir_in(&cache)?;
    let storage = directory.path().join("source");
    seed_docker_registry(&storage, "arcdata", &set)?;
    let source = start(storage).await?;
    let target = start(directory.path().join("target")).await?;
    let mut command =
        sealift(&Ends { source: source.address().to_string(), target: target.address().to_string() });
    command.extend(["--quiet".to_owned(), "--bandwidth".to_owned(), format!("{BANDWIDTH}MB/s")]);
    let wall = run(&command, &source, &target).await?.wall.as_secs_f64();
    let reached = set.size() as f64 / 1e6 / wall;
    let part = 100.0 * reached / BANDWIDTH;
    Ok(format!(
        "--bandwidth {BANDWIDTH}MB/s: {wall:.2} s, {reached:.1} MB/s, {part:.1} % of what was allowed\n"
    ))
}

/// Mirrors one image with one such layer, and returns what it cost.
async fn one_blob() -> io::Result<String> {
    let cache = cache_directory();
    let set = sparse_set(SIZE, &cache)?;
    let directory = tempfile::tempdir_in(&cache)?;
    let storage = directory.path().join("source");
    seed_docker_registry(&storage, "large", &set)?;
    let source = start(storage).await?;
    let target = start(directory.path().join("target")).await?;
    let list = directory.path().join("images");
    let from = source.address().to_string();
    std::fs::write(&list, format!("{from}/large/large:v1\n"))?;
    let wanted = ["--images-file", &list.display().to_string(), "--plain-http", &from, "--quiet"];
    let cost = run(&mirror(&target.address().to_string(), &wanted), &source, &target).await?;
    Ok(format!(
        "One blob of {SIZE} bytes: {:.2} s, CPU {:.2} s, peak memory {:.1} MB, requests {} / {}\n",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
        cost.memory as f64 / 1e6,
        cost.source_requests,
        cost.target_requests,
    ))
}
