use crate::site::{KNOWN, Run, Site, sealift};

const PASSWORD: &str = "hunter2-p&ss";

/// Neither the password nor what Basic makes of it is anywhere.
#[track_caller]
fn assert_no_secret(run: &Run) {
    let all = format!("{}\n{}\n{run:?}", run.stdout, run.stderr);
    // base64 of "captain:hunter2-p&ss", and of the password alone.
    for secret in [PASSWORD, "Y2FwdGFpbjpodW50ZXIyLXAmc3M", "aHVudGVyMi1wJnNz"] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_nowhere() {
    let site = Site::new().await;
    let variables = [
        ("SOURCE_DOCKER_USERNAME", "captain"),
        ("SOURCE_DOCKER_PASSWORD", PASSWORD),
        ("TARGET_DOCKER_USERNAME", "captain"),
        ("TARGET_DOCKER_PASSWORD", PASSWORD),
    ];
    for (command, more, code) in [
        ("mirror", &["--tag", KNOWN, "-v"][..], 0),
        ("mirror", &["--tag", KNOWN, "--output", "json", "-v"], 0),
        ("mirror", &["--tag", "a/b"], 2),
        ("mirror", &["--tag", "v0"], 3),
        ("verify", &["--tag", KNOWN, "--deep", "-v"], 0),
    ] {
        let run = site.run_with(command, more, &variables).await.expect(code);
        assert_no_secret(&run);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_from_standard_input_are_nowhere() {
    let site = Site::new().await;
    let stdin = format!("{PASSWORD}\n{PASSWORD}\n");
    let args = [
        &["mirror", "--source-registry", &site.source.address, "--target-registry", &site.target.address][..],
        &["--target-repository", "a", "--tag", KNOWN, "--source-username", "captain", "-v"],
        &["--target-username", "captain", "--source-password-stdin", "--target-password-stdin"],
    ];
    let run = sealift(&args.concat(), &[], Some(&stdin)).await.expect(0);
    assert_no_secret(&run);
    let run = sealift(&args.concat(), &[], Some(PASSWORD)).await.expect(2);
    assert!(run.stderr.contains("no line for the target password"), "{}", run.stderr);
    assert_no_secret(&run);
}
