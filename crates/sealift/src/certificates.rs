//! Certificates on this machine: those that are named on the command line, and those that Docker and Podman
//! keep for single registries (containers-certs.d(5); Docker's "Verify repository client with certificates").
//!
//! In `certs.d/HOST[:PORT]`, files that end in `.crt` are authorities to trust; one that ends in `.cert`, with
//! the `.key` of the same name, is shown to the registry.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sealift_oci::Registry;
use sealift_registry::client::{Identity, Secret};
use sealift_store::{Error, ErrorKind, Operation, Result};

use crate::errors::CommandError;

/// Where certificates for single registries are kept by those who run this machine.
const SYSTEM: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// What is trusted, and what is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// The content of each file of certificates.
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
}

impl Certificates {
    /// Reads the files that were named.
    pub(crate) fn read(
        ca_files: &[PathBuf],
        client: Option<(&PathBuf, &PathBuf)>,
    ) -> std::result::Result<Self, CommandError> {
        let authorities =
            ca_files.iter().map(|path| read_authority(path)).collect::<std::result::Result<_, _>>();
        let identity = client.map(|(certificate, key)| {
            read_pair(certificate, key).map_err(|(path, reason)| {
                CommandError::usage(
                    format_args!("{}: {reason}", path.display()),
                    "--client-cert and --client-key each name a PEM file that you can read.",
                )
            })
        });
        Ok(Self { authorities: authorities?, identity: identity.transpose()? })
    }

    /// Adds what is kept for a registry, in the first of the directories that has something. What was named
    /// goes before a client certificate that is kept.
    pub(crate) fn with_kept(mut self, directories: &[PathBuf], registry: &Registry) -> Result<Self> {
        let kept = directories.iter().find_map(|directory| list(&directory.join(registry.as_str())));
        let refuse = |path: &Path, reason: &str| {
            let reason = format!("{} cannot be used: {reason}", path.display());
            Error::new(ErrorKind::Invalid, Operation::Connect).at(registry).because(reason)
        };
        for path in kept.unwrap_or_default() {
            match path.extension().and_then(OsStr::to_str) {
                Some("crt") => {
                    self.authorities.push(std::fs::read(&path).map_err(|it| refuse(&path, &it.to_string()))?);
                }
                Some("cert") if self.identity.is_none() => {
                    let pair = read_pair(&path, &path.with_extension("key"));
                    self.identity = Some(pair.map_err(|(path, reason)| refuse(&path, &reason))?);
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

/// Lists the directories that may have certificates for single registries, the user's own first.
pub(crate) fn directories(variables: &HashMap<OsString, OsString>) -> Vec<PathBuf> {
    let set =
        |name: &str| variables.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let own = own.map(|config| config.join("containers/certs.d"));
    own.into_iter().chain(SYSTEM.map(PathBuf::from)).collect()
}

/// Lists the files of a directory by name; nothing where it is not there, or is not for this user.
fn list(directory: &Path) -> Option<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = directory.read_dir().ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Some(files)
}

fn read_pair(certificate: &Path, key: &Path) -> std::result::Result<Identity, (PathBuf, String)> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| (path.to_owned(), error.to_string()));
    let certificates = read(certificate)?;
    let text = String::from_utf8(read(key)?);
    let key = text.map_err(|_| (key.to_owned(), "it is no key in PEM form".to_owned()))?;
    Ok(Identity { certificates, key: Secret::new(key) })
}

fn read_authority(path: &Path) -> std::result::Result<Vec<u8>, CommandError> {
    let refuse = |reason: &dyn std::fmt::Display| {
        CommandError::usage(
            format_args!("--ca-file {}: {reason}", path.display()),
            "Name a PEM file with the certificate of the authority that signed the registry's.",
        )
    };
    let content = std::fs::read(path).map_err(|error| refuse(&error))?;
    let begins = |part: &[u8]| part.starts_with(b"-----BEGIN CERTIFICATE-----");
    match content.split(|byte| *byte == b'\n').any(begins) {
        true => Ok(content),
        false => Err(refuse(&"it has no certificate in PEM form")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(files: &[(&str, &str)], registry: &str) -> Result<Certificates> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let directories = ["one", "two"].map(|name| root.path().join(name));
        Certificates::default().with_kept(&directories, &registry.parse().unwrap())
    }

    #[test]
    fn certificates_are_kept_for_a_host_and_port() {
        let files = [
            ("one/other.lan/ca.crt", "other"),
            ("two/ship.lan:5000/ca.crt", "authority"),
            ("two/ship.lan:5000/more.crt", "another"),
            ("two/ship.lan:5000/client.cert", "certificate"),
            ("two/ship.lan:5000/client.key", "hunter2"),
            ("two/ship.lan:5000/README", "x"),
        ];
        let found = kept(&files, "ship.lan:5000").unwrap();
        assert_eq!(found.authorities, [&b"authority"[..], b"another"]);
        assert!(!format!("{found:?}").contains("hunter2"));
        let identity = found.identity.unwrap();
        assert_eq!((&*identity.certificates, identity.key.expose()), (&b"certificate"[..], "hunter2"));
        let none = kept(&files, "ship.lan").unwrap();
        assert!(none.authorities.is_empty() && none.identity.is_none());
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let error = kept(&[("one/ship.lan/client.cert", "certificate")], "ship.lan").unwrap_err();
        assert!(error.to_string().contains("one/ship.lan/client.key cannot be used"), "{error}");
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
}
