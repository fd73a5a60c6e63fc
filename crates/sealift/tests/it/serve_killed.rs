//! A registry that is killed in the middle of random requests, and started again: what was acknowledged is
//! there, whole; what was not is either whole or not there; what was deleted stays away. Blobs come whole, in chunks and by
//! mounts, manifests by tags and digests of both algorithms, some attached to others; `sealift gc` runs beside it, and
//! between two lives everything that nothing leads to is swept. An ordinary run does a few of the thousand operations,
//! `SEALIFT_SOAK=1` does all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sealift_oci::{Algorithm, Digest};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Depth, DirectoryStore, Wish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::serve::Registry;
use crate::site::sealift;

const SAMPLE: u64 = 60;
const SOAK: u64 = 1_000;
const WORKERS: usize = 4;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No request takes longer, whatever becomes of the other end.
const LIMIT: Duration = Duration::from_secs(60);

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        let drawn = Digest::sha256(&self.0.to_le_bytes());
        usize::from(u16::from_le_bytes([drawn.hash()[0], drawn.hash()[1]])) % bound
    }
}

/// An answer that came whole.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Asks; nothing comes where the registry was killed before it had answered.
async fn ask(address: &str, method: &str, target: &str, body: &[u8]) -> Option<Answer> {
    ask_with(address, method, target, "", body).await
}

/// Asks with further header lines.
async fn ask_with(address: &str, method: &str, target: &str, lines: &str, body: &[u8]) -> Option<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await.ok()?;
        Some(raw)
    };
    let raw = tokio::time::timeout(LIMIT, exchange).await.expect("it hangs")?;
    let end = raw.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let length = header(&head, "content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let body = raw[end + 4..].to_vec();
    // An answer that was cut is none.
    (method == "HEAD" || body.len() == length).then(|| Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body,
    })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn long_digest(image: &Image) -> Digest {
    Digest::of(Algorithm::Sha512, &image.manifest.bytes)
}

/// Sweeps beside the registry, as who keeps it does.
async fn sweep_beside(path: String) {
    let swept = sealift(&["gc", &path, "--grace", "10m"], &[], None).await;
    assert_eq!(swept.code, Some(0), "{swept:?}");
}

/// Sweeps what nothing leads to, however young it is.
async fn sweep_all(store: &DirectoryStore) {
    let (grace, upload_lifetime) = (DAY, 7 * DAY);
    let wish = Wish {
        grace,
        untagged: false,
        upload_lifetime,
        is_dry_run: false,
        now: SystemTime::now() + 30 * DAY,
    };
    assert_eq!(store.sweep(wish).await.unwrap().skipped, []);
}

/// Who writes to one repository, and knows what must be in it.
struct Worker {
    name: String,
    dice: Dice,
    pushed: usize,
    /// What each tag points at; several where nobody knows which, because the registry was killed.
    tags: BTreeMap<String, BTreeSet<Option<usize>>>,
    /// The images that are there for certain, and those that were deleted.
    images: BTreeSet<usize>,
    deleted: BTreeSet<usize>,
    /// Those that are in the repository beside this one, too, for certain; that are there by their other digest; and that
    /// have an artifact attached.
    copied: BTreeSet<usize>,
    renamed: BTreeSet<usize>,
    attached: BTreeSet<usize>,
    /// Content that must never be seen.
    never: Vec<Digest>,
}

impl Worker {
    fn new(number: usize) -> Self {
        Self {
            name: format!("team/w{number}"),
            dice: Dice(1_000_000 * number as u64),
            pushed: 0,
            tags: BTreeMap::new(),
            images: BTreeSet::new(),
            deleted: BTreeSet::new(),
            copied: BTreeSet::new(),
            renamed: BTreeSet::new(),
            attached: BTreeSet::new(),
            never: Vec::new(),
        }
    }

    fn image(&self, number: usize) -> Image {
        let seed = format!("{} {number}", self.name);
        fixture::image_of(&seed, &[fixture::noise(&seed, 50_000), fixture::noise(&self.name, 9_000)])
    }

    /// Does operations until the registry is gone, and counts those that were acknowledged.
    async fn work(mut self, address: Arc<str>, count: Arc<AtomicU64>) -> Self {
        while self.operate(&address).await.is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
        self
    }

    async fn operate(&mut self, address: &str) -> Option<()> {
        let tag = format!("t{}", self.dice.below(4));
        match self.dice.below(16) {
            0..7 => self.push(address, tag).await,
            7 => self.leave_upload(address).await,
            8 => self.untag(address, tag).await,
            9 => self.delete(address).await,
            10 | 11 => self.copy(address).await,
            12 => self.rename(address).await,
            13 | 14 => self.attach(address).await,
            _ => self.push_wrong(address).await,
        }
    }

    /// Some image that is there for certain.
    fn any(&mut self) -> Option<(usize, Image)> {
        let images: Vec<usize> = self.images.iter().copied().collect();
        let number = *images.get(self.dice.below(images.len().max(1)))?;
        Some((number, self.image(number)))
    }

