//! Who signed a bundle, and who can open it.

use std::fs;

use sealift_testbed::http_proxy::Record;

use super::scene::{Gap, NAMES, VOLUMES, files, volumes};
use crate::site::Run;

/// Who opens encrypted bundles: made for these tests by `age-keygen`.
pub(super) struct Person {
    pub(super) recipient: &'static str,
    pub(super) identity: &'static str,
}

pub(super) const CAPTAIN: Person = Person {
    recipient: "age183xqsh3q2k4am0crduujv2fee7swjy8g3dx0mjhpt2cqygmwnqsq7yqqnj",
    identity: "AGE-SECRET-KEY-1GFYUKU4L3RALNYFHPMJ5FWWD59TNG5DA403EMNSCLAX9ENN7YD6SZKZ28V",
};
const STRANGER: Person = Person {
    recipient: "age183cx27hfyrnz4uvqzgnvy43d6r6tdtltw5q0jndkpea4gj0n6a0qdtf0mf",
    identity: "AGE-SECRET-KEY-1U799ZKYKA0HU0W05MSEDU63MJHMCWNAGY3AWG7STT48W2TM4V3YSVRPGRZ",
};
/// What no output may have in it.
pub(super) const SECRETS: [&str; 2] = [CAPTAIN.identity, STRANGER.identity];

/// A gap with the keys of a signer and of a stranger.
async fn keyed() -> Gap {
    let gap = Gap::new().await;
    for name in ["ours", "theirs"] {
        gap.run(&["keygen", "--no-passphrase", "--out", name]).await.expect(0);
    }
    gap
}

