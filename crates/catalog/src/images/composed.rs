//! Images whose parts stand in fields of their own: `repository`, `tag`, and beside them `registry` and `digest`.
//! Values of charts are written like this, and custom resources that took it from them.

use super::word::{read, resolved, unresolved};
use super::{Image, Unresolved};
use crate::yaml::{Node, Value};

/// Reads a map as an image; `is_image` says that its own name is that of one. `None` is none.
pub(super) fn image(map: &Node, is_image: bool) -> Option<Image> {
    let repository = text(map, "repository").or_else(|| text(map, "name").filter(|_| is_image))?;
    let tag = map.get("tag");
    if tag.is_none() && digest(map).is_none() && !is_image {
        return None;
    }
    let mut name = match text(map, "registry") {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    };
    if let Some(Node { value: Value::Fraction(number), .. }) = tag {
        return Some(unresolved(&format!("{name}:{number}"), Unresolved::Fraction));
    }
    if let Some(tag) = text(map, "tag") {
        name = format!("{name}:{tag}");
    }
    if let Some(digest) = digest(map) {
        name = format!("{name}@{digest}");
    }
    match read(&name) {
        // A map that is called otherwise may be anything: a chart, a Git repository.
        Err(Unresolved::Malformed(_)) if !is_image => None,
        read => Some(resolved(&name, read)),
    }
}

fn text<'a>(map: &'a Node, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Node::text).map(str::trim).filter(|text| !text.is_empty())
}

/// Some write the hash alone.
fn digest(map: &Node) -> Option<String> {
    let digest = text(map, "digest").or_else(|| text(map, "sha"))?;
    Some(if digest.contains(':') { digest.to_owned() } else { format!("sha256:{digest}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn told(yaml: &str, is_image: bool) -> String {
        let node = crate::yaml::documents::<Node>(yaml).unwrap().remove(0);
        match image(&node, is_image) {
            None => "-".to_owned(),
            Some(Image::Reference { reference, .. }) => reference.to_string(),
            Some(Image::Unresolved { text, reason }) => format!("{text}: {reason:?}"),
        }
    }

    #[test]
    fn parts_are_put_together() {
        for (yaml, expected) in [
            ("{repository: quay.io/a/b, tag: v1}", "quay.io/a/b:v1"),
            ("{registry: quay.io, repository: a/b, tag: 7}", "quay.io/a/b:7"),
            ("{registry: '', repository: a/b, tag: v1, digest: ''}", "docker.io/a/b:v1"),
            ("{repository: a/b, tag: 1.10}", "a/b:1.1: Fraction"),
            ("{repository: a/b, tag: '1.10'}", "docker.io/a/b:1.10"),
            ("{repository: a/b, tag: ''}", "a/b: NoTag"),
            ("{repository: a/b, tag: ~}", "a/b: NoTag"),
            ("{repository: a/b, tag: '{{ .x }}'}", "a/b:{{ .x }}: Template"),
            ("{repository: https://charts.x.y, tag: v1}", "-"),
            ("{repository: quay.io/a}", "-"),
            ("{name: a, tag: v1}", "-"),
            ("{tag: v1}", "-"),
            ("{repository: {a: b}, tag: v1}", "-"),
        ] {
            assert_eq!(told(yaml, false), expected, "{yaml}");
        }
        let pinned = format!("docker.io/a/b:v1@sha256:{HASH}");
        for digest in [format!("digest: 'sha256:{HASH}'"), format!("sha: {HASH}")] {
            assert_eq!(told(&format!("{{repository: a/b, tag: v1, {digest}}}"), false), pinned);
        }
    }

    #[test]
    fn what_is_called_an_image_is_one() {
        for (yaml, expected) in [
            ("{name: a/b, tag: v1}", "docker.io/a/b:v1"),
            ("{repository: quay.io/a}", "quay.io/a: NoTag"),
            ("{repository: 'A B', tag: v1}", "A B:v1: Malformed(Name(Repository))"),
            ("{pullPolicy: Always}", "-"),
        ] {
            assert_eq!(told(yaml, true), expected, "{yaml}");
        }
    }
}
