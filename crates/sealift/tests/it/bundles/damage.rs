//! Volumes that are missing, damaged, or elsewhere: what they hit is told, and everything else arrives.

use std::fs;
use std::path::{Path, PathBuf};

use sealift_oci::Digest;
use serde_json::Value;

use super::scene::{Gap, NAMES, files, own_layer, volumes};
use crate::site::KNOWN;

/// A place on the medium where content lies.
struct Place {
    volume: PathBuf,
    offset: usize,
}

/// Where the layer lies that only this image has: its first and its last piece.
fn place_of(gap: &Gap, name: &str) -> Vec<Place> {
    let directory = gap.path("release");
    let catalogue: Value =
        serde_json::from_slice(&fs::read(directory.join("catalogue.json")).unwrap()).unwrap();
    let digest = own_layer(name).digest.to_string();
    let content = catalogue["content"].as_array().unwrap().iter().find(|it| it["digest"] == digest).unwrap();
    let place = |at: &Value| {
        let number = usize::try_from(at["volume"].as_u64().unwrap()).unwrap();
        let volume = catalogue["volumes"][number - 1]["name"].as_str().unwrap();
        let offset = usize::try_from(at["offset"].as_u64().unwrap()).unwrap();
        Place { volume: directory.join(volume), offset }
    };
    content["at"].as_array().unwrap().iter().map(place).collect()
}

/// The volume in which the layer begins that only this image has.
pub(super) fn volume_of(gap: &Gap, name: &str) -> PathBuf {
    place_of(gap, name).remove(0).volume
}

/// The images that have content in a volume, besides what no layer is.
fn hit(gap: &Gap, volume: &PathBuf) -> Vec<&'static str> {
    let catalogue: Value =
        serde_json::from_slice(&fs::read(gap.path("release/catalogue.json")).unwrap()).unwrap();
    let number = 1 + volumes(&gap.path("release")).iter().position(|it| it == volume).unwrap();
    let lies_there = |digest: String| {
        let content =
            catalogue["content"].as_array().unwrap().iter().find(|it| it["digest"] == digest).unwrap();
        content["at"].as_array().unwrap().iter().any(|at| at["volume"] == number)
    };
    let is_hit = |name: &&'static str| {
        let image = super::scene::image(name);
        let blobs = image.manifest.links.blobs.iter().map(|blob| blob.digest);
        blobs.chain([image.digest()]).any(|digest| lies_there(digest.to_string()))
    };
    NAMES.into_iter().filter(is_hit).collect()
}

/// What is left of the images when some are hit: the gate waits for all others.
fn rest(hit: &[&str]) -> Vec<&'static str> {
    let others = NAMES.into_iter().filter(|name| !hit.contains(name));
    others.filter(|name| *name != NAMES[0] || hit.is_empty()).collect()
}

