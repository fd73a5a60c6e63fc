//! Debian's `docker-registry`, run for real: the peer that clients of every kind agree with.
//!
//! The registry chooses its port itself and says which in its log, so no two tests can take the same one.
//! Its access log tells what it was asked.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, poll};
use crate::peers;

/// How long the access log may lag behind what a client has seen.
const LOG_LAG: Duration = Duration::from_secs(10);

/// How a registry shall run.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Where it keeps its content; a directory of its own if none is given.
    pub storage: Option<PathBuf>,
    /// Certificate and key, both PEM files: it speaks TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A file of users and bcrypt passwords: it asks everyone for one.
    pub htpasswd: Option<PathBuf>,
    /// Manifests and blobs may be deleted.
    pub delete: bool,
    /// Every change is refused with status 405.
    pub read_only: bool,
    /// Blob descriptors are cached in memory. Without it every `HEAD` looks at the file.
    pub blob_cache: bool,
    /// The port to listen on; 0 lets the system choose. A fixed one is for a registry that comes back.
    pub port: u16,
}

/// A registry that runs, until the value is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    address: SocketAddr,
    tls: bool,
    storage: PathBuf,
    daemon: Daemon,
    /// Configuration, logs and perhaps the storage; removed after the daemon has ended.
    _directory: TempDir,
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// The bytes that the handler wrote. For `HEAD` of what is missing the registry counts the error body
    /// that is never sent.
    pub bytes: u64,
}

impl DockerRegistry {
    /// Starts a registry and waits until it listens.
    ///
    /// # Errors
    /// When the program is missing, or does not come up.
    pub async fn start(options: &RegistryOptions) -> io::Result<Self> {
        peers::require("docker-registry")?;
        let directory = tempfile::tempdir()?;
        let storage = options.storage.clone().unwrap_or_else(|| directory.path().join("storage"));
        // JSON is YAML, and needs no quoting of paths by hand.
        let file = directory.path().join("config.yml");
        std::fs::write(&file, configuration(options, &storage).to_string())?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file);
        let mut daemon = Daemon::start(&mut command, directory.path())?;
        let port = daemon.wait_for(|daemon| listening_port(&daemon.stderr().ok()?)).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { address, tls: options.tls.is_some(), storage, daemon, _directory: directory })
    }

    /// Returns where it listens; printed, it is the registry's name in a reference.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Returns the number of its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.daemon.id()
    }

    /// Returns the directory of its content.
    #[must_use]
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// Returns the requests that the access log shows so far. The registry writes a line when its handler
    /// has returned, which may be after the client has seen the whole answer: to count requests exactly,
    /// put an [`HttpProxy`](crate::http_proxy::HttpProxy) in front, or [wait](Self::wait_for_requests).
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> io::Result<Vec<Request>> {
        Ok(self.daemon.stdout()?.split_inclusive('\n').filter_map(parse_line).collect())
    }

    /// Waits until the requests are as `expected`, and returns them.
    ///
    /// # Errors
    /// When they are not within ten seconds.
    pub async fn wait_for_requests(&self, expected: impl Fn(&[Request]) -> bool) -> io::Result<Vec<Request>> {
        poll(LOG_LAG, || self.requests().ok().filter(|requests| expected(requests))).await
    }

    /// Returns what it wrote to its log, for a test that fails to show.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        self.daemon.stderr()
    }
}

fn configuration(options: &RegistryOptions, storage: &Path) -> Value {
    let mut config = json!({
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": false}},
        "storage": {
            "filesystem": {"rootdirectory": storage},
            "delete": {"enabled": options.delete},
            "maintenance": {"readonly": {"enabled": options.read_only}},
        },
        "http": {"addr": format!("127.0.0.1:{}", options.port), "secret": "of no use to anyone"},
    });
    if options.blob_cache {
        config["storage"]["cache"] = json!({"blobdescriptor": "inmemory"});
    }
    if let Some((certificate, key)) = &options.tls {
        config["http"]["tls"] = json!({"certificate": certificate, "key": key});
    }
    if let Some(file) = &options.htpasswd {
        config["auth"] = json!({"htpasswd": {"realm": "testbed", "path": file}});
    }
    config
}

