//! Discovery of images: which ones manifests, charts and Compose files refer to, and where.
//!
//! Bytes in, findings out: the files are looked for, opened and unpacked by the caller, who also asks `helm` for
//! what a chart renders to. A reference is taken as it is written and never guessed: what a template still has to fill
//! in, or what has no tag where no program would take `latest`, is a finding that says why it cannot be resolved.

mod arc;
mod composed;
mod document;
mod kustomize;
mod lines;
mod role;
mod word;

use sealift_oci::{Reference, ReferenceError};

pub use role::Role;

use crate::yaml::{Node, YamlError, documents};

/// The most findings of one file; a list of images has no more lines.
pub const FINDING_LIMIT: usize = crate::LINE_LIMIT;

/// What one file refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The images, in the order in which they stand there.
    pub findings: Vec<Finding>,
    /// Whether the file is a template that is no YAML yet, so that only lines which name an image were looked at.
    pub by_lines: bool,
}

/// One place that names an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The line, counted from 1.
    pub line: u64,
    /// Where in the document: `Deployment/web spec.template.spec.containers[0].image`.
    pub place: String,
    /// What it names.
    pub image: Image,
    /// How sure it is that this is an image.
    pub certainty: Certainty,
}

/// What a place names.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// An image, with the registry written out.
    Reference {
        /// The image.
        reference: Reference,
        /// Whether no tag is written, so that whoever runs it takes `latest`.
        is_latest_implied: bool,
    },
    /// Something that is an image only once more is known.
    Unresolved {
        /// What is written; fit to be shown.
        text: String,
        /// What is not known.
        reason: Unresolved,
    },
}

/// How sure it is that something is an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The format says so.
    Certain,
    /// It looks like one: by the name of its field, or of what it is given to.
    Likely,
}

/// Why a place does not name one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// A template or a variable has still to be filled in.
    #[error("a template or a variable has still to be filled in")]
    Template,
    /// No tag and no digest is written, and who reads it does not take `latest` by itself.
    #[error("neither a tag nor a digest is given; a chart often means its appVersion then")]
    NoTag,
    /// Kustomize changes the name alone.
    #[error("only the name is changed; the tag is that of the resources")]
    OnlyName,
    /// The tag is a number, of which only the value is left.
    #[error("the tag is a number with a fraction; put it in quotes")]
    Fraction,
    /// It is no reference.
    #[error("{0}")]
    Malformed(ReferenceError),
    /// A release that the table has no list of.
    #[error(
        "the list of this release is not known; `sealift mirror --tag` looks for its images at the source"
    )]
    UnknownRelease,
    /// An upgrade that says no more than the tag.
    #[error("only the tag is given; registry and repository are those of the data controller in the cluster")]
    OnlyTag,
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no text.
    #[error("it is no text in UTF-8")]
    NoText,
    /// It is no YAML or JSON.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

/// Finds what a file refers to.
///
/// # Errors
/// When it is no text, or neither YAML nor a template that becomes some.
pub fn find(role: Role, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NoText)?;
    let by_lines = || Found { findings: lines::find(text), by_lines: true };
    if role == Role::Template {
        return Ok(by_lines());
    }
    let mut found = match documents::<Node>(text) {
        Err(_) if lines::is_template(text) => by_lines(),
        Err(error) => return Err(error.into()),
        Ok(documents) if role == Role::Chart => {
            Found { findings: document::annotations(&documents), by_lines: false }
        }
        Ok(documents) => Found { findings: document::find(&documents), by_lines: false },
    };
    found.findings.truncate(FINDING_LIMIT);
    Ok(found)
}

#[cfg(test)]
mod tests;
