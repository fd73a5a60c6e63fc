//! Thousands of generated requests that nobody should send, at a server over a directory: each is answered with
//! a right code or its connection ends, nothing panics or hangs, no file appears outside the store or beside
//! what belongs there, memory stays bounded, and honest clients are served as before. An ordinary run takes a
//! sample, `SEALIFT_SOAK=1` takes all.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sealift_oci::Digest;
use sealift_registry::server::{Server, ServerConfig};
use sealift_store::accept::Sparse;
use sealift_store::conformance::fixture;
use sealift_store::{Depth, DirectoryStore, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SEED: u64 = 1;
const SAMPLE: u64 = 1_000;
const SOAK: u64 = 10_000;
const AT_ONCE: usize = 32;
/// No answer takes longer, however little is sent.
const LIMIT: Duration = Duration::from_secs(30);
/// How much more memory the process may take than before, in KiB: everything is bounded, and the largest
/// manifests are parsed at the same time.
const MEMORY: u64 = 300 * 1024;

/// Numbers that are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// How a request is sent, and with what it may be answered. Where nothing may come, zero is among the statuses.
struct Request {
    bytes: Vec<u8>,
    ending: Ending,
    allowed: &'static [u16],
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// The client waits for the answer.
    Wait,
    /// The client says that nothing more comes.
    HalfClose,
    /// The client leaves.
    Leave,
    /// The client sends a byte now and then.
    Trickle,
}

const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"];

/// What stands where a name, a tag, a digest or an upload is expected.
const EVIL: [&str; 34] = [
    "..",
    "../..",
    "../../../../etc/passwd",
    "%2e%2e",
    "%2E%2e%2f%2e%2e%2fetc",
    "..%2f..%2f",
    "%252e%252e",
    "%c0%ae%c0%ae",
    ".",
    "a/./b",
    "a/../b",
    "%00",
    "a%00b",
    "a%0d%0aX:%20y",
    "%",
    "%zz",
    "%2f",
    "//",
    "a//b",
    "A",
    "-a",
    "a..b",
    "a_-b",
    "~",
    "*",
    "_layout",
    "_uploads",
    "a/_layout/blobs",
    "sha256:..",
    "sha256:../../x",
    "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "%e2%80%ae",
    "18446744073709551616",
];

fn evil(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => "a".repeat(1 << (4 + dice.below(13))),
        1 => "a/".repeat(1 << dice.below(14)),
        _ => dice.pick(&EVIL).to_owned(),
    }
}

/// Paths and queries that hide something, are too long, or are none.
fn paths(dice: &mut Dice) -> Request {
    let (evil, method) = (evil(dice), dice.pick(&METHODS));
    let digest = Digest::sha256(b"none");
    let target = match dice.below(14) {
        0 => format!("/v2/{evil}/tags/list"),
        1 => format!("/v2/a/{evil}/blobs/{digest}"),
        2 => format!("/v2/{evil}/manifests/t"),
        3 => format!("/v2/a/manifests/{evil}"),
        4 => format!("/v2/a/blobs/{evil}"),
        5 => format!("/v2/a/blobs/uploads/{evil}"),
        6 => format!("/v2/{evil}/blobs/uploads/"),
        7 => format!("/v2/a/referrers/{evil}"),
        8 => format!("/v2/a/tags/list?n={evil}&last={evil}"),
        9 => format!("/v2/_catalog?last={evil}"),
        10 => format!("/v2/a/blobs/uploads/?mount={evil}&from={evil}"),
        11 => format!("/v2/a/manifests/{digest}?tag={evil}"),
        12 => format!("/v2/a/blobs/uploads/x?digest={evil}"),
        _ => format!("/{evil}"),
    };
    let bytes = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    // What reads as an honest request after all is answered as one.
    const ALLOWED: &[u16] = &[200, 202, 400, 404, 405, 414, 416, 431];
    Request { bytes: bytes.into_bytes(), ending: Ending::Wait, allowed: ALLOWED }
}

/// Bodies that are longer or shorter than they say.
fn lengths(dice: &mut Dice) -> Request {
    let digest = Digest::sha256(b"0123456789");
    let target =
        dice.pick(&["/v2/a/blobs/uploads/?digest=DIGEST", "/v2/a/manifests/t", "/v2/a/blobs/uploads/"]);
    let target = target.replace("DIGEST", &digest.to_string());
    let method = if target.contains("manifests") { "PUT" } else { "POST" };
    let length = dice.pick(&[
        "11",
        "1000000",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "+10",
        "0x10",
        "1e3",
        "10, 11",
        "",
        "10\r\nContent-Length: 11",
        "10\r\nTransfer-Encoding: chunked",
        "3",
    ]);
    let bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n0123456789");
    let ending = if dice.below(2) == 0 { Ending::HalfClose } else { Ending::Leave };
    Request { bytes: bytes.into_bytes(), ending, allowed: &[0, 201, 202, 400, 413, 431] }
}

