//! Processes that are killed on their last steps, between the last blob and the word that all is there.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::names::CHECKSUMS;
use crate::seal::{BundleKey, Lock};

/// What lies in a directory.
type Files = BTreeMap<String, Vec<u8>>;

fn files(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let file =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    entries.map(file).collect()
}

fn lay(directory: &Path, files: &Files) {
    fs::create_dir_all(directory).unwrap();
    files.iter().for_each(|(name, content)| fs::write(directory.join(name), content).unwrap());
}

fn some(files: &Files, is_wanted: impl Fn(&str) -> bool) -> Files {
    files.iter().filter(|(name, _)| is_wanted(name)).map(|(name, it)| (name.clone(), it.clone())).collect()
}

/// Half of a file, under the name that it has while it is written.
fn half(files: &Files, name: &str) -> Files {
    let content = &files[name];
    Files::from([(format!("{name}.part"), content[..content.len() / 2].to_vec())])
}

fn with(one: &Files, more: &Files) -> Files {
    one.iter().chain(more).map(|(name, content)| (name.clone(), content.clone())).collect()
}

/// How a bundle stands before its end and behind it, with a signature.
async fn both(directory: &Path, destination: Destination, options: WriterOptions) -> (Files, Files) {
    let writer = BundleWriter::open(destination, options).await.unwrap();
    push(&writer, "one", &image()).await;
    let before = files(directory);
    let sign = |_: &Path, _: &[u8]| Ok("a signature\n".to_owned());
    writer.finish(contents(&[("one", &image())]), Some(&sign)).await.unwrap();
    (before, files(directory))
}

fn image() -> fixture::Image {
    let layers: Vec<Bytes> =
        (0..4).map(|at| fixture::noise(&format!("k{at}"), 40_000 + at * 30_000)).collect();
    fixture::image_of("one", &layers)
}

/// Goes on with what lies there, without a signature; nothing that was whole is wanted again.
async fn goes_on(directory: &Path, destination: Destination, options: WriterOptions) -> (Finished, Files) {
    let writer = BundleWriter::open(destination, options).await.unwrap();
    for blob in &image().blobs {
        assert!(writer.has(&Digest::sha256(blob)));
    }
    push(&writer, "one", &image()).await;
    let finished = writer.finish(contents(&[("one", &image())]), None).await.unwrap();
    (finished, files(directory))
}

/// Every state in which a directory can be left behind the last blob, in the order of the steps.
fn states_of_a_directory(before: &Files, after: &Files) -> Vec<Files> {
    let journal = some(before, |name| name == JOURNAL);
    let is_volume = |name: &str| name.starts_with("volume-");
    let (parts, volumes) = (some(before, is_volume), some(after, is_volume));
    // The first volume has its last name already, and the others have not.
    let mut one_named: Files =
        parts.keys().zip(volumes.values()).map(|(name, content)| (name.clone(), content.clone())).collect();
    let (first, (last_name, content)) = (one_named.pop_first().unwrap(), volumes.iter().next().unwrap());
    assert_eq!(first.1, *content);
    one_named.insert(last_name.clone(), content.clone());
    let named = with(&journal, &volumes);
    let catalogue = ["catalogue.json", "catalogue.json.age"].into_iter().find(|it| after.contains_key(*it));
    let with_catalogue =
        with(&named, &some(after, |name| name.starts_with("catalogue") || name == "key.age"));
    let signed = with(&with_catalogue, &some(after, |name| name == "SHA256SUMS.minisig"));
    vec![
        before.clone(),
        with(&journal, &one_named),
        named.clone(),
        with(&named, &half(after, catalogue.unwrap())),
        with_catalogue.clone(),
        with(&with_catalogue, &half(after, "SHA256SUMS.minisig")),
        signed.clone(),
        with(&signed, &half(after, CHECKSUMS)),
        with(&journal, after),
    ]
}

