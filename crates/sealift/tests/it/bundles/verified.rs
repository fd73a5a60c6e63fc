//! `sealift verify BUNDLE`: every byte, without any registry.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::damage::flip;
use super::scene::{Gap, VOLUMES, files, volumes};
use super::trust::CAPTAIN;

async fn verify(gap: &Gap, bundle: &str, more: &[&str]) -> crate::site::Run {
    gap.run(&[&["verify", bundle], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_bundle_is_whole_in_every_form() {
    let gap = Gap::packed(&[]).await;
    gap.pack("one.tar", &[]).await.expect(0);
    let (run, piped) = gap.run_raw(&gap.packing("-", &[])).await;
    run.expect(0);
    fs::write(gap.path("piped.tar"), piped).unwrap();
    for bundle in ["release", "one.tar", "piped.tar"] {
        let run = verify(&gap, bundle, &[]).await.expect(0);
        assert!(
            run.stdout.starts_with(&format!("{bundle}: every byte is as it was packed (")),
            "{}",
            run.stdout
        );
    }
    let run = verify(&gap, "release", &["--output", "json"]).await.expect(0).json();
    assert_eq!((&run["exitCode"], &run["findings"]), (&json!(0), &json!([])));
    gap.assert_untouched();
}

/// One flip in each file, at its beginning, its middle and its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_flip_in_any_file_is_found() {
    let gap = Gap::new().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    gap.pack("release", &[&VOLUMES[..], &["--sign", "sealift.key"]].concat()).await.expect(0);
    for name in files(&gap.path("release")) {
        let path = gap.path("release").join(&name);
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        // What stands first in a signature is a comment for people that nothing covers.
        let first = if name.ends_with(".minisig") { length / 3 } else { 0 };
        for offset in [first, length / 2, length - 2] {
            flip(&path, offset);
            let run = verify(&gap, "release", &["--trust", "sealift.pub"]).await;
            let is_found = matches!(run.code, Some(5 | 6)) && run.stderr.contains("error: release/");
            assert!(is_found, "{name} at {offset}: {run:?}");
            flip(&path, offset);
        }
    }
    verify(&gap, "release", &["--trust", "sealift.pub"]).await.expect(0);
}

/// `sha256sum -c` would not find it.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_checksum_that_is_not_the_files_is_told() {
    let gap = Gap::new().await;
    gap.pack("one.tar", &[]).await.expect(0);
    let run = verify(&gap, "one.tar", &[]).await.expect(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let list = gap.path("one.tar.sha256");
    fs::write(&list, fs::read_to_string(&list).unwrap().replace("one.tar", "ono.tar")).unwrap();
    let run = verify(&gap, "one.tar", &[]).await.expect(0);
    assert!(run.stderr.contains("one.tar.sha256: it names \"ono.tar\", so "), "{}", run.stderr);
}

/// A bundle that is one file, with its checksum beside it and without, and whatever happens to its last 2048 bytes: it is
/// never taken for the layout that it is as well.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_the_end_of_one_file_is_found() {
    const END: usize = 2048;
    let gap = Gap::new().await;
    gap.pack("one.tar", &[]).await.expect(0);
    let whole = fs::read(gap.path("one.tar")).unwrap();
    let kept = whole.len() - END;
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[kept + at] ^= 1 << (at % 8);
        (format!("a flip at {at}"), bytes)
    };
    let cut = |by: usize| (format!("a cut of {by}"), whole[..whole.len() - by].to_vec());
    let longer = |by: usize| (format!("{by} more"), [&whole[..], &vec![0; by]].concat());
    let flips = (0..END).step_by(113).chain([END - 1]).map(flipped);
    let cuts = [1, 100, 511, 512, 513, 1024, 1536, END].into_iter().map(cut);
    let spoilt: Vec<(String, Vec<u8>)> = flips.chain(cuts).chain([1, 512, 9000].map(longer)).collect();
    fs::create_dir(gap.path("bare")).unwrap();
    for (number, (what, content)) in spoilt.iter().enumerate() {
        for name in ["one.tar", "bare/one.tar", "oci-archive:bare/one.tar"] {
            let file = name.trim_start_matches("oci-archive:");
            fs::write(gap.path(file), content).unwrap();
            let run = verify(&gap, name, &[]).await;
            let is_told = run.stderr.contains(&format!("error: {file}: "));
            assert!(run.code == Some(5) && is_told, "{name} with {what}: {run:?}");
            if number % 3 == 0 {
                let run = gap.load(name, &[]).await;
                assert!(run.code == Some(5), "{name} with {what}: {run:?}");
            }
        }
    }
    gap.assert_untouched();
    fs::write(gap.path("one.tar"), &whole).unwrap();
    verify(&gap, "one.tar", &[]).await.expect(0);
    // Whatever it is called, all of the bundle is looked at.
    let run = verify(&gap, "oci-archive:one.tar", &[]).await.expect(0);
    assert!(run.stdout.contains("every byte is as it was packed"), "{}", run.stdout);
    gap.load("oci-archive:one.tar", &["--dry-run"]).await.expect(0);
}