/// Chunked bodies that break off or lie.
fn chunks(dice: &mut Dice) -> Request {
    let body = dice.pick(&[
        "5\r\n01234\r\n",
        "5\r\n01234",
        "ffffffffffffffff\r\n0",
        "fffffffffffffffff\r\n0",
        "-1\r\n0\r\n",
        "5;x=\"y\r\n01234\r\n0\r\n\r\n",
        "zz\r\n",
        "0\r\nX: y\r\nX: z\r\n\r\n",
        "1\r\n01\r\n0\r\n\r\n",
        "",
    ]);
    let bytes = format!(
        "POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
        Digest::sha256(b"01234")
    );
    let ending = if dice.below(2) == 0 { Ending::HalfClose } else { Ending::Leave };
    Request { bytes: bytes.into_bytes(), ending, allowed: &[0, 201, 400] }
}

/// Chunks of uploads that are not where they say.
fn ranges(dice: &mut Dice, location: &str) -> Request {
    let range = dice.pick(&[
        "0-8",
        "0-10",
        "1-10",
        "10-1",
        "bytes 0-9/10",
        "0-9/10",
        "0-18446744073709551615",
        "18446744073709551615-18446744073709551615",
        "-1-8",
        "0--1",
        "a-b",
        "",
        "5",
        "0-9, 10-19",
        "0-8\r\nContent-Range: 0-9",
    ]);
    let method = dice.pick(&["PATCH", "PUT"]);
    let query = if method == "PUT" { format!("?digest={}", Digest::sha256(b"x")) } else { String::new() };
    let bytes = format!(
        "{method} {location}{query} HTTP/1.1\r\nHost: x\r\nContent-Range: {range}\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789"
    );
    Request { bytes: bytes.into_bytes(), ending: Ending::Wait, allowed: &[202, 400, 404, 416, 503] }
}

/// Headers that come twice, are long, or are nonsense.
fn headers(dice: &mut Dice, blob: &str) -> Request {
    let long = format!("X: {}\r\n", "y".repeat(1 << (4 + dice.below(14))));
    let header = match dice.below(12) {
        0 => "Range: bytes=0-1\r\nRange: bytes=5-\r\n",
        1 => "Range: bytes=0-1,3-4,7-\r\n",
        2 => "Range: bytes=99999999999999999999-\r\n",
        3 => "Range: bytes=5-4\r\n",
        4 => "If-Range: \"x\"\r\nRange: bytes=0-1\r\n",
        5 => "Expect: 100-continue\r\nExpect: nothing\r\n",
        6 => "Authorization: Basic %%%\r\nAuthorization: Bearer x\r\n",
        7 => "Transfer-Encoding: gzip, chunked\r\n",
        8 => "Host: y\r\nHost: z\r\n",
        9 => "Accept: \u{1}\r\n",
        10 => "X : y\r\n",
        _ => &long,
    };
    let method = dice.pick(&["GET", "HEAD", "DELETE"]);
    let bytes = format!("{method} {blob} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
    Request { bytes: bytes.into_bytes(), ending: Ending::Wait, allowed: &[0, 200, 206, 400, 405, 416, 431] }
}

/// Manifests that are none, or are changed in one place.
fn manifests(dice: &mut Dice) -> Request {
    let body = match dice.below(9) {
        0 => "[".repeat(1 << dice.below(17)).into_bytes(),
        1 => format!("{{\"layers\":[{}0]}}", "{},".repeat(1 << dice.below(14))).into_bytes(),
        2 => vec![b' '; sealift_oci::MANIFEST_LIMIT + 1],
        3 => b"\xff\xfe{\x00}\x00".to_vec(),
        4 => br#"{"schemaVersion":2,"mediaType":"a\nb","layers":[],"config":{}}"#.to_vec(),
        5 => br#"{"manifests":[{"digest":"sha256:..","size":-1,"mediaType":"x"}]}"#.to_vec(),
        6 => br#"{"subject":{"digest":"sha256:00"},"manifests":[]}"#.to_vec(),
        _ => {
            let mut bytes = fixture::image("hostile").manifest.bytes.to_vec();
            let at = dice.below(bytes.len());
            bytes[at] ^= u8::try_from(1 + dice.below(255)).unwrap();
            bytes
        }
    };
    let head = format!(
        "PUT /v2/a/manifests/hostile HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        dice.pick(&["application/json", "text/html; charset=\"", "", "x/y"]),
        body.len()
    );
    let allowed = &[201, 400, 404, 413];
    Request { bytes: [head.as_bytes(), &body].concat(), ending: Ending::Wait, allowed }
}

