//! A user's own list of images, of any product: one reference on each line of a file.
//!
//! Where an image goes follows from where it comes from: its path without the registry, below a prefix. So two
//! images can meet at one place, and whoever comes last would win silently; that is an error before anything
//! is copied. Reading the file is the caller's part.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use sealift_oci::{ManifestRef, Reference, ReferenceError, RepositoryName, Tag};

/// The most lines of a list: far more images than a site runs, and still read in a moment.
pub const LINE_LIMIT: usize = 100_000;
/// The most bytes of a list; 100,000 lines of a long name with a digest take no more.
pub const SIZE_LIMIT: usize = 16 * 1024 * 1024;
/// How much of a bad line is shown: a reference of usual length, whole.
const SHOWN_LIMIT: usize = 200;

/// The images of a list, in its order; none is there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageList {
    images: Vec<Listed>,
}

/// One image of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The line that named it first, counted from 1; 0 where none did.
    pub line: usize,
    /// What the line says, with the registry written out.
    pub reference: Reference,
    /// Its path at the target, where that is not its own.
    pub path: Option<RepositoryName>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The list goes on beyond [`LINE_LIMIT`].
    #[error("a list has at most {LINE_LIMIT} lines")]
    TooManyLines,
    /// The list goes on beyond [`SIZE_LIMIT`].
    #[error("a list has at most {SIZE_LIMIT} bytes")]
    TooLarge,
    /// There is something behind the reference that is no comment.
    #[error("a line has one reference, and nothing behind it but a comment, which begins with a blank and #")]
    SeveralWords,
    /// Neither a tag nor a digest is given; a list that took `latest` for granted would differ every day.
    #[error("neither a tag nor a digest is given; write the tag (:latest if that is meant)")]
    NoTag,
    /// The reference is malformed.
    #[error(transparent)]
    Malformed(ReferenceError),
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}: {fault}")]
pub struct LineError {
    /// The line, counted from 1.
    pub line: usize,
    /// What stands there without the comment, fit to be shown: cut, and control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub fault: LineFault,
}

impl ImageList {
    /// Reads a list: one reference on a line with a tag, a digest or both. Short names mean what they mean to
    /// Docker. Blank lines and comments (`#` at the beginning or behind a blank) are left out, and so is a
    /// line that repeats another.
    ///
    /// # Errors
    /// Every line that cannot be read; or the one line on which the list becomes too long.
    pub fn parse(text: &str) -> Result<Self, Vec<LineError>> {
        check_bounds(text).map_err(|error| vec![error])?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut images, mut errors, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (line, text) in (1..).zip(text.lines()) {
            match read_line(without_comment(text)) {
                Ok(Some(reference)) if seen.insert(reference.clone()) => {
                    images.push(Listed { line, reference, path: None });
                }
                Ok(_) => {}
                Err(fault) => errors.push(LineError { line, text: shown(without_comment(text)), fault }),
            }
        }
        if errors.is_empty() { Ok(Self { images }) } else { Err(errors) }
    }

    /// Makes a list of what came otherwise, such as from a profile; what is there twice is left out.
    #[must_use]
    pub fn of(images: impl IntoIterator<Item = Listed>) -> Self {
        let mut seen = HashSet::new();
        let is_new = |listed: &Listed| seen.insert((listed.reference.clone(), listed.path.clone()));
        Self { images: images.into_iter().filter(is_new).collect() }
    }

    /// Returns the images.
    #[must_use]
    pub fn images(&self) -> &[Listed] {
        &self.images
    }

    /// Tells whether there is no image: only comments and blank lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Says where every image goes: to its path without the registry, below `prefix` if there is one, and there to
    /// the tag that the rule has for every image, else to its own tag. Where a line has both tag and digest, the
    /// digest says what is copied and the tag is set to it.
    ///
    /// What has no tag gets the one that the rule has for such images, else `sha256-<hash>`, so that no registry
    /// takes it for rubbish. OCI keeps the referrers of that very image under the same tag where a registry has
    /// no referrers API (distribution 1.1, "Referrers Tag Schema"): where there is such a list it keeps the tag,
    /// and the engine gives the image `sha256-<hash>.image`. A SHA-512 hash is too long for a tag, and such an
    /// image is put by its digest alone.
    ///
    /// # Errors
    /// Every two images that would meet, and every name that would be too long.
    pub fn map(
        &self,
        prefix: Option<&RepositoryName>,
        rule: &TagRule,
    ) -> Result<Vec<Mapped>, Vec<TargetError>> {
        let (mut spots, mut errors) = (Spots::default(), Vec::new());
        for listed in &self.images {
            match Mapped::of(listed, prefix, rule) {
                Some(mapped) => spots.add(mapped, listed),
                None => errors.extend(prefix.map(|prefix| {
                    let (prefix, listed) = (prefix.clone(), listed.clone());
                    TargetError::TooLong { prefix, listed }
                })),
            }
        }
        errors.extend(spots.collisions());
        if errors.is_empty() { Ok(spots.into_mapped()) } else { Err(errors) }
    }
}

/// Which tags images get, other than their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRule {
    /// The tag of every image.
    pub every: Option<Tag>,
    /// The tag of images that are named by their digest alone.
    pub digest_only: Option<Tag>,
}

