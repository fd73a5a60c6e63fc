//! The keyring with real files and real helper programs.

mod finding;
mod helpers;
mod hostile;
mod keeping;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sealift_oci::Registry;
use tempfile::TempDir;

use super::{CredentialsError, Found, Keyring, Lookup, Surroundings};

/// What no output may have.
const PASSWORD: &str = "hunter2-p&ss";
/// base64 of that alone, and behind `captain:`, without what depends on the end.
const ENCODED: [&str; 2] = ["aHVudGVyMi1wJnNz", "Y2FwdGFpbjpodW50ZXIyLXAmc3M"];

/// A helper that keeps what it gets in a file for each server, next to itself.
const TEST_HELPER: &str = r#"
cd "$(dirname "$0")" || exit 1
input=$(cat)
echo "$1" >> calls
case "$1" in
store) server=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/') ;;
*) server=$input ;;
esac
kept=kept-$(printf %s "$server" | tr /: __)
case "$1" in
store) printf %s "$input" > "$kept" ;;
get) cat "$kept" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm "$kept" ;;
esac
"#;

/// A user's home with nothing in it.
struct Home {
    directory: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let path = format!("{}:/usr/bin:/bin", at("bin"));
        fs::create_dir(at("bin")).unwrap();
        let variables = vec![("HOME", at("")), ("PATH", path), ("XDG_RUNTIME_DIR", at("run"))];
        Self { directory, variables }
    }

    /// A home whose Docker's file has this in it.
    fn with_docker(text: &str) -> Self {
        let home = Self::new();
        home.write(DOCKER, text);
        home
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Makes a helper out of a script. Another process writes it, since no program starts while somebody,
    /// such as a test that is just starting another helper, has it open to write.
    fn helper(&self, name: &str, script: &str) {
        let path = self.path("bin").join(format!("docker-credential-{name}"));
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh", path.to_str().unwrap()]);
        let mut child = shell.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn keyring(&self) -> Keyring {
        let variables = self.variables.iter().map(|(name, value)| (name.into(), value.into()));
        Keyring::new(Surroundings::new(variables.collect()))
    }

    async fn find(&self, name: &str) -> Result<Lookup, CredentialsError> {
        let (registry, repository) = name.split_once('/').unwrap_or((name, ""));
        let repository = repository.parse().ok();
        self.keyring().find(&registry.parse().unwrap(), repository.as_ref()).await
    }

    /// What is found, as text.
    async fn shown(&self, name: &str) -> String {
        shown(&self.find(name).await.unwrap().found)
    }
}

const DOCKER: &str = ".docker/config.json";
const RUNTIME: &str = "run/containers/auth.json";
const CONFIG: &str = ".config/containers/auth.json";

fn registry(text: &str) -> Registry {
    text.parse().unwrap()
}

fn shown(found: &Found) -> String {
    match found {
        Found::None => "none".to_owned(),
        Found::Basic { username, password } => format!("{username}:{}", password.expose()),
        Found::IdentityToken { username, token } => {
            format!("{} token {}", username.as_deref().unwrap_or("-"), token.expose())
        }
    }
}

/// An error with all that it comes from, in both forms.
fn told(error: &CredentialsError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    format!("{text}\n{error:?}")
}

#[track_caller]
fn assert_no_secret(text: &str) {
    for secret in [PASSWORD, ENCODED[0], ENCODED[1]] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}
