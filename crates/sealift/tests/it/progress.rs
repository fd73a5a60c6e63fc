//! Progress on real terminals, in pipes and for programs: transcripts of whole runs.

use serde_json::Value;

use crate::screen::{on_terminal, transcript};
use crate::site::{KNOWN, Run, Site, names, sealift};

/// Mirrors the known release on a terminal of some size; `None` where there is none.
async fn mirror_on(site: &Site, size: (u16, u16), more: &str) -> Option<vt100::Parser> {
    let home = tempfile::tempdir().unwrap();
    let line = format!(
        "sealift mirror --source-registry {} --source-repository arcdata --source-anonymous \
         --target-registry {} --target-repository site/arcdata --target-anonymous \
         --tag {KNOWN} --target-tag {KNOWN} {more}",
        site.source.address, site.target.address,
    );
    on_terminal(size, home.path(), &line, &[]).await
}

/// Bars come and go, and what stays is what a run without them would have told.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_left_with_the_messages_and_the_report_alone() {
    for size in [(80, 24), (40, 10)] {
        let site = Site::new().await;
        let Some(parser) = mirror_on(&site, size, "--progress bars --bandwidth 40kB/s").await else {
            return;
        };
        let text = transcript(parser);
        let all = names().len();
        // At 40 columns lines are broken between words.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.ends_with("ended with 0"), "{text}");
        assert!(words.contains(&format!("is all there ({all} of {all})")), "{text}");
        assert!(words.contains(&format!("{all} images: {all} arrived.")), "{text}");
        assert!(!text.contains("[=") && !text.contains(" moved, 0:") && !text.contains('\x1b'), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_are_all_that_stderr_has_and_stdout_has_the_report() {
    let site = Site::new().await;
    let more = ["--tag", KNOWN, "--progress", "json", "--output", "json", "--bandwidth", "40kB/s"];
    let run = site.run("mirror", &more).await.expect(0);
    assert_eq!(run.json()["schema"], "sealift.report/1");
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["schema"] == "sealift.progress/1"));
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("start").len(), of("end").len()), (1, 1));
    let outcome = |outcome: &str| of("image").iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!((outcome("ready"), outcome("arrived")), (names().len(), names().len()));
    for line in of("progress") {
        assert!(line["bytesDone"].as_u64() <= line["bytesPlanned"].as_u64(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_a_message_of_json_lines_too() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let more = ["--tag", "v1.0.0_2001-01-01", "--image", "arc-dns", "--progress", "json"];
    let run = site.run("mirror", &more).await.expect(3);
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<&str> = lines.iter().filter_map(|line| line["level"].as_str()).collect();
    assert!(levels.contains(&"error") && levels.contains(&"note"), "{}", run.stderr);
}

/// Where stderr is a pipe there is nothing that moves a cursor, and colour where that is forced.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_plain_text_and_colour_only_where_that_is_forced() {
    for (variables, is_coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
        let more = ["--tag", "v1.0.0_2001-01-01", "--image", "arc-dns"];
        let run = site.run_with("mirror", &more, variables).await.expect(3);
        assert_eq!(
            run.stderr.contains("\x1b[1;31merror:\x1b[0m"),
            is_coloured,
            "{variables:?} {}",
            run.stderr
        );
        assert!(!run.stdout.contains('\x1b') && !run.stderr.contains("\x1b[2K"), "{variables:?}");
    }
}

/// `verify --deep`, `pack` and `load` show the same, and none of it on stdout.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_commands_that_take_a_while_tell_the_same_way() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let what = ["--tag", KNOWN, "--image", "arc-dns", "--progress", "json"];
    let bundle = site.directory.path().join("bundle.tar").display().to_string();
    site.run("mirror", &what).await.expect(0);
    let kinds = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["type"].as_str().unwrap().to_owned()).collect()
    };
    let has = |run: &Run, kind: &str| kinds(&run.stderr).iter().any(|it| it == kind);
    let verified = site.run("verify", &[&what[..], &["--deep"]].concat()).await.expect(0);
    assert!(has(&verified, "image") && has(&verified, "end"), "{}", verified.stderr);
    let from = ["--source-registry", &site.source.address];
    let pack = [&["pack", "--to", &bundle][..], &from, &what].concat();
    let packed = sealift(&pack, &[], None).await.expect(0);
    assert!(has(&packed, "start") && has(&packed, "end"), "{}", packed.stderr);
    let to = ["--target-registry", &site.target.address, "--target-repository", "other"];
    let receipt = site.directory.path().join("receipt.json").display().to_string();
    let load = [&["load", &bundle, "--progress", "json", "--receipt", &receipt][..], &to].concat();
    let loaded = sealift(&load, &[], None).await.expect(0);
    assert!(has(&loaded, "start") && has(&loaded, "end"), "{}", loaded.stderr);
}
