use std::process::Stdio;
use std::time::Duration;

use sealift_store::{Action, Method};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::site::{KNOWN, Site, names};

/// Starts a mirror whose blobs take their time, and returns when it has begun.
async fn begun(site: &Site) -> (Child, BufReader<tokio::process::ChildStderr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    let mut child = command
        .args(["mirror", "--tag", KNOWN, "--source-registry", &site.source.address])
        .args(["--target-registry", &site.target.address, "--target-repository", "site/arcdata"])
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Bringing 20 images") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).await.unwrap(), 0, "it ended early");
    }
    (child, stderr)
}

async fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

async fn slow() -> Site {
    Site::broken(|call| match call.method {
        Method::OpenBlob => Action::Delay(Duration::from_secs(30)),
        _ => Action::Pass,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_reports_and_has_moved_no_tag() {
    let site = slow().await;
    let (child, _stderr) = begun(&site).await;
    interrupt(&child).await;
    let ended =
        tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("20 images: 20 stopped."));
    for name in names() {
        assert_eq!(site.tagged(&name, KNOWN).await, None);
    }
}
