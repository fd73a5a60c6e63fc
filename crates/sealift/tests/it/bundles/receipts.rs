//! The closed loop: what `load` says that the target holds, `pack` leaves out; what was lost on the way is asked for.

use std::fs;

use sealift_testbed::http_proxy::Action;
use serde_json::Value;

use super::scene::{Gap, NAMES, files};
use super::several::pack_one;

const RECEIPT: &str = "arc-dns.receipt.json";
const REPAIR: &str = "arc-sqlmi.repair.json";

/// The bytes that every blob of the release has, and those of the images but `arc-dns`.
const SHARED: u64 = 300_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receipt_says_is_left_out() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    let receipt: Value = serde_json::from_slice(&fs::read(gap.path(RECEIPT)).unwrap()).unwrap();
    assert_eq!(receipt["format"], "sealift-receipt");
    assert_eq!(receipt["repositories"][0]["name"], "arc-dns");
    gap.source.clear();
    // Deltas may look at what the other side has.
    let run = gap.pack("next", &["--since", RECEIPT, "--delta", "off"]).await.expect(0);
    assert!(run.stderr.contains("are left out: the other side has them"), "{}", run.stderr);
    let dns = super::scene::own_layer("arc-dns").digest.to_string();
    assert_eq!(gap.source.count(|it| it.head.path.ends_with(&dns)), 0, "it is not even fetched");
    let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
    assert!(looked["bytesLeftOut"].as_u64().unwrap() >= SHARED + 600_000, "{looked}");
    assert_eq!(looked["buildsOn"], Value::Array(vec![receipt["id"].clone()]));
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// Two bundles on their way at once: the second is packed before anything of the first is known to have arrived.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_was_lost_is_repaired() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    pack_one(&gap, "arc-sqlmi", &["--since", "arc-dns", "--assume-delivered"]).await;
    fs::rename(gap.path("arc-dns"), gap.path("lost")).unwrap();
    let run = gap.load("arc-sqlmi", &["--all-or-nothing"]).await.expect(6);
    assert!(run.stderr.contains("arc-sqlmi: the target lacks 1 blob (300 kB)"), "{}", run.stderr);
    assert_eq!(gap.target.count(|it| it.head.method != "HEAD" && it.head.method != "GET"), 0);
    let run = gap.load("arc-sqlmi", &[]).await;
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
    assert!(run.stderr.contains(&format!("sealift pack --repair {REPAIR}")), "{}", run.stderr);
    assert_eq!(gap.tagged().await, [""; 0]);
    let request: Value = serde_json::from_slice(&fs::read(gap.path(REPAIR)).unwrap()).unwrap();
    assert_eq!(
        (&request["format"], &request["missing"][0]["size"]),
        (&"sealift-repair".into(), &SHARED.into())
    );
    gap.source.clear();
    let run = gap.run(&["pack", "--repair", REPAIR, "--to", "repair", "--source-anonymous"]).await.expect(0);
    assert!(run.stdout.starts_with("1 blob: 1 arrived.\n"), "{}", run.stdout);
    let begun = "\nBringing 1 blob: 300 kB, less what is there already.\n";
    assert!(run.stderr.contains(begun), "{}", run.stderr);
    assert_eq!(gap.source.count(|it| it.head.path.contains("/blobs/")), 1);
    gap.run(&gap.loading(&["arc-sqlmi", "repair"], &[])).await.expect(0);
    gap.assert_arrived(&["arc-sqlmi"]).await;
}

/// A target need not link: it may open an upload whatever it has.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_found_where_nothing_is_linked() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    pack_one(&gap, "arc-sqlmi", &["--since", RECEIPT]).await;
    let base = super::scene::image("arc-dns").manifest.links.blobs[1].digest.hex();
    gap.target.set_rule(move |request| {
        let wish = request.query.as_deref().filter(|query| query.contains("mount=") && query.contains(&base));
        match wish.filter(|_| request.path.contains("/arc-dns/")) {
            Some(_) => Action::Respond {
                status: 202,
                headers: vec![("Location".to_owned(), format!("{}none", request.path))],
                body: bytes::Bytes::new(),
            },
            None => Action::Pass,
        }
    });
    gap.load("arc-sqlmi", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns", "arc-sqlmi"]).await;
}