/// A volume that holds a piece of the large layer and nothing that all images need.
async fn spoilt(spoil: impl Fn(&PathBuf)) -> (Gap, PathBuf) {
    let gap = Gap::packed(&[]).await;
    let volume = place_of(&gap, "arc-sqlmi").remove(0).volume;
    assert_eq!(hit(&gap, &volume), ["arc-sqlmi"]);
    spoil(&volume);
    (gap, volume)
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_may_lie_in_several_places() {
    let gap = Gap::packed(&[]).await;
    for (volume, directory) in volumes(&gap.path("release")).into_iter().zip(["a", "b"].into_iter().cycle()) {
        fs::create_dir_all(gap.path(directory)).unwrap();
        fs::rename(&volume, gap.path(directory).join(volume.file_name().unwrap())).unwrap();
    }
    let run = gap.load("release", &["--all-or-nothing", "--volume-dir", "a"]).await.expect(6);
    assert!(run.stderr.contains("--volume-dir"), "{}", run.stderr);
    gap.assert_untouched();
    gap.inspect("release", &["--volume-dir", "a", "--volume-dir", "b"]).await.expect(0);
    gap.load("release", &["--volume-dir", "a", "--volume-dir", "b"]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// Of two volumes of one name the good one is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_volume_elsewhere_stands_in_for_a_cut_one() {
    let (gap, volume) = spoilt(|_| {}).await;
    fs::create_dir(gap.path("again")).unwrap();
    let content = fs::read(&volume).unwrap();
    fs::write(gap.path("again").join(volume.file_name().unwrap()), &content).unwrap();
    fs::write(&volume, &content[..content.len() / 2]).unwrap();
    gap.load("release", &["--volume-dir", "again"]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// One that has its size and not its content is passed over, too, and both are told.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_volumes_of_one_name_the_whole_one_is_used() {
    let (gap, volume) = spoilt(|_| {}).await;
    let name = volume.file_name().unwrap().to_str().unwrap();
    fs::create_dir(gap.path("again")).unwrap();
    fs::copy(&volume, gap.path("again").join(name)).unwrap();
    let length = usize::try_from(fs::metadata(&volume).unwrap().len()).unwrap();
    flip(&volume, length / 2);
    let words = format!("warning: release/{name}: it differs from its checksum; again/{name} is used\n");
    let more = ["--volume-dir", "again"];
    for run in [
        gap.inspect("release", &more).await,
        gap.run(&[&["verify", "release"], &more[..]].concat()).await,
        gap.load("release", &[&more[..], &["--all-or-nothing"]].concat()).await,
    ] {
        assert!(run.stderr.contains(&words), "{}", run.stderr);
        run.expect(0);
    }
    gap.assert_arrived(&NAMES).await;
    // Where both are spoilt, both are named.
    flip(&gap.path("again").join(name), length / 3);
    let run = gap.run(&[&["verify", "release"], &more[..]].concat()).await.expect(5);
    assert!(
        run.stderr.contains(&format!("warning: again/{name}: it differs from its checksum")),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains(&format!("error: release/{name}: ")), "{}", run.stderr);
}

/// What is wrong with a volume that `spoil` spoils is told by both commands, with the image that it hits; the
/// others arrive, and nothing does where that is wished.
async fn told(spoil: impl Fn(&PathBuf), reason: &str) {
    let (gap, volume) = spoilt(spoil).await;
    let name = volume.file_name().unwrap().to_str().unwrap();
    let words = format!("error: release/{name}: {reason}\n  hits SOURCE/arcdata/arc-sqlmi:{KNOWN}\n");
    let hint = "Hint: Copy the volume again from where it came";
    let looked = gap.inspect("release", &[]).await.expect(1);
    assert!(looked.stderr.contains(&words) && looked.stdout.contains("damaged"), "{looked:?}");
    let looked = gap.inspect("release", &["--output", "json"]).await.expect(1).json();
    assert_eq!(looked["damage"][0]["path"], format!("release/{name}"));
    assert_eq!(
        looked["damage"][0]["images"],
        serde_json::json!([format!("SOURCE/arcdata/arc-sqlmi:{KNOWN}")])
    );
    let run = gap.load("release", &["--all-or-nothing"]).await.expect(6);
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    gap.assert_untouched();
    let run = gap.load("release", &["--output", "json"]).await.expect(1);
    assert!(run.stderr.contains(&words) && run.stderr.contains(hint), "{}", run.stderr);
    assert_eq!(
        run.outcomes().iter().map(|(_, it)| it.as_str()).collect::<Vec<_>>(),
        ["withheld", "arrived", "failed"]
    );
    gap.assert_arrived(&rest(&["arc-sqlmi"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_volume_is_named_and_the_others_arrive() {
    told(|volume| fs::remove_file(volume).unwrap(), "the volume is missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_volume_is_named_and_the_others_arrive() {
    let cut = |volume: &PathBuf| {
        let content = fs::read(volume).unwrap();
        fs::write(volume, &content[..content.len() - 1]).unwrap();
    };
    told(cut, "the volume has 1048575 bytes and should have 1048576").await;
}

/// Flips a bit of a file.
pub(super) fn flip(file: &Path, offset: usize) {
    let mut content = fs::read(file).unwrap();
    content[offset] ^= 1;
    fs::write(file, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_found_where_it_is_read_and_the_others_arrive() {
    let gap = Gap::packed(&[]).await;
    let place = place_of(&gap, "arc-sqlmi").remove(0);
    flip(&place.volume, place.offset + 1000);
    let run = gap.load("release", &[]).await.expect(5);
    let name = place.volume.file_name().unwrap().to_str().unwrap();
    assert!(run.stderr.contains(&own_layer("arc-sqlmi").digest.to_string()), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("error: release/{name}: ")), "{}", run.stderr);
    assert!(run.stderr.contains("hits SOURCE/arcdata/arc-sqlmi"), "{}", run.stderr);
    gap.assert_arrived(&rest(&["arc-sqlmi"])).await;
    // A volume that is right again brings the rest.
    flip(&place.volume, place.offset + 1000);
    gap.load("release", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// Whether all can be loaded is only known when all was read.
#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_looks_at_every_byte_first() {
    let gap = Gap::packed(&[]).await;
    let place = place_of(&gap, "arc-sqlmi").remove(0);
    flip(&place.volume, place.offset + 1000);
    let run = gap.load("release", &["--all-or-nothing"]).await.expect(6);
    let name = place.volume.file_name().unwrap().to_str().unwrap();
    assert!(run.stderr.contains(&format!("error: release/{name}: ")), "{}", run.stderr);
    assert!(run.stderr.contains("hits SOURCE/arcdata/arc-sqlmi"), "{}", run.stderr);
    gap.assert_untouched();
    flip(&place.volume, place.offset + 1000);
    gap.load("release", &["--all-or-nothing"]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// Nothing of a volume that must be trusted is decrypted before its checksum fits.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_an_encrypted_volume_is_found() {
    let gap = Gap::new().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    let closed = ["--sign", "sealift.key", "--encrypt-to", super::trust::CAPTAIN.recipient];
    gap.pack("release", &[&super::scene::VOLUMES[..], &closed].concat()).await.expect(0);
    fs::write(gap.path("captain.txt"), super::trust::CAPTAIN.identity).unwrap();
    let opening = ["--identity", "captain.txt", "--trust", "sealift.pub"];
    let volume = volumes(&gap.path("release")).remove(0);
    flip(&volume, 700);
    let run = gap.load("release", &opening).await.expect(5);
    let name = volume.file_name().unwrap().to_str().unwrap();
    assert!(run.stderr.contains(&format!("{name}: it differs from its checksum")), "{}", run.stderr);
    assert!(!gap.tagged().await.contains(&"arc-controller"));
    flip(&volume, 700);
    gap.load("release", &opening).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_catalogue_is_refused_without_any_key() {
    let gap = Gap::packed(&[]).await;
    flip(&gap.path("release/catalogue.json"), 300);
    let run = gap.load("release", &[]).await.expect(5);
    assert!(run.stderr.contains("release/catalogue.json: it differs from its checksum"), "{}", run.stderr);
    fs::remove_file(gap.path("release/SHA256SUMS")).unwrap();
    let run = gap.load("release", &[]).await.expect(2);
    assert!(run.stderr.contains("error: release: it has no SHA256SUMS"), "{}", run.stderr);
    gap.assert_untouched();
    assert_eq!(files(&gap.path("")), ["release"], "nothing else was written");
}

/// Puts another catalogue in the place of a bundle's, with its checksum.
fn alter(gap: &Gap, change: impl Fn(&mut Value)) {
    let (path, list) = (gap.path("release/catalogue.json"), gap.path("release/SHA256SUMS"));
    let before = fs::read(&path).unwrap();
    let mut catalogue: Value = serde_json::from_slice(&before).unwrap();
    change(&mut catalogue);
    let after = catalogue.to_string();
    fs::write(path, &after).unwrap();
    let sum = |bytes: &[u8]| Digest::sha256(bytes).hex();
    let sums = fs::read_to_string(&list).unwrap().replace(&sum(&before), &sum(after.as_bytes()));
    fs::write(list, sums).unwrap();
}

/// What `verify` says is true: an image whose manifest is listed under another type is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_listed_under_another_type_is_not_loaded() {
    let gap = Gap::packed(&[]).await;
    alter(&gap, |catalogue| {
        let all = catalogue["repositories"].as_array_mut().unwrap();
        let dns = all.iter_mut().find(|it| it["name"] == "arc-dns").unwrap();
        dns["manifests"][0]["media_type"] = "text/plain".into();
    });
    let words = "is listed as \"text/plain\", and is an image of the type";
    let run = gap.run(&["verify", "release"]).await.expect(5);
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let run = gap.load("release", &[]).await;
    assert!(run.code != Some(0) && run.stderr.contains(words), "{run:?}");
    gap.assert_arrived(&rest(&["arc-dns"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_without_images_is_refused() {
    let gap = Gap::packed(&[]).await;
    alter(&gap, |catalogue| catalogue["images"] = Value::Array(Vec::new()));
    let run = gap.load("release", &[]).await.expect(2);
    assert!(run.stderr.contains("error: release: it has no images\n"), "{}", run.stderr);
    gap.assert_untouched();
}