/// No HTTP at all, or only its beginning.
fn noise(dice: &mut Dice) -> Request {
    let mut bytes: Vec<u8> = (0..dice.below(200)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    if dice.below(2) == 0 {
        bytes.splice(0..0, b"GET /v2/ HTTP/1.1\r\nHost: x\r\n".iter().copied());
    }
    let ending = dice.pick(&[&Ending::HalfClose, &Ending::Leave, &Ending::Trickle]);
    Request { bytes, ending: *ending, allowed: &[0, 200, 400, 404, 405, 408, 431, 505] }
}

fn draw(dice: &mut Dice, location: &str, blob: &str) -> Request {
    match dice.below(20) {
        0..8 => paths(dice),
        8..11 => lengths(dice),
        11..13 => chunks(dice),
        13..15 => ranges(dice, location),
        15..17 => headers(dice, blob),
        17..19 => manifests(dice),
        _ => noise(dice),
    }
}

/// Sends a request, and returns the status, or zero where the connection ended without one.
async fn send(address: SocketAddr, request: &Request) -> u16 {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let (bytes, ending) = (request.bytes.clone(), request.ending);
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        match ending {
            Ending::HalfClose => drop(writer.shutdown().await),
            Ending::Trickle => {
                while writer.write_all(b"X").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            // Dropping this half would close it.
            Ending::Wait | Ending::Leave => return Some(writer),
        }
        None
    });
    if ending == Ending::Leave {
        let _ = writing.await;
        return 0;
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, reader.read_to_end(&mut answer)).await;
    writing.abort();
    assert!(
        read.is_ok(),
        "it hangs: {}",
        String::from_utf8_lossy(&request.bytes[..request.bytes.len().min(300)])
    );
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.unwrap_or_default()
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The most memory that this process has had, in KiB; zero where nobody tells.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_should_send() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("deep/store");
    let store = Arc::new(DirectoryStore::create(&root).unwrap().taking(Sparse::Indexes));
    let image = fixture::image("hostile");
    let name = "a".parse().unwrap();
    image.push(store.as_ref(), &name, Some("t")).await;
    let config = ServerConfig {
        header_timeout: Duration::from_millis(500),
        stall_timeout: Duration::from_millis(500),
        ..ServerConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(Arc::clone(&store) as Arc<dyn Store>, config).serve(listener).unwrap();
    let address = server.local_addr();
    let upload = store.target(&name).unwrap().begin_upload(None).await.unwrap();
    let location = format!("/v2/a/blobs/uploads/{}", upload.id().as_str());
    let blob = format!("/v2/a/blobs/{}", Digest::sha256(&image.blobs[1]));
    let count = if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE };
    let before = memory();

    // Each is drawn when it is sent: all together would be the most memory of all.
    let send_one = |number: u64| {
        let request = draw(&mut Dice(SEED + (number << 32)), &location, &blob);
        async move {
            let status = send(address, &request).await;
            let is_fine =
                request.allowed.contains(&status) || (request.ending == Ending::Leave && status == 0);
            let text = String::from_utf8_lossy(&request.bytes[..request.bytes.len().min(300)]);
            (status, (!is_fine).then(|| format!("{status} for {text}\n")))
        }
    };
    let answers = stream::iter(0..count).map(send_one).buffered(AT_ONCE);
    let (statuses, told): (Vec<u16>, Vec<Option<String>>) = answers.unzip().await;
    let told: Vec<String> = told.into_iter().flatten().collect();
    assert!(told.is_empty(), "{} are wrong: {}", told.len(), told[..told.len().min(10)].concat());
    let refused = statuses.iter().filter(|status| (400..500).contains(*status)).count();
    assert!(refused > statuses.len() / 3, "{refused} were refused");

    assert!(memory() < before + MEMORY, "{before} KiB were {} KiB", memory());
    for path in files_below(place.path()) {
        let inside = path.strip_prefix(&root).unwrap_or_else(|_| panic!("{} is outside", path.display()));
        let belongs = ["_layout", "_uploads", "_lock", "_sweep"];
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let at = parts.iter().position(|part| belongs.contains(&part.as_str()));
        assert!(at.is_some_and(|at| at > 0), "{}", inside.display());
    }
    let check = store.check(Depth::Thorough { threads: 2 }).await.unwrap();
    assert_eq!(check.findings, []);
    let honest = fixture::image("honest");
    honest.push(store.as_ref(), &name, Some("honest")).await;
    let get = b"GET /v2/a/manifests/honest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let request = Request { bytes: get.to_vec(), ending: Ending::Wait, allowed: &[200] };
    assert_eq!(send(address, &request).await, 200);
}
