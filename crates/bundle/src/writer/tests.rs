use std::fs;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use sealift_oci::Tag;
use sealift_store::conformance::{self, fixture};
use sealift_store::{BlobBody, ErrorKind, Expected, lock, put_blob};
use tempfile::TempDir;

use super::*;
use crate::catalogue::{Catalogue, Image};

mod killed;

const MIB: u64 = 1024 * 1024;

fn options(volume_size: Option<u64>) -> WriterOptions {
    WriterOptions {
        id: "0123456789abcdef".repeat(2),
        volume_size,
        writers: 4,
        base: Held::default(),
        lock: None,
        deltas: None,
    }
}

async fn directory(place: &TempDir, volume_size: Option<u64>) -> BundleWriter {
    let destination = Destination::Directory(place.path().join("bundle"));
    BundleWriter::open(destination, options(volume_size)).await.unwrap()
}

fn contents(images: &[(&str, &fixture::Image)]) -> Contents {
    let image = |(name, image): &(&str, &fixture::Image)| Image {
        name: (*name).to_owned(),
        repository: name.parse().unwrap(),
        tag: Some("v1".parse().unwrap()),
        digest: image.digest(),
        source: format!("quay.io/org/{name}:v1"),
        group: None,
        gate: false,
        platforms: Vec::new(),
    };
    let source = |(name, _): &(&str, &fixture::Image)| (name.parse().unwrap(), format!("quay.io/org/{name}"));
    Contents {
        created: "2026-11-21T00:00:00Z".to_owned(),
        tool: "sealift test".to_owned(),
        images: images.iter().map(image).collect(),
        sources: images.iter().map(source).collect(),
        builds_on: Vec::new(),
    }
}

async fn push(writer: &BundleWriter, name: &str, image: &fixture::Image) {
    image.push(writer, &name.parse().unwrap(), Some("v1")).await;
}

/// Reads every entry of an archive with an ordinary reader.
fn entries(archive: &[u8]) -> HashMap<String, Vec<u8>> {
    let mut all = HashMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(all.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    all
}

fn joined(finished: &Finished) -> Vec<u8> {
    finished.volumes.iter().flat_map(|(path, _)| fs::read(path).unwrap()).collect()
}

/// Each entry is content of the catalogue, or makes it a layout; and each lies where the catalogue says.
fn assert_fits(finished: &Finished) {
    let archive = joined(finished);
    let entries = entries(&archive);
    let named: Vec<String> =
        finished.catalogue.content.iter().map(|it| crate::entry::name(&it.digest)).collect();
    for content in finished.catalogue.content.iter().filter(|content| !content.at.is_empty()) {
        let mut read = Vec::new();
        for extent in &content.at {
            let volume = fs::read(&finished.volumes[extent.volume - 1].0).unwrap();
            let start = usize::try_from(extent.offset).unwrap();
            read.extend_from_slice(&volume[start..start + usize::try_from(extent.size).unwrap()]);
        }
        assert_eq!(Digest::of(content.digest.algorithm(), &read), content.digest);
        assert_eq!(entries[&crate::entry::name(&content.digest)], read);
    }
    for name in entries.keys().filter(|name| name.starts_with("blobs/")) {
        assert!(named.contains(name), "{name} is not in the catalogue");
    }
    assert!(entries.contains_key("oci-layout") && entries.contains_key("index.json"));
}

#[tokio::test]
async fn it_is_a_place_like_any_other() {
    for volume_size in [None, Some(64 * 1024), Some(4 * MIB)] {
        let place = tempfile::tempdir().unwrap();
        let mut options = options(volume_size);
        // Tests of the contract leave uploads behind.
        options.writers = 64;
        let destination = Destination::Directory(place.path().join("bundle"));
        let writer = BundleWriter::open(destination, options).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(writer);
        conformance::all(&store).await;
        conformance::strict(&store).await;
    }
}

#[tokio::test]
async fn a_directory_becomes_a_bundle_that_ordinary_tools_read() {
    let place = tempfile::tempdir().unwrap();
    let writer = directory(&place, None).await;
    let (one, other) = (fixture::image("one"), fixture::docker_image("other"));
    push(&writer, "one", &one).await;
    push(&writer, "other", &other).await;
    let index = fixture::index(&[one.clone(), fixture::image("arm")]);
    push(&writer, "index", &index).await;
    let finished =
        writer.finish(contents(&[("one", &one), ("other", &other), ("index", &index)]), None).await.unwrap();
    assert_fits(&finished);

    let bundle = place.path().join("bundle");
    let sums = fs::read_to_string(bundle.join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(Digest::sha256(&fs::read(bundle.join(name)).unwrap()).hex(), sum, "{name}");
    }
    let mut names: Vec<_> = fs::read_dir(&bundle).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["SHA256SUMS", "catalogue.json", "volume-1-of-1.tar"]);
    let bytes = fs::read(bundle.join("catalogue.json")).unwrap();
    let read = Catalogue::parse(Path::new("catalogue.json"), &bytes).unwrap();
    assert_eq!(read, finished.catalogue);
    let tag: Tag = "v1".parse().unwrap();
    assert_eq!(read.repositories.len(), 3);
    assert!(read.repositories.iter().all(|it| it.tags.contains_key(&tag)));
}

