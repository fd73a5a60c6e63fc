//! The commands in the documentation, each run as it stands there. Only names differ: where a page names a registry, the
//! test puts the address of one that runs in this process.
//!
//! A block that begins with ` ```sh ` is run. What its fence says behind that: `background`, it goes on while the rest of the page
//! is read; `elsewhere`, it is not run here, and [`ELSEWHERE`] says why.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::http_proxy::HttpProxy;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::creation::harbor;
use crate::credentials::{PASSWORD, captain};
use crate::site::{KNOWN, Site, UNKNOWN, names};

/// No block takes longer.
const LIMIT: Duration = Duration::from_secs(120);
/// What no test here runs, by its page and its first line, and why.
const ELSEWHERE: [(&str, &str, &str); 7] = [
    (
        "README.md",
        "cargo run --release -- quickstart",
        "it builds; the tests of `quickstart` run the command",
    ),
    ("README.md", "make test", "it is what runs this"),
    ("README.md", "make dist", "it builds a release; `make dist-check` runs it, and what it makes"),
    ("docs/PACKAGES.md", "make image", "the same"),
    (
        "docs/PACKAGES.md",
        "sudo apt install",
        "it changes the machine; `make dist-check` unpacks the package and runs it",
    ),
    ("docs/TESTING.md", "SEALIFT_SOAK=1 cargo test", "it is a test itself"),
    ("docs/TESTING.md", "(cd crates/regzip/tests/oracle/go", "it takes hours; the page says when it was run"),
];
/// What a line begins with that is a command. Such a line stands in a block that says whether it is run, or nowhere.
const PROGRAMS: [&str; 16] = [
    "sealift",
    "make",
    "cargo",
    "skopeo",
    "podman",
    "docker",
    "kubectl",
    "sudo",
    "sh",
    "minisign",
    "age",
    "sha256sum",
    "tar",
    "az",
    "aws",
    "$",
];
/// Help texts, whose examples the tests of the arguments read.
const HELP: &str = "docs/CLI.md";
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Shell commands that stand together on a page.
struct Block {
    text: String,
    manner: Manner,
}

/// How they are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// To their end.
    Here,
    /// While the rest of the page is read.
    Background,
    /// Not by this test.
    Elsewhere,
}

impl Manner {
    /// Reads the fence that opens a block; `None` where that is no shell's.
    fn of(fence: &str) -> Option<Self> {
        match fence {
            "```sh" => Some(Self::Here),
            "```sh,background" => Some(Self::Background),
            "```sh,elsewhere" => Some(Self::Elsewhere),
            _ => None,
        }
    }
}

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Takes the blocks of shell commands out of a page; with them comes what lies outside of them, line by line.
fn taken_apart(page: &str) -> (Vec<Block>, Vec<&str>) {
    let (mut blocks, mut others) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (open.as_mut(), line.trim_end()) {
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => block.text += &format!("{line}\n"),
            (None, fence) => match Manner::of(fence) {
                Some(manner) => open = Some(Block { text: String::new(), manner }),
                None => others.push(line),
            },
        }
    }
    assert!(open.is_none(), "a block has no end");
    (blocks, others)
}

/// A reader with two registries, a shell, and the binary on the path.
struct Reader {
    site: Site,
    home: TempDir,
    /// What stands on the pages, and what it is here.
    names: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

impl Reader {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The source has these releases, too.
    async fn with(more: &[&str]) -> Self {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let releases: Vec<(&str, &[&str])> =
            [KNOWN].iter().chain(more).chain(&[UNKNOWN]).map(|tag| (*tag, names.as_slice())).collect();
        let site = Site::with(&releases).await;
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_sealift"), home.path().join("bin/sealift")).unwrap();
        let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        let image = format!("{}/arcdata/arc-dns:{KNOWN}", site.source.address);
        file("images.txt", &format!("{image}\n"));
        file("password.txt", PASSWORD);
        file("secret-key.txt", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        std::fs::create_dir_all(home.path().join("manifests")).unwrap();
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: dns\nspec:\n  containers:\n  - name: dns\n    image: {image}\n"
        );
        file("manifests/pod.yaml", &pod);
        file("compose.yaml", &format!("services:\n  dns:\n    image: {image}\n"));
        std::fs::create_dir_all(home.path().join("chart/templates")).unwrap();
        file("chart/Chart.yaml", "apiVersion: v2\nname: dns\nversion: 1.0.0\n");
        file("chart/templates/pod.yaml", &pod);
        let users = write_htpasswd(home.path(), &[("ci", "hunter2"), ("ops", "hunter3")]).unwrap();
        std::fs::rename(users, home.path().join("users")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let names = vec![
            ("mcr.microsoft.com".to_owned(), site.source.address.clone()),
            ("registry.ship.lan:5000".to_owned(), site.target.address.clone()),
            ("127.0.0.1:5000".to_owned(), free.to_string()),
            ("0.0.0.0:5000".to_owned(), free.to_string()),
        ];
        let path = format!("{}/bin:/usr/bin:/bin", home.path().display());
        let variables = [
            ("HOME", home.path().to_str().unwrap()),
            ("PATH", &path),
            ("SOURCE_DOCKER_REGISTRY", &site.source.address),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { site, home, names, variables }
    }

    /// Lets a name on the page mean an address.
    fn name(mut self, name: &str, address: impl ToString) -> Self {
        self.names.push((name.to_owned(), address.to_string()));
        self
    }

    fn shell(&self, text: &str) -> Command {
        let text = self.names.iter().fold(text.to_owned(), |text, (name, here)| text.replace(name, here));
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &text]).current_dir(self.home.path()).env_clear();
        // A list says itself where its images come from.
        let is_list = text.contains("--images-file");
        let variables =
            self.variables.iter().filter(|(name, _)| !is_list || name != "SOURCE_DOCKER_REGISTRY");
        shell.envs(variables.map(|(name, value)| (name, value)));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        shell
    }

