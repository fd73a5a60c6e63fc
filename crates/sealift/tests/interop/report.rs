//! The report's page in a real browser: on a desk, on a phone, in the dark and on paper, small and large. The browser finds
//! nothing that it has to refuse, and the picture is really painted.
//!
//! `UPDATE_SNAPSHOTS=1` writes the picture in docs/images anew.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, Store};
use sealift_testbed::peers;
use tokio::net::TcpListener;

use crate::site::run;

/// The colour of what was fetched, in the light and in the dark.
const LIGHT: [u8; 3] = [0x0f, 0x5d, 0x73];
const DARK: [u8; 3] = [0x7f, 0xd0, 0xe3];

/// A picture that the browser painted: its width, its height, and its pixels.
struct Screenshot {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

/// Runs the browser on a page, and returns what it complained of.
async fn browse(profile: &Path, page: &Path, more: &[&str]) -> String {
    let (profile, page) =
        (format!("--user-data-dir={}", profile.display()), format!("file://{}", page.display()));
    // The sandbox wants more than a container allows; the page is this project's own.
    let usual =
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
    let arguments = [&usual[..], &["--enable-logging=stderr", &profile], more, &[&page]].concat();
    let output = peers::run_well("chromium", &arguments).await.unwrap();
    let complaints = output.stderr.lines().filter(|line| line.contains("CONSOLE"));
    complaints.map(str::to_owned).collect::<Vec<_>>().join("\n")
}

async fn screenshot(
    profile: &Path,
    page: &Path,
    (width, height): (usize, usize),
    more: &[&str],
) -> Screenshot {
    let file = profile.join("page.png");
    let (to, size) = (format!("--screenshot={}", file.display()), format!("--window-size={width},{height}"));
    let complaints = browse(profile, page, &[&[to.as_str(), size.as_str()][..], more].concat()).await;
    assert_eq!(complaints, "", "{}", page.display());
    Screenshot::read(&std::fs::read(file).unwrap())
}

impl Screenshot {
    /// Reads a PNG of eight bits a channel, as the browser writes it (PNG, third edition, sections 5 and 9).
    fn read(png: &[u8]) -> Self {
        let (mut at, mut packed, mut head) = (8, Vec::new(), Vec::new());
        while at + 12 <= png.len() {
            let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
            let (kind, content) = (&png[at + 4..at + 8], &png[at + 8..at + 8 + length]);
            match kind {
                b"IHDR" => head = content.to_vec(),
                b"IDAT" => packed.extend_from_slice(content),
                _ => {}
            }
            at += length + 12;
        }
        let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap()) as usize;
        let (width, height) = (number(0), number(4));
        let channels = if head[9] == 6 { 4 } else { 3 };
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut lines).unwrap();
        let mut before = vec![0; width * channels];
        let mut pixels = Vec::with_capacity(width * height);
        for line in lines.chunks_exact(width * channels + 1) {
            before = unfilter(line[0], &line[1..], &before, channels);
            pixels.extend(before.chunks_exact(channels).map(|it| [it[0], it[1], it[2]]));
        }
        Self { width, height, pixels }
    }

    /// Counts the pixels of a colour.
    fn count(&self, colour: [u8; 3]) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == colour).count()
    }
}

fn unfilter(kind: u8, line: &[u8], above: &[u8], channels: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(line.len());
    for (at, byte) in line.iter().enumerate() {
        let left = if at < channels { 0 } else { out[at - channels] };
        let corner = if at < channels { 0 } else { above[at - channels] };
        let (a, b, c) = (i32::from(left), i32::from(above[at]), i32::from(corner));
        let guess = match kind {
            0 => 0,
            1 => a,
            2 => b,
            3 => i32::midpoint(a, b),
            _ => {
                let p = a + b - c;
                *[a, b, c].iter().min_by_key(|it| (p - **it).abs()).unwrap()
            }
        };
        out.push(byte.wrapping_add(u8::try_from(guess).unwrap()));
    }
    out
}

async fn serve(store: Arc<dyn Store>) -> (RunningServer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (Server::new(store, ServerConfig::default()).serve(listener).unwrap(), address)
}

