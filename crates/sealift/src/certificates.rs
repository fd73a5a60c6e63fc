//! Certificates on this machine: those that are named on the command line, and those that Docker and Podman
//! keep for single registries (containers-certs.d(5); Docker's "Verify repository client with certificates").
//!
//! In `certs.d/HOST[:PORT]`, files that end in `.crt` are authorities to trust; one that ends in `.cert`, with
//! the `.key` of the same name, is shown to the registry.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sealift_oci::Registry;
use sealift_registry::client::{Identity, PemError, Secret, check_authorities};
use zeroize::Zeroizing;

use crate::errors::CommandError;

type Result<T> = std::result::Result<T, CommandError>;

/// Where certificates for single registries are kept by those who run this machine.
const SYSTEM: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// The largest file that is read, in bytes. All authorities of the world take a quarter of a megabyte.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What is trusted, and what is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// The content of each file of certificates.
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
}

/// A file that cannot be used, and why.
#[derive(Debug)]
struct Flaw {
    path: PathBuf,
    reason: String,
}

impl Certificates {
    /// Reads the files that were named.
    pub(crate) fn read(ca_files: &[PathBuf], client: Option<(&PathBuf, &PathBuf)>) -> Result<Self> {
        let refuse_authority = |flaw: Flaw| {
            const HINT: &str =
                "Name a PEM file with the certificate of the authority that signed the registry's.";
            flaw.refused("--ca-file ", HINT)
        };
        let authorities = ca_files.iter().map(|path| read_authority(path).map_err(refuse_authority));
        let identity = client.map(|(certificate, key)| {
            read_pair(certificate, key).map_err(|flaw| {
                let flag = if flaw.path == *key { "--client-key " } else { "--client-cert " };
                const HINT: &str = "--client-cert names a PEM file with the certificate, --client-key one with its key, unencrypted.";
                flaw.refused(flag, HINT)
            })
        });
        Ok(Self { authorities: authorities.collect::<Result<_>>()?, identity: identity.transpose()? })
    }

    /// Adds what is kept for a registry, in the first of the directories that has something. What was named
    /// goes before a client certificate that is kept.
    pub(crate) fn with_kept(mut self, directories: &[PathBuf], registry: &Registry) -> Result<Self> {
        let kept = directories.iter().find_map(|directory| list(&directory.join(registry.as_str())));
        let is_named = self.identity.is_some();
        for path in kept.unwrap_or_default() {
            self.add(&path, is_named).map_err(|flaw| {
                flaw.refused(
                    "",
                    format_args!(
                        "In a directory of certificates for {registry}, authorities end in .crt; each client certificate ends in .cert and has its key beside it, of the same name, that ends in .key. Put the file right, or take it out."
                    ),
                )
            })?;
        }
        Ok(self)
    }

    fn add(&mut self, path: &Path, is_named: bool) -> std::result::Result<(), Flaw> {
        match path.extension().and_then(OsStr::to_str) {
            Some("crt") => self.authorities.push(read_authority(path)?),
            Some("cert") if self.identity.is_none() => {
                self.identity = Some(read_pair(path, &path.with_extension("key"))?);
            }
            Some("key") if !is_named && !path.with_extension("cert").exists() => {
                return Err(Flaw::new(path, "its certificate, which ends in .cert, is not beside it"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Flaw {
    fn new(path: &Path, reason: impl Display) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }

    fn refused(self, flag: &str, hint: impl Display) -> CommandError {
        CommandError::usage(format_args!("{flag}{}: {}", self.path.display(), self.reason), hint)
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

/// What is wrong with the pair is told of the file that it is wrong with.
fn read_pair(certificate: &Path, key: &Path) -> std::result::Result<Identity, Flaw> {
    let certificates = read_bounded(certificate)?.to_vec();
    let text = read_bounded(key)?;
    let text = std::str::from_utf8(&text).map_err(|_| Flaw::new(key, PemError::NoKey))?;
    let identity = Identity { certificates, key: Secret::new(text) };
    match identity.check() {
        Ok(()) => Ok(identity),
        Err(error @ PemError::Mismatch) => {
            Err(Flaw::new(key, format_args!("{error} {}", certificate.display())))
        }
        Err(error) if error.is_about_key() => Err(Flaw::new(key, error)),
        Err(error) => Err(Flaw::new(certificate, error)),
    }
}

fn read_authority(path: &Path) -> std::result::Result<Vec<u8>, Flaw> {
    let content = read_bounded(path)?.to_vec();
    check_authorities(&content).map_err(|error| Flaw::new(path, error))?;
    Ok(content)
}

/// It may be a key.
fn read_bounded(path: &Path) -> std::result::Result<Zeroizing<Vec<u8>>, Flaw> {
    let mut content = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut content));
    match read {
        Ok(_) if content.len() as u64 <= FILE_LIMIT => Ok(content),
        Ok(_) => Err(Flaw::new(path, format_args!("it is larger than {FILE_LIMIT} bytes"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Flaw::new(path, "it is not there")),
        Err(error) => Err(Flaw::new(path, error)),
    }
}

#[cfg(test)]
mod tests;
