//! `helm template`, where helm is there: what a chart really becomes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sealift_catalog::yaml::TEXT_LIMIT;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How long a chart may take: some hundred templates take a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of what it says of a failure is read.
const MESSAGE_LIMIT: u64 = 4096;
/// The name that a release gets.
const RELEASE: &str = "sealift";

/// The program.
#[derive(Debug)]
pub(super) struct Helm {
    program: PathBuf,
    variables: HashMap<OsString, OsString>,
}

impl Helm {
    /// Looks for the program in the directories of `PATH`.
    pub(super) fn find(variables: &HashMap<OsString, OsString>) -> Option<Self> {
        let path = variables.get(OsStr::new("PATH"))?;
        let program = std::env::split_paths(path).map(|it| it.join("helm")).find(|it| it.is_file())?;
        Some(Self { program, variables: variables.clone() })
    }

    /// Renders a chart. It asks no cluster, and no registry for what lies in the chart.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub(super) async fn template(&self, chart: &Path, values: &[PathBuf]) -> Result<Vec<u8>, String> {
        // A path that begins with a hyphen is no option.
        let chart = std::path::absolute(chart).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.program);
        command.args(["template", RELEASE]).arg(chart).arg("--include-crds");
        for values in values {
            command.arg("--values").arg(values);
        }
        command.env_clear().envs(&self.variables).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, run(command)).await {
            Ok(run) => run,
            Err(_) => Err(format!("helm took longer than {} seconds", PATIENCE.as_secs())),
        }
    }
}

async fn run(mut command: Command) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("helm cannot be run: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (rendered, message) = tokio::join!(read(stdout, TEXT_LIMIT as u64 + 1), read(stderr, MESSAGE_LIMIT));
    if rendered.len() > TEXT_LIMIT {
        return Err(format!("helm renders more than {TEXT_LIMIT} bytes"));
    }
    let status = child.wait().await.map_err(failed)?;
    match status.success() {
        true => Ok(rendered),
        false => Err(reason(&String::from_utf8_lossy(&message))),
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What could be read tells as much as there is to know.
        let _ = stream.take(limit).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Returns the line that says what is wrong.
fn reason(message: &str) -> String {
    let lines = || message.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.starts_with("Error:")).or_else(|| lines().next());
    format!("helm cannot render it ({})", line.unwrap_or("it does not say why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_error_is_told() {
        for (message, expected) in [
            ("walk.go:75: found symbolic link\nError: no values\n", "Error: no values"),
            ("what is this\n", "what is this"),
            ("", "it does not say why"),
        ] {
            assert_eq!(reason(message), format!("helm cannot render it ({expected})"));
        }
    }
}
