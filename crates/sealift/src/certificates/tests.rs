//! Files of certificates and keys, good ones and all others.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

/// What is no name of a file's content stands for itself.
struct Files {
    root: TempDir,
    certificate: String,
    key: String,
    other_key: String,
}

impl Files {
    fn new() -> Self {
        let pair = || {
            let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["me".to_owned()]).unwrap();
            (cert.pem(), signing_key.serialize_pem())
        };
        let ((certificate, key), (_, other_key)) = (pair(), pair());
        Self { root: tempfile::tempdir().unwrap(), certificate, key, other_key }
    }

    fn content<'a>(&'a self, name: &'a str) -> &'a str {
        match name {
            "CERTIFICATE" => &self.certificate,
            "KEY" => &self.key,
            "OTHER KEY" => &self.other_key,
            "VERSION 1" => VERSION_1,
            "MALFORMED" => "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n",
            text => text,
        }
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (path, content) in files {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.content(content)).unwrap();
        }
    }

    fn kept(&self, registry: &str) -> Result<Certificates> {
        let directories = ["one", "two"].map(|name| self.root.path().join(name));
        Certificates::default().with_kept(&directories, &registry.parse().unwrap())
    }

    /// The error of a command that gets these, with what is random about it taken out.
    fn refusal(&self, outcome: Result<Certificates>) -> String {
        let error = outcome.unwrap_err();
        let CommandError::Usage { message, hint } = &error else { panic!("{error:?}") };
        assert!(!hint.is_empty() && !format!("{error:?}").contains("hunter2"), "{error:?}");
        message.replace(self.root.path().to_str().unwrap(), "ROOT")
    }
}

/// What `openssl x509 -req` makes without extensions.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUHGW27TeDfdL0snxP4YWynR5CwjswCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyMTE0MTUzNloYDzIxMDAxMDI0MTQxNTM2WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS00kaHPX59UNVC
/bxtYHTJtZjvEnmrYLPQXN7wN56n6V5qeETfWveuWZky3BDPSn6PJysDshwsRKII
L107/OjIMAoGCCqGSM49BAMCA0gAMEUCIQCWJn/mnc2Zh8HgIDDqgbyIlNZIwJOs
E2gZ4x9+KOToRAIgGfeBWaurYZAuNiAEK8HTQvC4mNY35UHUpffwexP/fUk=
-----END CERTIFICATE-----
";

#[test]
fn certificates_are_kept_for_a_host_and_port() {
    let files = Files::new();
    files.write(&[
        ("one/other.lan/ca.crt", "VERSION 1"),
        ("two/ship.lan:5000/ca.crt", "CERTIFICATE"),
        ("two/ship.lan:5000/more.crt", "VERSION 1"),
        ("two/ship.lan:5000/client.cert", "CERTIFICATE"),
        ("two/ship.lan:5000/client.key", "KEY"),
        ("two/ship.lan:5000/README", "x"),
    ]);
    let found = files.kept("ship.lan:5000").unwrap();
    assert_eq!(found.authorities, [files.certificate.as_bytes(), VERSION_1.as_bytes()]);
    assert!(!format!("{found:?}").contains("PRIVATE KEY"));
    let identity = found.identity.unwrap();
    assert_eq!((&*identity.certificates, identity.key.expose()), (files.certificate.as_bytes(), &*files.key));
    let none = files.kept("ship.lan").unwrap();
    assert!(none.authorities.is_empty() && none.identity.is_none());
}

/// Files that are kept → the error.
#[test]
fn what_is_kept_and_cannot_be_used_is_named() {
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("client.cert", "CERTIFICATE")], "client.key: it is not there"),
        (&[("client.key", "KEY")], "client.key: its certificate, which ends in .cert, is not beside it"),
        (&[("a.cert", "CERTIFICATE"), ("b.key", "KEY")], "a.key: it is not there"),
        (
            &[("client.cert", "CERTIFICATE"), ("client.key", "OTHER KEY")],
            "client.key: its key does not belong to the certificate ROOT/one/ship.lan/client.cert",
        ),
        (
            &[("client.cert", "hunter2"), ("client.key", "KEY")],
            "client.cert: it has no certificate in PEM form",
        ),
        (
            &[("client.cert", "CERTIFICATE"), ("client.key", "hunter2")],
            "client.key: it has no private key in PEM form",
        ),
        (
            &[("client.cert", "VERSION 1"), ("client.key", "KEY")],
            "client.cert: its certificate is of X.509 version 1; only version 3 can be used",
        ),
        (&[("ca.crt", "hunter2")], "ca.crt: it has no certificate in PEM form"),
        (&[("ca.crt", "MALFORMED")], "ca.crt: a certificate in it is malformed"),
    ];
    for (kept, expected) in cases {
        let files = Files::new();
        let kept: Vec<(String, &str)> =
            kept.iter().map(|(name, content)| (format!("one/ship.lan/{name}"), *content)).collect();
        let kept: Vec<(&str, &str)> = kept.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        files.write(&kept);
        assert_eq!(files.refusal(files.kept("ship.lan")), format!("ROOT/one/ship.lan/{expected}"));
        assert!(files.kept("other.lan").is_ok(), "another registry's files are not looked at");
    }
}

