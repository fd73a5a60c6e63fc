//! Running a helper program: fed, read within bounds, and ended with all that it started when its time is
//! over or nobody waits for it any more.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use zeroize::Zeroizing;

use super::helper::HelperFailure;
use super::locations::Surroundings;
use crate::platform::{self, Group};

/// The most that a helper may answer. An answer is a user and a token; the longest tokens have some KiB.
const ANSWER_LIMIT: u64 = 1024 * 1024;
/// As much of a helper's messages as is read; what comes behind is thrown away.
const MESSAGE_LIMIT: u64 = 16 * 1024;
/// Room that is there from the start, so that buffers with passwords do not grow and leave copies behind.
const ROOM: usize = 16 * 1024;

/// What became of a helper. It has no `Debug` form.
pub(super) struct Finished {
    /// It says that all went well.
    pub(super) is_success: bool,
    /// What it answered.
    pub(super) answer: Zeroizing<Vec<u8>>,
    /// What it complained about.
    pub(super) message: Zeroizing<Vec<u8>>,
}

/// Runs a helper with the variables that sealift was run with.
pub(super) async fn run(
    program: &Path,
    verb: &str,
    input: &[u8],
    surroundings: &Surroundings,
    time_limit: Duration,
) -> Result<Finished, HelperFailure> {
    let mut command = Command::new(program);
    command.arg(verb).env_clear().envs(surroundings.variables());
    platform::lead_group(&mut command);
    // The group is ended below; this waits for its first process where nobody else does.
    command.kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(HelperFailure::Start)?;
    let group = Group::of(&child);
    let ended = tokio::time::timeout(time_limit, converse(&mut child, input)).await;
    let ended = ended.unwrap_or(Err(HelperFailure::TimedOut(time_limit)));
    match ended {
        Ok(finished) => {
            group.release();
            Ok(finished)
        }
        Err(failure) => {
            drop(group);
            // It may have ended by itself meanwhile.
            let _ = child.kill().await;
            Err(failure)
        }
    }
}

async fn converse(child: &mut Child, input: &[u8]) -> Result<Finished, HelperFailure> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ((), answer, message) = tokio::try_join!(feed(stdin, input), answer(stdout), message(stderr))?;
    let status = child.wait().await.map_err(HelperFailure::Broken)?;
    if platform::was_interrupted(status) {
        return Err(HelperFailure::Interrupted);
    }
    Ok(Finished { is_success: status.success(), answer, message })
}

async fn feed(stdin: Option<ChildStdin>, input: &[u8]) -> Result<(), HelperFailure> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    match stdin.write_all(input).await {
        // A helper need not read what it does not want to know; its answer tells.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(HelperFailure::Broken),
    }
}

async fn answer(stdout: Option<impl AsyncRead + Unpin>) -> Result<Zeroizing<Vec<u8>>, HelperFailure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    let Some(stdout) = stdout else { return Ok(bytes) };
    stdout.take(ANSWER_LIMIT + 1).read_to_end(&mut bytes).await.map_err(HelperFailure::Broken)?;
    if bytes.len() as u64 > ANSWER_LIMIT { Err(HelperFailure::TooMuch) } else { Ok(bytes) }
}

async fn message(stderr: Option<impl AsyncRead + Unpin>) -> Result<Zeroizing<Vec<u8>>, HelperFailure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    let Some(stderr) = stderr else { return Ok(bytes) };
    let mut kept = stderr.take(MESSAGE_LIMIT);
    kept.read_to_end(&mut bytes).await.map_err(HelperFailure::Broken)?;
    tokio::io::copy(&mut kept.into_inner(), &mut tokio::io::sink()).await.map_err(HelperFailure::Broken)?;
    Ok(bytes)
}
