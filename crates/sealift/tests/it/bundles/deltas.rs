//! Layers that changed a little travel as what changed, and arrive with the digests that they had.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::conformance::fixture::{Image, image_of, noise};
use sealift_store::{MemoryStore, PageRequest};
use serde_json::Value;

use super::scene::Gap;
use super::several::pack_one;
use super::trust::CAPTAIN;
use crate::serve::Registry;
use crate::site::KNOWN;

pub(super) const RECEIPT: &str = "arc-dns.receipt.json";
const REPAIR: &str = "next.repair.json";
/// How many plain bytes the larger layer has.
const LARGE: usize = 900_000;

/// Compresses as Docker does.
pub(super) fn gzip(plain: &[u8]) -> Bytes {
    let recipe = format!("1f8b08000000000000ff go-1.19:level=6 {}\n", plain.len());
    let mut stream = Vec::new();
    regzip::rebuild(&recipe.parse().unwrap(), plain, &mut stream, NonZeroUsize::MIN).unwrap();
    Bytes::from(stream)
}

/// Two layers of which each release has most in common with the one before.
fn release_layers(number: usize) -> [Bytes; 2] {
    let layer = |seed: &str, len: usize| {
        let mut plain = noise(seed, len).to_vec();
        // Times and a few files differ.
        plain.iter_mut().step_by(10_240).for_each(|byte| *byte = number as u8);
        plain.extend_from_slice(&noise(&format!("{seed} {number}"), len / 100));
        gzip(&plain)
    };
    [layer("system", 300_000), layer("program", LARGE)]
}

pub(super) fn release(number: usize) -> Image {
    image_of(&format!("release {number}"), &release_layers(number))
}

/// A source with the first release.
pub(super) async fn gap() -> Gap {
    let gap = Gap::of(Arc::new(MemoryStore::new("memory"))).await;
    publish(&gap, 1).await;
    gap
}

/// Gives the tag to another release.
pub(super) async fn publish(gap: &Gap, number: usize) {
    let repository = "arcdata/arc-dns".parse().unwrap();
    release(number).push(gap.site.source.store.as_ref(), &repository, Some(KNOWN)).await;
}

/// Packs what came after.
pub(super) async fn pack_next(gap: &Gap, more: &[&str]) -> crate::site::Run {
    let source = gap.source.address().to_string();
    let args = ["pack", "--tag", KNOWN, "--source-registry", &source, "--to", "next", "--image", "arc-dns"];
    gap.run(&[&args[..], more].concat()).await
}