    /// Mounts an image into another repository.
    async fn copy(&mut self, address: &str) -> Option<()> {
        let Some((number, image)) = self.any() else { return Some(()) };
        for blob in &image.blobs {
            let query = format!("mount={}&from={}", Digest::sha256(blob), self.name);
            let target = format!("/v2/{}/copy/blobs/uploads/?{query}", self.name);
            assert_eq!(ask(address, "POST", &target, b"").await?.status, 201);
        }
        let target = format!("/v2/{}/copy/manifests/{}", self.name, image.digest());
        assert_eq!(ask(address, "PUT", &target, &image.manifest.bytes).await?.status, 201);
        self.copied.insert(number);
        Some(())
    }

    /// Names an image by the other algorithm, too.
    async fn rename(&mut self, address: &str) -> Option<()> {
        let Some((number, image)) = self.any() else { return Some(()) };
        let target = format!("/v2/{}/manifests/{}", self.name, long_digest(&image));
        assert_eq!(ask(address, "PUT", &target, &image.manifest.bytes).await?.status, 201);
        self.renamed.insert(number);
        Some(())
    }

    fn artifact(&self, number: usize) -> Image {
        fixture::artifact(&format!("{} {number}", self.name), &self.image(number).manifest, "application/x")
    }

    /// Attaches something to an image.
    async fn attach(&mut self, address: &str) -> Option<()> {
        let Some((number, _)) = self.any() else { return Some(()) };
        let artifact = self.artifact(number);
        for blob in &artifact.blobs {
            assert_eq!(self.push_blob(address, blob, Digest::sha256(blob)).await?, 201);
        }
        let target = format!("/v2/{}/manifests/{}", self.name, artifact.digest());
        assert_eq!(ask(address, "PUT", &target, &artifact.manifest.bytes).await?.status, 201);
        self.attached.insert(number);
        Some(())
    }

    async fn push_blob(&self, address: &str, content: &Bytes, digest: Digest) -> Option<u16> {
        let begun = ask(address, "POST", &format!("/v2/{}/blobs/uploads/", self.name), b"").await?;
        let location = header(&begun.head, "location").unwrap().to_owned();
        Some(ask(address, "PUT", &format!("{location}?digest={digest}"), content).await?.status)
    }

    /// Pushes a blob in three chunks, of which one is tried in the wrong place before.
    async fn push_chunks(&self, address: &str, content: &Bytes, digest: Digest) -> Option<u16> {
        let begun = ask(address, "POST", &format!("/v2/{}/blobs/uploads/", self.name), b"").await?;
        let location = header(&begun.head, "location").unwrap().to_owned();
        let size = content.len().div_ceil(3);
        for (number, chunk) in content.chunks(size).enumerate() {
            for (first, status) in [((number + 1) * size, 416), (number * size, 202)] {
                let range = format!("Content-Range: {first}-{}\r\n", first + chunk.len() - 1);
                assert_eq!(ask_with(address, "PATCH", &location, &range, chunk).await?.status, status);
            }
        }
        Some(ask(address, "PUT", &format!("{location}?digest={digest}"), b"").await?.status)
    }

    async fn push(&mut self, address: &str, tag: String) -> Option<()> {
        let (number, image) = (self.pushed, self.image(self.pushed));
        self.pushed += 1;
        let in_chunks = self.dice.below(3) == 0;
        for blob in &image.blobs {
            let digest = Digest::sha256(blob);
            let status = match in_chunks {
                true => self.push_chunks(address, blob, digest).await?,
                false => self.push_blob(address, blob, digest).await?,
            };
            assert_eq!(status, 201);
        }
        let target = format!("/v2/{}/manifests/{tag}", self.name);
        let held = self.tags.entry(tag.clone()).or_insert_with(|| BTreeSet::from([None]));
        held.insert(Some(number));
        let put = ask(address, "PUT", &target, &image.manifest.bytes).await?;
        assert_eq!(put.status, 201, "{}", put.head);
        self.tags.insert(tag, BTreeSet::from([Some(number)]));
        self.images.insert(number);
        Some(())
    }

    async fn leave_upload(&mut self, address: &str) -> Option<()> {
        let content = fixture::noise(&format!("{} unfinished {}", self.name, self.dice.0), 30_000);
        self.never.push(Digest::sha256(&content));
        let begun = ask(address, "POST", &format!("/v2/{}/blobs/uploads/", self.name), b"").await?;
        let location = header(&begun.head, "location").unwrap().to_owned();
        assert_eq!(ask(address, "PATCH", &location, &content).await?.status, 202);
        Some(())
    }

    async fn push_wrong(&mut self, address: &str) -> Option<()> {
        let content = fixture::noise(&format!("{} wrong {}", self.name, self.dice.0), 3_000);
        let claimed = Digest::sha256(b"something else");
        self.never.extend([Digest::sha256(&content), claimed]);
        assert_eq!(self.push_blob(address, &content, claimed).await?, 400);
        Some(())
    }

