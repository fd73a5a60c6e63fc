//! Where the earlier layers come from that deltas are made of: from what `--base` names, or from the source, and there no
//! more is read of them than it is worth.

use std::fs;

use bytes::Bytes;
use sealift_oci::{Algorithm, Manifest};
use sealift_store::conformance::fixture::{Image, image_of, noise};
use sealift_testbed::http_proxy::Action;
use serde_json::Value;

use super::deltas::{RECEIPT, gap, gzip, layers, pack_next, publish, release};
use super::scene::Gap;
use super::several::pack_one;
use super::trust::CAPTAIN;
use crate::site::{KNOWN, Run};

/// What the first release consists of, by digest.
fn first(with_manifest: bool) -> Vec<String> {
    let image = release(1);
    let layers = image.manifest.links.blobs[1..].iter().map(|layer| layer.digest.to_string());
    layers.chain(with_manifest.then(|| image.digest().to_string())).collect()
}

/// The source has something no more.
fn forget(gap: &Gap, digests: Vec<String>) {
    gap.source.set_rule(move |request| match digests.iter().any(|digest| request.path.ends_with(digest)) {
        true => Action::status(404),
        false => Action::Pass,
    });
}

async fn push(gap: &Gap, image: &Image) {
    let repository = "arcdata/arc-dns".parse().unwrap();
    image.push(gap.site.source.store.as_ref(), &repository, Some(KNOWN)).await;
}

async fn pack_json(gap: &Gap, more: &[&str]) -> Value {
    pack_next(gap, &[more, &["--output", "json"]].concat()).await.expect(0).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_base_names_takes_the_place_of_the_source() {
    let gap = gap().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &["--sign", "sealift.key"]).await.expect(0);
    let into =
        ["load", "arc-dns", "--into", "store", "--target-repository", "site/arc", "--receipt", "other"];
    gap.run(&into).await.expect(0);
    let closed = ["--volume-size", "1MiB", "--sign", "sealift.key", "--encrypt-to", CAPTAIN.recipient];
    pack_next(&gap, &closed).await.expect(0);
    fs::rename(gap.path("next"), gap.path("sealed")).unwrap();
    fs::create_dir(gap.path("stick")).unwrap();
    let volume = super::scene::volumes(&gap.path("sealed")).remove(0);
    fs::rename(&volume, gap.path("stick").join(volume.file_name().unwrap())).unwrap();
    publish(&gap, 2).await;
    forget(&gap, first(true));
    let trust = ["--since", RECEIPT, "--trust", "sealift.pub"];
    let run = pack_next(&gap, &[&trust[..], &["--base", "arc-dns"]].concat()).await.expect(6);
    assert!(run.stderr.contains("arc-dns/SHA256SUMS: it is not signed"), "{}", run.stderr);
    let run = pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    let words =
        "0 of 2 layers as deltas; 2 as they are, because the other side has nothing that it could build on";
    assert!(run.stdout.contains(words), "{}", run.stdout);
    let looked = gap.inspect("next", &[]).await.expect(0);
    assert!(looked.stdout.contains(words), "{}", looked.stdout);
    let sealed =
        ["--base", "sealed", "--trust", "sealift.pub", "--identity", "captain.txt", "--volume-dir", "stick"];
    for base in [&["--base", "arc-dns"][..], &["--base", "store"], &sealed] {
        fs::remove_dir_all(gap.path("next")).unwrap();
        let more = [&["--since", RECEIPT], base].concat();
        let dry = pack_json(&gap, &[&more[..], &["--dry-run"]].concat()).await;
        assert_eq!(
            (&dry["deltas"]["layers"], &dry["deltas"]["bytesOfEarlierLayers"]),
            (&2.into(), &0.into())
        );
        gap.source.clear();
        let packed = &pack_json(&gap, &more).await["bundles"][0];
        assert_eq!(
            (&packed["coverage"]["deltas"], &packed["bytesOfEarlierLayers"]),
            (&2.into(), &0.into()),
            "{packed}"
        );
        let is_old = |path: &str| first(false).iter().any(|digest| path.ends_with(digest));
        assert_eq!(gap.source.count(|it| is_old(&it.head.path)), 0, "the source was asked");
    }
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// An update has only what differs; with the bundle before it, it is what the next one builds on.
#[tokio::test(flavor = "multi_thread")]
async fn updates_are_bases_together() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    publish(&gap, 2).await;
    pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    gap.load("next", &[]).await.expect(0);
    fs::rename(gap.path("next"), gap.path("second")).unwrap();
    publish(&gap, 3).await;
    let since = ["--since", "next.receipt.json", "--base", "second"];
    // Alone it gives nothing, and the source is asked.
    let packed = pack_json(&gap, &since).await;
    assert_eq!(packed["bundles"][0]["coverage"]["deltas"], 2);
    assert_eq!(packed["bundles"][0]["bytesOfEarlierLayers"], layers(2), "each is read once");
    fs::remove_dir_all(gap.path("next")).unwrap();
    let packed = pack_json(&gap, &[&since[..], &["--base", "arc-dns"]].concat()).await;
    assert_eq!(packed["bundles"][0]["coverage"]["deltas"], 2);
    assert_eq!(packed["bundles"][0]["bytesOfEarlierLayers"], 0);
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// What the source says it has, and does not give.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_cannot_be_read_is_told() {
    let gap = gap().await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    publish(&gap, 2).await;
    forget(&gap, first(false));
    let run: Run = pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    assert!(run.stdout.contains("0 of 2 layers as deltas; "), "{}", run.stdout);
    assert!(run.stdout.contains("because what it would build on cannot be read: "), "{}", run.stdout);
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// Two layers that changed places, so that neither is what stood where it stands, among more that are about as large.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_at_the_source_than_is_said() {
    let gap = gap().await;
    let part = |seed: &str, len: usize| noise(seed, len).to_vec();
    let plain = |number: usize, seed: &str, len: usize| {
        gzip(&[part(seed, len), part(&format!("{seed} {number}"), len / 100)].concat())
    };
    let named: [(&str, usize); 5] =
        [("a", 200_000), ("b", 230_000), ("c", 260_000), ("d", 700_000), ("e", 40_000)];
    let old: Vec<Bytes> = named.iter().map(|(seed, len)| plain(1, seed, *len)).collect();
    push(&gap, &image_of("old", &old)).await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    let moved = [named[3], named[2], named[1], named[0]];
    let new: Vec<Bytes> = moved.iter().map(|(seed, len)| plain(2, seed, *len)).collect();
    push(&gap, &image_of("new", &new)).await;
    let dry = pack_json(&gap, &["--since", RECEIPT, "--dry-run"]).await;
    let promised = dry["deltas"]["bytesOfEarlierLayers"].as_u64().unwrap();
    let report = pack_json(&gap, &["--since", RECEIPT]).await;
    let packed = &report["bundles"][0];
    let read = packed["bytesOfEarlierLayers"].as_u64().unwrap();
    let whole: usize = new.iter().map(Bytes::len).sum();
    assert!(read <= promised && promised <= 4 * whole as u64, "{read} of {promised} for {whole}");
    assert_eq!(packed["coverage"]["deltas"], 4, "{packed}");
    gap.load("next", &[]).await.expect(0);
    gap.assert_arrived(&["arc-dns"]).await;
}

