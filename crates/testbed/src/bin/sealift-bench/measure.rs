//! What a command costs, by the kernel's own account.

use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// The argument that makes this program run one command and print what it cost.
pub(crate) const MODE: &str = "measure";

/// What one run of a tool cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Of the tool and everything that it started, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// The most memory that one process of it held at once, in bytes.
    pub(crate) memory: u64,
    pub(crate) source_requests: usize,
    /// Bytes of bodies that the source sent.
    pub(crate) source_bytes: u64,
    pub(crate) target_requests: usize,
}

/// Runs a command in a process that has no other children. Its account is that of the command alone.
///
/// # Errors
/// When the command fails.
pub(crate) async fn measure(command: &[String]) -> io::Result<Cost> {
    let mut outer = tokio::process::Command::new(std::env::current_exe()?);
    outer.arg(MODE).args(command).stdin(Stdio::null()).kill_on_drop(true);
    let output = outer.output().await?;
    let told = || String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(io::Error::other(format!("{}: {}", command.join(" "), told())));
    }
    let account: Value = serde_json::from_slice(&output.stdout)?;
    let micros = |field: &str| Duration::from_micros(account[field].as_u64().unwrap_or_default());
    let memory = account["memory"].as_u64().unwrap_or_default();
    Ok(Cost { wall: micros("wall"), cpu: micros("cpu"), memory, ..Cost::default() })
}

/// Runs the command, and prints its account as JSON.
pub(crate) fn run_inner(command: &[String]) -> ExitCode {
    match account(command) {
        Ok(account) => {
            let _ = writeln!(io::stdout(), "{account}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn account(command: &[String]) -> io::Result<Value> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::other("there is no command to measure"))?;
    let began = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    let wall = began.elapsed();
    if !status.success() {
        return Err(io::Error::other(format!("{program} ended with {status}")));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(json!({
        "wall": u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        "cpu": micros(usage.user_time()) + micros(usage.system_time()),
        // Linux tells it in KiB (getrusage(2)).
        "memory": usage.max_rss() * 1024,
    }))
}
