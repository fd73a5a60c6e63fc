//! Helpers that ask for a passphrase on the terminal. `script` gives the program one; where that is not
//! there, nothing is tested.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::site::write_program;

const SCRIPT: &str = "/usr/bin/script";
/// No run takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a line of the shell on a terminal.
fn on_terminal(line: &str, home: &TempDir) -> Command {
    let mut command = Command::new(SCRIPT);
    command.args(["-q", "-c", line, "/dev/null"]).env_clear().kill_on_drop(true);
    let search = format!("{}:/usr/bin:/bin", home.path().display());
    command.env("HOME", home.path()).env("PATH", search).env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Shows who is kept, on a terminal, by a helper that does this.
fn whoami(helper: &str) -> Option<(TempDir, Child)> {
    if !std::path::Path::new(SCRIPT).exists() {
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    std::fs::create_dir(path(".docker")).unwrap();
    std::fs::write(path(".docker/config.json"), "{\"credsStore\":\"asks\"}").unwrap();
    write_program(&path("docker-credential-asks"), helper);
    let program = format!("{} whoami reg.lan; echo ended with $?", env!("CARGO_BIN_EXE_sealift"));
    let mut command = on_terminal(&program, &home);
    let child = command.spawn().unwrap();
    Some((home, child))
}

async fn output(mut child: Child) -> String {
    let (mut text, mut stdout) = (String::new(), child.stdout.take().unwrap());
    tokio::time::timeout(LIMIT, stdout.read_to_string(&mut text)).await.expect("the run hangs").unwrap();
    text.replace('\r', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_may_ask_on_the_terminal() {
    let ask = "read -r word < /dev/tty; echo \"{\\\"Username\\\":\\\"$word\\\",\\\"Secret\\\":\\\"x\\\"}\"";
    let Some((_home, mut child)) = whoami(ask) else { return };
    child.stdin.take().unwrap().write_all(b"captain\n").await.unwrap();
    let text = output(child).await;
    assert!(text.contains("user: captain\n") && text.contains("ended with 0\n"), "{text}");
}

/// Ctrl-C goes to whoever has the terminal, and ends the run with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_asks_can_be_broken_off() {
    let wait = "read -r word < /dev/tty; echo $$ > \"$HOME/reads\"; exec sleep 600";
    let Some((home, mut child)) = whoami(wait) else { return };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"captain\n").await.unwrap();
    // What it has read says that it has the terminal.
    let reads = async {
        while !home.path().join("reads").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, reads).await.expect("the helper does not get the terminal");
    stdin.write_all(b"\x03").await.unwrap();
    let text = output(child).await;
    assert!(text.contains("error: interrupted") && text.contains("ended with 130\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_not_written_to_a_terminal() {
    if !std::path::Path::new(SCRIPT).exists() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sealift");
    let line = format!("{program} pack --tag v1 --source-registry 127.0.0.1:1 --to -; echo ended with $?");
    let text = output(on_terminal(&line, &home).spawn().unwrap()).await;
    assert!(text.contains("a bundle is not for a terminal") && text.contains("ended with 2\n"), "{text}");
}
