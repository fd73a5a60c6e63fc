//! Where `load` writes receipts and repair requests, and what becomes of the run where it cannot.

use std::fs;

use sealift_testbed::http_proxy::Action;
use serde_json::Value;

use super::scene::{Gap, files};
use super::several::pack_one;
use super::trust::CAPTAIN;

/// Two bundles, of which the second builds on the first.
async fn two() -> Gap {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    pack_one(&gap, "arc-sqlmi", &["--since", "arc-dns", "--assume-delivered"]).await;
    gap
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_request_goes_where_it_is_wanted_and_is_signed() {
    let gap = two().await;
    for name in ["ours", "theirs"] {
        gap.run(&["keygen", "--no-passphrase", "--out", name]).await.expect(0);
    }
    let run =
        gap.load("arc-sqlmi", &["--repair-request", "wanted.json", "--sign", "ours.key"]).await.expect(3);
    assert!(run.stderr.contains("sealift pack --repair wanted.json"), "{}", run.stderr);
    let names = files(&gap.path(""));
    assert!(
        names.contains(&"wanted.json.minisig".to_owned())
            && !names.contains(&"arc-sqlmi.repair.json".to_owned())
    );
    let repair = ["pack", "--repair", "wanted.json", "--source-anonymous", "--to"];
    let run = gap.run(&[&repair[..], &["none", "--trust", "theirs.pub"]].concat()).await.expect(6);
    assert!(run.stderr.contains("error: wanted.json: it is signed with the key "), "{}", run.stderr);
    let request = fs::read_to_string(gap.path("wanted.json")).unwrap();
    fs::write(gap.path("wanted.json"), request.replace("arc-sqlmi", "arc-other")).unwrap();
    let run = gap.run(&[&repair[..], &["none", "--trust", "ours.pub"]].concat()).await.expect(6);
    assert!(run.stderr.contains("error: wanted.json: its signature does not fit"), "{}", run.stderr);
    assert!(!gap.path("none").exists());
    fs::write(gap.path("wanted.json"), request).unwrap();
    gap.run(&[&repair[..], &["repair", "--trust", "ours.pub"]].concat()).await.expect(0);
    gap.run(&gap.loading(&["arc-sqlmi", "repair"], &[])).await.expect(0);
    gap.assert_arrived(&["arc-sqlmi"]).await;
}

/// What the bundle builds on is named, less what was given.
#[tokio::test(flavor = "multi_thread")]
async fn the_bundles_that_are_built_on_are_named() {
    let gap = two().await;
    let id = |name: &str| -> String {
        let catalogue = fs::read(gap.path(name).join("catalogue.json")).unwrap();
        serde_json::from_slice::<Value>(&catalogue).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let run = gap.load("arc-sqlmi", &[]).await.expect(3);
    let words = format!("  It builds on the bundles or receipts {}.\n", id("arc-dns"));
    assert!(run.stderr.contains(&words), "{}", run.stderr);
}

/// A place that was named and cannot be written to ends the run before the registry is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_told_before_anything_moves() {
    let gap = two().await;
    for flag in ["--receipt", "--repair-request"] {
        for place in ["nowhere/x.json", "arc-dns"] {
            let run = gap.load("arc-sqlmi", &[flag, place]).await.expect(2);
            assert!(run.stderr.contains(&format!("error: {flag} {place}: ")), "{}", run.stderr);
            assert!(run.stderr.contains("nothing was moved"), "{}", run.stderr);
        }
    }
    gap.assert_untouched();
    // What has a default is done without, and who wants it signed wants it.
    fs::create_dir(gap.path("arc-dns.receipt.json")).unwrap();
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    gap.load("arc-dns", &["--sign", "sealift.key"]).await.expect(2);
    gap.assert_untouched();
    let run = gap.load("arc-dns", &[]).await.expect(0);
    let words = "warning: arc-dns.receipt.json: is a directory; it is not written unless --receipt FILE names another place\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// A repair has no images of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_alone_is_refused() {
    let gap = two().await;
    gap.load("arc-sqlmi", &[]).await.expect(3);
    let repair = ["pack", "--repair", "arc-sqlmi.repair.json", "--source-anonymous", "--to", "repair"];
    gap.run(&repair).await.expect(0);
    gap.target.clear();
    for more in [&[][..], &["--dry-run"]] {
        let run = gap.load("repair", more).await.expect(2);
        let words = "error: repair: it has content that repairs another bundle, and no images of its own\n  Hint: Load it together with the bundle ";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    gap.assert_untouched();
}

/// A repair that cannot be made says why, and ends as a mirror would.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_fails_says_why() {
    let gap = two().await;
    gap.load("arc-sqlmi", &[]).await.expect(3);
    let args = ["pack", "--repair", "arc-sqlmi.repair.json", "--to", "repair", "--source-anonymous"];
    let dry = gap.run(&[&args[..], &["--dry-run"]].concat()).await.expect(0);
    assert!(
        dry.stdout.contains("300 kB to fetch") && dry.stdout.contains("\n1 blob, in 1 volume at least.\n"),
        "{}",
        dry.stdout
    );
    assert!(!gap.path("repair").exists());
    for (status, code, words) in
        [(404, 3, "pack the whole release without --since"), (403, 4, "403"), (500, 1, "500")]
    {
        gap.source.set_rule(move |request| match request.path.contains("/blobs/") {
            true => Action::status(status),
            false => Action::Pass,
        });
        let run = gap.run(&args).await.expect(code);
        assert!(run.stderr.contains("@sha256:") && !run.stderr.contains("of the list"), "{}", run.stderr);
        assert!(run.stderr.contains(words), "{status}: {}", run.stderr);
        assert!(run.stdout.starts_with("1 blob: 1 failed.\n"), "{}", run.stdout);
        assert!(run.stderr.contains("repair: the bundle is not finished"), "{}", run.stderr);
        let json = gap.run(&[&args[..], &["--output", "json"]].concat()).await.expect(code).json();
        assert_eq!(json["failures"].as_array().unwrap().len(), 1, "{json}");
    }
    gap.source.set_rule(|_| Action::Pass);
    let json = gap.run(&[&args[..], &["--output", "json"]].concat()).await.expect(0).json();
    assert_eq!(json["images"], serde_json::json!([]), "{json}");
    fs::remove_dir_all(gap.path("repair")).unwrap();
    let run = gap.run(&args).await.expect(0);
    assert!(run.stdout.starts_with("1 blob: 1 arrived.\n300 kB moved in 1 blob; "), "{}", run.stdout);
}

/// A request that was written wrong is told in the names of the source, and one that asks for nothing brings nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_request_that_lies_is_told() {
    let gap = two().await;
    gap.load("arc-sqlmi", &[]).await.expect(3);
    let name = gap.path("arc-sqlmi.repair.json");
    let mut request: Value = serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
    let args = ["pack", "--repair", "arc-sqlmi.repair.json", "--to", "repair", "--source-anonymous"];
    let size = request["missing"][0]["size"].as_u64().unwrap();
    request["missing"][0]["size"] = Value::from(size + 5);
    fs::write(&name, request.to_string()).unwrap();
    let run = gap.run(&args).await.expect(5);
    let words = "error: SOURCE: cannot fetch blob arcdata/arc-";
    let hint = "The request may be wrong, too: the same `sealift load` writes it anew.";
    assert!(run.stderr.contains(words) && run.stderr.contains(hint), "{}", run.stderr);
    assert!(!run.stderr.contains("__"), "an inner name is shown: {}", run.stderr);
    request["missing"] = Value::Array(Vec::new());
    fs::write(&name, request.to_string()).unwrap();
    for more in [&[][..], &["--dry-run"]] {
        let run = gap.run(&[&args[..], more].concat()).await.expect(2);
        let words = "error: arc-sqlmi.repair.json: nothing is missing, so there is nothing to repair\n";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert!(!gap.path("repair/SHA256SUMS").exists());
}

/// What is no such document is not written over; nothing in an empty file is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_document_is_kept() {
    let gap = two().await;
    fs::write(gap.path("notes"), "precious").unwrap();
    for (flag, words) in [
        (
            "--receipt",
            "error: notes: a file that is no receipt is there\n  Hint: Name another place with --receipt",
        ),
        ("--repair-request", "error: notes: a file that is no repair request is there\n"),
    ] {
        let run = gap.load("arc-dns", &[flag, "notes"]).await.expect(2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert_eq!(fs::read_to_string(gap.path("notes")).unwrap(), "precious");
    gap.assert_untouched();
    fs::write(gap.path("notes"), "").unwrap();
    gap.load("arc-dns", &["--receipt", "notes"]).await.expect(0);
    gap.load("arc-dns", &["--receipt", "notes"]).await.expect(0);
    assert!(fs::read_to_string(gap.path("notes")).unwrap().contains("sealift-receipt"));
}

/// What another target holds is known from its receipt alone, maybe.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_another_target_is_kept() {
    let gap = two().await;
    let receipt = || fs::read_to_string(gap.path("arc-dns.receipt.json")).unwrap();
    gap.load("arc-dns", &[]).await.expect(0);
    let first = receipt();
    let into = ["load", "arc-dns", "--into", "store"];
    let run = gap.run(&into).await.expect(2);
    assert!(
        run.stderr.contains("error: arc-dns.receipt.json: the receipt of TARGET/site/arcdata is there"),
        "{}",
        run.stderr
    );
    assert_eq!((receipt(), gap.path("store").exists()), (first.clone(), false));
    gap.run(&[&into[..], &["--receipt", "store.json"]].concat()).await.expect(0);
    gap.load("arc-dns", &[]).await.expect(0);
    assert!(receipt() != first && gap.path("store.json").is_file());
}

/// Each kind of key in the other's place is told, and a secret one is never shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_place_of_another_is_told() {
    let gap = Gap::new().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    let secret = fs::read_to_string(gap.path("sealift.key")).unwrap();
    let line = secret.lines().nth(1).unwrap();
    let run = gap.load("arc-dns", &["--sign", "sealift.pub"]).await.expect(4);
    assert!(run.stderr.contains("error: sealift.pub: it is a public key, and the secret one is wanted\n  Hint: Name the secret key with --sign"), "{}", run.stderr);
    for trust in ["sealift.key", line] {
        for run in [
            gap.load("arc-dns", &["--trust", trust]).await,
            gap.inspect("arc-dns", &["--trust", trust]).await,
            gap.pack("next", &["--since", "arc-dns", "--assume-delivered", "--trust", trust]).await,
        ] {
            let words =
                "it is a secret key, and the public one is wanted\n  Hint: Name the public key with --trust";
            assert!(run.stderr.contains(words), "{}", run.stderr);
            assert!(!run.stderr.contains(line), "the key is shown");
            run.expect(4);
        }
    }
    let run = gap.load("arc-dns", &["--trust", CAPTAIN.recipient]).await.expect(2);
    assert!(run.stderr.contains("error: "), "{}", run.stderr);
    gap.assert_untouched();
}
