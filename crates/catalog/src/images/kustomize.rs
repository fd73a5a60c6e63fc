//! Kustomize: an entry of `images` says what a name in the resources becomes.

use super::word::{read, resolved, unresolved};
use super::{Image, Unresolved};
use crate::yaml::{Node, Value};

/// Reads an entry of a list called `images`; `None` where it is not one of Kustomize's.
pub(super) fn image(entry: &Node) -> Option<Image> {
    let text = |name| entry.get(name).and_then(Node::text).filter(|text| !text.is_empty());
    let old = text("name")?;
    let is_changed = ["newName", "newTag", "digest"].iter().any(|name| entry.get(name).is_some());
    if !is_changed {
        return None;
    }
    let mut name = text("newName").unwrap_or(old).to_owned();
    if let Some(Node { value: Value::Fraction(number), .. }) = entry.get("newTag") {
        return Some(unresolved(&format!("{name}:{number}"), Unresolved::Fraction));
    }
    if text("newTag").is_none() && text("digest").is_none() {
        return Some(unresolved(&name, Unresolved::OnlyName));
    }
    for (mark, part) in [(':', text("newTag")), ('@', text("digest"))] {
        if let Some(part) = part {
            name.push(mark);
            name.push_str(part);
        }
    }
    Some(resolved(&name, read(&name)))
}
