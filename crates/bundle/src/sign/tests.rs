use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::error::BundleError;
use crate::passphrase::Passphrase;

const FILE: &str = "SHA256SUMS";
const CONTENT: &[u8] = b"d0 *volume-1-of-1.tar\n";

fn path() -> &'static Path {
    Path::new(FILE)
}

fn nobody_asked() -> Result<Passphrase, BundleError> {
    panic!("nobody should be asked")
}

/// The error's text without the file's name, which must be there.
fn reason<T: std::fmt::Debug>(result: Result<T, BundleError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, BundleError::Untrusted { .. } | BundleError::WrongKey { .. }), "{error:?}");
    error.to_string().strip_prefix("SHA256SUMS: ").unwrap().to_owned()
}

#[test]
fn what_is_signed_is_trusted_with_its_comment() {
    let key = SecretKey::generate().unwrap();
    for (content, comment) in [(CONTENT, "bundle 1f, 2026-11-21"), (b"", ""), (&[7; 100_000], "ü")] {
        let signature = key.sign(path(), content, comment).unwrap();
        assert_eq!(key.public().verify(path(), content, &signature).unwrap(), comment);
    }
    for comment in ["a\nb", "a\rb", " a", "a\u{1b}[2J", &"a".repeat(1025)] {
        reason(key.sign(path(), CONTENT, comment));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let key = SecretKey::generate().unwrap();
    let signature = key.sign(path(), CONTENT, "comment").unwrap();
    // The first line is for people, and says nothing.
    for at in signature.find('\n').unwrap()..signature.len() - 1 {
        for bit in 0..8 {
            let mut bytes = signature.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(key.public().verify(path(), CONTENT, &text).is_err(), "{at} {bit}: {text}");
            }
        }
    }
    for at in 0..CONTENT.len() {
        let mut content = CONTENT.to_vec();
        content[at] ^= 1;
        let verified = key.public().verify(path(), &content, &signature);
        assert_eq!(reason(verified), "its signature does not fit: one of the two was altered");
    }
}

#[test]
fn signatures_of_others_and_of_nobody_are_told_apart() {
    let (ours, theirs) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let signature = theirs.sign(path(), CONTENT, "").unwrap();
    let verified = ours.public().verify(path(), CONTENT, &signature);
    let (theirs, ours) = (theirs.id(), ours.public());
    let expected = format!("it is signed with the key {theirs}, and {} is the one to trust", ours.id());
    assert_eq!(reason(verified), expected);
    for text in ["", "\n\n\n\n", "a\nb\nc\nd\n", signature.get(..signature.len() - 40).unwrap()] {
        assert_eq!(reason(ours.verify(path(), CONTENT, text)), "its signature is malformed");
    }
    let long = format!("{signature}{}", "\n".repeat(SIGNATURE_LIMIT as usize));
    assert_eq!(reason(ours.verify(path(), CONTENT, &long)), "its signature has more bytes than any has");
}

#[test]
fn a_key_without_a_passphrase_opens_without_one() {
    let key = SecretKey::generate().unwrap();
    let text = key.to_text(None).unwrap();
    let file = SecretKeyFile::parse(path(), &text).unwrap();
    assert!(!file.wants_passphrase());
    assert_eq!(file.open(nobody_asked).unwrap().public(), key.public());
    // As minisign itself writes it.
    let mut bytes = decode_line(&text).unwrap();
    bytes[126..].fill(0);
    let file = SecretKeyFile::parse(path(), &STANDARD.encode(&*bytes)).unwrap();
    assert_eq!(file.open(nobody_asked).unwrap().public(), key.public());
}