/// What lies below the directory of a registry is no part of it, and is told of.
#[tokio::test(flavor = "multi_thread")]
async fn bundles_below_a_directory_are_told_of() {
    let gap = Gap::packed(&[]).await;
    gap.run(&["load", "release", "--into", "all/store"]).await.expect(0);
    let run = verify(&gap, "all", &[]).await.expect(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    fs::create_dir(gap.path("all/more")).unwrap();
    fs::rename(gap.path("release"), gap.path("all/more/release")).unwrap();
    let run = verify(&gap, "all", &[]).await.expect(0);
    let words = "warning: bundles and layouts below it were not looked at: all/more/release\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    for run in [verify(&gap, "all/more", &[]).await, gap.inspect("all/more", &[]).await] {
        let words = "error: all/more: it is no bundle itself; below it lie all/more/release\n";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        run.expect(2);
    }
}

/// A layout that differs from the checksum beside it is not what its owner wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_differs_from_its_checksum_is_damaged() {
    let gap = Gap::packed(&[]).await;
    let all: Vec<u8> =
        volumes(&gap.path("release")).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    fs::write(gap.path("all.tar"), &all).unwrap();
    let list = |sum: &str| fs::write(gap.path("all.tar.sha256"), format!("{sum}  all.tar\n")).unwrap();
    list(&sealift_oci::Digest::sha256(&all).hex());
    verify(&gap, "all.tar", &[]).await.expect(0);
    list(&"0".repeat(64));
    for run in [verify(&gap, "all.tar", &[]).await, gap.load("all.tar", &[]).await] {
        assert!(run.stderr.contains("error: all.tar: it differs from its checksum"), "{}", run.stderr);
        run.expect(5);
    }
    gap.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_place_and_the_images() {
    let gap = Gap::packed(&[]).await;
    let first = volumes(&gap.path("release")).remove(0);
    flip(&first, 5000);
    let run = verify(&gap, "release", &[]).await.expect(5);
    let name = first.file_name().unwrap().display();
    assert!(run.stderr.contains(&format!("error: release/{name}: at byte ")), "{}", run.stderr);
    assert!(run.stderr.contains("hits SOURCE/arcdata/arc-"), "{}", run.stderr);
    let run = verify(&gap, "release", &["--output", "json"]).await.expect(5).json();
    assert_eq!(run["findings"][0]["path"], format!("release/{name}"));
    fs::remove_file(&first).unwrap();
    let run = verify(&gap, "release", &[]).await.expect(5);
    assert!(run.stderr.contains(&format!("error: release/{name}: the volume is missing")), "{}", run.stderr);
}

/// What a load that was stopped leaves is no bundle, and the words say what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_which_a_load_was_stopped_is_told() {
    let gap = Gap::new().await;
    fs::create_dir_all(gap.path("store/arcdata/arc-dns/_uploads")).unwrap();
    let run = verify(&gap, "store", &[]).await.expect(2);
    let words = "error: store: it is the directory of a registry, and no image in it is whole yet\n  Hint: Run `sealift load --into` again";
    assert!(run.stderr.contains(words), "{}", run.stderr);
}

/// Who cannot open it still checks what lies on the medium.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_bundle_is_checked_with_and_without_a_key() {
    let gap = Gap::packed(&["--encrypt-to", CAPTAIN.recipient]).await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    let (bare, opened) = (&[][..], &["--identity", "captain.txt"][..]);
    let run = verify(&gap, "release", bare).await.expect(0);
    assert!(run.stdout.contains("release: every file has its checksum"), "{}", run.stdout);
    let run = verify(&gap, "release", opened).await.expect(0);
    assert!(run.stdout.contains("release: every byte is as it was packed"), "{}", run.stdout);
    let volume: &Path = &volumes(&gap.path("release"))[0];
    flip(volume, 3000);
    for more in [bare, opened] {
        let run = verify(&gap, "release", more).await.expect(5);
        assert!(run.stderr.contains("error: release/volume-1-of-"), "{}", run.stderr);
    }
}
