use sealift_store::{Action, ErrorKind, Method};

use crate::site::{KNOWN, Run, Site, filled};

const BEFORE: &str = "v1.41.0_2025-09-09";
/// Newer than sealift's table.
const NEW: &str = "v1.47.0_2026-09-08";
const BOTH: &[&str] = &["arc-bootstrapper", "arc-controller"];
const NAMED: [&str; 4] = ["--image", "arc-controller", "--image", "arc-bootstrapper"];

async fn site() -> Site {
    let others = ["v1.43.0_2026-01-13", "v1.44.0_2026-02-10", "v1.44.0_2026-02-10_5ba6b837"];
    let later = ["v1.45.0_2026-04-14", "v1.46.0_2026-05-12", NEW];
    let all = [&[KNOWN, BEFORE][..], &others, &later].concat();
    let releases: Vec<(&str, &[&str])> = all.into_iter().map(|tag| (tag, BOTH)).collect();
    Site::with(&releases).await
}

fn releases(run: &Run) -> Vec<String> {
    let report = run.json();
    let images = report["images"].as_array().unwrap().iter();
    let mut releases: Vec<String> = images.map(|it| it["release"].as_str().unwrap().to_owned()).collect();
    releases.dedup();
    releases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_of_a_range_arrives_ascending() {
    let site = site().await;
    let range = [&["--from-tag", BEFORE, "--to-tag", NEW, "--output", "json"][..], &NAMED].concat();
    // The range is the answer, whatever the variable says.
    let run = site.run_with("mirror", &range, &[("SOURCE_DOCKER_TAG", "a/b")]).await.expect(0);
    let found = releases(&run);
    assert!(found.contains(&KNOWN.to_owned()) && found.iter().all(|tag| !tag.contains("5ba6")), "{found:?}");
    assert_eq!((found[0].as_str(), found[found.len() - 1].as_str()), (BEFORE, NEW));
    // One transfer over all of them: a layer that all share, and of each image its own and a configuration.
    let images = run.outcomes().len();
    assert_eq!(run.json()["totals"]["blobsMoved"], 1 + 2 * images);
    site.run("verify", &range).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_make_no_sense_are_refused() {
    let site = site().await;
    let cases: [(&[&str], &str); 6] = [
        (&["--from-tag", KNOWN, "--to-tag", BEFORE], "is newer than v1.41.0_2025-09-09"),
        (&["--from-tag", KNOWN, "--to-tag", "v9.9.9"], "v9.9.9 is no release that sealift knows of"),
        (&["--from-tag", KNOWN], "--to-tag <TAG>"),
        (&["--to-tag", KNOWN], "--from-tag <TAG>"),
        (&["--from-tag", KNOWN, "--to-tag", KNOWN, "--tag", KNOWN], "cannot be used with"),
        (&["--from-tag", BEFORE, "--to-tag", KNOWN, "--target-tag", "x"], "with several source tags"),
    ];
    for (args, words) in cases {
        let run = site.run("mirror", args).await.expect(2);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sources_word_the_table_counts() {
    let store = filled(&[(KNOWN, BOTH), (BEFORE, BOTH)]).await;
    let deny = |call: &sealift_store::Call| match call.method {
        Method::Tags => Action::Fail(ErrorKind::Denied),
        _ => Action::Pass,
    };
    let site = Site::of(std::sync::Arc::new(sealift_store::Faults::new(store, deny))).await;
    let range = [&["--from-tag", BEFORE, "--to-tag", KNOWN, "--output", "json"][..], &NAMED].concat();
    let run = site.run("mirror", &range).await.expect(0);
    assert!(run.stderr.contains("Only releases that sealift knows of are taken."), "{}", run.stderr);
    assert_eq!(releases(&run), [BEFORE, KNOWN]);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_images_are_left_out() {
    let site = Site::new().await;
    let skipped = ["--skip-group", "postgres", "--skip-group", "test-harness"];
    let without = [&["--tag", KNOWN, "--output", "json"][..], &skipped].concat();
    let run = site.run("mirror", &without).await.expect(0);
    assert_eq!(run.outcomes().len(), 16);
    assert!(site.tagged("arc-controller", KNOWN).await.is_some(), "what was selected is whole");
    assert_eq!(site.tagged("arc-sb-plugin", KNOWN).await, None);
    let run = site.run("mirror", &["--skip-group", "redis"]).await.expect(2);
    assert!(run.stderr.contains("one of postgres, dashboards, test-harness"), "{}", run.stderr);
    let run = site.run("verify", &[&without[..], &["--image", "arc-sb-plugin"]].concat()).await.expect(2);
    assert!(run.stderr.contains("its group test-harness is left out"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_range_lacks_is_told_once() {
    let site = site().await;
    let range = ["--from-tag", BEFORE, "--to-tag", KNOWN, "--image", "arc-controller", "--image", "arc-dns"];
    let lacked = [BEFORE, KNOWN].map(|tag| format!("arcdata/arc-dns:{tag}"));
    // A table has a row for each of them, and no other line; a document leaves the names to the messages.
    let run = site.run("mirror", &[&range[..], &["--allow-missing"]].concat()).await.expect(3);
    assert_eq!(run.stdout.matches("arc-dns").count(), 2, "{}", run.stdout);
    assert!(run.stderr.contains("error: 2 images are missing at the source SOURCE"), "{}", run.stderr);
    assert!(!run.stderr.contains("arc-dns"), "{}", run.stderr);
    for more in [&["--allow-missing", "--output", "json"][..], &[]] {
        let run = site.run("mirror", &[&range[..], more].concat()).await.expect(3);
        for name in &lacked {
            assert_eq!(run.stderr.matches(name).count(), 1, "{more:?}: {}", run.stderr);
        }
    }
}
