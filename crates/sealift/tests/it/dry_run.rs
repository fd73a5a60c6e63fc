use std::sync::Arc;
use std::time::{Duration, Instant};

use sealift_store::conformance::fixture;
use sealift_store::{Action, ErrorKind, MemoryStore, Method};
use sealift_testbed::http_proxy::{HttpProxy, RequestHead};
use serde_json::json;

use crate::site::{KNOWN, Site, sealift};

const THREE: [&str; 8] =
    ["--tag", KNOWN, "--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sqlmi"];

fn three<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&THREE[..], more].concat()
}

fn is_empty(site: &Site) -> bool {
    std::fs::read_dir(site.directory.path()).unwrap().count() == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_and_nothing_is_written() {
    let site = Site::new().await;
    let run = site.run("mirror", &three(&["--dry-run"])).await.expect(0);
    insta::assert_snapshot!(run.stdout, @r"
    image           step  fetch  mount  there  requests time
    v1.42.0_2025-10-14:
    arc-controller  copy  51.1k      -      -        13  TIME
    arc-dns         copy  1.14k  50.0k      -        10  TIME
    arc-sqlmi       copy  1.14k  50.0k      -        10  TIME

    3 images: 3 to copy.
    53.4 kB to fetch, 100 kB to mount, 0 B there already.
    47 requests, of which 14 look up what there is.
    At 12.5 MB/s, which is assumed (--bandwidth says otherwise): 0.00 s. Nothing was written.
    ");
    assert!(is_empty(&site), "something was written");
    let report =
        site.run("mirror", &three(&["--dry-run", "--output", "json", "--bandwidth", "10kB/s"])).await;
    let report = report.expect(0).json();
    assert_eq!(report["schema"], "sealift.plan/1");
    assert_eq!(report["totals"]["bytesToFetch"], 53_417);
    assert_eq!((&report["bytesPerSecond"], &report["isRateAssumed"]), (&json!(10_000), &json!(false)));
    assert_eq!(report["estimatedMilliseconds"], 5_341);
    let times: Vec<_> =
        report["images"].as_array().unwrap().iter().map(|it| &it["estimatedMilliseconds"]).collect();
    assert_eq!(times, [5_114, 113, 113]);
    // What is told is what then happens.
    let run = site.run("mirror", &three(&["--output", "json"])).await.expect(0);
    assert_eq!(run.json()["totals"]["bytesMoved"], 53_417);
    assert_eq!(run.json()["totals"]["bytesMounted"], 100_000);
    let run = site.run("mirror", &three(&["--dry-run"])).await.expect(0);
    insta::assert_snapshot!(run.stdout, @r"
    image           step   fetch  mount  there  requests time
    v1.42.0_2025-10-14:
    arc-controller  there      -      -  51.1k         - -
    arc-dns         there      -      -  51.1k         - -
    arc-sqlmi       there      -      -  51.1k         - -

    3 images: 3 there already.
    0 B to fetch, 0 B to mount, 153 kB there already.
    14 requests, of which 14 look up what there is.
    At 12.5 MB/s, which is assumed (--bandwidth says otherwise): 0.00 s. Nothing was written.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_cannot_be_asked_is_in_the_plan() {
    let site = Site::with(&[(KNOWN, &["arc-controller", "arc-sqlmi"])]).await;
    let run = site.run("mirror", &three(&["--dry-run"])).await.expect(3);
    assert!(run.stdout.contains("3 images: 2 to copy, 1 missing."), "{}", run.stdout);
    assert!(run.stderr.contains("error: images are missing at the source SOURCE\n  arcdata/arc-dns:v1.42.0"));
    assert!(is_empty(&site));
    let run = site.run("mirror", &three(&["--dry-run", "--output", "json"])).await.expect(3);
    assert_eq!(run.json()["failures"][0]["kind"], "not-found");
    let refusing = Site::broken(|call| match call.method {
        Method::Manifest if call.repository.as_ref().is_some_and(|it| it.as_str().ends_with("dns")) => {
            Action::Fail(ErrorKind::Denied)
        }
        _ => Action::Pass,
    })
    .await;
    let run = refusing.run("mirror", &three(&["--dry-run", "--output", "json"])).await.expect(4);
    assert_eq!(run.json()["images"][1]["step"], "failed");
    assert_eq!(run.json()["failures"][0]["kind"], "denied");
    let run = site.run("mirror", &["--dry-run", "--tag", "a/b", "--output", "json"]).await.expect(2);
    assert_eq!(run.json()["schema"], "sealift.plan/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_too_large_is_refused_before_a_byte_moves() {
    let site = Site::new().await;
    for dry in [&["--dry-run"][..], &[]] {
        let run = site.run("mirror", &[&three(&["--max-bytes", "53kB"])[..], dry].concat()).await.expect(6);
        let words =
            "53.4 kB (53417 bytes) would be fetched, and --max-bytes allows 53.0 kB; nothing was moved";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(is_empty(&site));
    }
    let run = site.run("mirror", &three(&["--max-bytes", "53kB", "--output", "json"])).await.expect(6);
    assert_eq!(run.json()["failures"][0]["kind"], "refused");
    let run = site.run("mirror", &three(&["--max-bytes", "53417", "--output", "json"])).await.expect(0);
    assert_eq!(run.json()["totals"]["bytesMoved"], 53_417);
    // Only what is fetched counts.
    site.run("mirror", &three(&["--max-bytes", "0"])).await.expect(0);
    for (args, words) in [
        (["--max-bytes", "20gb"], "write 20GB"),
        (["--max-bytes", "many"], "a size reads 20GB"),
        (["--bandwidth", "0"], "at least one byte a second"),
        (["--bandwidth", "100Mbit/s"], "100 Mbit are 12.5MB"),
    ] {
        let run = site.run("mirror", &args).await.expect(2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

/// A run asks anyway what is there; a limit that everything fits into is no reason to ask before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_costs_requests_only_where_it_may_be_exceeded() {
    for (limit, asked) in [("53417", 0), ("53416", 9)] {
        let site = Site::new().await;
        let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        let more = ["--max-bytes", limit, "--target-registry", &target.address().to_string()];
        let given = [&["mirror", "--source-registry", &site.source.address][..], &more, &three(&[])].concat();
        let given = [&given[..], &["--target-repository", "site/arcdata"]].concat();
        sealift(&given, &[], None).await.expect(if asked > 0 { 6 } else { 0 });
        let is_question = |head: &RequestHead| head.method == "HEAD" && head.path.contains("/blobs/");
        assert_eq!(target.count(|record| is_question(&record.head)), asked, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bandwidth_is_kept() {
    let layers: Vec<_> = (0..4).map(|number| fixture::noise(&format!("layer {number}"), 100_000)).collect();
    let store = MemoryStore::new("memory");
    let image = fixture::image_of("slow", &layers);
    image.push(&store, &"arcdata/arc-dns".parse().unwrap(), Some(KNOWN)).await;
    let site = Site::of(Arc::new(store)).await;
    let began = Instant::now();
    let wanted = ["--tag", KNOWN, "--image", "arc-dns", "--bandwidth", "200kB/s"];
    site.run("mirror", &wanted).await.expect(0);
    // 400 kB and some at 200 kB/s; for the last piece, of 64 KiB at most, nobody waits behind it. How much slower it may
    // be depends on the machine: the bench tells, and `mirror`'s tests do with a clock of their own.
    assert!(began.elapsed() >= Duration::from_millis(1650), "{:?}", began.elapsed());
}
