//! What a kit is made of.

use std::fmt;

/// One file of a kit.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Where it belongs below the kit's directory, with `/` between the parts.
    pub path: String,
    /// What is in it.
    pub content: String,
    /// How it is to be written.
    pub kind: Kind,
}

/// How a file is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For everybody to read.
    Plain,
    /// For everybody to run.
    Script,
    /// For its owner alone: it may hold a password.
    Secret,
}

impl File {
    pub(crate) fn plain(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into(), kind: Kind::Plain }
    }

    pub(crate) fn script(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into(), kind: Kind::Script }
    }

    pub(crate) fn secret(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into(), kind: Kind::Secret }
    }
}

/// The content can hold a password, so it is not printed.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}