/// Both commands refuse the bundle before the registry hears a word.
async fn refused(gap: &Gap, bundle: &str, more: &[&str], code: i32) -> Run {
    let run = gap.inspect(bundle, more).await.expect(code);
    assert_eq!(run.stdout, "");
    let run = gap.load(bundle, more).await.expect(code);
    gap.assert_untouched();
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_right_key_signed_is_loaded() {
    let gap = keyed().await;
    gap.pack("release", &[&VOLUMES[..], &["--sign", "ours.key"]].concat()).await.expect(0);
    assert!(files(&gap.path("release")).contains(&"SHA256SUMS.minisig".to_owned()));
    let looked = gap.inspect("release", &["--trust", "ours.pub", "--output", "json"]).await.expect(0);
    assert_eq!(looked.json()["isTrusted"], true);
    let public = fs::read_to_string(gap.path("ours.pub")).unwrap();
    let line = public.lines().nth(1).unwrap();
    gap.load("release", &["--trust", line]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_or_somebody_else_signed_is_refused() {
    let gap = keyed().await;
    gap.pack("theirs", &["--sign", "theirs.key"]).await.expect(0);
    let run = refused(&gap, "theirs", &["--trust", "ours.pub"], 6).await;
    assert!(run.stderr.starts_with("error: theirs/SHA256SUMS: it is signed with the key "), "{}", run.stderr);
    assert!(run.stderr.contains("\n  Hint: Nothing of it was used. Check who packed it"), "{}", run.stderr);
    gap.pack("nobodys", &[]).await.expect(0);
    let run = refused(&gap, "nobodys", &["--trust", "ours.pub"], 6).await;
    insta::assert_snapshot!(run.stderr, @r"
    error: nobodys/SHA256SUMS: it is not signed: nobodys/SHA256SUMS.minisig is missing
      Hint: Nothing of it was used. Check who packed it, and the key that --trust names.
    ");
    // As programs are told.
    let run = gap.load("nobodys", &["--trust", "ours.pub", "--output", "json"]).await.expect(6);
    assert_eq!(run.json()["failures"][0]["kind"], "bundle");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_behind_the_signature_is_refused() {
    let gap = keyed().await;
    gap.pack("release", &[&VOLUMES[..], &["--sign", "ours.key"]].concat()).await.expect(0);
    let sums = gap.path("release/SHA256SUMS");
    let list = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, list.to_uppercase().replace("VOLUME", "volume")).unwrap();
    let run = refused(&gap, "release", &["--trust", "ours.pub"], 6).await;
    assert!(run.stderr.contains("error: release/SHA256SUMS: "), "{}", run.stderr);
    fs::write(&sums, list).unwrap();
    // The list is right, and what it covers is not.
    let catalogue = gap.path("release/catalogue.json");
    let content = fs::read_to_string(&catalogue).unwrap();
    fs::write(&catalogue, content.replace("arc-dns", "arc-sns")).unwrap();
    let run = refused(&gap, "release", &["--trust", "ours.pub"], 5).await;
    assert!(run.stderr.contains("error: release/catalogue.json: "), "{}", run.stderr);
}

/// One file is checked as a whole before any of it is used.
#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_signed_by_its_companion() {
    let gap = keyed().await;
    gap.pack("release.tar", &["--sign", "ours.key"]).await.expect(0);
    let trusting = ["--trust", "ours.pub"];
    gap.inspect("release.tar", &trusting).await.expect(0);
    let mut content = fs::read(gap.path("release.tar")).unwrap();
    content[700] ^= 1;
    fs::write(gap.path("release.tar"), &content).unwrap();
    let run = refused(&gap, "release.tar", &trusting, 5).await;
    assert!(run.stderr.contains("error: release.tar: it differs from its checksum"), "{}", run.stderr);
    content[700] ^= 1;
    fs::write(gap.path("release.tar"), &content).unwrap();
    gap.load("release.tar", &trusting).await.expect(0);
    gap.assert_arrived(&NAMES).await;
    gap.target.clear();
    for name in ["release.tar.sha256.minisig", "release.tar.sha256"] {
        fs::remove_file(gap.path(name)).unwrap();
        refused(&gap, "release.tar", &trusting, 6).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_bundle_opens_for_its_recipients_only() {
    let gap = Gap::new().await;
    for (name, person) in [("captain.txt", &CAPTAIN), ("stranger.txt", &STRANGER)] {
        fs::write(gap.path(name), format!("# of {name}\n{}\n", person.identity)).unwrap();
    }
    gap.pack("release", &[&VOLUMES[..], &["--encrypt-to", CAPTAIN.recipient]].concat()).await.expect(0);
    let names = files(&gap.path("release"));
    assert!(
        names.contains(&"key.age".to_owned()) && names.contains(&"catalogue.json.age".to_owned()),
        "{names:?}"
    );
    assert!(volumes(&gap.path("release")).len() >= 3, "{names:?}");
    let run = refused(&gap, "release", &["--identity", "stranger.txt"], 4).await;
    insta::assert_snapshot!(run.stderr, @r"
    error: release/key.age: none of the identities opens it
      Hint: Name the age identity file with --identity, or type the passphrase again.
    ");
    refused(&gap, "release", &[], 4).await;
    let both = ["--identity", "stranger.txt", "--identity", "captain.txt"];
    let looked = gap.inspect("release", &[&both[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(looked.json()["isEncrypted"], true);
    gap.load("release", &both).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// Signed and encrypted, as one file and through a pipe, for two people.
#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_opens_an_encrypted_file() {
    let gap = keyed().await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    fs::write(gap.path("stranger.txt"), STRANGER.identity).unwrap();
    let both = ["--encrypt-to", CAPTAIN.recipient, "--encrypt-to", STRANGER.recipient];
    gap.pack("release.tar", &[&both[..], &["--sign", "ours.key"]].concat()).await.expect(0);
    gap.inspect("release.tar", &["--identity", "captain.txt", "--trust", "ours.pub"]).await.expect(0);
    let (run, piped) = gap.run_raw(&gap.packing("-", &both)).await;
    run.expect(0);
    fs::write(gap.path("piped.tar"), piped).unwrap();
    gap.load("piped.tar", &["--identity", "stranger.txt"]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// A run that goes on with a bundle goes on for the same people, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_make_no_sense_are_told_before_anything_moves() {
    let gap = keyed().await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    let asked = |gap: &Gap| gap.source.count(|_: &Record| true);
    for (more, code, words) in [
        (&["--sign", "nobody.key"][..], 2, "nobody.key: "),
        (&["--sign", "ours.pub"], 4, "ours.pub: "),
        (&["--encrypt-to", "age1nobody"], 2, "--encrypt-to"),
    ] {
        let run = gap.pack("release", more).await.expect(code);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!gap.path("release").exists());
    }
    assert_eq!(asked(&gap), 0, "keys are read first");
    gap.pack("release", &[]).await.expect(0);
    for (more, code, words) in [
        (&["--trust", "captain.txt"][..], 4, "captain.txt"),
        (&["--trust", "nobody.pub"], 2, "nobody.pub"),
        (&["--identity", "nobody.txt"], 2, "nobody.txt"),
        (&["--identity", "ours.key"], 4, "ours.key"),
    ] {
        let run = refused(&gap, "release", more, code).await;
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}
