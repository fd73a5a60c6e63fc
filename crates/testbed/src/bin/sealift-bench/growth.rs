//! How time, requests and memory grow with the number of images: many small ones, with many tags each.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use sealift_oci::Platform;
use sealift_testbed::docker_registry::DockerRegistry;
use sealift_testbed::images::{ImagePlan, ImageSet, PlatformPlan, SetPlan, Style, cache_directory};
use sealift_testbed::pushing::seed_image;

use crate::contenders::mirror;
use crate::measure::{Cost, measure};
use crate::world::{settled, start};

/// How many images each step has.
const STEPS: [usize; 3] = [10, 100, 1000];
/// How many tags each image has.
const TAGS: usize = 20;
/// The size of a layer in bytes, before whatever gzip makes of it.
const LAYER: u64 = 4096;

/// Runs every step and returns the table.
pub(crate) async fn bench() -> io::Result<String> {
    let mut table = format!(
        "Small images with {TAGS} tags each; each tag is one line of `--images-file`.\n\n\
         | images × tags | run | wall s | CPU s | peak memory MB | requests source / target | a tag |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for images in STEPS {
        let (first, again) = step(images).await?;
        row(&mut table, images, "first", &first);
        row(&mut table, images, "nothing to do", &again);
    }
    Ok(table)
}

async fn step(images: usize) -> io::Result<(Cost, Cost)> {
    let cache = cache_directory();
    let set = plan(images).cached(&cache)?;
    let directory = tempfile::tempdir_in(&cache)?;
    let storage = directory.path().join("source");
    seed(&storage, &set)?;
    let source = start(storage).await?;
    let target = start(directory.path().join("target")).await?;
    let list = directory.path().join("images");
    std::fs::write(&list, lines(&set, &source))?;
    let command = command(&list, &source, &target);
    let first = run(&command, &source, &target).await?;
    let mut again = run(&command, &source, &target).await?;
    again.source_requests -= first.source_requests;
    again.target_requests -= first.target_requests;
    Ok((first, again))
}

fn plan(images: usize) -> SetPlan {
    let image = |number: usize| ImagePlan {
        name: format!("small-{number}"),
        tag: "t0".to_owned(),
        style: Style::Oci,
        platforms: vec![PlatformPlan { platform: Platform::new("linux", "amd64"), layers: vec![number] }],
    };
    SetPlan {
        name: format!("growth-{images}"),
        version: 1,
        level: 1,
        layers: vec![LAYER; images],
        images: (0..images).map(image).collect(),
    }
}

fn seed(storage: &Path, set: &ImageSet) -> io::Result<()> {
    for image in set.images() {
        for tag in 0..TAGS {
            let tagged = sealift_testbed::images::Image { tag: format!("t{tag}"), ..image.clone() };
            seed_image(storage, &format!("growth/{}", image.name), set, &tagged)?;
        }
    }
    Ok(())
}

fn lines(set: &ImageSet, source: &DockerRegistry) -> String {
    let mut lines = String::new();
    for image in set.images() {
        for tag in 0..TAGS {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{}/growth/{}:t{tag}", source.address(), image.name);
        }
    }
    lines
}

fn command(list: &Path, source: &DockerRegistry, target: &DockerRegistry) -> Vec<String> {
    let (from, to, list) =
        (source.address().to_string(), target.address().to_string(), list.display().to_string());
    let wanted = ["--images-file", &list, "--plain-http", &from, "--quiet", "--output", "json"];
    mirror(&to, &wanted)
}

pub(crate) async fn run(
    command: &[String],
    source: &DockerRegistry,
    target: &DockerRegistry,
) -> io::Result<Cost> {
    let mut cost = measure(command).await?;
    cost.source_requests = settled(source).await?.len();
    cost.target_requests = settled(target).await?.len();
    Ok(cost)
}

fn row(table: &mut String, images: usize, run: &str, cost: &Cost) {
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let tags = (images * TAGS) as f64;
    let requests = cost.source_requests + cost.target_requests;
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "| {images} × {TAGS} | {run} | {:.2} | {:.2} | {:.1} | {} / {} | {:.2} ms, {:.2} requests |",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
        cost.memory as f64 / 1e6,
        cost.source_requests,
        cost.target_requests,
        cost.wall.as_secs_f64() * 1e3 / tags,
        requests as f64 / tags,
    );
}
