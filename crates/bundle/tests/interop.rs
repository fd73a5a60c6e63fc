//! Signatures and sealed bytes against the tools that people have: Debian's `minisign` and `age`.
//!
//! No test here is skipped in silence: without its peer it fails, unless `SEALIFT_NO_INTEROP=1` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sealift_bundle::{
    BundleError, BundleKey, Identities, Lock, Passphrase, PublicKey, Recipient, SealedKey, SecretKey,
    SecretKeyFile,
};
use sealift_testbed::peers::{interop_wanted, require, run, run_well};

const CONTENT: &[u8] = b"0123 *volume-1-of-1.tar\n";

struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, and returns its name for a command line.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.name(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn nobody_asked() -> Result<Passphrase, BundleError> {
    panic!("nobody should be asked")
}

/// Runs minisign, which reads passphrases from its standard input where that is no terminal.
fn minisign_asking(arguments: &[&str], answers: &str) -> bool {
    require("minisign").unwrap();
    let mut command = Command::new("minisign");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[tokio::test]
async fn minisign_accepts_what_sealift_signs() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let key = SecretKey::generate().unwrap();
    let signed = site.write("SHA256SUMS", CONTENT);
    let signature = key.sign(Path::new(&signed), CONTENT, "bundle 1f").unwrap();
    site.write("SHA256SUMS.minisig", signature);
    let public = site.write("site.pub", key.public().to_text());
    let verified = run_well("minisign", &["-Vm", &signed, "-p", &public]).await.unwrap();
    assert!(String::from_utf8_lossy(&verified.stdout).contains("Trusted comment: bundle 1f\n"));
    run_well("minisign", &["-VHm", &signed, "-P", &key.public().to_line()]).await.unwrap();
    site.write("SHA256SUMS", b"altered");
    assert!(!run("minisign", &["-Vm", &signed, "-p", &public]).await.unwrap().status.success());
}

#[test]
fn minisign_signs_with_the_keys_of_sealift() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let key = SecretKey::generate().unwrap();
    let signed = site.write("SHA256SUMS", CONTENT);
    for (passphrase, answer) in [(None, ""), (Some(Passphrase::new("right")), "right\n")] {
        let secret = site.write("site.key", key.to_text(passphrase.as_ref()).unwrap().as_bytes());
        assert!(minisign_asking(&["-Sm", &signed, "-s", &secret, "-t", "by minisign"], answer));
        let signature = fs::read_to_string(site.path("SHA256SUMS.minisig")).unwrap();
        let comment = key.public().verify(Path::new(&signed), CONTENT, &signature).unwrap();
        assert_eq!(comment, "by minisign");
        assert!(passphrase.is_none() || !minisign_asking(&["-Sm", &signed, "-s", &secret], "wrong\n"));
    }
}

#[test]
fn sealift_takes_the_keys_and_signatures_of_minisign() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let (public, secret) = (site.name("their.pub"), site.name("their.key"));
    let signed = site.write("SHA256SUMS", CONTENT);
    for (options, answers) in [(&["-W"][..], ""), (&[], "right\nright\n")] {
        let generate = [&["-Gf", "-p", &public, "-s", &secret], options].concat();
        assert!(minisign_asking(&generate, answers));
        let key = PublicKey::from_argument(&public).unwrap();
        let ours = SecretKeyFile::read(Path::new(&secret)).unwrap();
        assert_eq!(ours.wants_passphrase(), !answers.is_empty());
        let ours = match ours.wants_passphrase() {
            true => ours.open(|| Ok(Passphrase::new("right"))),
            false => ours.open(nobody_asked),
        };
        assert_eq!(ours.unwrap().public(), key);
        // With `-l` it signs the content itself and not its hash, as its early releases did. What is hidden costs
        // seconds each time, and is not done twice.
        let ways = if answers.is_empty() { &["-Sm", "-Slm"][..] } else { &[] };
        for way in ways {
            assert!(minisign_asking(&[way, &signed, "-s", &secret, "-t", "theirs"], ""));
            let signature = fs::read_to_string(site.path("SHA256SUMS.minisig")).unwrap();
            assert_eq!(key.verify(Path::new(&signed), CONTENT, &signature).unwrap(), "theirs");
        }
    }
}

/// Runs age on a terminal, where alone it takes passphrases.
fn age_asking(arguments: &[&str], answers: &str) -> bool {
    for program in ["age", "script"] {
        require(program).unwrap();
    }
    let line: Vec<String> = arguments.iter().map(|it| format!("'{it}'")).collect();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("age {}", line.join(" ")), "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn passphrases_work_both_ways() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let bundle = BundleKey::generate();
    let lock = Lock::Passphrase(Passphrase::new("right"));
    let (ours, plain) = (site.write("ours.age", bundle.lock(&lock).unwrap()), site.name("bundle.txt"));
    assert!(age_asking(&["-d", "-o", &plain, &ours], "right\n"));
    let theirs = site.name("theirs.age");
    assert!(age_asking(&["-p", "-o", &theirs, &plain], "right\nright\n"));
    let sealed = SealedKey::parse(Path::new(&theirs), fs::read(&theirs).unwrap()).unwrap();
    assert!(sealed.wants_passphrase());
    let opened = sealed.open(&Identities::default(), || Ok(Passphrase::new("right"))).unwrap();
    assert_eq!(opened.recipient(), bundle.recipient());
}

/// The person's key, made by age; returns the name of the file, and the recipient.
async fn age_identity(site: &Site) -> (String, Recipient) {
    let file = site.name("identity.txt");
    let made = run_well("age-keygen", &["-o", &file]).await.unwrap();
    let public = made.stderr.trim().strip_prefix("Public key: ").unwrap();
    (file, Recipient::parse(public).unwrap())
}

#[tokio::test]
async fn age_opens_what_sealift_seals() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let (identity, recipient) = age_identity(&site).await;
    let bundle = BundleKey::generate();
    let key = site.write("key.age", bundle.lock(&Lock::Recipients(vec![recipient])).unwrap());
    let opened = run_well("age", &["-d", "-i", &identity, &key]).await.unwrap();
    let opened = site.write("bundle.txt", opened.stdout);
    for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20] {
        let plain: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
        let sealed = site.write("catalogue.json.age", bundle.recipient().seal(&plain).unwrap());
        let read = run_well("age", &["-d", "-i", &opened, &sealed]).await.unwrap();
        assert!(read.stdout == plain, "{size} bytes");
    }
}

#[tokio::test]
async fn sealift_opens_what_age_seals() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new();
    let (identity, recipient) = age_identity(&site).await;
    // The bundle's key, as a person would seal it to somebody else.
    let bundle = site.name("bundle.txt");
    run_well("age-keygen", &["-o", &bundle]).await.unwrap();
    let key = site.name("key.age");
    run_well("age", &["-r", &recipient.to_string(), "-o", &key, &bundle]).await.unwrap();
    let sealed = SealedKey::parse(Path::new(&key), fs::read(&key).unwrap()).unwrap();
    assert!(!sealed.wants_passphrase());
    let identities = Identities::read(Path::new(&identity)).unwrap();
    let opened = sealed.open(&identities, nobody_asked).unwrap();
    let plain = site.write("plain", vec![7; 200_000]);
    let entry = site.name("plain.age");
    run_well("age", &["-r", &opened.recipient().to_string(), "-o", &entry, &plain]).await.unwrap();
    let read = opened.open(Path::new(&entry), &fs::read(&entry).unwrap(), 200_000).unwrap();
    assert!(read == vec![7; 200_000]);
}