/// Finds the port in the line `msg="listening on 127.0.0.1:34137" …` or `msg="listening on …, tls" …`.
fn listening_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("msg=\"listening on 127.0.0.1:")?;
    let (port, _) = rest.split_once(['"', ','])?;
    port.parse().ok()
}

/// Reads a whole line of Apache's combined form:
/// `127.0.0.1 - - [21/Nov/2026:10:37:52 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "curl/7.88.1"`.
fn parse_line(line: &str) -> Option<Request> {
    let mut quoted = line.strip_suffix('\n')?.split('"');
    let mut request = quoted.nth(1)?.split(' ');
    let mut answer = quoted.next()?.split_whitespace();
    Some(Request {
        method: request.next()?.to_owned(),
        path: request.next()?.to_owned(),
        status: answer.next()?.parse().ok()?,
        bytes: answer.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tiny_set;
    use crate::pushing::seed_docker_registry;

    #[test]
    fn log_lines_are_understood() {
        let line = "127.0.0.1 - - [21/Nov/2026:10:37:52 +0000] \"GET /v2/_catalog?n=3 HTTP/1.1\" 200 20 \"\" \"curl\"\n";
        let (method, path) = ("GET".to_owned(), "/v2/_catalog?n=3".to_owned());
        assert_eq!(parse_line(line), Some(Request { method, path, status: 200, bytes: 20 }));
        assert_eq!(parse_line(line.trim_end()), None, "half a line is none");
        assert_eq!(listening_port("x msg=\"listening on 127.0.0.1:34137\" y"), Some(34137));
        assert_eq!(listening_port("x msg=\"listening on 127.0.0.1:341, tls\" y"), Some(341));
        assert_eq!(listening_port("x msg=\"listening on 127.0.0.1:34"), None);
    }

    /// Skopeo reads every seeded image with its digest, and copies whole images out; the log tells of it.
    #[tokio::test]
    async fn skopeo_finds_what_was_seeded() {
        if !peers::interop_wanted() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_set(&directory.path().join("set")).unwrap();
        let storage = directory.path().join("storage");
        seed_docker_registry(&storage, "arcdata", &set).unwrap();
        let options = RegistryOptions { storage: Some(storage), ..RegistryOptions::default() };
        let registry = DockerRegistry::start(&options).await.unwrap();
        for image in set.images() {
            let source = format!("docker://{}/arcdata/{}:{}", registry.address(), image.name, image.tag);
            let raw = peers::skopeo(&["inspect", "--raw", "--tls-verify=false", &source]).await.unwrap();
            assert_eq!(raw.stdout, image.manifest.bytes);
            let target = format!("dir:{}", directory.path().join(&image.name).display());
            let copy = ["copy", "--all", "--src-tls-verify=false", &source, &target];
            peers::skopeo(&copy).await.unwrap();
            for blob in image.blobs() {
                assert!(directory.path().join(&image.name).join(blob.digest.hex()).exists());
            }
        }
        let digest = set.image("two").unwrap().children[1].links.blobs[1].digest;
        let path = format!("/v2/arcdata/two/blobs/{digest}");
        let requests =
            registry.wait_for_requests(|all| all.iter().any(|request| request.path == path)).await.unwrap();
        let request = requests.iter().find(|request| request.path == path).unwrap();
        assert_eq!((request.method.as_str(), request.status), ("GET", 200));
        assert_eq!(request.bytes, std::fs::metadata(set.path(&digest)).unwrap().len());
    }

    #[tokio::test]
    async fn a_read_only_registry_refuses_skopeo() {
        if !peers::interop_wanted() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_set(&directory.path().join("set")).unwrap();
        // Skopeo 1.9 finds none but OCI manifests in a layout.
        let source = format!("oci:{}:two:1", set.directory().display());
        let options = RegistryOptions { read_only: true, ..RegistryOptions::default() };
        for (read_only, options) in [(true, options), (false, RegistryOptions::default())] {
            let registry = DockerRegistry::start(&options).await.unwrap();
            let target = format!("docker://{}/two:1", registry.address());
            let copy = peers::skopeo(&["copy", "--dest-tls-verify=false", &source, &target]).await;
            assert_eq!(copy.is_err(), read_only, "{copy:?}\n{}", registry.log().unwrap());
        }
    }
}