/// How many bytes the layers of a release have.
pub(super) fn layers(number: usize) -> u64 {
    release(number).manifest.links.blobs[1..].iter().map(|layer| layer.size).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_a_fraction_and_arrives_as_it_was() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
    publish(&gap, 2).await;
    let since = ["--since", RECEIPT];
    let dry = pack_next(&gap, &[&since[..], &["--dry-run"]].concat()).await.expect(0);
    let words = "That is the most: 2 layers of 1.21 MB may become deltas, for which 1.21 MB of earlier layers are read as well.";
    assert!(dry.stdout.contains(words), "{}", dry.stdout);
    let json =
        pack_next(&gap, &[&since[..], &["--dry-run", "--output", "json"]].concat()).await.expect(0).json();
    let deltas = |bytes: u64, carried: Option<u64>, earlier: Option<u64>| serde_json::json!({"layers": 2, "bytes": bytes, "bytesCarried": carried, "bytesOfEarlierLayers": earlier});
    assert_eq!(json["deltas"], deltas(layers(2), None, Some(layers(1))));
    // Each layer is fetched, and the one before it, too.
    let limit = (layers(2) + layers(1) - 1).to_string();
    for more in [&[][..], &["--dry-run"]] {
        let limited = [&since[..], &["--max-bytes", &limit], more].concat();
        let run = pack_next(&gap, &limited).await.expect(6);
        assert!(run.stderr.contains("--max-bytes") && !gap.path("next").exists(), "{}", run.stderr);
    }
    pack_next(&gap, &[&since[..], &["--max-bytes", &limit, "--delta", "off", "--dry-run"]].concat())
        .await
        .expect(0);
    for (how, part) in [("fast", 20), ("best", 20)] {
        let run = pack_next(&gap, &["--since", RECEIPT, "--delta", how]).await.expect(0);
        assert!(run.stdout.contains("2 of 2 layers as deltas: "), "{}", run.stdout);
        let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
        let carried = looked["bytesCarried"].as_u64().unwrap();
        assert!(carried < layers(2) / part, "{how}: {carried} of {}", layers(2));
        assert_eq!(looked["bytesLeftOut"], 0);
        let deltas = looked["deltas"].as_array().unwrap();
        let made: Vec<&Value> = deltas.iter().filter(|it| it["bases"] != Value::Array(Vec::new())).collect();
        assert_eq!((deltas.len(), made.len()), (3, 2), "the configuration is carried as it is");
        assert!(made.iter().all(|it| it["encoder"] == "go-1.19:level=6"), "{looked}");
        gap.run(&["verify", "next"]).await.expect(0);
        fs::rename(gap.path("next"), gap.path(how)).unwrap();
    }
    let new_layers = release(2).manifest.links.blobs[1..].to_vec();
    let dry = gap.load("best", &["--dry-run", "--output", "json"]).await.expect(0).json();
    let carried = dry["deltas"]["bytesCarried"].as_u64().unwrap();
    assert_eq!(dry["deltas"], deltas(layers(2), Some(carried), None));
    let dry = gap.load("best", &["--dry-run"]).await.expect(0);
    assert!(
        dry.stdout.contains("2 layers as deltas: ") && dry.stdout.contains(" in place of 1.21 MB.\n"),
        "{}",
        dry.stdout
    );
    assert!(carried < layers(2) / 20, "{carried}");
    let run = gap.load("best", &["--output", "json", "--progress", "json"]).await.expect(0);
    let bundle = &run.json()["bundles"][0];
    let coverage = &bundle["coverage"];
    assert_eq!(
        (&coverage["layers"], &coverage["deltas"], &coverage["bytes"], &coverage["bytesCarried"]),
        (&2.into(), &2.into(), &layers(2).into(), &carried.into())
    );
    assert!(coverage["message"].as_str().unwrap().starts_with("2 of 2 layers as deltas: "), "{coverage}");
    let lines = run.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<Value> = lines.filter(|line| line["type"] == "layer").collect();
    let loaded = bundle["deltas"].as_array().unwrap();
    assert_eq!((loaded.len(), told.len()), (3, 3), "the configuration came, too");
    for layer in &new_layers {
        let is_it = |it: &&Value| it["digest"] == layer.digest.to_string();
        for it in [loaded.iter().find(is_it).unwrap(), told.iter().find(is_it).unwrap()] {
            let ratio = it["bytesCarried"].as_u64().unwrap() as f64 / layer.size as f64;
            assert!((it["ratio"].as_f64().unwrap() - ratio).abs() < 0.0002, "{it}");
            assert_eq!((&it["encoder"], &it["bytes"]), (&"go-1.19:level=6".into(), &layer.size.into()));
            assert_eq!((it["bases"].as_array().unwrap().len(), &it["reason"]), (1, &Value::Null));
        }
    }
    gap.assert_arrived(&["arc-dns"]).await;
}

/// Beside the bundle that it builds on, nothing of an update is missing; without that one, it is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_served_over_what_it_builds_on() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    publish(&gap, 2).await;
    let run = pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    assert!(run.stdout.contains("2 of 2 layers as deltas: "), "{}", run.stdout);
    assert_served(&[&gap.text("arc-dns"), &gap.text("next")], 2, "").await;
    assert_served(&[&gap.text("next")], 2, "2 blobs cannot be pulled").await;
}

/// A second update builds on the first, which is itself a delta.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_an_update_is_served_over_both() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    let mut since = RECEIPT.to_owned();
    for (number, name) in [(2, "second"), (3, "third")] {
        publish(&gap, number).await;
        let run = pack_next(&gap, &["--since", &since]).await.expect(0);
        assert!(run.stdout.contains("2 of 2 layers as deltas: "), "{}", run.stdout);
        fs::rename(gap.path("next"), gap.path(name)).unwrap();
        gap.load(name, &[]).await.expect(0);
        since = format!("{name}.receipt.json");
    }
    let [first, second, third] = ["arc-dns", "second", "third"].map(|name| gap.text(name));
    assert_served(&[&first, &second, &third], 3, "").await;
    assert_served(&[&first, &third], 3, "2 blobs cannot be pulled").await;
    // What never got any of them is loaded from all at once.
    gap.target.clear();
    gap.run(&gap.loading(&["arc-dns", "second", "third"], &[])).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// A release is pulled from bundles that are served, or what is told of those that cannot give its layers.
async fn assert_served(places: &[&str], number: usize, told: &str) {
    let new = release(number);
    let registry = Registry::start(&[&["--read-only"], places].concat()).await;
    let store = registry.client();
    let all = store.admin().repositories(&PageRequest::first()).await.unwrap().items;
    let source = store.source(&all[0]);
    let tag: sealift_oci::Tag = KNOWN.parse().unwrap();
    assert_eq!(source.manifest(&tag.into()).await.unwrap(), new.manifest);
    for (blob, offset) in new.blobs.iter().zip([0, 0, 700_001]).filter(|_| told.is_empty()) {
        let body = source.open_blob(&Digest::sha256(blob), offset).await.unwrap();
        assert!(body.collect(blob.len()).await.unwrap() == blob[offset as usize..]);
    }
    let target = format!("/v2/{}/blobs/{}", all[0], new.manifest.links.blobs[2].digest);
    assert_eq!(registry.ask("GET", &target).await, if told.is_empty() { 200 } else { 404 });
    let (_, heard) = registry.stop().await;
    assert!(heard.contains(told), "{heard}");
    assert_eq!(heard.contains("cannot be pulled"), !told.is_empty(), "{heard}");
}