/// The size first: lines of a text without bounds are not even counted.
fn check_bounds(text: &str) -> Result<(), LineError> {
    let error = |line, fault| LineError { line, text: "…".to_owned(), fault };
    if text.len() > SIZE_LIMIT {
        let line = 1 + text.as_bytes()[..SIZE_LIMIT].iter().filter(|byte| **byte == b'\n').count();
        return Err(error(line, LineFault::TooLarge));
    }
    if text.lines().nth(LINE_LIMIT).is_some() {
        return Err(error(LINE_LIMIT + 1, LineFault::TooManyLines));
    }
    Ok(())
}

fn without_comment(line: &str) -> &str {
    let follows_blank = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| follows_blank(*at));
    comment.map_or(line, |at| &line[..at]).trim()
}

fn read_line(text: &str) -> Result<Option<Reference>, LineFault> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains(char::is_whitespace) {
        return Err(LineFault::SeveralWords);
    }
    Reference::parse_familiar(text).map(Some).map_err(|error| match error {
        ReferenceError::NoTag => LineFault::NoTag,
        error => LineFault::Malformed(error),
    })
}

/// Whoever wrote the file must not write to the terminal of who reads the message.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN_LIMIT) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(SHOWN_LIMIT).is_some() { shown + "…" } else { shown }
}

/// Where one image of a list goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Where it comes from; [`Reference::manifest_ref`] says what to copy.
    pub reference: Reference,
    /// The repository it goes to.
    pub target: RepositoryName,
    /// The tag it gets there; without one it is put by its digest.
    pub tag: Option<Tag>,
}

impl Mapped {
    fn of(listed: &Listed, prefix: Option<&RepositoryName>, rule: &TagRule) -> Option<Self> {
        let reference = &listed.reference;
        let path = listed.path.as_ref().unwrap_or(&reference.repository);
        let target = prefix.map_or_else(|| Some(path.clone()), |prefix| prefix.join(path.as_str()).ok())?;
        let tag = rule.every.as_ref().or(reference.tag.as_ref()).or(rule.digest_only.as_ref());
        let tag = tag.cloned().or_else(|| tag_of_digest(reference));
        Some(Self { reference: reference.clone(), target, tag })
    }

    /// What the image would take from any other that comes here.
    fn spot(&self) -> (RepositoryName, Option<ManifestRef>) {
        let name = self.tag.clone().map(ManifestRef::Tag);
        (self.target.clone(), name.or_else(|| self.reference.manifest_ref()))
    }

    /// Tells whether both take the same bytes from the same repository.
    fn is_same_source(&self, other: &Reference) -> bool {
        let mine = &self.reference;
        mine.registry == other.registry
            && mine.repository == other.repository
            && mine.manifest_ref() == other.manifest_ref()
    }
}

fn tag_of_digest(reference: &Reference) -> Option<Tag> {
    let digest = reference.digest?;
    format!("{}-{}", digest.algorithm().as_str(), digest.hex()).parse().ok()
}

/// What cannot be put where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Different images would become one.
    #[error("{target} would be the copy of {}", Together(listed))]
    Collision {
        /// The repository and the tag, or the digest, which they all would have.
        target: String,
        /// The lines, ascending; at least two.
        listed: Vec<Listed>,
    },
    /// The prefix and the path make no repository name; each alone is one, so they are too long.
    #[error("{listed}: below {prefix} the name of the repository becomes too long")]
    TooLong {
        /// The prefix.
        prefix: RepositoryName,
        /// The line.
        listed: Listed,
    },
}

/// Writes `docker.io/a/b:1 (line 1) and of quay.io/a/b:1 (line 2)`.
struct Together<'a>(&'a [Listed]);

impl fmt::Display for Together<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, listed) in self.0.iter().enumerate() {
            write!(f, "{}{listed}", if number == 0 { "" } else { " and of " })?;
        }
        Ok(())
    }
}

/// Writes `docker.io/a/b:1 (line 1)`; what a rule took stands on no line.
impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.reference),
            line => write!(f, "{} (line {line})", self.reference),
        }
    }
}

/// What goes where, in the order of the list; and who else wants to go there.
#[derive(Default)]
struct Spots<'a> {
    taken: Vec<(Mapped, Vec<&'a Listed>)>,
    positions: BTreeMap<(RepositoryName, Option<ManifestRef>), usize>,
}

impl<'a> Spots<'a> {
    fn add(&mut self, mapped: Mapped, listed: &'a Listed) {
        let position = *self.positions.entry(mapped.spot()).or_insert(self.taken.len());
        match self.taken.get_mut(position) {
            // The same image, spelled with another tag beside its digest.
            Some((first, _)) if first.is_same_source(&listed.reference) => {}
            Some((_, all)) => all.push(listed),
            None => self.taken.push((mapped, vec![listed])),
        }
    }

    fn collisions(&self) -> Vec<TargetError> {
        let collided = self.taken.iter().filter(|(_, listed)| listed.len() > 1);
        let error = |(mapped, listed): &(Mapped, Vec<&Listed>)| TargetError::Collision {
            target: match mapped.spot() {
                (repository, Some(ManifestRef::Tag(tag))) => format!("{repository}:{tag}"),
                (repository, Some(ManifestRef::Digest(digest))) => format!("{repository}@{digest}"),
                (repository, None) => repository.to_string(),
            },
            listed: listed.iter().copied().cloned().collect(),
        };
        collided.map(error).collect()
    }

    fn into_mapped(self) -> Vec<Mapped> {
        self.taken.into_iter().map(|(mapped, _)| mapped).collect()
    }
}

#[cfg(test)]
mod tests;