#[test]
fn a_certificate_that_is_named_goes_before_those_that_are_kept() {
    let files = Files::new();
    files.write(&[("me.pem", "CERTIFICATE"), ("me.key", "KEY"), ("one/ship.lan/a.key", "x")]);
    files.write(&[("one/ship.lan/b.cert", "x"), ("one/ship.lan/ca.crt", "CERTIFICATE")]);
    let [certificate, key] = ["me.pem", "me.key"].map(|name| files.root.path().join(name));
    let named = Certificates::read(&[], Some((&certificate, &key))).unwrap();
    let found = named.with_kept(&[files.root.path().join("one")], &"ship.lan".parse().unwrap()).unwrap();
    assert_eq!(found.authorities.len(), 1);
    assert_eq!(found.identity.unwrap().key.expose(), files.key);
}

/// --ca-file, --client-cert, --client-key → the error.
#[test]
fn what_is_named_and_cannot_be_used_is_named() {
    let files = Files::new();
    files.write(&[("good.pem", "CERTIFICATE"), ("good.key", "KEY"), ("other.key", "OTHER KEY")]);
    files.write(&[("text", "hunter2"), ("malformed", "MALFORMED"), ("old.pem", "VERSION 1")]);
    fs::write(files.root.path().join("bytes"), b"hunter2\xff").unwrap();
    let cases = [
        (Some("nowhere"), None, "--ca-file ROOT/nowhere: it is not there"),
        (Some(""), None, "--ca-file ROOT/: Is a directory (os error 21)"),
        (Some("text"), None, "--ca-file ROOT/text: it has no certificate in PEM form"),
        (Some("malformed"), None, "--ca-file ROOT/malformed: a certificate in it is malformed"),
        (Some("/dev/zero"), None, "--ca-file /dev/zero: it is larger than 16777216 bytes"),
        (None, Some(("nowhere", "good.key")), "--client-cert ROOT/nowhere: it is not there"),
        (None, Some(("good.pem", "nowhere")), "--client-key ROOT/nowhere: it is not there"),
        (None, Some(("text", "good.key")), "--client-cert ROOT/text: it has no certificate in PEM form"),
        (None, Some(("good.pem", "bytes")), "--client-key ROOT/bytes: it has no private key in PEM form"),
        (
            None,
            Some(("old.pem", "good.key")),
            "--client-cert ROOT/old.pem: its certificate is of X.509 version 1; only version 3 can be used",
        ),
        (
            None,
            Some(("good.pem", "other.key")),
            "--client-key ROOT/other.key: its key does not belong to the certificate ROOT/good.pem",
        ),
    ];
    let at = |name: &str| files.root.path().join(name);
    for (authority, client, expected) in cases {
        let authorities: Vec<PathBuf> = authority.into_iter().map(at).collect();
        let client = client.map(|(certificate, key)| (at(certificate), at(key)));
        let client = client.as_ref().map(|(certificate, key)| (certificate, key));
        assert_eq!(files.refusal(Certificates::read(&authorities, client)), expected);
    }
    let good = [at("good.pem"), at("good.key")];
    let read = Certificates::read(&[at("old.pem")], Some((&good[0], &good[1]))).unwrap();
    assert!(read.authorities.len() == 1 && read.identity.is_some());
}

#[test]
fn the_users_own_directory_comes_first() {
    let directories = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        super::directories(&variables).first().cloned().unwrap()
    };
    assert_eq!(directories(&[("HOME", "/h")]), Path::new("/h/.config/containers/certs.d"));
    let both = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")];
    assert_eq!(directories(&both), Path::new("/x/containers/certs.d"));
    assert_eq!(directories(&[("HOME", "relative")]), Path::new(SYSTEM[0]));
}