    /// Does what a page says, from its first command to its last.
    async fn follow(&self, page: &str) {
        let text = std::fs::read_to_string(documentation().join(page)).unwrap();
        let (blocks, _) = taken_apart(&text);
        assert!(!blocks.is_empty(), "{page} has no commands");
        // What the next one takes the place of ends first.
        let mut running: Option<Child> = None;
        for Block { text, manner } in blocks {
            match manner {
                Manner::Background => {
                    if let Some(mut before) = running.take() {
                        before.kill().await.unwrap();
                    }
                    running = Some(self.start(&text).await);
                }
                Manner::Here => self.run(page, &text).await,
                Manner::Elsewhere => {}
            }
        }
    }

    async fn run(&self, page: &str, text: &str) {
        let output = tokio::time::timeout(LIMIT, self.shell(text).output()).await.expect(text).unwrap();
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "{page}:\n{text}\n{}\n{}", said[0], said[1]);
    }

    /// Starts what goes on, and waits until it listens.
    async fn start(&self, text: &str) -> Child {
        let address: SocketAddr = self.names[2].1.parse().unwrap();
        let mut text = format!("exec {text}");
        // The port that is meant without a word may be somebody's.
        if !text.contains("--listen") {
            text = text.replacen("sealift serve", &format!("sealift serve --listen {address}"), 1);
        }
        let child = self.shell(&text).spawn().unwrap();
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, listens).await.expect("nothing listens");
        child
    }

    async fn has(&self, tag: &str) -> bool {
        let repository = "arcdata/arc-dns".parse().unwrap();
        let target = self.site.target.store.target(&repository).unwrap();
        target.stat_manifest(&tag.parse::<sealift_oci::Tag>().unwrap().into()).await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_minutes_are_run() {
    for (page, arrives) in
        [("tutorial/direct.md", true), ("tutorial/bundle.md", true), ("tutorial/serve.md", false)]
    {
        let reader = Reader::new().await;
        reader.follow(page).await;
        assert_eq!(reader.has(KNOWN).await, arrives, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_every_month_is_run() {
    for page in ["howto/air-gap.md", "howto/one-way.md"] {
        let reader = Reader::new().await;
        reader.follow(page).await;
        assert!(reader.has(KNOWN).await && reader.has(UNKNOWN).await, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_for_single_registries_are_run() {
    for (page, host) in
        [("howto/acr.md", "site.azurecr.io"), ("howto/artifactory.md", "artifactory.site.lan")]
    {
        let reader = Reader::new().await;
        let guarded = HttpProxy::start(reader.site.target.address.parse().unwrap()).await.unwrap();
        guarded.set_rule(captain);
        let reader = reader.name(host, guarded.address());
        reader.follow(page).await;
    }
    let reader = Reader::new().await;
    let (harbor, is_made) = harbor(&reader.site).await;
    let reader = reader.name("harbor.site.lan", harbor.address());
    reader.follow("howto/harbor.md").await;
    assert!(is_made.load(std::sync::atomic::Ordering::SeqCst));
}

/// Amazon is known by its name, so the name stays, and is found here.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_amazon_is_run() {
    let reader = Reader::new().await;
    let api = HttpProxy::start(reader.site.source.address.parse().unwrap()).await.unwrap();
    api.set_rule(|_| crate::creation::json(200, "{}"));
    let port = reader.site.target.address.parse::<SocketAddr>().unwrap().port();
    let mut reader = reader.name(ECR, format!("{ECR}:{port}"));
    reader.variables.push(("AWS_ENDPOINT_URL_ECR".to_owned(), api.url()));
    let connect = format!("sealift mirror --resolve {ECR}:127.0.0.1 --plain-http {ECR}:{port} ");
    reader.names.push(("sealift mirror ".to_owned(), connect));
    reader.follow("howto/ecr.md").await;
    assert!(api.count(|_| true) > 0, "no repository was made");
    assert!(reader.has(KNOWN).await);
}

/// Loopback is never reached through a proxy, so it is enough that the variables are taken.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_pages_are_run() {
    for page in ["howto/proxy.md", "DOCTOR.md", "REPORT.md", "PROGRESS.md", "PACKAGES.md"] {
        Reader::new().await.follow(page).await;
    }
    // A list says itself where its images come from; what one page brings the next one locks.
    let mut reader = Reader::new().await;
    reader.variables.retain(|(name, _)| name != "SOURCE_DOCKER_REGISTRY");
    for page in ["DISCOVERY.md", "KIT.md", "PROFILE.md"] {
        reader.follow(page).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_the_registry_is_run() {
    let reader = Reader::new().await;
    let packed = format!(
        "sealift keygen --no-passphrase; sealift pack --tag {KNOWN} --to oci:./layout
         sealift pack --tag {KNOWN} --sign sealift.key --to ./october
         sealift pack --tag {UNKNOWN} --sign sealift.key --to ./may"
    );
    reader.run("what the page serves", &packed).await;
    reader.follow("SERVE.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_is_run() {
    let releases = ["v1.44.0_2026-02-10", "v1.45.0_2026-04-14"];
    let reader = Reader::with(&releases).await;
    reader.follow("../README.md").await;
    assert!(reader.has(UNKNOWN).await);
}

/// Every page, by its path from the root.
fn pages() -> Vec<(String, String)> {
    let root = documentation().join("..");
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/tutorial", "docs/howto"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            pages.push(format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    let pages = pages.into_iter().filter(|page| page.ends_with(".md"));
    pages
        .map(|page| (std::fs::read_to_string(root.join(&page)).unwrap(), page))
        .map(|(text, page)| (page, text))
        .collect()
}

/// A page that nobody runs is a page that nobody knows to be right; and what no list leads to nobody finds.
#[test]
fn no_page_is_forgotten() {
    let this = include_str!("pages.rs");
    let summary = std::fs::read_to_string(documentation().join("SUMMARY.md")).unwrap();
    for (page, text) in pages() {
        let name = page.strip_prefix("docs/").unwrap_or("../README.md");
        let is_run = taken_apart(&text).0.iter().any(|block| block.manner != Manner::Elsewhere);
        assert!(!is_run || this.contains(&format!("\"{name}\"")), "{page} is run by no test");
        let is_outside = matches!(name, "../README.md" | "SUMMARY.md");
        assert!(is_outside || summary.contains(&format!("({name})")), "{page} is not in the summary");
    }
}

/// Every command stands in a block that is run, or of which it is said why not.
#[test]
fn no_command_is_forgotten() {
    let mut elsewhere = Vec::new();
    for (page, text) in pages() {
        let (blocks, others) = taken_apart(&text);
        for block in blocks.iter().filter(|block| block.manner == Manner::Elsewhere) {
            elsewhere.push((page.clone(), block.text.clone()));
        }
        if page == HELP {
            continue;
        }
        // In lists a line may be indented; a block of code is by four.
        let mut is_fenced: Option<&str> = None;
        for line in others {
            match (is_fenced, line.strip_prefix("```")) {
                (None, Some(language)) => is_fenced = Some(language),
                (Some(_), Some(_)) => is_fenced = None,
                _ => {}
            }
            let is_code =
                is_fenced.is_some_and(|language| language != "powershell") || line.starts_with("    ");
            let first = line.split_whitespace().next().unwrap_or_default();
            assert!(!is_code || !PROGRAMS.contains(&first), "{page}: no block of the shell has: {line}");
        }
    }
    for (page, text) in &elsewhere {
        let is_explained = ELSEWHERE.iter().any(|(known, first, _)| page == known && text.starts_with(first));
        assert!(is_explained, "{page}: nothing says why this is not run:\n{text}");
    }
    assert_eq!(elsewhere.len(), ELSEWHERE.len(), "some of them are no more");
}