    async fn untag(&mut self, address: &str, tag: String) -> Option<()> {
        let Some(held) = self.tags.get_mut(&tag) else { return Some(()) };
        held.insert(None);
        let target = format!("/v2/{}/manifests/{tag}", self.name);
        let status = ask(address, "DELETE", &target, b"").await?.status;
        assert!(status == 202 || status == 404, "{status}");
        self.tags.insert(tag, BTreeSet::from([None]));
        Some(())
    }

    async fn delete(&mut self, address: &str) -> Option<()> {
        let Some(number) = self.images.first().copied() else { return Some(()) };
        self.images.remove(&number);
        for held in self.tags.values_mut().filter(|held| held.contains(&Some(number))) {
            held.insert(None);
        }
        let target = format!("/v2/{}/manifests/{}", self.name, self.image(number).digest());
        assert_eq!(ask(address, "DELETE", &target, b"").await?.status, 202);
        self.deleted.insert(number);
        for held in self.tags.values_mut() {
            held.remove(&Some(number));
        }
        Some(())
    }

    /// Asks the registry, which was started again, for everything.
    async fn check(&mut self, address: &str) {
        let get = |target: String| async move { ask(address, "GET", &target, b"").await.unwrap() };
        for (tag, held) in self.tags.clone() {
            let found = get(format!("/v2/{}/manifests/{tag}", self.name)).await;
            let is = |number: &Option<usize>| match number {
                Some(number) => found.body == self.image(*number).manifest.bytes,
                None => found.status == 404,
            };
            let now = held.iter().find(|number| is(number));
            let now = *now.unwrap_or_else(|| panic!("{}:{tag} is none of {held:?}", self.name));
            self.images.extend(now);
            self.tags.insert(tag, BTreeSet::from([now]));
        }
        let whole = async |repository: &str, digest: Digest, image: &Image| {
            let found = get(format!("/v2/{repository}/manifests/{digest}")).await;
            assert_eq!((found.status, &found.body[..]), (200, &image.manifest.bytes[..]), "{repository}");
            for blob in &image.blobs {
                let found = get(format!("/v2/{repository}/blobs/{}", Digest::sha256(blob))).await;
                assert!(found.status == 200 && found.body == *blob, "a blob of {digest}");
            }
        };
        for image in self.images.iter().map(|number| self.image(*number)) {
            whole(&self.name, image.digest(), &image).await;
        }
        for image in self.copied.iter().map(|number| self.image(*number)) {
            whole(&format!("{}/copy", self.name), image.digest(), &image).await;
        }
        for image in self.renamed.iter().map(|number| self.image(*number)) {
            whole(&self.name, long_digest(&image), &image).await;
        }
        for (artifact, subject) in self.attached.iter().map(|it| (self.artifact(*it), self.image(*it))) {
            whole(&self.name, artifact.digest(), &artifact).await;
            let found = get(format!("/v2/{}/referrers/{}", self.name, subject.digest())).await;
            let list = String::from_utf8_lossy(&found.body).into_owned();
            assert!(found.status == 200 && list.contains(&artifact.digest().to_string()), "{list}");
        }
        for number in &self.deleted {
            let target = format!("/v2/{}/manifests/{}", self.name, self.image(*number).digest());
            assert_eq!(get(target).await.status, 404, "{number} was deleted");
        }
        for digest in &self.never {
            assert_eq!(get(format!("/v2/{}/blobs/{digest}", self.name)).await.status, 404);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_every_kill() {
    let wanted = if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE };
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_str().unwrap();
    let mut workers: Vec<Worker> = (0..WORKERS).map(Worker::new).collect();
    let (mut dice, mut done, mut kills) = (Dice(77), 0, 0);
    while done < wanted {
        let registry = Registry::start(&[path, "--allow-delete"]).await;
        for worker in &mut workers {
            worker.check(&registry.address).await;
        }
        let (address, count): (Arc<str>, _) = (registry.address.as_str().into(), Arc::new(AtomicU64::new(0)));
        let working: Vec<_> = workers
            .drain(..)
            .map(|worker| tokio::spawn(worker.work(Arc::clone(&address), Arc::clone(&count))))
            .collect();
        let until = 3 + dice.below(30) as u64;
        let sweeping = tokio::spawn(sweep_beside(path.to_owned()));
        while count.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        tokio::time::sleep(Duration::from_micros(dice.below(4_000) as u64)).await;
        registry.kill().await;
        for worker in working {
            workers.push(worker.await.unwrap());
        }
        done += count.load(Ordering::SeqCst);
        kills += 1;
        sweeping.await.unwrap();
        let store = DirectoryStore::open(place.path()).unwrap();
        if kills % 2 == 0 {
            sweep_all(&store).await;
        }
        assert_eq!(store.check(Depth::Thorough { threads: 2 }).await.unwrap().findings, [], "kill {kills}");
    }
    let registry = Registry::start(&[path]).await;
    for worker in &mut workers {
        worker.check(&registry.address).await;
    }
    assert!(kills > 1, "{done} operations in one run");
}
