use crate::site::{KNOWN, Site, sealift};

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_shown_without_asking_anyone() {
    // What is set for other commands does not matter here.
    let run =
        sealift(&["releases"], &[("SOURCE_DOCKER_TAG", ""), ("TARGET_DOCKER_REGISTRY", "")], None).await;
    let run = run.expect(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.contains("-preview-") || line.contains(" v1.")).count(), 55);
    let ends = [lines[0], lines[1], lines[51], lines[52], lines[55]].join("\n");
    insta::assert_snapshot!(ends, @r"
      release                  date        images  extension
      public-preview-sep-2020  2020-09         15  -
      v1.42.0_2025-10-14       2025-10-14      20  1.42.0
      v1.43.0_2026-01-13       2026-01-13       -  1.43.0
    * v1.46.0_2026-05-12       2026-05-12       -  1.46.0
    ");
    assert_eq!(run.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_has_is_compared_with_the_table() {
    let new = "v1.47.0_2026-09-08";
    let site = Site::with(&[
        (KNOWN, &["arc-controller"]),
        (new, &["arc-controller"]),
        ("latest", &["arc-controller"]),
    ])
    .await;
    let variables = [("SOURCE_DOCKER_REGISTRY", site.source.address.as_str())];
    let run = sealift(&["releases"], &variables, None).await.expect(0);
    let line = |tag: &str| run.stdout.lines().find(|line| line.contains(tag)).unwrap().to_owned();
    assert!(line(new).starts_with("* v1.47"), "{}", run.stdout);
    assert!(line(new).ends_with("yes, not in sealift's table"), "{}", run.stdout);
    assert!(line(KNOWN).ends_with("yes"), "{}", run.stdout);
    assert!(line("v1.41.0").ends_with("no"), "{}", run.stdout);
    let run = sealift(&["releases", "--output", "json"], &variables, None).await.expect(0);
    assert_eq!(run.json()["newest"], new);
    assert_eq!(run.json()["schema"], "sealift.releases/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_releases_is_missing() {
    let site = Site::new().await;
    let args = ["releases", "--source-registry", &site.source.address, "--source-repository", "nothing"];
    let run = sealift(&args, &[], None).await.expect(3);
    assert!(run.stderr.contains("nothing/arc-controller"), "{}", run.stderr);
}
