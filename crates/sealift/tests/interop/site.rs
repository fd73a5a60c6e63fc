//! A site: a source registry that holds the release, a target registry that holds nothing, and the binary.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::images::{self, ImageSet, RELEASE_TAG, ReleaseOptions, Size, release_set};
use sealift_testbed::pushing::seed_docker_registry;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// The repository prefix at the source and at the target.
pub const SOURCE: &str = "arcdata";
pub const TARGET: &str = "site/arcdata";

/// No run of the binary takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(240);

pub struct Site {
    pub set: ImageSet,
    pub source: DockerRegistry,
    pub target: DockerRegistry,
    _directory: TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    pub async fn new(size: Size) -> Self {
        Self::with_target(size, &RegistryOptions::default()).await
    }

    pub async fn with_target(size: Size, target: &RegistryOptions) -> Self {
        let set = release_set(&ReleaseOptions::new(size), &images::cache_directory()).unwrap();
        let directory = tempfile::tempdir_in(images::cache_directory()).unwrap();
        let storage = directory.path().join("source");
        seed_docker_registry(&storage, SOURCE, &set).unwrap();
        let options = RegistryOptions { storage: Some(storage), ..RegistryOptions::default() };
        let source = DockerRegistry::start(&options).await.unwrap();
        let target = DockerRegistry::start(target).await.unwrap();
        Self { set, source, target, _directory: directory }
    }

    /// Mirrors the release between the two registries.
    pub async fn mirror(&self, more: &[&str]) -> Run {
        let (source, target) = (self.source.address().to_string(), self.target.address().to_string());
        sealift("mirror", &source, &target, more, &[]).await
    }

    /// Reads a manifest as `skopeo` sees it.
    pub async fn raw(&self, registry: &DockerRegistry, prefix: &str, name: &str) -> io::Result<Vec<u8>> {
        let reference = format!("docker://{}/{prefix}/{name}:{RELEASE_TAG}", registry.address());
        let inspected =
            sealift_testbed::peers::skopeo(&["inspect", "--raw", "--tls-verify=false", &reference]).await?;
        Ok(inspected.stdout)
    }

    /// Names the images whose tag is at the target, from the files of its storage.
    pub fn tagged(&self) -> Vec<String> {
        tagged(self.target.storage(), &self.set)
    }

    /// The file that a blob of the source lies in, as a file of its own that a test may change.
    pub fn own_source_blob(&self, hex: &str) -> PathBuf {
        let path = blob_path(self.source.storage(), hex);
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Where `docker-registry` keeps the bytes of a blob.
pub fn blob_path(storage: &Path, hex: &str) -> PathBuf {
    storage.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

pub fn tagged(storage: &Path, set: &ImageSet) -> Vec<String> {
    let link = |name: &str| {
        let repository = storage.join("docker/registry/v2/repositories").join(TARGET).join(name);
        repository.join("_manifests/tags").join(RELEASE_TAG).join("current/link")
    };
    let names = set.images().iter().map(|image| image.name.clone());
    names.filter(|name| link(name).exists()).collect()
}

/// Runs the binary in an environment of its own: nothing but the arguments and `variables` counts.
pub async fn sealift(
    command: &str,
    source: &str,
    target: &str,
    more: &[&str],
    variables: &[(&str, &str)],
) -> Run {
    let from = ["--source-registry", source, "--source-repository", SOURCE, "--source-tag", RELEASE_TAG];
    let to = ["--target-registry", target, "--target-repository", TARGET];
    run([&[command][..], &from, &to, more].concat(), variables).await
}

/// Runs the binary with nothing but these arguments.
pub async fn run(args: Vec<&str>, variables: &[(&str, &str)]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_sealift"));
    run.args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, run.output()).await.expect("the run hangs").unwrap();
    Run {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts the exit code, and shows everything where it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The report, where the run was asked for JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.stdout))
    }

    /// The outcome of each image, by name.
    #[track_caller]
    pub fn outcome(&self, name: &str) -> String {
        let report = self.json();
        let images = report["images"].as_array().unwrap();
        let image = images.iter().find(|image| image["name"] == name).unwrap();
        image["outcome"].as_str().unwrap().to_owned()
    }
}