#[tokio::test]
async fn a_directory_that_is_left_on_any_of_the_last_steps_is_gone_on_with() {
    let friend = Lock::Recipients(vec![BundleKey::generate().recipient()]);
    for lock in [None, Some(friend)] {
        let options = || WriterOptions { lock: lock.clone(), ..options(Some(100 * 1024)) };
        let place = tempfile::tempdir().unwrap();
        let (before, after) =
            both(place.path(), Destination::Directory(place.path().to_owned()), options()).await;
        let wanted: BTreeSet<&String> = after.keys().filter(|name| *name != "SHA256SUMS.minisig").collect();
        for (number, state) in states_of_a_directory(&before, &after).iter().enumerate() {
            let place = tempfile::tempdir().unwrap();
            lay(place.path(), state);
            let destination = Destination::Directory(place.path().to_owned());
            let (finished, files) = goes_on(place.path(), destination, options()).await;
            assert_eq!(files.keys().collect::<BTreeSet<_>>(), wanted, "{number}");
            let sums = String::from_utf8(files[CHECKSUMS].clone()).unwrap();
            for (sum, name) in sums.lines().map(|line| line.split_once("  ").unwrap()) {
                assert_eq!(Digest::sha256(&files[name]).hex(), sum, "{number}: {name}");
            }
            if lock.is_none() {
                assert_fits(&finished);
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_left_on_any_of_the_last_steps_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let name = "release.tar";
    let (before, after) = both(place.path(), Destination::File(place.path().join(name)), options(None)).await;
    let beside = some(&before, |name| !name.ends_with(".part"));
    let whole = Files::from([(format!("{name}.part"), after[name].clone())]);
    let whole = with(&beside, &whole);
    let signed = with(&whole, &some(&after, |name| name.ends_with(".minisig")));
    let journal = some(&before, |name| name.ends_with(FILE_JOURNAL));
    let states = [
        before.clone(),
        with(&whole, &half(&after, "release.tar.sha256.minisig")),
        signed.clone(),
        with(&signed, &half(&after, "release.tar.sha256")),
        with(&signed, &some(&after, |name| name.ends_with(".sha256"))),
        with(&beside, &after),
        with(&journal, &after),
    ];
    for (number, state) in states.iter().enumerate() {
        let place = tempfile::tempdir().unwrap();
        lay(place.path(), state);
        let file = place.path().join(name);
        let (_, files) = goes_on(place.path(), Destination::File(file), options(None)).await;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["release.tar", "release.tar.sha256"], "{number}");
        let sum = format!("{}  release.tar\n", Digest::sha256(&files[name]).hex());
        assert_eq!(files["release.tar.sha256"], sum.as_bytes(), "{number}");
    }
}

/// What was finished and is whole is not taken back because something unfinished lies beside it.
#[tokio::test]
async fn a_finished_bundle_is_not_taken_back_for_another_one() {
    let place = tempfile::tempdir().unwrap();
    let (before, after) =
        both(place.path(), Destination::Directory(place.path().to_owned()), options(None)).await;
    let place = tempfile::tempdir().unwrap();
    lay(place.path(), &with(&before, &after));
    let error = BundleWriter::open(Destination::Directory(place.path().to_owned()), options(None)).await;
    assert!(error.unwrap_err().to_string().contains("a finished bundle is there already"));
    assert_eq!(files(place.path()), with(&before, &after));
    let file = place.path().join("release.tar");
    for name in ["release.tar", "release.tar.part", "release.tar.journal"] {
        fs::write(place.path().join(name), name).unwrap();
    }
    let error = BundleWriter::open(Destination::File(file.clone()), options(None)).await.unwrap_err();
    assert!(error.to_string().contains("a finished bundle is there already"), "{error}");
    assert_eq!(fs::read(file).unwrap(), b"release.tar");
}

#[tokio::test]
async fn what_is_left_is_told_without_a_change() {
    let place = tempfile::tempdir().unwrap();
    let destination = || Destination::Directory(place.path().join("bundle"));
    assert!(BundleWriter::left(&destination()).is_empty() && !place.path().join("bundle").exists());
    let writer = BundleWriter::open(destination(), options(None)).await.unwrap();
    push(&writer, "one", &image()).await;
    drop(writer);
    let before = files(&place.path().join("bundle"));
    let left = BundleWriter::left(&destination());
    assert!(image().blobs.iter().all(|blob| left[&Digest::sha256(blob)] == blob.len() as u64));
    assert_eq!(files(&place.path().join("bundle")), before);
    let mut held = Held::default();
    held.add_left(&left);
    assert_eq!(held.get(&image().digest()).unwrap().size, image().manifest.bytes.len() as u64);
}

/// Who comes as long as the journal is there is kept away: it would take back what was finished just now.
#[tokio::test]
async fn the_lock_of_one_file_goes_last() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("release.tar");
    let (journal, lock) = (place.path().join("release.tar.journal"), place.path().join("release.tar.lock"));
    let writer = BundleWriter::open(Destination::File(file.clone()), options(None)).await.unwrap();
    push(&writer, "one", &image()).await;
    assert!(journal.exists() && lock.exists());
    // What cannot be removed stops the removing there.
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    writer.finish(contents(&[("one", &image())]), None).await.unwrap_err();
    assert!(file.exists() && !journal.exists());
}