/// The layers of one image of many: some that all have, some that its team has, and its own.
fn layers(number: usize, each: usize) -> Vec<Bytes> {
    let layer = |name: String, size: usize| fixture::noise(&name, size);
    let mut layers: Vec<Bytes> =
        (0..each / 3).map(|at| layer(format!("all {at}"), 3_000 + 911 * at)).collect();
    layers.extend((0..each / 3).map(|at| layer(format!("team {} {at}", number % 5), 2_000 + 577 * at)));
    while layers.len() < each {
        layers.push(layer(format!("own {number} {}", layers.len()), 500 + 97 * (number % 11)));
    }
    layers
}

/// Mirrors so many images of so many layers, and returns the report.
async fn report(directory: &Path, images: usize, each: usize) -> std::path::PathBuf {
    let source = Arc::new(MemoryStore::new("source"));
    let (_source, from) = serve(source.clone()).await;
    let (_target, to) = serve(Arc::new(MemoryStore::new("target"))).await;
    let mut list = String::new();
    for number in 0..images {
        let name = format!("team-{}/service-{number:03}", number % 5);
        let image = fixture::image_of(&name, &layers(number, each));
        image.push(source.as_ref(), &name.parse().unwrap(), Some("1.2.3")).await;
        list += &format!("{from}/{name}:1.2.3\n");
        if number == 1 {
            let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
            fixture::artifact("s", &image.manifest, kind)
                .push(source.as_ref(), &name.parse().unwrap(), None)
                .await;
        }
    }
    list += &format!("{from}/team-0/no-such-image:9.9\n");
    let (file, page) = (directory.join("images.txt"), directory.join("report.html"));
    std::fs::write(&file, list).unwrap();
    let arguments = [
        &["mirror", "--images-file", file.to_str().unwrap(), "--allow-missing", "--operator", "Grace Hopper"],
        &["--target-registry", &to, "--target-repository", "ship", "--report", page.to_str().unwrap()][..],
    ];
    let run = run(arguments.concat(), &[]).await;
    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_fifteen_images_is_shown_on_a_desk_a_phone_and_paper() {
    if !peers::interop_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let page = report(directory.path(), 15, 40).await;
    let desk = screenshot(directory.path(), &page, (1280, 1600), &[]).await;
    assert_eq!((desk.width, desk.height), (1280, 1600));
    // Each image has fetched layers or shares them; a sign is 11 by 12 pixels, of which some are lost to scaling.
    assert!(desk.count(LIGHT) > 15 * 60, "the picture is not painted: {}", desk.count(LIGHT));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let to = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images/report.png");
        std::fs::copy(directory.path().join("page.png"), to).unwrap();
    }
    assert_eq!(desk.count(DARK), 0);
    let dark =
        screenshot(directory.path(), &page, (1280, 1600), &["--blink-settings=preferredColorScheme=0"]).await;
    assert!(
        dark.count(DARK) > 15 * 60 && dark.count(LIGHT) == 0,
        "{} {}",
        dark.count(DARK),
        dark.count(LIGHT)
    );
    let phone = screenshot(directory.path(), &page, (500, 6000), &[]).await;
    assert!(phone.count(LIGHT) > 100, "{}", phone.count(LIGHT));
    let pdf = directory.path().join("report.pdf");
    let print = [format!("--print-to-pdf={}", pdf.display()), "--no-pdf-header-footer".to_owned()];
    assert_eq!(browse(directory.path(), &page, &[&print[0], &print[1]]).await, "");
    let pages = count_pages(&std::fs::read(&pdf).unwrap());
    assert!((2..=8).contains(&pages), "{pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_two_hundred_images_is_drawn_in_parts() {
    if !peers::interop_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let page = report(directory.path(), 200, 12).await;
    let text = std::fs::read_to_string(&page).unwrap();
    assert_eq!(
        text.matches("<svg role=\"img\"").count(),
        5,
        "40 rows to a picture, so that none is cut on paper"
    );
    let desk = screenshot(directory.path(), &page, (1280, 20_000), &[]).await;
    assert!(desk.count(LIGHT) > 200 * 20, "{}", desk.count(LIGHT));
}

/// Counts the pages of a PDF: each is an object of the type `Page`.
fn count_pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count()
        + text.matches("/Type /Page/").count()
        + text.matches("/Type /Page ").count()
}
