use crate::site::{KNOWN, Site, sealift};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_waits() {
    for command in ["mirror", "verify"] {
        let run = sealift(&[command], &[], None).await.expect(2);
        assert_eq!(
            run.stderr,
            "error: the target registry is not given\n  \
             Hint: Set --target-registry or TARGET_DOCKER_REGISTRY.\n"
        );
        assert_eq!(run.stdout, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let site = Site::new().await;
    let cases: [(&[&str], &str); 8] = [
        (&["--image", "arc-sqlmy"], "Did you mean --image arc-sqlmi?"),
        (&["--tag", "a/b"], "the source tag `a/b` is malformed"),
        (&["--tag", "v1", "--tag", "v2", "--target-tag", "v3"], "with several source tags"),
        (&["--platform", "linux"], "a platform reads os/architecture"),
        (&["--max-connections", "0"], "--max-connections"),
        (&["--ca-file", "/nowhere.pem"], "--ca-file /nowhere.pem: it is not there"),
        (&["--source-repository", "Arc"], "the source repository `Arc` is malformed"),
        (&["--frobnicate"], "unexpected argument"),
    ];
    for (args, words) in cases {
        let run = site.run("mirror", args).await.expect(2);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
    let run = site.run("mirror", &["--output", "json", "--tag", "a/b"]).await.expect(2);
    assert_eq!(run.json()["failures"][0]["kind"], "usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misprint_is_pointed_out() {
    let site = Site::new().await;
    let run = site.run("mirror", &["--tag", "v1.0.0_2021-12-15"]).await.expect(3);
    let words = "warning: v1.0.0_2021-12-15: a known misprint, the release is v1.2.0_2021-12-15";
    assert!(run.stderr.contains(words), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_ca_file_is_told() {
    let site = Site::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no certificate").unwrap();
    let run =
        site.run("mirror", &["--tag", KNOWN, "--ca-file", file.path().to_str().unwrap()]).await.expect(2);
    assert!(run.stderr.contains("it has no certificate in PEM form"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_are_data() {
    let run = sealift(&["--version"], &[], None).await.expect(0);
    assert!(run.stdout.starts_with("sealift 0."), "{}", run.stdout);
    let run = sealift(&["mirror", "--help"], &[], None).await.expect(0);
    assert!(run.stdout.contains("Examples:") && run.stderr.is_empty());
    sealift(&[], &[], None).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_opened_or_told() {
    let site = Site::new().await;
    let wanted = ["--tag", KNOWN, "--image", "arc-dns", "--spool"];
    let run = site.run("mirror", &[&wanted[..], &["/dev/null/spool"]].concat()).await.expect(2);
    assert!(run.stderr.contains("--spool /dev/null/spool"), "{}", run.stderr);
    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    let good = [&wanted[..], &[spool.to_str().unwrap(), "--spool-max", "1MB"]].concat();
    site.run("mirror", &good).await.expect(0);
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0, "what arrived is not kept");
}
