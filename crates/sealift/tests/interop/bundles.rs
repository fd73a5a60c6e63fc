//! Bundles and plain layouts between sealift and the tools that people have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sealift_oci::Digest;
use sealift_testbed::containerd::{Containerd, write_hosts};
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::images::{Image, RELEASE_TAG, Size};
use sealift_testbed::peers::{interop_wanted, run_well, skopeo};
use sealift_testbed::tls::{Authority, Flaw};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::site::{Run, SOURCE, Site, TARGET};

const PASSWORD: &str = "a p&ss%w^rd";
/// One image of each kind: Docker's, OCI's, and an index.
const NAMES: [&str; 3] = ["arc-controller", "arc-sqlmi", "arc-service-proxy"];

/// A release, and a directory for what is carried.
struct Gap {
    site: Site,
    medium: TempDir,
}

impl Gap {
    async fn new() -> Self {
        Self { site: Site::new(Size::Small).await, medium: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.medium.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn image(&self, name: &str) -> &Image {
        self.site.set.image(name).unwrap()
    }

    async fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(args).current_dir(self.medium.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_clear().env("HOME", self.medium.path()).env("PATH", "/usr/bin:/bin");
        let output = command.envs(variables.iter().copied()).output().await.unwrap();
        Run {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    async fn pack(&self, to: &str, more: &[&str]) -> Run {
        let source = self.site.source.address().to_string();
        let from = ["--source-registry", &source, "--source-repository", SOURCE, "--source-tag", RELEASE_TAG];
        self.run(&[&["pack", "--to", to], &from[..], more].concat(), &[]).await
    }

    async fn load(&self, bundle: &str, more: &[&str]) -> Run {
        let target = self.site.target.address().to_string();
        let to = ["--target-registry", &target, "--target-repository", TARGET];
        self.run(&[&["load", bundle], &to[..], more].concat(), &[]).await
    }

    /// The volumes of a bundle one after another, as one file.
    fn join(&self, bundle: &str, file: &str) {
        let entries = fs::read_dir(self.path(bundle)).unwrap().map(|entry| entry.unwrap().path());
        let is_volume = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("volume-");
        let mut volumes: Vec<PathBuf> = entries.filter(is_volume).collect();
        volumes.sort();
        assert!(volumes.len() >= 3, "{volumes:?}");
        let all: Vec<u8> = volumes.iter().flat_map(|path| fs::read(path).unwrap()).collect();
        fs::write(self.path(file), all).unwrap();
    }

    /// `skopeo` copies an image out of an archive, with the digest that it has at the source.
    async fn skopeo_reads(&self, archive: &str, name: &str) {
        let image = self.image(name);
        let address = self.site.source.address();
        let source = format!("oci-archive:{archive}:{address}/{SOURCE}/{name}:{RELEASE_TAG}");
        let target = self.text(&format!("copied {name}"));
        fs::create_dir(&target).unwrap();
        skopeo(&["copy", "--all", "--preserve-digests", &source, &format!("dir:{target}")]).await.unwrap();
        let manifest = fs::read(Path::new(&target).join("manifest.json")).unwrap();
        assert_eq!(Digest::sha256(&manifest), image.manifest.digest(), "{name}");
        for blob in image.blobs() {
            let content = fs::read(Path::new(&target).join(blob.digest.hex())).unwrap();
            assert_eq!(Digest::sha256(&content), blob.digest, "{name}");
        }
        fs::remove_dir_all(target).unwrap();
    }

    /// What an image is called in a layout.
    fn called(&self, layout: &str, name: &str) -> String {
        let index: Value =
            serde_json::from_slice(&fs::read(self.path(layout).join("index.json")).unwrap()).unwrap();
        let names = index["manifests"].as_array().unwrap().iter();
        let mut names =
            names.filter_map(|it| it["annotations"]["org.opencontainers.image.ref.name"].as_str());
        names.find(|it| it.ends_with(&format!("/{name}:{RELEASE_TAG}"))).unwrap().to_owned()
    }

    /// What the target has under a repository is what the source has.
    async fn assert_there(&self, repository: &str, name: &str) {
        self.assert_at(&self.site.target, repository, name).await;
    }

    async fn assert_at(&self, registry: &DockerRegistry, repository: &str, name: &str) {
        let reference = format!("docker://{}/{repository}:{RELEASE_TAG}", registry.address());
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &reference]).await.unwrap().stdout;
        assert_eq!(raw, self.image(name).manifest.bytes, "{repository}");
    }
}

/// `skopeo` 1.9, which Debian 12 has, finds no manifest of Docker's kind in a layout.
fn is_oci(image: &Image) -> bool {
    image.manifest.descriptor.media_type.contains(".oci.")
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_what_sealift_packs() {
    if !interop_wanted() {
        return;
    }
    let gap = Gap::new().await;
    gap.pack("volumes", &["--volume-size", "2MiB"]).await.expect(0);
    gap.join("volumes", "all.tar");
    gap.pack("one.tar", &[]).await.expect(0);
    let names: Vec<&str> =
        gap.site.set.images().iter().filter(|it| is_oci(it)).map(|it| it.name.as_str()).collect();
    assert!(names.len() >= 2, "{names:?}");
    for archive in ["all.tar", "one.tar"] {
        for name in &names {
            gap.skopeo_reads(&gap.text(archive), name).await;
        }
    }
    // Any tar shows what is in it.
    let listed = run_well("tar", &["-tf", &gap.text("all.tar")]).await.unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.lines().any(|line| line == "index.json") && listed.lines().any(|line| line == "oci-layout")
    );
    for blob in gap.site.set.blobs() {
        assert_eq!(listed.matches(&format!("blobs/sha256/{}\n", blob.digest.hex())).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealift_loads_what_skopeo_writes() {
    if !interop_wanted() {
        return;
    }
    let gap = Gap::new().await;
    let names: Vec<&str> =
        gap.site.set.images().iter().filter(|it| is_oci(it)).map(|it| it.name.as_str()).collect();
    for name in names {
        let source = format!("docker://{}/{SOURCE}/{name}:{RELEASE_TAG}", gap.site.source.address());
        let copy = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &source];
        let layout = format!("oci:{}:{RELEASE_TAG}", gap.text(name));
        skopeo(&[&copy[..], &[&layout]].concat()).await.unwrap();
        gap.load(name, &[]).await.expect(0);
        gap.assert_there(&format!("{TARGET}/{name}"), name).await;
        let archive = format!("oci-archive:{}:{RELEASE_TAG}", gap.text(&format!("{name}-archive.tar")));
        skopeo(&[&copy[..], &[&archive]].concat()).await.unwrap();
        gap.load(&format!("{name}-archive.tar"), &[]).await.expect(0);
        gap.assert_there(&format!("{TARGET}/{name}-archive"), name).await;
    }
}

/// The plain layout that sealift writes is one for skopeo, too.
#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_the_layout_that_sealift_writes() {
    if !interop_wanted() {
        return;
    }
    let gap = Gap::new().await;
    gap.pack("oci:layout", &[]).await.expect(0);
    gap.load("layout", &[]).await.expect(0);
    for image in gap.site.set.images().iter().filter(|it| is_oci(it)) {
        let called = gap.called("layout", &image.name);
        let source = format!("oci:{}:{called}", gap.text("layout"));
        let raw = skopeo(&["inspect", "--raw", &source]).await.unwrap().stdout;
        assert_eq!(raw, image.manifest.bytes, "{called}");
        let address = gap.site.source.address();
        assert_eq!(called, format!("{address}/{SOURCE}/{}:{RELEASE_TAG}", image.name));
        gap.assert_there(&format!("{TARGET}/{}", image.name), &image.name).await;
    }
}

/// A registry with a private authority and a password, its certificate's file, and where that lies.
async fn secured() -> (DockerRegistry, String, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new(files.path()).unwrap();
    let server = authority.server(Flaw::None).unwrap();
    let options = RegistryOptions {
        tls: Some((server.certificate, server.key)),
        htpasswd: Some(write_htpasswd(files.path(), &[("captain", PASSWORD)]).unwrap()),
        ..RegistryOptions::default()
    };
    let registry = DockerRegistry::start(&options).await.unwrap();
    (registry, authority.certificate().display().to_string(), files)
}

/// From a registry by signed and encrypted volumes into one with TLS and a password, and from there into a cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_crosses_the_gap_and_containerd_pulls_it() {
    if !interop_wanted() {
        return;
    }
    let gap = Gap::new().await;
    let (registry, ca, files) = secured().await;
    gap.run(&["keygen", "--no-passphrase"], &[]).await.expect(0);
    run_well("age-keygen", &["-o", &gap.text("captain.txt")]).await.unwrap();
    let recipient = run_well("age-keygen", &["-y", &gap.text("captain.txt")]).await.unwrap();
    let recipient = String::from_utf8(recipient.stdout).unwrap();
    let closing = ["--volume-size", "2MiB", "--sign", "sealift.key", "--encrypt-to", recipient.trim()];
    gap.pack("release", &closing).await.expect(0);
    people_check(&gap).await;

    let to = [
        "--target-registry",
        &registry.address().to_string(),
        "--target-repository",
        TARGET,
        "--ca-file",
        &ca,
    ];
    let opening = ["load", "release", "--trust", "sealift.pub", "--identity", "captain.txt"];
    let variables = [("TARGET_DOCKER_USERNAME", "captain"), ("TARGET_DOCKER_PASSWORD", PASSWORD)];
    let run = gap.run(&[&opening[..], &to].concat(), &variables).await.expect(0);
    assert!(!format!("{run:?}").contains("p&ss"), "the password is printed");
    assert!(run.stdout.contains("15 images: 15 arrived."), "{}", run.stdout);

    let containerd = Containerd::start().await.unwrap();
    let name = registry.address().to_string();
    let hosts = write_hosts(files.path(), &name, &registry.url(), Some(Path::new(&ca))).unwrap();
    let hosts = hosts.display().to_string();
    let user = format!("captain:{PASSWORD}");
    for image in NAMES {
        let reference = format!("{name}/{TARGET}/{image}:{RELEASE_TAG}");
        containerd.pull(&reference, &["--hosts-dir", &hosts, "--user", &user]).await.unwrap();
        let listed = containerd.ctr(&["images", "list", &format!("name=={reference}")]).await.unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains(&gap.image(image).manifest.digest().to_string()), "{listed}");
    }
}

/// A second bundle that builds on the first: where that came, by its receipt; and where it was lost, by a repair.
#[tokio::test(flavor = "multi_thread")]
async fn two_bundles_cross_the_gap_and_one_of_them_is_lost() {
    if !interop_wanted() {
        return;
    }
    let gap = Gap::new().await;
    let [controller, sqlmi, proxy] = NAMES;
    gap.pack("first", &["--image", sqlmi]).await.expect(0);
    gap.load("first", &[]).await.expect(0);
    let since = ["--since", "first.receipt.json", "--image", controller, "--image", proxy];
    let run = gap.pack("second", &since).await.expect(0);
    assert!(run.stderr.contains("are left out: the other side has them"), "{}", run.stderr);
    gap.load("second", &[]).await.expect(0);
    for name in NAMES {
        gap.assert_there(&format!("{TARGET}/{name}"), name).await;
    }

    let other = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
    let address = other.address().to_string();
    let to = ["--target-registry", &address, "--target-repository", TARGET, "--receipt", "other.json"];
    let run = gap.run(&[&["load", "second"], &to[..]].concat(), &[]).await;
    assert!(run.stderr.contains("sealift pack --repair second.repair.json"), "{run:?}");
    assert_ne!(run.code(), Some(0));
    gap.run(&["pack", "--repair", "second.repair.json", "--to", "repair"], &[]).await.expect(0);
    gap.run(&[&["load", "second", "repair"], &to[..]].concat(), &[]).await.expect(0);

    let files = tempfile::tempdir().unwrap();
    let hosts = write_hosts(files.path(), &address, &other.url(), None).unwrap().display().to_string();
    let containerd = Containerd::start().await.unwrap();
    for name in [controller, proxy] {
        gap.assert_at(&other, &format!("{TARGET}/{name}"), name).await;
        let reference = format!("{address}/{TARGET}/{name}:{RELEASE_TAG}");
        containerd.pull(&reference, &["--hosts-dir", &hosts]).await.unwrap();
    }
}

/// What people check without sealift: the signature, the checksums, and what the encryption hides.
async fn people_check(gap: &Gap) {
    let list = gap.text("release/SHA256SUMS");
    run_well("minisign", &["-Vm", &list, "-p", &gap.text("sealift.pub")]).await.unwrap();
    let check = format!("cd '{}' && sha256sum --strict -c SHA256SUMS", gap.text("release"));
    let checked = run_well("sh", &["-c", &check]).await.unwrap();
    let files = fs::read_dir(gap.path("release")).unwrap().count();
    // All but the list itself and its signature.
    assert_eq!(String::from_utf8(checked.stdout).unwrap().matches(": OK\n").count(), files - 2);

    let decrypt = |identity: &str, output: &str, file: &str| {
        let args = ["-d", "-i", identity, "-o", output, file].map(str::to_owned);
        async move { run_well("age", &args.each_ref().map(String::as_str)).await.unwrap() }
    };
    decrypt(&gap.text("captain.txt"), &gap.text("bundle.txt"), &gap.text("release/key.age")).await;
    decrypt(&gap.text("bundle.txt"), &gap.text("catalogue.json"), &gap.text("release/catalogue.json.age"))
        .await;
    let catalogue: Value = serde_json::from_slice(&fs::read(gap.path("catalogue.json")).unwrap()).unwrap();
    gap.join("release", "all.tar");
    fs::create_dir(gap.path("entries")).unwrap();
    run_well("tar", &["-xf", &gap.text("all.tar"), "-C", &gap.text("entries")]).await.unwrap();
    let mut digests = Vec::new();
    for entry in fs::read_dir(gap.path("entries/sealed")).unwrap() {
        let (sealed, plain) = (entry.unwrap().path().display().to_string(), gap.text("entry"));
        decrypt(&gap.text("bundle.txt"), &plain, &sealed).await;
        digests.push(Digest::sha256(&fs::read(plain).unwrap()).to_string());
    }
    let listed = catalogue["content"].as_array().unwrap().iter();
    let mut listed: Vec<String> = listed.map(|it| it["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    listed.sort();
    assert_eq!(digests, listed, "every entry opens and is in the catalogue");
}
