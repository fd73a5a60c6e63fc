//! The other programs that sealift has to get along with, as Debian packages them.
//!
//! A test against another program is never skipped in silence: where the program is missing, [`require`]
//! fails and names the package, unless the person who runs the tests set `SEALIFT_NO_INTEROP=1`.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// The environment variable that leaves tests against other programs out.
const NO_INTEROP: &str = "SEALIFT_NO_INTEROP";
/// How long one run of a program may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The programs and the Debian packages that have them.
const PACKAGES: [(&str, &str); 13] = [
    ("age", "age"),
    ("age-keygen", "age"),
    ("chromium", "chromium"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("docker", "docker.io"),
    ("docker-registry", "docker-registry"),
    ("dockerd", "docker.io"),
    ("kubectl", "kubernetes-client"),
    ("minisign", "minisign"),
    ("podman", "podman"),
    ("script", "bsdutils"),
    ("skopeo", "skopeo"),
];

/// Tells whether tests against other programs are to run; a test that returns early because of it says no
/// word, since the person who set the variable knows.
#[must_use]
pub fn interop_wanted() -> bool {
    std::env::var(NO_INTEROP).as_deref() != Ok("1")
}

/// Makes sure that `program` is installed.
///
/// # Errors
/// When it is not; the error names the Debian package.
pub fn require(program: &str) -> io::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
        return Ok(());
    }
    let package = PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package);
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "{program} is missing: apt-get install {package}, or leave such tests out with {NO_INTEROP}=1"
        ),
    ))
}

/// What a program did.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// Runs `program` to its end, whatever that is.
///
/// # Errors
/// When it is not installed, or takes more than five minutes.
pub async fn run(program: &str, arguments: &[&str]) -> io::Result<Output> {
    require(program)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await??;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Output { status: output.status, stdout: output.stdout, stderr })
}

/// Runs `program`, which must end well.
///
/// # Errors
/// As [`run`], and when it fails; then the error holds what it wrote to its standard error.
pub async fn run_well(program: &str, arguments: &[&str]) -> io::Result<Output> {
    let output = run(program, arguments).await?;
    if output.status.success() {
        return Ok(output);
    }
    let (arguments, status) = (arguments.join(" "), output.status);
    Err(io::Error::other(format!("{program} {arguments}: {status}\n{}", output.stderr)))
}

/// Runs `skopeo`, which must end well.
///
/// # Errors
/// As [`run_well`].
pub async fn skopeo(arguments: &[&str]) -> io::Result<Output> {
    run_well("skopeo", arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = require("no-such-program").unwrap_err();
        assert!(error.to_string().contains("apt-get install no-such-program"), "{error}");
        require("sh").unwrap();
    }

    #[tokio::test]
    async fn output_is_captured_and_failure_is_told() {
        let output = run("sh", &["-c", "echo out; echo err >&2; exit 4"]).await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"out\n"[..], "err\n"));
        assert_eq!(output.status.code(), Some(4));
        let error = run_well("sh", &["-c", "echo why >&2; exit 4"]).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 4") && error.contains("why"), "{error}");
    }
}
