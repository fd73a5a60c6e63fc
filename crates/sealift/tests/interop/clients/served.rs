//! `sealift serve` as a process, and how clients get to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sealift_oci::Digest;
use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::peers::{run_well, skopeo};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::site;

pub const USER: &str = "captain";
pub const PASSWORD: &str = "a p&ss%w^rd";
/// No start takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A registry that runs, until the value is dropped.
pub struct Served {
    /// What its images' names begin with.
    pub address: String,
    pub is_secured: bool,
    /// Whether clients say who they are.
    pub has_password: bool,
    arguments: Vec<String>,
    files: TempDir,
    _child: Child,
}

impl Served {
    /// Serves an empty directory: to everybody over plain HTTP, or over TLS to who has a password.
    pub async fn writable(is_secured: bool) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name).display().to_string();
        let mut arguments = vec![path("store")];
        if is_secured {
            arguments.extend(guard(&files));
        }
        Self::start(arguments, files, is_secured).await
    }

    /// Serves an empty directory in front of a registry that nobody can reach.
    pub async fn cut_off() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (store, gone) = (files.path().join("store").display().to_string(), "127.0.0.1:1");
        let arguments = [&store, "--upstream", gone, "--plain-http", gone].map(str::to_owned).to_vec();
        Self::start(arguments, files, false).await
    }

    /// Serves an empty directory over TLS, to everybody who reads, and to who has a password.
    pub async fn readable() -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut arguments = vec![files.path().join("store").display().to_string()];
        arguments.extend(guard(&files));
        arguments.push("--anonymous-pull".to_owned());
        Self::start(arguments, files, true).await
    }

    /// Serves a bundle to everybody over plain HTTP.
    pub async fn bundle(bundle: &Path) -> Self {
        let arguments = vec!["--read-only".to_owned(), bundle.display().to_string()];
        Self::start(arguments, tempfile::tempdir().unwrap(), false).await
    }

    async fn start(arguments: Vec<String>, files: TempDir, is_secured: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(&arguments).env_clear().kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        tokio::time::timeout(LIMIT, stdout.read_line(&mut line)).await.unwrap().unwrap();
        let scheme = if is_secured { "https://" } else { "http://" };
        let (_, address) = line.trim().rsplit_once(scheme).expect("it does not say where it is");
        let (address, has_password) = (address.to_owned(), is_secured);
        Self { address, is_secured, has_password, arguments, files, _child: child }
    }

    /// The directory in which clients find whom to trust, and nothing else: beside a key they want its certificate.
    pub fn authorities(&self) -> String {
        let directory = self.files.path().join("handed out");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(self.files.path().join("tls/ca.crt"), directory.join("ca.crt")).unwrap();
        directory.display().to_string()
    }

    pub fn credentials(&self) -> String {
        format!("{USER}:{PASSWORD}")
    }

    /// Writes the `hosts.toml` that it prints for itself, and for `registry`; returns the directory for
    /// `--hosts-dir`.
    pub async fn write_hosts(&self, registry: &str) -> PathBuf {
        let print = ["serve", "--print-hosts-toml", "--listen", &self.address];
        let arguments = self.arguments.iter().map(String::as_str);
        let printed = site::run(print.into_iter().chain(arguments).collect(), &[]).await.expect(0).stdout;
        let hosts = self.files.path().join("hosts");
        for name in [&self.address, registry] {
            std::fs::create_dir_all(hosts.join(name)).unwrap();
            std::fs::write(hosts.join(name).join("hosts.toml"), &printed).unwrap();
        }
        hosts
    }

    /// Runs `curl` against it, as who may.
    pub async fn curl(&self, path: &str) -> Vec<u8> {
        let (authority, user) =
            (self.files.path().join("tls/ca.crt").display().to_string(), self.credentials());
        let (scheme, trust): (_, &[&str]) =
            if self.is_secured { ("https", &["--cacert", &authority]) } else { ("http", &[]) };
        let user: &[&str] = if self.has_password { &["--user", &user] } else { &[] };
        let url = format!("{scheme}://{}{path}", self.address);
        run_well("curl", &[&["-sSf"], trust, user, &[&url]].concat()).await.unwrap().stdout
    }

    /// The digest of what it has under a name, of its bytes.
    pub async fn digest(&self, repository: &str, tag: &str) -> String {
        Digest::sha256(&self.curl(&format!("/v2/{repository}/manifests/{tag}")).await).to_string()
    }

    /// Brings an image whole from another registry, which speaks plain HTTP.
    pub async fn take(&self, source: &str, repository: &str, tag: &str) {
        let copy = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"];
        let target = format!("docker://{}/{repository}:{tag}", self.address);
        let options = self.options("dest-");
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        skopeo(&[&copy[..], &options, &[&format!("docker://{source}"), &target]].concat()).await.unwrap();
    }

    /// What skopeo has to be told, with `dest-` or `src-` where it copies; podman is told the same.
    pub fn options(&self, end: &str) -> Vec<String> {
        let trust = match self.is_secured {
            true => format!("--{end}cert-dir={}", self.authorities()),
            false => format!("--{end}tls-verify=false"),
        };
        let user = self.has_password.then(|| format!("--{end}creds={}", self.credentials()));
        [trust].into_iter().chain(user).collect()
    }
}

/// Writes the file of users, and returns the options for TLS and for it.
fn guard(files: &TempDir) -> [String; 4] {
    write_htpasswd(files.path(), &[(USER, PASSWORD)]).unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    ["--tls-self-signed".to_owned(), path("tls"), "--htpasswd".to_owned(), path("htpasswd")]
}