#[tokio::test]
async fn volumes_are_filled_and_a_large_blob_goes_over_several() {
    let place = tempfile::tempdir().unwrap();
    let limit = 100 * 1024;
    let writer = directory(&place, Some(limit)).await;
    let sizes = [250_000, 40_000, 30_000, 102_400 - 512, 102_400, 1, 0, 511, 512, 60_000];
    let layers: Vec<Bytes> =
        sizes.iter().enumerate().map(|(at, &size)| fixture::noise(&at.to_string(), size)).collect();
    let image = fixture::image_of("large", &layers);
    push(&writer, "large", &image).await;
    let finished = writer.finish(contents(&[("large", &image)]), None).await.unwrap();
    assert_fits(&finished);
    let carried: u64 = finished.catalogue.content.iter().map(|content| content.size).sum();
    for (path, size) in &finished.volumes {
        assert!(*size <= limit, "{} has {size} bytes", path.display());
        assert_eq!(fs::metadata(path).unwrap().len(), *size);
    }
    let largest = finished.catalogue.content.iter().max_by_key(|content| content.size).unwrap();
    assert_eq!(largest.at.len(), 3);
    assert!(finished.volumes.len() as u64 <= carried / limit + 4);
}

#[tokio::test]
async fn an_image_that_stops_half_way_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let writer = directory(&place, Some(64 * 1024)).await;
    let image = fixture::image("one");
    push(&writer, "one", &image).await;
    let target = writer.target(&"one".parse().unwrap()).unwrap();
    let content = fixture::noise("cut", 200_000);
    let expected = Expected::new(Digest::sha256(&content), 200_000);
    let mut upload = target.begin_upload(Some(expected)).await.unwrap();
    upload.append(BlobBody::from(content.slice(..150_000))).await.unwrap();
    upload.cancel().await.unwrap();
    let other = Digest::sha256(b"x");
    let wrong = put_blob(target.as_ref(), &other, 9, BlobBody::from(Bytes::from_static(b"nine byte")));
    assert_eq!(wrong.await.unwrap_err().kind(), ErrorKind::Mismatch);
    let mut upload = target.begin_upload(Some(Expected::new(Digest::sha256(b"xy"), 2))).await.unwrap();
    upload.append(BlobBody::from(Bytes::from_static(b"xyz"))).await.unwrap_err();
    upload.cancel().await.unwrap();
    let finished = writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    assert_fits(&finished);
    assert_eq!(finished.volumes.len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_dropped_in_the_middle_spoils_the_end() {
    let place = tempfile::tempdir().unwrap();
    let writer = directory(&place, None).await;
    let target = writer.target(&"one".parse().unwrap()).unwrap();
    let mut upload = target.begin_upload(Some(Expected::new(Digest::sha256(b"xy"), 2))).await.unwrap();
    upload.append(BlobBody::from(Bytes::from_static(b"x"))).await.unwrap();
    lock(&writer.shared.uploads).clear();
    drop(upload);
    let error = writer.finish(contents(&[]), None).await.unwrap_err();
    assert!(error.to_string().contains("was not finished"), "{error}");
}

#[tokio::test]
async fn what_was_whole_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let limit = Some(100 * 1024);
    let layers: Vec<Bytes> =
        (0..6).map(|at| fixture::noise(&format!("l{at}"), 30_000 + at * 20_000)).collect();
    let image = fixture::image_of("one", &layers);
    let writer = directory(&place, limit).await;
    push(&writer, "one", &image).await;
    let part = place.path().join("bundle").join("volume-1.tar.part");
    drop(writer);
    assert!(!place.path().join("bundle/SHA256SUMS").exists());
    // Half an entry, and half a line, as a killed process leaves them.
    let mut bytes = fs::read(&part).unwrap();
    bytes.extend_from_slice(&[9; 700]);
    fs::write(&part, bytes).unwrap();
    let journal = place.path().join("bundle/pack.journal");
    let mut text = fs::read_to_string(&journal).unwrap();
    text.push_str("{\"content\":{\"dig");
    fs::write(&journal, text).unwrap();

    let writer = directory(&place, limit).await;
    assert!(writer.resumed() > layers.iter().map(|it| it.len() as u64).sum());
    let target = writer.target(&"one".parse().unwrap()).unwrap();
    for layer in &layers {
        let linked = target.link_blob(&Digest::sha256(layer), &"one".parse().unwrap()).await.unwrap();
        assert!(matches!(linked, sealift_store::LinkOutcome::Linked));
    }
    push(&writer, "one", &image).await;
    let more = fixture::image("more");
    push(&writer, "more", &more).await;
    let finished = writer.finish(contents(&[("one", &image), ("more", &more)]), None).await.unwrap();
    assert_fits(&finished);
}

