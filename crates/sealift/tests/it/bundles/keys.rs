//! `sealift keygen`, passphrases, and that no secret is ever shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sealift::Exit;
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::small_disk::SmallDisk;

use super::scene::{Gap, NAMES, files};
use super::trust::{CAPTAIN, SECRETS};
use crate::prompts::typed;

const PASSPHRASE: &str = "correct horse battery";

fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_once_and_for_its_owner_only() {
    let gap = Gap::new().await;
    let make = ["keygen", "--out", "ship", "--no-passphrase"];
    let run = gap.run(&make).await.expect(0);
    let mode = |name: &str| fs::metadata(gap.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ship.key"), mode("ship.pub")), (0o600, 0o644));
    let [secret, public] = ["ship.key", "ship.pub"].map(|name| fs::read_to_string(gap.path(name)).unwrap());
    assert!(run.stderr.contains("ship.key: keep it secret"), "{}", run.stderr);
    let hidden = secret.lines().nth(1).unwrap();
    assert!(!run.stderr.contains(hidden) && run.stdout.is_empty(), "{run:?}");
    let again = gap.run(&make).await.expect(2);
    assert!(again.stderr.contains("error: ship.key is there already\n"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(gap.path("ship.key")).unwrap(), secret);
    fs::remove_file(gap.path("ship.key")).unwrap();
    let again = gap.run(&make).await.expect(2);
    assert!(again.stderr.contains("error: ship.pub is there already\n"), "{}", again.stderr);
    assert_eq!(files(&gap.path("")), ["ship.pub"]);
    assert_eq!(fs::read_to_string(gap.path("ship.pub")).unwrap(), public);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_written_is_told() {
    let gap = Gap::new().await;
    let run = gap.run(&["keygen", "--out", "nowhere/ship", "--no-passphrase"]).await.expect(1);
    assert!(run.stderr.contains("nowhere/ship.key"), "{}", run.stderr);
}

/// Half a key would be in the way of a whole one.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_no_half_of_a_key_stays() {
    if !interop_wanted() {
        return;
    }
    let (gap, disk) = (Gap::new().await, SmallDisk::new(1_000_000).await.unwrap());
    let out = disk.path().join("ship").display().to_string();
    disk.fill().unwrap();
    let before = files(disk.path());
    let run = gap.run(&["keygen", "--out", &out, "--no-passphrase"]).await.expect(1);
    assert!(run.stderr.contains("the disk is full"), "{}", run.stderr);
    assert_eq!(files(disk.path()), before);
}

/// A bundle under a passphrase, signed with a key that has one, too.
#[tokio::test(flavor = "multi_thread")]
async fn passphrases_are_typed_and_shown_nowhere() {
    let gap = Gap::new().await;
    let [key, public, bundle, receipt] =
        ["ship.key", "ship.pub", "release", "release.receipt.json"].map(|name| gap.text(name));
    let made = typed(&["keygen", "--out", &gap.text("ship")], &[PASSPHRASE, PASSPHRASE]).await;
    let packing = gap.packing(&bundle, &["--sign", &key, "--encrypt-passphrase"]);
    let packed = typed(&borrowed(&packing), &[PASSPHRASE, "of the bundle", "of the bundle"]).await;
    let loading = gap.loading(&[&bundle], &["--trust", &public, "--receipt", &receipt]);
    let refused = typed(&borrowed(&loading), &["of another"]).await;
    gap.assert_untouched();
    let loaded = typed(&borrowed(&loading), &["of the bundle"]).await;
    let looked = typed(&["inspect", &bundle], &["of the bundle"]).await;
    for ((exit, text), expected) in [
        (made, Exit::Success),
        (packed, Exit::Success),
        (refused, Exit::Access),
        (loaded, Exit::Success),
        (looked, Exit::Success),
    ] {
        assert_eq!(exit, expected, "{text}");
        let told =
            [PASSPHRASE, "of the bundle", "of another", "AGE-SECRET"].map(|secret| text.contains(secret));
        assert_eq!(told, [false; 4], "{text}");
    }
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_of_the_finger_locks_nobody_out() {
    let gap = Gap::new().await;
    for (answers, words) in
        [(&["one", "other"][..], "the two passphrases differ"), (&[""], "the passphrase is empty")]
    {
        let packing = gap.packing(&gap.text("release"), &["--encrypt-passphrase"]);
        let (exit, text) = typed(&borrowed(&packing), answers).await;
        assert_eq!(exit, Exit::Usage, "{text}");
        assert!(text.contains(words), "{text}");
        let (exit, text) = typed(&["keygen", "--out", &gap.text("ship")], answers).await;
        assert_eq!(exit, Exit::Usage, "{text}");
        assert!(text.contains(words), "{text}");
    }
    let (exit, _) = typed(&["keygen", "--out", &gap.text("ship")], &[]).await;
    assert_eq!((exit, files(&gap.path(""))), (Exit::Interrupted, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nobody_waits_for_a_passphrase() {
    let gap = Gap::new().await;
    for args in [vec!["keygen".to_owned()], gap.packing("release", &["--encrypt-passphrase"])] {
        let run = gap.run(&args).await.expect(2);
        assert!(run.stderr.contains("a passphrase is wanted, and nobody can be asked"), "{}", run.stderr);
    }
    assert_eq!(files(&gap.path("")), [""; 0]);
}

/// Whatever is done with keys, and however much is told, none of them is in the output.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_nowhere_in_the_output() {
    let gap = Gap::new().await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    let secret = fs::read_to_string(gap.path("sealift.key")).unwrap();
    let hidden = secret.lines().nth(1).unwrap();
    let runs = [
        gap.pack("release", &["-v", "--sign", "sealift.key", "--encrypt-to", CAPTAIN.recipient])
            .await
            .expect(0),
        gap.load("release", &["-v", "--identity", "captain.txt"]).await.expect(0),
        gap.inspect("release", &["--identity", "captain.txt", "--output", "json"]).await.expect(0),
        gap.inspect("release", &["--identity", "sealift.key"]).await.expect(4),
        gap.pack("other", &["--sign", "captain.txt"]).await.expect(4),
        gap.pack("other", &["--encrypt-to", CAPTAIN.identity]).await.expect(2),
    ];
    for run in runs {
        let text = format!("{}{}", run.stdout, run.stderr);
        let told = SECRETS.iter().chain([&hidden]).find(|secret| text.contains(**secret));
        assert_eq!(told, None, "{text}");
    }
    let journal_or_catalogue = files(&gap.path("release"));
    for name in journal_or_catalogue {
        let content = fs::read(gap.path("release").join(&name)).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("AGE-SECRET") && !text.contains("arc-sqlmi"), "{name}");
    }
}
