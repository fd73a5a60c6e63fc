//! Reports that are kept of a run: the page, and the document.

use std::path::Path;

use sealift_store::conformance::fixture;
use sealift_store::{Action, ErrorKind, Method};
use serde_json::Value;

use crate::site::{KNOWN, Run, Site, image, names, sealift};

const THREE: [&str; 6] = ["--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sqlmi"];

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

/// Runs a command with both kinds of reports.
async fn reported(site: &Site, command: &str, directory: &Path, more: &[&str]) -> (Run, String, Value) {
    let (page, document) = (path(directory, "report.html"), path(directory, "report.json"));
    let reports = ["--report", &page, "--report", &document, "--operator", "Grace <Hopper>"];
    let run = site.run(command, &[&reports[..], more].concat()).await;
    let document = serde_json::from_str(&read(directory, "report.json")).unwrap();
    (run, read(directory, "report.html"), document)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_reported_as_a_page_and_as_a_document() {
    let site = Site::new().await;
    let signature = fixture::artifact("s", &image(KNOWN, "arc-dns").manifest, "application/spdx+json");
    let repository = "arcdata/arc-dns".parse().unwrap();
    signature.push(site.source.store.as_ref(), &repository, None).await;
    let directory = tempfile::tempdir().unwrap();
    let more = [&["--tag", KNOWN, "--output", "json"][..], &THREE].concat();
    let (run, page, document) = reported(&site, "mirror", directory.path(), &more).await;
    let run = run.expect(0);
    assert!(run.stderr.contains("report.html: the report"), "{}", run.stderr);
    let told = run.json();
    for field in ["schema", "images", "content", "checks", "totals", "failures", "operator"] {
        assert_eq!(told[field], document[field].clone(), "{field}");
    }
    assert_eq!(document["command"], "mirror");
    assert!(document["startedAt"].as_str().unwrap() <= document["finishedAt"].as_str().unwrap());
    let attached = &document["images"][1]["attached"];
    assert_eq!(attached[0]["digest"], signature.digest().to_string(), "{attached}");
    let shared =
        document["content"].as_array().unwrap().iter().find(|it| it["images"].as_array().unwrap().len() == 3);
    assert_eq!(shared.unwrap()["repositories"]["moved"], 1);
    assert_eq!(shared.unwrap()["repositories"]["mounted"], 2);
    for name in ["arc-controller", "arc-dns", "arc-sqlmi"] {
        assert!(page.contains(&image(KNOWN, name).digest().to_string()), "{name}");
    }
    for expected in [
        "Complete: all 3 images are at the target.",
        "Grace &lt;Hopper&gt;",
        "List of contents (SBOM)",
        shared.unwrap()["digest"].as_str().unwrap(),
        "fetched once, linked 2 times",
        "<svg role=\"img\" aria-label=\"Picture: 3 images in rows, 1 shared layer in columns",
        "0: all is there",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_and_why_is_in_the_page() {
    let site = Site::broken(|call| match call.method {
        Method::Manifest if call.repository == Some("arcdata/arc-dns".parse().unwrap()) => {
            Action::Fail(ErrorKind::Denied)
        }
        _ => Action::Pass,
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let more = [&["--tag", KNOWN][..], &THREE].concat();
    let (run, page, document) = reported(&site, "mirror", directory.path(), &more).await;
    run.expect(4);
    assert_eq!(document["exitCode"], 4);
    assert!(page.contains("Not complete: 1 of 3 images are at the target."), "{page}");
    assert!(page.contains("What failed, and why") && page.contains("What to do: "), "{page}");
    let message = document["failures"][0]["message"].as_str().unwrap();
    assert!(page.contains(message), "{message}");
    for outcome in ["arrived", "failed", "here, tag withheld"] {
        assert!(page.contains(&format!(">{outcome}<")), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_is_reported_too() {
    let site = Site::new().await;
    let more = [&["--tag", KNOWN][..], &THREE].concat();
    site.run("mirror", &more).await.expect(0);
    let directory = tempfile::tempdir().unwrap();
    let deep = [&more[..], &["--deep"]].concat();
    let (run, page, document) = reported(&site, "verify", directory.path(), &deep).await;
    run.expect(0);
    assert_eq!(document["checks"][0]["check"], "read-back");
    assert!(page.contains("All 3 images are right.") && page.contains("were read back from the target"));
    assert!(page.contains("1 shared layer in columns"), "{page}");
    let wrong = image(KNOWN, "arc-dns").manifest.links.blobs[1].digest;
    std::fs::write(site.blob("arc-dns", &wrong), "other bytes").unwrap();
    let (run, page, document) = reported(&site, "verify", directory.path(), &deep).await;
    run.expect(5);
    assert!(page.contains("The target differs in 1 image of 3.") && page.contains("What differs"), "{page}");
    assert!(page.contains(document["images"][1]["findings"][0]["message"].as_str().unwrap()), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_reported_where_it_is_packed_checked_and_loaded() {
    let site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    let (bundle, page) = (path(directory.path(), "bundle.tar"), path(directory.path(), "report.html"));
    let pack = ["pack", "--source-registry", &site.source.address, "--tag", KNOWN, "--to", &bundle];
    let page_of = async |given: &[&str]| {
        sealift(&[given, &["--report", &page]].concat(), &[], None).await.expect(0);
        read(directory.path(), "report.html")
    };
    let packed = page_of(&[&pack[..], &THREE].concat()).await;
    let content = std::fs::read(&bundle).unwrap();
    let checksum = sealift_oci::Digest::sha256(&content).hex();
    assert!(packed.contains("3 images to the bundle") && packed.contains(&checksum), "{packed}");
    let verified = page_of(&["verify", &bundle]).await;
    assert!(verified.contains("Nothing differs.") && verified.contains("Every byte ("), "{verified}");
    let receipt = path(directory.path(), "receipt.json");
    let load = ["load", &bundle, "--receipt", &receipt, "--target-registry", &site.target.address];
    let loaded = page_of(&[&load[..], &["--target-repository", "site/arcdata"]].concat()).await;
    let id = packed.split("<dt>Id</dt><dd><code>").nth(1).unwrap().split('<').next().unwrap();
    assert!(loaded.contains(id) && loaded.contains("Complete: all 3 images"), "{loaded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_a_place_ends_the_run_before_anything_moves() {
    let site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    for (report, words) in
        [("none/report.html", "there is no such file"), ("report.pdf", "ends in neither .html nor .json")]
    {
        let run = site.run("mirror", &["--report", &path(directory.path(), report)]).await.expect(2);
        assert!(run.stderr.contains("--report") && run.stderr.contains(words), "{}", run.stderr);
    }
    let run =
        site.run("mirror", &["--report", &path(directory.path(), "a.html"), "--dry-run"]).await.expect(2);
    assert!(run.stderr.contains("a dry run carries nothing"), "{}", run.stderr);
    assert_eq!(site.tagged(&names()[0], KNOWN).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_early_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let page = path(directory.path(), "report.html");
    let run = sealift(&["mirror", "--report", &page, "--target-repository", "a"], &[], None).await.expect(2);
    let page = read(directory.path(), "report.html");
    assert!(page.contains("A run that ended before it began") && page.contains("2: wrong usage"), "{page}");
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}
