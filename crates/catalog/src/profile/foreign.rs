//! The files that people have: a profile, the YAML of `skopeo sync`, the YAML of regsync, a plain list of images. Which one
//! it is, the file itself tells.

use std::fmt;

use super::{Fault, Faults, Name, Product, Profile, regsync, skopeo};
use crate::ImageList;
use crate::yaml::{self, Node, Value};

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A profile.
    Profile,
    /// The YAML of `skopeo sync`.
    Skopeo,
    /// The YAML of regsync.
    Regsync,
    /// A list of images, one on each line.
    List,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Profile => "a profile",
            Self::Skopeo => "the YAML of skopeo sync",
            Self::Regsync => "the YAML of regsync",
            Self::List => "a list of images",
        })
    }
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
pub fn read(text: &str) -> Result<Read, Faults> {
    let kind = Kind::of(text);
    let (profile, unmapped) = match kind {
        Kind::Profile => (Profile::parse(text)?, Vec::new()),
        Kind::Skopeo => map(text, skopeo::map)?,
        Kind::Regsync => map(text, regsync::map)?,
        Kind::List => (of_list(text)?, Vec::new()),
    };
    Ok(Read { kind, profile, unmapped })
}

impl Kind {
    /// Tells whose file it is. What cannot be told apart is a profile, whose errors say what is missing.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let Ok(node) = yaml::from_str::<Node>(text) else {
            let is_list = ImageList::parse(text).is_ok_and(|list| !list.is_empty());
            return if is_list { Self::List } else { Self::Profile };
        };
        let has = |name: &str| node.get(name).is_some();
        if matches!(node.value, Value::Text(_)) {
            return Self::List;
        }
        if has("schema") {
            return Self::Profile;
        }
        if has("sync") && has("version") || node.get("sync").is_some_and(|it| !it.items().is_empty()) {
            return Self::Regsync;
        }
        let is_registry = |node: &Node| skopeo::FIELDS.iter().any(|field| node.get(field).is_some());
        match node.entries().iter().any(|(_, node)| is_registry(node)) {
            true => Self::Skopeo,
            false => Self::Profile,
        }
    }
}

/// A list is one product.
fn of_list(text: &str) -> Result<Profile, Faults> {
    let list = ImageList::parse(text).map_err(|errors| {
        let fault = |line: usize, message: String| Fault::new(u64::try_from(line).ok(), "", message);
        let faults = errors.into_iter().map(|it| fault(it.line, format!("{}: {}", it.text, it.fault)));
        Faults(faults.take(super::FAULT_LIMIT).collect())
    })?;
    Ok(Profile { products: vec![Product::of(&list)], ..Profile::default() })
}

impl Product {
    /// Makes a product of the images of a list.
    #[must_use]
    pub fn of(list: &ImageList) -> Self {
        let names = list.images().iter().map(|it| Name::new(it.reference.clone(), it.line));
        Self { images: names.collect(), ..Self::default() }
    }
}

/// Where there is nothing to take, there was no sense in the file.
fn map(text: &str, map: fn(&Node, &mut Notes) -> Profile) -> Result<(Profile, Vec<String>), Faults> {
    let node: Node = yaml::from_str(text)?;
    let mut notes = Notes::default();
    let profile = map(&node, &mut notes);
    if profile.products.is_empty() {
        let first = notes.0.first().map(|it| format!(": {it}")).unwrap_or_default();
        return Err(Fault::new(None, "", format!("nothing in it can be taken{first}")).into());
    }
    let misfits = profile.check();
    match misfits.is_empty() {
        true => Ok((profile, notes.0)),
        false => Err(Faults(misfits.into_iter().map(|it| it.fault(None)).collect())),
    }
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
