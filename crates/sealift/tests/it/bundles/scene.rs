//! Two registries that never see each other, and what is carried from one to the other.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealift_oci::Descriptor;
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{MemoryStore, Store};
use sealift_testbed::http_proxy::HttpProxy;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::site::{KNOWN, Run, Site};

/// The gate of the release comes first here, and must come last at the target.
pub(super) const NAMES: [&str; 3] = ["arc-controller", "arc-dns", "arc-sqlmi"];
/// Every volume is so small that the release takes several, and one layer more than a whole one.
pub(super) const VOLUMES: [&str; 2] = ["--volume-size", "1MiB"];
/// How large that one layer is.
pub(super) const LARGE: usize = 1_400_000;

/// No run takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// A gap: a source, a target, a line to each that counts, and a medium.
pub(super) struct Gap {
    pub(super) site: Site,
    pub(super) source: HttpProxy,
    pub(super) target: HttpProxy,
    medium: TempDir,
}

/// The layers of an image: one that all share, and one of its own.
fn layers(name: &str) -> [Bytes; 2] {
    let size = match name {
        "arc-sqlmi" => LARGE,
        _ => 600_000,
    };
    [fixture::noise("carried base", 300_000), fixture::noise(&format!("carried {name}"), size)]
}

/// The image of that name.
pub(super) fn image(name: &str) -> Image {
    fixture::image_of(&format!("carried {name}"), &layers(name))
}

/// The layer that only this image has.
pub(super) fn own_layer(name: &str) -> Descriptor {
    image(name).manifest.links.blobs[2].clone()
}

impl Gap {
    pub(super) async fn new() -> Self {
        let store = MemoryStore::new("memory");
        for name in NAMES {
            image(name).push(&store, &format!("arcdata/{name}").parse().unwrap(), Some(KNOWN)).await;
        }
        Self::of(Arc::new(store)).await
    }

    /// Takes the images of a place of its own.
    pub(super) async fn of(store: Arc<dyn Store>) -> Self {
        let site = Site::of(store).await;
        let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        Self { site, source, target, medium: tempfile::tempdir().unwrap() }
    }

    /// Where something lies on the medium.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.medium.path().join(name)
    }

    /// The same as an argument.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What `pack` is given.
    pub(super) fn packing(&self, to: &str, more: &[&str]) -> Vec<String> {
        let source = self.source.address().to_string();
        let release = ["pack", "--tag", KNOWN, "--source-registry", &source, "--to", to];
        let place = ["--source-repository", "arcdata", "--source-anonymous"];
        let images = NAMES.iter().flat_map(|name| ["--image", name]);
        release
            .into_iter()
            .chain(place)
            .chain(images)
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    /// What `load` is given.
    pub(super) fn loading(&self, bundles: &[&str], more: &[&str]) -> Vec<String> {
        let target = self.target.address().to_string();
        let to = ["--target-registry", &target, "--target-repository", "site/arcdata", "--target-anonymous"];
        [&["load"], bundles, &to, more].concat().into_iter().map(str::to_owned).collect()
    }

    /// Packs the release.
    pub(super) async fn pack(&self, to: &str, more: &[&str]) -> Run {
        self.run(&self.packing(to, more)).await
    }

    /// Packs the release into volumes, which must do.
    pub(super) async fn packed(more: &[&str]) -> Self {
        let gap = Self::new().await;
        gap.pack("release", &[&VOLUMES, more].concat()).await.expect(0);
        gap
    }

    /// Loads a bundle.
    pub(super) async fn load(&self, bundle: &str, more: &[&str]) -> Run {
        self.run(&self.loading(&[bundle], more)).await
    }

    /// Looks at a bundle.
    pub(super) async fn inspect(&self, bundle: &str, more: &[&str]) -> Run {
        self.run(&[&["inspect", bundle], more].concat()).await
    }

    /// Starts the program with the medium as its directory and nothing else around it.
    pub(super) fn start<A: AsRef<std::ffi::OsStr>>(&self, args: &[A]) -> Child {
        self.command(args).spawn().unwrap()
    }

    fn command<A: AsRef<std::ffi::OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(args).env_clear().current_dir(self.medium.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the program, and what it writes to standard output goes into a file.
    pub(super) fn start_into<A: AsRef<std::ffi::OsStr>>(&self, args: &[A], output: std::fs::File) -> Child {
        self.command(args).stdout(output).spawn().unwrap()
    }

    /// Runs the program, and returns what it writes to standard output as it is.
    pub(super) async fn run_raw<A: AsRef<std::ffi::OsStr>>(&self, args: &[A]) -> (Run, Vec<u8>) {
        let output = self.start(args).wait_with_output();
        let output = tokio::time::timeout(LIMIT, output).await.expect("the run hangs").unwrap();
        let stderr = self.redact(&String::from_utf8(output.stderr).unwrap());
        (Run { code: output.status.code(), stdout: String::new(), stderr }, output.stdout)
    }

    /// Runs the program.
    pub(super) async fn run<A: AsRef<std::ffi::OsStr>>(&self, args: &[A]) -> Run {
        let (run, stdout) = self.run_raw(args).await;
        Run { stdout: self.redact(&String::from_utf8(stdout).unwrap()), ..run }
    }

    /// Ports and directories differ from run to run.
    pub(super) fn redact(&self, text: &str) -> String {
        let ends = [(self.source.address(), "SOURCE"), (self.target.address(), "TARGET")];
        let text = ends
            .iter()
            .fold(text.to_owned(), |text, (address, name)| text.replace(&address.to_string(), name));
        self.site.redact(&text.replace(self.medium.path().to_str().unwrap(), "MEDIUM"))
    }

    /// The images that have their tag at the target.
    pub(super) async fn tagged(&self) -> Vec<&'static str> {
        let mut tagged = Vec::new();
        for name in NAMES {
            if self.site.tagged(name, KNOWN).await.is_some() {
                tagged.push(name);
            }
        }
        tagged
    }

    /// Asserts that these images, and no others, are at the target, with every byte as it is at the source.
    pub(super) async fn assert_arrived(&self, names: &[&str]) {
        assert_eq!(self.tagged().await, names);
        let images = names.iter().flat_map(|name| ["--image", name]);
        let args: Vec<&str> = ["--tag", KNOWN, "--deep"].into_iter().chain(images).collect();
        if !names.is_empty() {
            self.site.run("verify", &args).await.expect(0);
        }
    }

    /// Asserts that the target was never asked anything.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert_eq!(self.target.count(|_| true), 0, "the target was asked");
    }
}

/// The names of the files in a directory, sorted.
pub(super) fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The volumes in a directory, in their order.
pub(super) fn volumes(directory: &Path) -> Vec<PathBuf> {
    let names = files(directory).into_iter().filter(|name| name.starts_with("volume-"));
    names.map(|name| directory.join(name)).collect()
}
