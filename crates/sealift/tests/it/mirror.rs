use sealift_store::{Action, ErrorKind, Method};
use serde_json::json;

use crate::site::{KNOWN, Site, UNKNOWN, image, names};

const THREE: [&str; 6] = ["--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sqlmi"];

#[tokio::test(flavor = "multi_thread")]
async fn a_release_arrives_and_the_second_run_has_nothing_to_do() {
    let site = Site::new().await;
    let run = site.run("mirror", &[&["--tag", KNOWN][..], &THREE].concat()).await.expect(0);
    insta::assert_snapshot!(run.stdout, @r"
    image           outcome  digest        platform  moved  mounted  there time
    v1.42.0_2025-10-14:
    arc-controller  arrived  8c0eef9cb0d1  amd64     51.1k        -      - TIME
    arc-dns         arrived  57a8c69ee0cd  amd64     1.14k    50.0k      - TIME
    arc-sqlmi       arrived  b779197b689b  amd64     1.14k    50.0k      - TIME

    3 images: 3 arrived.
    53.4 kB moved in 7 blobs, 100 kB mounted; TIME.
    ");
    insta::assert_snapshot!(run.stderr, @r"
    v1.42.0_2025-10-14 from SOURCE/arcdata to TARGET/site/arcdata
    Looking up 3 images.
    Bringing 3 images: 53.4 kB in 7 blobs, less what is there already.
    arcdata/arc-controller:v1.42.0_2025-10-14 arrived (51.1 kB moved)
    arcdata/arc-dns:v1.42.0_2025-10-14 arrived (1.14 kB moved)
    arcdata/arc-sqlmi:v1.42.0_2025-10-14 arrived (1.14 kB moved)
    ");
    let again = site.run("mirror", &[&["--tag", KNOWN][..], &THREE].concat()).await.expect(0);
    insta::assert_snapshot!(again.stdout, @r"
    image           outcome  digest        platform  moved  mounted  there time
    v1.42.0_2025-10-14:
    arc-controller  there    8c0eef9cb0d1  -             -        -      - -
    arc-dns         there    57a8c69ee0cd  -             -        -      - -
    arc-sqlmi       there    b779197b689b  -             -        -      - -

    3 images: 3 there already.
    Nothing moved; TIME.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_release_at_the_source_is_taken_and_every_digest_is_kept() {
    let site = Site::new().await;
    let run = site.run("mirror", &["--output", "json", "--quiet"]).await.expect(0);
    assert_eq!(run.stderr, "");
    assert_eq!(run.outcomes().len(), 20);
    for name in names() {
        assert_eq!(site.tagged(&name, KNOWN).await, Some(image(KNOWN, &name).digest()), "{name}");
    }
    let report = run.json();
    assert_eq!(report["schema"], "sealift.report/1");
    assert_eq!(report["totals"]["imagesThere"], 20);
    // One shared layer, and of each image its own layer and its configuration.
    assert_eq!(report["totals"]["blobsMoved"], 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lists_no_tags_gives_the_newest_known_release_and_a_warning() {
    let site = Site::broken(|call| match call.method {
        Method::Tags => Action::Fail(ErrorKind::Denied),
        _ => Action::Pass,
    })
    .await;
    let run = site.run("mirror", &[]).await.expect(3);
    assert!(run.stderr.contains("warning: SOURCE: cannot list the tags of"), "{}", run.stderr);
    assert!(run.stderr.contains(UNKNOWN), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_listed_before_anything_moves() {
    let site = Site::with(&[(KNOWN, &["arc-controller", "arc-sqlmi"])]).await;
    let five = ["--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sb-plugin"];
    let run = site.run("mirror", &[&["--tag", KNOWN][..], &five].concat()).await.expect(3);
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(run.stderr, @r"
    v1.42.0_2025-10-14 from SOURCE/arcdata to TARGET/site/arcdata
    Looking up 3 images.
    error: 2 images are missing at the source SOURCE; nothing was moved
      arcdata/arc-dns:v1.42.0_2025-10-14
      arcdata/arc-sb-plugin:v1.42.0_2025-10-14
      Hint: --allow-missing goes on without them; --image NAME names the images to take.
    ");
    assert_eq!(std::fs::read_dir(site.directory.path()).unwrap().count(), 0, "something was written");
    let run = site.run("mirror", &["--tag", KNOWN, "--output", "json"]).await.expect(3);
    assert_eq!((run.outcome("arc-dns"), run.outcome("arc-sqlmi")), ("missing".into(), "not-begun".into()));
    let run =
        site.run("mirror", &[&["--tag", KNOWN, "--output", "json"][..], &five].concat()).await.expect(3);
    let (report, hint) =
        (run.json(), "--allow-missing goes on without them; --image NAME names the images to take.");
    let [failure] = report["failures"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!((&failure["kind"], &failure["side"]), (&json!("not-found"), &json!("source")));
    assert_eq!((&failure["operation"], &failure["hint"]), (&json!("resolve"), &json!(hint)));
    let images = ["arc-dns", "arc-sb-plugin"].map(|name| format!("arcdata/{name}:{KNOWN}"));
    assert_eq!(failure["images"], json!(images));
    let message =
        format!("{}: cannot look up {}: it is not there", failure["place"].as_str().unwrap(), images[0]);
    assert_eq!(failure["message"], json!(message));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_allow_missing_the_rest_arrives_and_the_controller_waits() {
    let site = Site::with(&[(KNOWN, &["arc-controller", "arc-sqlmi"])]).await;
    let run = site.run("mirror", &["--tag", KNOWN, "--allow-missing", "--output", "json"]).await.expect(3);
    assert_eq!(run.outcome("arc-sqlmi"), "arrived");
    assert_eq!(run.outcome("arc-controller"), "withheld");
    assert_eq!(run.outcome("arc-dns"), "missing");
    assert!(run.stderr.contains("--image"), "{}", run.stderr);
    assert_eq!(site.tagged("arc-controller", KNOWN).await, None);
    // Naming what is wanted makes a selection that can be whole.
    let wanted = ["--image", "arc-controller", "--image", "arc-sqlmi"];
    site.run("mirror", &[&["--tag", KNOWN][..], &wanted].concat()).await.expect(0);
    assert!(site.tagged("arc-controller", KNOWN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_unknown_list_what_is_there_is_taken() {
    let site = Site::with(&[(UNKNOWN, &["arc-bootstrapper", "arc-controller", "arc-kafka"])]).await;
    let run = site.run("mirror", &["--quiet"]).await.expect(0);
    assert!(run.stdout.contains("Not part of v1.46.0_2026-05-12: arc-ci-launcher,"), "{}", run.stdout);
    assert!(run.stdout.contains("3 images: 3 arrived."), "{}", run.stdout);
    let run = site.run("mirror", &["--output", "json"]).await.expect(0);
    assert_eq!(run.outcome("arc-kafka"), "already-there");
    assert_eq!(run.outcome("arc-sqlmi"), "not-part");
    let without = Site::with(&[(UNKNOWN, &["arc-controller"])]).await;
    let run = without.run("mirror", &[]).await.expect(3);
    assert!(run.stderr.contains("arcdata/arc-bootstrapper:v1.46.0_2026-05-12"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_releases_arrive_in_ascending_order() {
    let old = "v1.9.0_2022-07-12";
    let both: &[&str] = &["arc-controller", "arc-sqlmi"];
    let site = Site::with(&[(KNOWN, both), (old, both)]).await;
    let wanted = ["--tag", KNOWN, "--tag", old, "--image", "arc-controller", "--image", "arc-sqlmi"];
    let run = site.run("mirror", &[&wanted[..], &["--output", "json"]].concat()).await.expect(0);
    let report = run.json();
    let releases: Vec<&str> =
        report["images"].as_array().unwrap().iter().map(|it| it["release"].as_str().unwrap()).collect();
    assert_eq!(releases, [old, old, KNOWN, KNOWN]);
    assert!(site.tagged("arc-sqlmi", old).await.is_some() && site.tagged("arc-sqlmi", KNOWN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_tag_is_honoured() {
    let site = Site::new().await;
    let variables = [("SOURCE_DOCKER_TAG", KNOWN), ("TARGET_DOCKER_TAG", "approved")];
    let run = site.run_with("mirror", &["--image", "arc-dns"], &variables).await.expect(0);
    assert!(run.stdout.contains("v1.42.0_2025-10-14 as approved:"), "{}", run.stdout);
    assert_eq!(site.tagged("arc-dns", "approved").await, Some(image(KNOWN, "arc-dns").digest()));
    assert_eq!(site.tagged("arc-dns", KNOWN).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_image_stops_no_other_and_withholds_the_controller() {
    let wrong = image(KNOWN, "arc-dns").manifest.links.blobs[2].digest.to_string();
    let site = Site::broken(move |call| match call.method {
        Method::OpenBlob if call.object == wrong => Action::FlipBit(7),
        _ => Action::Pass,
    })
    .await;
    let run = site.run("mirror", &[&["--tag", KNOWN][..], &THREE].concat()).await.expect(5);
    insta::assert_snapshot!(run.stdout, @r"
    image           outcome   digest        platform  moved  mounted  there time
    v1.42.0_2025-10-14:
    arc-controller  withheld  8c0eef9cb0d1  amd64     51.1k        -      - TIME
    arc-dns         failed    57a8c69ee0cd  -           136    50.0k      - TIME
    arc-sqlmi       arrived   b779197b689b  amd64     1.14k    50.0k      - TIME

    3 images: 1 arrived, 1 withheld, 1 failed.
    52.4 kB moved in 6 blobs, 100 kB mounted; TIME.
    ");
    insta::assert_snapshot!(run.stderr, @r"
    v1.42.0_2025-10-14 from SOURCE/arcdata to TARGET/site/arcdata
    Looking up 3 images.
    Bringing 3 images: 53.4 kB in 7 blobs, less what is there already.
    Trying again at once: SOURCE: cannot fetch blob arcdata/arc-dns@sha256:9bbd044155933531c43097067a05594033568e9ade28e286263f8b95365f114e: its bytes have the digest sha256:c3f4621a012b83135ed7716b50ce421ee233774d89eb952d8b06b0bba936576f, not sha256:9bbd044155933531c43097067a05594033568e9ade28e286263f8b95365f114e
    arcdata/arc-controller:v1.42.0_2025-10-14 is withheld: others of its release are not there
    arcdata/arc-dns:v1.42.0_2025-10-14 failed
    arcdata/arc-sqlmi:v1.42.0_2025-10-14 arrived (1.14 kB moved)
    error: SOURCE: cannot fetch blob arcdata/arc-dns@sha256:9bbd044155933531c43097067a05594033568e9ade28e286263f8b95365f114e: its bytes have the digest sha256:c3f4621a012b83135ed7716b50ce421ee233774d89eb952d8b06b0bba936576f, not sha256:9bbd044155933531c43097067a05594033568e9ade28e286263f8b95365f114e
      At the source, for 1 image: arc-dns
      Hint: The source, or a proxy before it, sends wrong content. Nothing wrong was kept. Run again; if it stays, tell who runs SOURCE.
    ");
    assert!(site.tagged("arc-sqlmi", KNOWN).await.is_some());
    assert_eq!(site.tagged("arc-controller", KNOWN).await, None);
    assert_eq!(site.tagged("arc-dns", KNOWN).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reason_for_all_images_is_told_once() {
    let site = Site::new().await;
    // A port that no other test is ever given.
    let gone = "127.0.0.1:1";
    let run = site.run("mirror", &["--tag", KNOWN, "--target-registry"]).await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let (source, variables) = (site.source.address.as_str(), []);
    let args = ["mirror", "--source-registry", source, "--target-registry", gone, "--target-repository", "a"];
    let run =
        crate::site::sealift(&[&args[..], &["--tag", KNOWN]].concat(), &variables, None).await.expect(1);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("At the target, for 20 images: arc-bootstrapper, "), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("Nothing listens at {gone}")), "{}", run.stderr);
}

/// A registry that makes repositories on a push has nothing to make; Harbor's project is tested with the client.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_where_a_push_makes_it() {
    let site = Site::new().await;
    let wanted = ["--tag", KNOWN, "--image", "arc-dns", "--create-repositories"];
    let run = site.run("mirror", &wanted).await.expect(0);
    assert!(!run.stderr.contains("Made"), "{}", run.stderr);
}
