//! What is wrong with a bundle as a whole, or with a file of it. What is wrong with one blob or manifest in it is
//! a [`sealift_store::Error`], as in every place.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What the functions on bundles return.
pub type Result<T, E = BundleError> = std::result::Result<T, E>;

/// A bundle that cannot be read, written or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The path is no bundle, or an unfinished one.
    #[error("{}: {reason}", path.display())]
    NotABundle {
        /// What was opened.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The path is one file of a bundle, and not the bundle.
    #[error("{}: {reason}", path.display())]
    Part {
        /// What was opened.
        path: PathBuf,
        /// Of which bundle it is.
        reason: String,
    },
    /// A file of the bundle breaks the format, or differs from its checksum.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The bundle was written by a later version.
    #[error("{}: it has version {found} of the format, and this sealift reads up to {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it says.
        found: u64,
        /// The latest that is known.
        known: u64,
    },
    /// A signature is missing, is of another key, or does not fit.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The file that is not trusted.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key, an identity or a passphrase does not open what it should.
    #[error("{}: {reason}", path.display())]
    WrongKey {
        /// The file that stays closed, or the key file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// How.
        source: std::io::Error,
    },
}

impl BundleError {
    pub(crate) fn damaged(path: &Path, reason: impl Display) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn untrusted(path: &Path, reason: impl Display) -> Self {
        Self::Untrusted { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn wrong_key(path: &Path, reason: impl Display) -> Self {
        Self::WrongKey { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Puts the file's name on an error of the file system.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