/// The release before the last serves as well, and what is sealed and cut into volumes is a delta, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_update_skips_a_release() {
    let gap = gap().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &["--sign", "sealift.key"]).await.expect(0);
    publish(&gap, 2).await;
    publish(&gap, 3).await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    let closed = ["--trust", "sealift.pub", "--sign", "sealift.key", "--encrypt-to", CAPTAIN.recipient];
    let more = ["--since", RECEIPT, "--volume-size", "1MiB", "--report", "report.html"];
    let run = pack_next(&gap, &[&more[..], &closed].concat()).await.expect(0);
    assert!(run.stdout.contains("2 of 2 layers as deltas"), "{}", run.stdout);
    let page = fs::read_to_string(gap.path("report.html")).unwrap();
    for words in ["Carried as what differs", "2 of 2 layers as deltas: ", "Read of earlier layers", "1.21 MB"]
    {
        assert!(page.contains(words), "{words}");
    }
    let open = ["--trust", "sealift.pub", "--identity", "captain.txt"];
    gap.run(&[&["verify", "next"], &open[..]].concat()).await.expect(0);
    let run = gap.load("next", &open).await.expect(0);
    assert!(run.stdout.contains("2 of 2 layers as deltas: "), "{}", run.stdout);
    let line = |it: &&str| it.contains(", go-1.19:level=6, builds on ");
    assert_eq!(run.stdout.lines().filter(line).count(), 2, "{}", run.stdout);
    gap.assert_arrived(&["arc-dns"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_or_not_alike_is_carried_as_it_is() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    publish(&gap, 2).await;
    for more in [&["--delta", "off"][..], &["--memory", "1MiB"]] {
        let run = pack_next(&gap, &[&["--since", RECEIPT], more].concat()).await.expect(0);
        let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
        assert!(looked["bytesCarried"].as_u64().unwrap() >= LARGE as u64, "{more:?}: {looked}");
        let told = run
            .stdout
            .contains("0 of 2 layers as deltas; 2 as they are, because a delta would take more memory");
        assert_eq!(
            (told, &looked["coverage"]["layers"] == 2),
            (more[0] == "--memory", more[0] == "--memory")
        );
        fs::remove_dir_all(gap.path("next")).unwrap();
    }
    pack_next(&gap, &["--since", RECEIPT, "--memory", "1MiB"]).await.expect(0);
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// The target never got what the deltas build on: it is asked for, and nothing is loaded without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_base_is_asked_for() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    publish(&gap, 2).await;
    pack_next(&gap, &["--since", "arc-dns", "--assume-delivered"]).await.expect(0);
    fs::rename(gap.path("arc-dns"), gap.path("lost")).unwrap();
    let run = gap.load("next", &[]).await;
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
    assert!(run.stderr.contains("the target lacks 2 blobs"), "{}", run.stderr);
    assert_eq!(gap.tagged().await, [""; 0]);
    let request: Value = serde_json::from_slice(&fs::read(gap.path(REPAIR)).unwrap()).unwrap();
    let missing: Vec<&Value> =
        request["missing"].as_array().unwrap().iter().map(|it| &it["digest"]).collect();
    let bases = &release(1).manifest.links.blobs[1..];
    assert!(bases.iter().all(|base| missing.contains(&&Value::from(base.digest.to_string()))), "{request}");
    gap.run(&["pack", "--repair", REPAIR, "--to", "repair", "--source-anonymous"]).await.expect(0);
    gap.run(&gap.loading(&["next", "repair"], &[])).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// A layer was put in front, so that none stands where it stood: what is like what is found by its content.
#[tokio::test(flavor = "multi_thread")]
async fn layers_that_moved_are_found_by_what_they_have_in_common() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    let [system, program] = release_layers(2);
    let moved = image_of("moved", &[gzip(&noise("in front", 200_000)), program, system]);
    let repository = "arcdata/arc-dns".parse().unwrap();
    moved.push(gap.site.source.store.as_ref(), &repository, Some(KNOWN)).await;
    let run = pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    assert!(run.stdout.contains("2 of 3 layers as deltas: "), "{}", run.stdout);
    assert!(run.stdout.contains("1 as it is, because a delta would hardly be smaller"), "{}", run.stdout);
    let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
    assert!(looked["bytesCarried"].as_u64().unwrap() < 300_000, "{looked}");
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}
