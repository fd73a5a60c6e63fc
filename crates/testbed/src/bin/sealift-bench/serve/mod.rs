//! Measures the registry beside Debian's `docker-registry`, in one run: pulls of a large blob by few and by many
//! clients, manifests, pushes of a release, memory, and how long a start takes.
//!
//! The processor time is the server's alone, by the kernel's account; the clients run beside it on the same machine,
//! so the wall time is that of both.

mod process;
mod rows;
mod wire;
mod yard;

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use process::{Sealift, Server, Spent};
use rows::Table;
use sealift_testbed::images::Image;
use wire::{Client, at_once};
use yard::Yard;

/// How many clients pull, and how often each.
const PULLS: [(usize, usize); 3] = [(1, 8), (16, 1), (64, 1)];
/// How many clients ask for manifests, and how often each.
const ASKING: (usize, usize) = (4, 2500);
/// How many clients push at once.
const PUSHING: usize = 4;
/// How many repositories there are at a start, and how many tags each has.
const REPOSITORIES: usize = 100;
const TAGS: usize = 100;
/// How many tags one request sets.
const TAGS_AT_ONCE: usize = 10;

/// Measures everything as often as asked for, and returns the table.
pub(crate) async fn bench(rounds: usize) -> io::Result<String> {
    let yard = Yard::new().await?;
    let mut table = Table::default();
    for _ in 0..rounds {
        pulls(&yard, &mut table).await?;
        manifests(&yard, &mut table).await?;
        pushes(&yard, &mut table).await?;
    }
    starts(&yard, &mut table, rounds)?;
    Ok(table.render())
}

/// The places that are pulled from, `docker-registry` first.
async fn places(yard: &Yard) -> io::Result<[(&'static str, Server); 4]> {
    let identity = yard.text("identity");
    Ok([
        ("docker-registry", Server::docker(&yard.path("docker")).await?),
        ("sealift, directory", Server::sealift(&[&yard.text("directory")])?),
        ("sealift, bundle", Server::sealift(&["--read-only", &yard.text("plain")])?),
        (
            "sealift, encrypted bundle",
            Server::sealift(&["--read-only", &yard.text("sealed"), "--identity", &identity])?,
        ),
    ])
}

async fn pulls(yard: &Yard, table: &mut Table) -> io::Result<()> {
    let places = places(yard).await?;
    for (name, server) in &places {
        table.memory("idle", name, server.memory("VmRSS")?);
        // Files that nobody has read lately would be the disk's time, and not the server's.
        at_once(1, server.address(), |_, client| client.get(&yard.blob))?;
    }
    for (clients, times) in PULLS {
        for (name, server) in &places {
            let pull = |_, client: &mut Client| (0..times).map(|_| client.get(&yard.blob)).sum();
            let spent = server.spend(|address| at_once(clients, address, pull))?;
            table.pull(clients, name, spent);
        }
    }
    for (name, server) in &places {
        table.memory("most", name, server.memory("VmHWM")?);
    }
    Ok(())
}

async fn manifests(yard: &Yard, table: &mut Table) -> io::Result<()> {
    let (clients, times) = ASKING;
    for (name, server) in &places(yard).await? {
        let ask = |_, client: &mut Client| {
            (0..times).try_for_each(|_| client.get(&yard.manifest).map(drop)).map(|()| times as u64)
        };
        table.manifests(name, server.spend(|address| at_once(clients, address, ask))?);
    }
    Ok(())
}

async fn pushes(yard: &Yard, table: &mut Table) -> io::Result<()> {
    let docker = Server::docker(&yard.empty("docker-target")?).await?;
    table.push("docker-registry", docker.spend(|address| push(yard, address))?);
    drop(docker);
    let directory = yard.empty("sealift-target")?.display().to_string();
    let serving = Server::sealift(&[&directory])?;
    table.push("sealift, directory", serving.spend(|address| push(yard, address))?);
    Ok(())
}

/// Pushes the release: every client takes the next image that nobody has taken.
fn push(yard: &Yard, address: SocketAddr) -> io::Result<u64> {
    let images = std::sync::Mutex::new(yard.release.images().iter());
    let next = || images.lock().ok().and_then(|mut images| images.next());
    at_once(PUSHING, address, |_, client| {
        let mut size = 0;
        while let Some(image) = next() {
            size += push_image(yard, client, image)?;
        }
        Ok(size)
    })
}

fn push_image(yard: &Yard, client: &mut Client, image: &Image) -> io::Result<u64> {
    let repository = format!("site/{}", image.name);
    let mut size = 0;
    for blob in image.blobs() {
        let mut file = File::open(yard.release.path(&blob.digest))?;
        client.push_blob(&repository, &blob.digest.to_string(), &mut file)?;
        size += blob.size;
    }
    for manifest in image.manifests() {
        let is_root = manifest.digest() == image.manifest.digest();
        let reference = if is_root { image.tag.clone() } else { manifest.digest().to_string() };
        client.push_manifest(&repository, &reference, &manifest.descriptor.media_type, &manifest.bytes)?;
    }
    Ok(size)
}

fn starts(yard: &Yard, table: &mut Table, rounds: usize) -> io::Result<()> {
    let directory = yard.empty("tags")?.display().to_string();
    let filling = Server::sealift(&[&directory])?;
    at_once(PUSHING, filling.address(), |number, client| {
        (number..REPOSITORIES).step_by(PUSHING).try_for_each(|repository| tag(client, repository)).map(|()| 0)
    })?;
    drop(filling);
    for _ in 0..rounds {
        table.start(REPOSITORIES * TAGS, Sealift::start(&[&directory])?.starting);
    }
    Ok(())
}

/// Gives an image of its own to a repository, with all its tags.
fn tag(client: &mut Client, repository: usize) -> io::Result<()> {
    let kind = "application/vnd.oci.image.index.v1+json";
    let bytes = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"manifests\":[],\"annotations\":{{\"n\":\"{repository}\"}}}}"
    );
    let digest = sealift_oci::Digest::sha256(bytes.as_bytes());
    for first in (0..TAGS).step_by(TAGS_AT_ONCE) {
        let tags: Vec<String> = (first..first + TAGS_AT_ONCE).map(|tag| format!("tag=v{tag}")).collect();
        let reference = format!("{digest}?{}", tags.join("&"));
        client.push_manifest(&format!("many/r{repository}"), &reference, kind, bytes.as_bytes())?;
    }
    Ok(())
}
