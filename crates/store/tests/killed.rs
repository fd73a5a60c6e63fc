//! A process that writes to a directory store is killed at any moment: what it was told to be there is
//! there, whole, and nothing else can be seen.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use sealift_oci::{Digest, RepositoryName};
use sealift_store::conformance::fixture::{self, Image, tag};
use sealift_store::{DirectoryStore, PageRequest, Store};

const ROOT: &str = "SEALIFT_TEST_KILLED_ROOT";
const REPOSITORY: &str = "shared/app";

fn repository() -> RepositoryName {
    REPOSITORY.parse().unwrap()
}

fn image(number: usize) -> Image {
    fixture::image_of(&number.to_string(), &[fixture::noise(&number.to_string(), 200_000)])
}

/// The process that is killed: it prints the number of each image that it was told to be there.
#[tokio::test]
#[ignore = "runs as a child of the test below"]
async fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let store = DirectoryStore::open(root).unwrap();
    for number in 0.. {
        image(number).push(&store, &repository(), Some(&format!("v{number}"))).await;
        println!("\npushed {number}");
    }
}

/// Runs the child until it has told of `pushed` images and `wait` more, and returns the last one it told of.
fn run_and_kill(root: &Path, pushed: usize, wait: std::time::Duration) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut numbers = lines.filter_map(|line| line.strip_prefix("pushed ")?.parse::<usize>().ok());
    let seen = numbers.find(|number| *number >= pushed).unwrap();
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    numbers.last().unwrap_or(seen)
}

#[tokio::test]
async fn what_was_acknowledged_survives_and_nothing_else_is_seen() {
    for round in 0..8 {
        let root = tempfile::tempdir().unwrap();
        let wait = std::time::Duration::from_micros(round * 700);
        let last = run_and_kill(root.path(), 3, wait);
        let store = DirectoryStore::open(root.path()).unwrap();
        let source = store.source(&repository());
        let tags = source.tags(&PageRequest::first()).await.unwrap().items;
        // The kill may fall between the write and the telling of one image.
        assert!((last + 1..=last + 2).contains(&tags.len()), "{last} was told last, there are {tags:?}");
        for number in 0..tags.len() {
            let expected = image(number);
            let found = source.manifest(&tag(&format!("v{number}")).into()).await.unwrap();
            assert_eq!(found, expected.manifest);
            for blob in &expected.blobs {
                let body = source.open_blob(&Digest::sha256(blob), 0).await.unwrap();
                assert!(body.collect(blob.len()).await.unwrap() == blob);
            }
        }
        // Whoever comes next goes on, whatever was left behind.
        let next = image(tags.len());
        let blob = Digest::sha256(&next.blobs[1]);
        let size = source.stat_blob(&blob).await.ok();
        assert!(size.is_none_or(|size| size == 200_000), "half a blob is seen");
        next.push(&store, &repository(), Some("next")).await;
        assert_eq!(source.manifest(&tag("next").into()).await.unwrap(), next.manifest);
    }
}
