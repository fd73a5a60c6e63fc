//! The commands in the documentation, each run as it stands there. Only names differ: where a page names a registry, the
//! test puts the address of one that runs in this process.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sealift_testbed::http_proxy::HttpProxy;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::creation::harbor;
use crate::credentials::{PASSWORD, captain};
use crate::site::{KNOWN, Site, UNKNOWN, names};

/// No block takes longer.
const LIMIT: Duration = Duration::from_secs(120);
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Shell commands that stand together on a page.
struct Block {
    text: String,
    /// It goes on while the rest of the page is read.
    is_background: bool,
}

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (open.as_mut(), line.trim_end()) {
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => block.text += &format!("{line}\n"),
            (None, fence) if fence.starts_with("```sh") => {
                open = Some(Block { text: String::new(), is_background: fence.ends_with(",background") });
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
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
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let site = Site::with(&[(KNOWN, names.as_slice()), (UNKNOWN, names.as_slice())]).await;
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
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let names = vec![
            ("mcr.microsoft.com".to_owned(), site.source.address.clone()),
            ("registry.ship.lan:5000".to_owned(), site.target.address.clone()),
            ("127.0.0.1:5000".to_owned(), free.to_string()),
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
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        shell
    }

    /// Does what a page says, from its first command to its last.
    async fn follow(&self, page: &str) {
        let text = std::fs::read_to_string(documentation().join(page)).unwrap();
        let blocks = blocks(&text);
        assert!(!blocks.is_empty(), "{page} has no commands");
        // What the next one takes the place of ends first.
        let mut running: Option<Child> = None;
        for Block { text, is_background } in blocks {
            match is_background {
                true => {
                    if let Some(mut before) = running.take() {
                        before.kill().await.unwrap();
                    }
                    running = Some(self.start(&text).await);
                }
                false => self.run(page, &text).await,
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
        let child = self.shell(&format!("exec {text}")).spawn().unwrap();
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
    for page in ["howto/proxy.md", "DOCTOR.md"] {
        Reader::new().await.follow(page).await;
    }
    // A list says itself where its images come from; what one page brings the next one locks.
    let mut reader = Reader::new().await;
    reader.variables.retain(|(name, _)| name != "SOURCE_DOCKER_REGISTRY");
    for page in ["DISCOVERY.md", "KIT.md", "PROFILE.md"] {
        reader.follow(page).await;
    }
}

/// A page that nobody runs is a page that nobody knows to be right; and what no list leads to nobody finds.
#[test]
fn no_page_is_forgotten() {
    let this = include_str!("pages.rs");
    let summary = std::fs::read_to_string(documentation().join("SUMMARY.md")).unwrap();
    for folder in ["tutorial", "howto"] {
        for entry in std::fs::read_dir(documentation().join(folder)).unwrap() {
            let page = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(this.contains(&format!("\"{page}\"")), "{page} is run by no test");
            assert!(summary.contains(&page), "{page} is not in the summary");
        }
    }
    for entry in std::fs::read_dir(documentation()).unwrap() {
        let page = entry.unwrap().file_name().into_string().unwrap();
        let is_page = page.ends_with(".md") && page != "SUMMARY.md";
        assert!(!is_page || summary.contains(&format!("({page})")), "{page} is not in the summary");
    }
}