/// Whatever byte of a volume is lost, what is gone on with is right.
#[tokio::test]
async fn what_was_spoilt_is_written_anew() {
    let image = fixture::image_of("one", &[fixture::noise("a", 5_000), fixture::noise("b", 9_000)]);
    for offset in (0..16_000).step_by(777) {
        let place = tempfile::tempdir().unwrap();
        let writer = directory(&place, None).await;
        push(&writer, "one", &image).await;
        drop(writer);
        let part = place.path().join("bundle").join("volume-1.tar.part");
        let mut bytes = fs::read(&part).unwrap();
        bytes[offset] ^= 1;
        fs::write(&part, bytes).unwrap();
        // Twice, so that lines of the first process stand between those of the second.
        for _ in 0..2 {
            let writer = directory(&place, None).await;
            push(&writer, "one", &image).await;
            drop(writer);
        }
        let writer = directory(&place, None).await;
        assert!(writer.resumed() > 14_000, "{offset}");
        push(&writer, "one", &image).await;
        assert_fits(&writer.finish(contents(&[("one", &image)]), None).await.unwrap());
    }
}

/// A link at the place of the lock leads nowhere: nothing is made behind it.
#[tokio::test]
async fn a_link_at_the_lock_is_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::os::unix::fs::symlink(path("elsewhere"), path("x.tar.lock")).unwrap();
    let error = BundleWriter::open(Destination::File(path("x.tar")), options(None)).await.unwrap_err();
    assert!(error.to_string().contains("x.tar.lock: it is no regular file but a symbolic link"), "{error}");
    assert!(!path("elsewhere").exists() && !path("x.tar.journal").exists());
}

/// A volume of another bundle beside a journal is no rest of this one.
#[tokio::test]
async fn a_volume_of_another_bundle_stays_where_one_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let image = fixture::image("one");
    let writer = directory(&place, None).await;
    push(&writer, "one", &image).await;
    drop(writer);
    let other = place.path().join("bundle").join(crate::names::volume(1, 1));
    std::fs::write(&other, "another bundle").unwrap();
    let destination = Destination::Directory(place.path().join("bundle"));
    let error = BundleWriter::open(destination, options(None)).await.unwrap_err();
    assert!(error.to_string().contains("it is no volume of the unfinished bundle"), "{error}");
    assert_eq!(std::fs::read(&other).unwrap(), b"another bundle");
    std::fs::remove_file(&other).unwrap();
    let writer = directory(&place, None).await;
    assert!(writer.resumed() > 0);
}

#[tokio::test]
async fn other_options_do_not_go_on_with_a_bundle_and_a_finished_one_stays() {
    let place = tempfile::tempdir().unwrap();
    let image = fixture::image("one");
    let writer = directory(&place, None).await;
    push(&writer, "one", &image).await;
    drop(writer);
    let destination = || Destination::Directory(place.path().join("bundle"));
    let error = BundleWriter::open(destination(), options(Some(MIB))).await.unwrap_err();
    let words = "the unfinished bundle there is in volumes of no set size, and what is asked for is in volumes of 1048576 bytes; ";
    assert!(error.to_string().contains(words), "{error}");
    let writer = directory(&place, None).await;
    push(&writer, "one", &image).await;
    writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    let error = BundleWriter::open(destination(), options(None)).await.unwrap_err();
    assert!(error.to_string().contains("finished bundle"), "{error}");
}

