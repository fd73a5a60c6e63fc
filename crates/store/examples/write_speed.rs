//! Measures how fast the directory store takes one blob: `cargo run --release --example write_speed -- DIR`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Algorithm, Digest, Hasher};
use sealift_store::{BlobBody, DirectoryStore, Store};

const SIZE: usize = 1 << 30;

#[tokio::main]
async fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let root = std::path::Path::new(&parent).join(format!("write-speed-{}", std::process::id()));
    let store = DirectoryStore::create(&root).unwrap();
    for piece_size in [16 << 10, 64 << 10, 256 << 10] {
        let piece = Bytes::from((0..piece_size).map(|i| (i * 7 % 251) as u8).collect::<Vec<u8>>());
        let count = SIZE / piece_size;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let start = Instant::now();
        (0..count).for_each(|_| hasher.update(&piece));
        let (digest, hashing): (Digest, _) = (hasher.finish(), start.elapsed());
        let target = store.target(&"speed".parse().unwrap()).unwrap();
        let start = Instant::now();
        let mut upload = target.begin_upload(None).await.unwrap();
        let pieces = stream::iter((0..count).map(move |_| Ok(piece.clone())));
        upload.append(BlobBody::from_stream(None, pieces.boxed())).await.unwrap();
        let appended = start.elapsed();
        upload.finish(&digest).await.unwrap();
        let speed = |time: std::time::Duration| SIZE as f64 / 1e9 / time.as_secs_f64();
        println!(
            "pieces of {} KiB: hash alone {:.2} GB/s, append {:.2} GB/s, with fsync {:.2} GB/s",
            piece_size >> 10,
            speed(hashing),
            speed(appended),
            speed(start.elapsed()),
        );
        let start = Instant::now();
        std::fs::remove_dir_all(root.join("speed")).unwrap();
        println!("(removed in {:?})", start.elapsed());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    std::fs::remove_dir_all(root).unwrap();
}
