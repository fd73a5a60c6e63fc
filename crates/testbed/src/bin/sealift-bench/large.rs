//! What one very large blob costs: its bytes are not to show in the memory.

use std::io;

use sealift_testbed::images::{cache_directory, sparse_set};
use sealift_testbed::pushing::seed_docker_registry;

use crate::contenders::mirror;
use crate::growth::run;
use crate::world::start;

/// The size of the blob in bytes.
const SIZE: u64 = 5_000_000_000;

/// Mirrors one image with one such layer, and returns what it cost.
pub(crate) async fn bench() -> io::Result<String> {
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
