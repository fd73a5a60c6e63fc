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