/// A bundle that came out of order waits for the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_come_out_of_order_are_loaded_in_order() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    pack_one(&gap, "arc-sqlmi", &["--since", "arc-dns", "--assume-delivered"]).await;
    gap.load("arc-sqlmi", &[]).await.expect(3);
    gap.load("arc-dns", &[]).await.expect(0);
    gap.load("arc-sqlmi", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns", "arc-sqlmi"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_signed_and_its_signature_counts() {
    let gap = Gap::new().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &["--receipt", "there.json", "--sign", "sealift.key"]).await.expect(0);
    let names = files(&gap.path(""));
    assert!(names.contains(&"there.json".to_owned()) && names.contains(&"there.json.minisig".to_owned()));
    let since = ["--since", "there.json", "--trust", "sealift.pub"];
    gap.pack("next", &since).await.expect(0);
    let receipt = fs::read_to_string(gap.path("there.json")).unwrap();
    fs::write(gap.path("there.json"), receipt.replace("arc-dns", "arc-sns")).unwrap();
    gap.source.clear();
    let run = gap.pack("other", &since).await.expect(6);
    assert!(run.stderr.contains("error: there.json: "), "{}", run.stderr);
    // One that is not signed leaves no signature of another behind.
    fs::write(gap.path("there.json"), receipt).unwrap();
    gap.load("arc-dns", &["--receipt", "there.json"]).await.expect(0);
    assert!(!gap.path("there.json.minisig").exists());
    let run = gap.pack("other", &since).await.expect(6);
    assert!(run.stderr.contains("error: there.json: it is not signed"), "{}", run.stderr);
    assert_eq!((gap.source.count(|_| true), gap.path("other").exists()), (0, false));
}

/// What was left behind is in no receipt, and a tag that was changed is the one that the target has.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_what_was_loaded_and_under_which_tag() {
    let store = sealift_store::MemoryStore::new("memory");
    let (repository, image) = ("arcdata/arc-dns".parse().unwrap(), super::scene::image("arc-dns"));
    image.push(&store, &repository, Some(crate::site::KNOWN)).await;
    let sbom =
        sealift_store::conformance::fixture::artifact("sbom", &image.manifest, "application/spdx+json");
    sbom.push(&store, &repository, None).await;
    let gap = Gap::of(std::sync::Arc::new(store)).await;
    pack_one(&gap, "arc-dns", &[]).await;
    let sbom = sbom.digest().to_string();
    for (more, has_sbom, tag) in [
        (&["--no-attachments", "--target-tag", "stable"][..], false, "stable"),
        (&[][..], true, crate::site::KNOWN),
    ] {
        gap.load("arc-dns", more).await.expect(0);
        let text = fs::read_to_string(gap.path(RECEIPT)).unwrap();
        let receipt: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.contains(&sbom), has_sbom, "{more:?}: {text}");
        let tags = receipt["repositories"][0]["tags"].as_object().unwrap();
        assert_eq!(
            tags.iter().collect::<Vec<_>>(),
            [(&tag.to_owned(), &Value::from(image.digest().to_string()))]
        );
    }
}

/// Where only the catalogue of what was sent is kept, it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_alone_says_what_was_sent() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    fs::copy(gap.path("arc-dns/catalogue.json"), gap.path("sent.json")).unwrap();
    let run = gap.pack("next", &["--since", "sent.json"]).await.expect(2);
    let words = "error: sent.json: the catalogue of a bundle tells what was sent, not what arrived\n  Hint: Name the receipt that `sealift load` wrote; or take it for delivered with --assume-delivered.";
    assert!(run.stderr.contains(words) && !gap.path("next").exists(), "{run:?}");
    gap.load("arc-dns", &[]).await.expect(0);
    fs::remove_dir_all(gap.path("arc-dns")).unwrap();
    gap.pack("next", &["--since", "sent.json", "--assume-delivered"]).await.expect(0);
    let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
    assert!(looked["bytesLeftOut"].as_u64().unwrap() >= SHARED, "{looked}");
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// A dry run and a run in which nothing arrives say nothing of what the target holds.
#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_is_in_no_receipt() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &["--dry-run"]).await.expect(0);
    for volume in super::scene::volumes(&gap.path("arc-dns")) {
        fs::remove_file(volume).unwrap();
    }
    gap.load("arc-dns", &[]).await.expect(1);
    assert!(!gap.path(RECEIPT).exists());
}
