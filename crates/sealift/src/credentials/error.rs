//! Why credentials are not found, kept or removed. What files and helpers say can hold passwords, so no
//! message repeats it; the words of the JSON parser are left out, since it quotes what it did not expect.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::error::Category;

use super::helper::HelperError;

/// Why credentials could not be found, kept or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// A file cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file is larger than any that holds credentials.
    #[error("{} is larger than {limit} bytes, which no file with credentials is", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// A file does not make sense.
    #[error("{}, line {line}, column {column}: {problem}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong there.
        problem: &'static str,
        /// Where it stops making sense, from 1.
        line: usize,
        /// Where in that line, from 1.
        column: usize,
    },
    /// A member of a file makes no sense.
    #[error("{}: `{member}` {expected}", file.display())]
    Member {
        /// The file.
        file: PathBuf,
        /// The member.
        member: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No file is known to keep anything in.
    #[error("there is no place to keep credentials: HOME, DOCKER_CONFIG and REGISTRY_AUTH_FILE are not set")]
    NoFile,
    /// A user's name that no entry can hold.
    #[error("a user's name cannot have a colon, nor be empty")]
    Username,
    /// A helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

impl CredentialsError {
    pub(super) fn read(file: &Path, error: io::Error) -> Self {
        Self::Read { file: file.to_owned(), error }
    }

    pub(super) fn write(file: &Path, error: io::Error) -> Self {
        Self::Write { file: file.to_owned(), error }
    }

    pub(super) fn malformed(file: &Path, error: &serde_json::Error) -> Self {
        let problem = match error.classify() {
            Category::Data => "this is not what a file with credentials has here",
            Category::Eof => "the JSON ends too early",
            Category::Syntax | Category::Io => "this is no JSON",
        };
        Self::Malformed { file: file.to_owned(), problem, line: error.line(), column: error.column() }
    }

    pub(super) fn member(file: &Path, member: impl Into<String>, expected: &'static str) -> Self {
        Self::Member { file: file.to_owned(), member: member.into(), expected }
    }
}