/// Layers that are not compressed are deltas like others; those of zstd are not, and that is told.
#[tokio::test(flavor = "multi_thread")]
async fn layers_need_not_be_compressed() {
    let gap = gap().await;
    let image = |number: u8| {
        let changed = |seed: &str, len: usize| {
            let mut bytes = noise(seed, len).to_vec();
            bytes.iter_mut().step_by(20_000).for_each(|byte| *byte = number);
            Bytes::from(bytes)
        };
        let layers = [changed("tar", 400_000), changed("zstd", 50_000), gzip(&changed("gzip", 300_000))];
        let image = image_of(&format!("forms {number}"), &layers);
        let mut value: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        for (place, ending) in [(0, ""), (1, "+zstd")] {
            value["layers"][place]["mediaType"] =
                format!("application/vnd.oci.image.layer.v1.tar{ending}").into();
        }
        let bytes = Bytes::from(serde_json::to_vec(&value).unwrap());
        Image { manifest: Manifest::parse_as(Algorithm::Sha256, None, bytes).unwrap(), ..image }
    };
    push(&gap, &image(1)).await;
    pack_one(&gap, "arc-dns", &[]).await;
    gap.load("arc-dns", &[]).await.expect(0);
    push(&gap, &image(2)).await;
    let run = pack_next(&gap, &["--since", RECEIPT]).await.expect(0);
    let words = "1 as it is, because it is compressed with zstd, which need not write the same bytes again";
    assert!(run.stdout.contains("2 of 3 layers as deltas: ") && run.stdout.contains(words), "{}", run.stdout);
    let looked = gap.inspect("next", &["--output", "json"]).await.expect(0).json();
    let of = |size: u64| looked["deltas"].as_array().unwrap().iter().find(|it| it["bytes"] == size).unwrap();
    let tar = of(400_000);
    assert!(tar["bytesCarried"].as_u64().unwrap() < 4000 && tar["encoder"].is_null(), "{tar}");
    assert_eq!((&of(50_000)["bytesCarried"], &of(50_000)["bases"]), (&50_000.into(), &serde_json::json!([])));
    let run = gap.load("next", &[]).await.expect(0);
    assert!(run.stdout.contains(", not compressed, builds on "), "{}", run.stdout);
    gap.assert_arrived(&["arc-dns"]).await;
}
