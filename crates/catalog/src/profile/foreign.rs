//! The files that people have: a profile, the YAML of `skopeo sync`, the YAML of regsync. Which one it is, the file itself
//! tells.

use super::{Profile, regsync, skopeo};
use crate::yaml::{self, Node, YamlError};

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A profile.
    Profile,
    /// The YAML of `skopeo sync`.
    Skopeo,
    /// The YAML of regsync.
    Regsync,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Whose file it is.
    pub kind: Kind,
    /// What it means to sealift.
    pub profile: Profile,
    /// What it says that has no place in a profile, each with its line; fit to be shown.
    pub unmapped: Vec<String>,
}

/// Reads a profile, or what another tool calls so.
///
/// # Errors
/// When the text is none of them, or a bad one.
pub fn read(text: &str) -> Result<Read, YamlError> {
    let kind = kind(text);
    let (profile, unmapped) = match kind {
        Kind::Profile => (Profile::parse(text)?, Vec::new()),
        Kind::Skopeo => map(text, skopeo::map)?,
        Kind::Regsync => map(text, regsync::map)?,
    };
    Ok(Read { kind, profile, unmapped })
}

/// What cannot be told apart is a profile, whose errors say what is missing.
fn kind(text: &str) -> Kind {
    let Ok(node) = yaml::from_str::<Node>(text) else { return Kind::Profile };
    let has = |name: &str| node.get(name).is_some();
    if has("schema") {
        return Kind::Profile;
    }
    if has("sync") && has("version") || node.get("sync").is_some_and(|it| !it.items().is_empty()) {
        return Kind::Regsync;
    }
    let is_registry = |node: &Node| skopeo::FIELDS.iter().any(|field| node.get(field).is_some());
    match node.entries().iter().any(|(_, node)| is_registry(node)) {
        true => Kind::Skopeo,
        false => Kind::Profile,
    }
}

/// Where there is nothing to take, there was no sense in the file.
fn map(text: &str, map: fn(&Node, &mut Notes) -> Profile) -> Result<(Profile, Vec<String>), YamlError> {
    let node: Node = yaml::from_str(text)?;
    let mut notes = Notes::default();
    let profile = map(&node, &mut notes);
    let error = |message: String| YamlError { line: None, message };
    if profile.products.is_empty() {
        let first = notes.0.first().map(|it| format!(": {it}")).unwrap_or_default();
        return Err(error(format!("nothing in it can be taken{first}")));
    }
    profile.check().map_err(error)?;
    Ok((profile, notes.0))
}

/// What did not map.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, line: u64, what: impl std::fmt::Display) {
        // What is shown comes from the file: it must not write to the terminal.
        let text: String = what.to_string().chars().take(300).flat_map(char::escape_debug).collect();
        self.0.push(format!(
            "line {line}: {}",
            text.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\")
        ));
    }
}