#[test]
fn a_key_opens_with_its_passphrase_only() {
    let key = SecretKey::generate().unwrap();
    let text = key.to_text(Some(&Passphrase::new("right"))).unwrap();
    let open = |passphrase: &str| {
        let file = SecretKeyFile::parse(path(), &text).unwrap();
        assert!(file.wants_passphrase());
        file.open(|| Ok(Passphrase::new(passphrase)))
    };
    assert_eq!(open("right").unwrap().public(), key.public());
    assert_eq!(reason(open("wrong")), "the passphrase is wrong");
    let file = SecretKeyFile::parse(path(), &text).unwrap();
    let refused = file.open(|| Err(BundleError::wrong_key(path(), "there is no terminal")));
    assert_eq!(reason(refused), "there is no terminal");
}

#[test]
fn files_that_are_no_key_are_refused_by_name() {
    let key = SecretKey::generate().unwrap();
    let (public, secret) = (key.public().to_text(), key.to_text(None).unwrap());
    let changed = |at: usize| {
        let mut bytes = decode_line(&secret).unwrap();
        bytes[at] ^= 0x80;
        STANDARD.encode(&*bytes)
    };
    for (text, expected) in [
        (public.as_str(), "it is a public key, and the secret one is wanted"),
        ("", "it is no secret key of minisign"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "it is no secret key of minisign"),
        (&secret[..secret.len() - 9], "it is no secret key of minisign"),
        (&changed(0), "it is no secret key of minisign"),
        (&changed(2), "it is kept in a way that is not known"),
        (&changed(4), "it is kept in a way that is not known"),
        (&changed(54), "it is damaged"),
        (&changed(157), "it is damaged"),
    ] {
        let opened = SecretKeyFile::parse(path(), text).and_then(|file| file.open(nobody_asked));
        assert_eq!(reason(opened), expected, "{text}");
    }
    for (text, expected) in [
        (secret.as_str(), "it is a secret key, and the public one is wanted"),
        ("", "it is no public key of minisign"),
        ("RWQ=", "it is no public key of minisign"),
        (&format!("{public}{public}"), "it is no public key of minisign"),
    ] {
        assert_eq!(reason(PublicKey::parse(path(), text)), expected);
    }
}

#[test]
fn costs_beyond_sense_are_refused_before_they_are_paid() {
    let text = SecretKey::generate().unwrap().to_text(Some(&Passphrase::new("a"))).unwrap();
    let mut bytes = decode_line(&text).unwrap();
    bytes[38..54].fill(0xff);
    let file = SecretKeyFile::parse(path(), &STANDARD.encode(&*bytes)).unwrap();
    let opened = file.open(|| Ok(Passphrase::new("a")));
    assert_eq!(reason(opened), "its passphrase takes more work than is allowed");
}

#[test]
fn a_public_key_is_given_as_a_file_or_as_its_line() {
    let key = SecretKey::generate().unwrap().public();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.pub");
    std::fs::write(&file, key.to_text()).unwrap();
    for argument in [file.to_str().unwrap(), &key.to_line(), &format!(" {}\n", key.to_line())] {
        assert_eq!(PublicKey::from_argument(argument).unwrap(), key);
    }
    let missing = PublicKey::from_argument("no/such/file").unwrap_err();
    assert!(missing.to_string().starts_with("no/such/file: "), "{missing}");
}

#[test]
fn nothing_secret_is_printed() {
    let key = SecretKey::generate().unwrap();
    let text = key.to_text(None).unwrap();
    let file = SecretKeyFile::parse(path(), &text).unwrap();
    assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.id()));
    assert_eq!(format!("{file:?}"), "SecretKeyFile(\"SHA256SUMS\")");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let line = STANDARD.encode(&bytes);
        for text in [&text, &line, &format!("{COMMENT}x\n{line}\n{TRUSTED_COMMENT}{text}\n{line}\n")] {
            let _ = SecretKeyFile::parse(path(), text);
            let _ = PublicKey::parse(path(), text);
            let key = PublicKey::from_parts([0; 8], [1; 32]);
            prop_assert!(key.verify(path(), CONTENT, text).is_err());
        }
    }
}