#[tokio::test]
async fn what_the_other_side_has_is_left_out() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (fixture::noise("old", 50_000), fixture::noise("new", 10_000));
    let image = fixture::image_of("one", &[old.clone(), new]);
    let mut options = options(None);
    let digest = Digest::sha256(&old);
    options.base.add(digest, 50_000, &"other".parse().unwrap());
    let destination = Destination::Directory(place.path().join("bundle"));
    let writer = BundleWriter::open(destination, options).await.unwrap();
    let name = "one".parse().unwrap();
    let target = writer.target(&name).unwrap();
    assert!(matches!(target.link_blob(&digest, &name).await.unwrap(), sealift_store::LinkOutcome::Linked));
    for blob in image.blobs.iter().filter(|blob| **blob != old) {
        fixture::push_blob(target.as_ref(), blob).await;
    }
    target.put_manifest(&image.manifest, Some(&"v1".parse().unwrap())).await.unwrap();
    let finished = writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    assert_fits(&finished);
    let left_out: Vec<_> =
        finished.catalogue.content.iter().filter(|content| content.at.is_empty()).collect();
    assert_eq!((left_out.len(), left_out[0].digest, left_out[0].size), (1, digest, 50_000));
    assert_eq!(left_out[0].held, ["other".parse().unwrap()]);
    assert!(finished.volumes[0].1 < 20_000);
}

#[tokio::test]
async fn one_file_has_its_catalogue_at_the_end() {
    let place = tempfile::tempdir().unwrap();
    let (file, image) = (place.path().join("release.tar"), fixture::image("one"));
    let writer = BundleWriter::open(Destination::File(file.clone()), options(None)).await.unwrap();
    push(&writer, "one", &image).await;
    assert!(!file.exists());
    let finished = writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    let bytes = fs::read(&file).unwrap();
    assert_fits(&Finished { volumes: vec![(file.clone(), bytes.len() as u64)], ..finished.clone() });
    assert_eq!(
        fs::read_to_string(place.path().join("release.tar.sha256")).unwrap(),
        format!("{}  release.tar\n", Digest::sha256(&bytes).hex())
    );
    assert_trailer(&bytes);
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["release.tar", "release.tar.sha256"]);
}

/// The last 2048 bytes lead to the catalogue.
fn assert_trailer(bytes: &[u8]) {
    let trailer: serde_json::Value =
        serde_json::from_slice(&bytes[bytes.len() - 1536..bytes.len() - 1024]).unwrap();
    let number = |name: &str| usize::try_from(trailer["catalogue"][name].as_u64().unwrap()).unwrap();
    let catalogue = &bytes[number("offset")..number("offset") + number("size")];
    assert_eq!(Digest::sha256(catalogue).hex(), trailer["catalogue"]["sha256"]);
    let read = Catalogue::parse(Path::new("x"), catalogue).unwrap();
    assert_eq!(read.volumes.len(), 1);
    assert_eq!(read.volumes[0].size, None);
}

#[tokio::test]
async fn a_pipe_gets_the_same_as_a_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("pipe");
    let image = fixture::image("one");
    let writer =
        BundleWriter::open(Destination::Pipe(File::create(&path).unwrap()), options(None)).await.unwrap();
    push(&writer, "one", &image).await;
    let finished = writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_trailer(&bytes);
    assert_eq!(finished.checksum.unwrap(), format!("{}  -\n", Digest::sha256(&bytes).hex()));
    assert_fits(&Finished {
        volumes: vec![(path, bytes.len() as u64)],
        checksum: None,
        catalogue: finished.catalogue,
    });
}

#[tokio::test]
async fn a_sealed_bundle_shows_nothing_and_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let friend = crate::seal::BundleKey::generate();
    let lock = crate::seal::Lock::Recipients(vec![friend.recipient()]);
    let image = fixture::image_of("one", &[fixture::noise("a", 200_000), Bytes::from_static(b"")]);
    let bundle = place.path().join("bundle");
    let open = |lock: Option<crate::seal::Lock>| {
        let options = WriterOptions { lock, ..options(Some(100 * 1024)) };
        BundleWriter::open(Destination::Directory(bundle.clone()), options)
    };
    let writer = open(Some(lock.clone())).await.unwrap();
    push(&writer, "one", &image).await;
    drop(writer);
    for other in
        [None, Some(crate::seal::Lock::Recipients(vec![crate::seal::BundleKey::generate().recipient()]))]
    {
        let error = open(other).await.unwrap_err();
        assert!(error.to_string().contains("unfinished bundle"), "{error}");
    }
    let writer = open(Some(lock)).await.unwrap();
    assert!(writer.resumed() > 200_000);
    push(&writer, "one", &image).await;
    let finished = writer.finish(contents(&[("one", &image)]), None).await.unwrap();
    assert!(finished.catalogue.sealed);
    let entries = entries(&joined(&finished));
    assert!(entries.keys().all(|name| name.starts_with("sealed/")), "{entries:?}");
    assert!(entries.values().all(|content| content.starts_with(b"age-encryption.org/v1")));
    assert!(bundle.join("key.age").exists() && bundle.join("catalogue.json.age").exists());
    assert!(!bundle.join("catalogue.json").exists());
    let sums = fs::read_to_string(bundle.join("SHA256SUMS")).unwrap();
    assert!(sums.contains("  key.age\n") && sums.contains("  catalogue.json.age\n"), "{sums}");
    for content in &finished.catalogue.content {
        assert_eq!(content.sealed, Some(content.at.iter().map(|extent| extent.size).sum()));
    }
}

#[tokio::test]
async fn one_process_at_a_time_writes_a_bundle() {
    let place = tempfile::tempdir().unwrap();
    let (folder, file) = (place.path().join("bundle"), place.path().join("release.tar"));
    for is_file in [false, true] {
        let destination = || match is_file {
            true => Destination::File(file.clone()),
            false => Destination::Directory(folder.clone()),
        };
        let open = || BundleWriter::open(destination(), options(None));
        let first = open().await.unwrap();
        let error = open().await.unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        drop(first);
        open().await.unwrap();
    }
}

/// A name that leads out of the directory is taken away, and not followed.
#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_outside_the_directory() {
    let place = tempfile::tempdir().unwrap();
    let (outside, folder) = (place.path().join("precious"), place.path().join("bundle"));
    fs::write(&outside, "precious").unwrap();
    fs::create_dir(&folder).unwrap();
    for name in ["volume-1.tar.part", "catalogue.json", "SHA256SUMS.minisig"] {
        std::os::unix::fs::symlink(&outside, folder.join(name)).unwrap();
    }
    let writer = directory(&place, None).await;
    let image = fixture::image("one");
    push(&writer, "one", &image).await;
    assert_fits(&writer.finish(contents(&[("one", &image)]), None).await.unwrap());
    assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
}

#[tokio::test]
async fn volumes_of_another_bundle_are_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("stick");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("volume-7-of-9.tar"), "precious").unwrap();
    let error = BundleWriter::open(Destination::Directory(folder.clone()), options(None)).await.unwrap_err();
    assert!(error.to_string().contains("volume-7-of-9.tar: it is a volume of another bundle"), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

/// Its checksum would be a list that nobody reads.
#[tokio::test]
async fn a_file_has_a_name_that_a_list_of_checksums_can_have() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = tempfile::tempdir().unwrap();
    for name in [&b"a\nb.tar"[..], b"a\tb.tar", b"\xff.tar"] {
        let path = place.path().join(std::ffi::OsStr::from_bytes(name));
        let destination = || Destination::File(path.clone());
        let checked = BundleWriter::check(&destination(), &Shape::default()).unwrap_err();
        let opened = BundleWriter::open(destination(), options(None)).await.unwrap_err();
        for error in [checked, opened] {
            assert!(error.to_string().contains("cannot stand in a list of checksums"), "{error}");
        }
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Else it would lie in the middle of a volume without being known, and once more behind.
#[tokio::test]
async fn what_the_journal_does_not_take_is_taken_back() {
    let place = tempfile::tempdir().unwrap();
    let writer = directory(&place, None).await;
    let (lost, kept) = (fixture::noise("lost", 70_000), fixture::noise("kept", 5_000));
    let name = "one".parse().unwrap();
    let target = writer.target(&name).unwrap();
    let put = |content: Bytes| {
        let (target, digest) = (Arc::clone(&target), Digest::sha256(&content));
        let size = content.len() as u64;
        async move { put_blob(target.as_ref(), &digest, size, BlobBody::from(content)).await }
    };
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let journal = writer.shared.journal.as_ref().unwrap();
    let whole = std::mem::replace(&mut lock(journal).file, full);
    put(lost.clone()).await.unwrap_err();
    lock(journal).file = whole;
    put(kept.clone()).await.unwrap();
    assert!(!writer.has(&Digest::sha256(&lost)) && writer.has(&Digest::sha256(&kept)));
    put(lost.clone()).await.unwrap();
    let finished = writer.finish(Contents::default(), None).await.unwrap();
    let entries = entries(&joined(&finished));
    assert_eq!(entries[&crate::entry::name(&Digest::sha256(&lost))], lost);
}
