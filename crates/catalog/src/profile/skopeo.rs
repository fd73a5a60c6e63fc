//! The YAML of `skopeo sync`: registries, their repositories, and which tags of each.

use sealift_oci::Reference;

use super::foreign::Notes;
use super::pattern::{Pattern, Range, Regex};
use super::{Name, Product, Profile, Source, TagRules};
use crate::yaml::{Node, Value};

/// What a registry has; one of them makes the file known.
pub(super) const FIELDS: [&str; 3] = ["images", "images-by-tag-regex", "images-by-semver"];

pub(super) fn map(file: &Node, notes: &mut Notes) -> Profile {
    let mut profile = Profile::default();
    for (registry, content) in file.entries() {
        for (field, node) in content.entries() {
            match field.as_str() {
                "images" => add_images(&mut profile, registry, node, notes),
                "images-by-tag-regex" => add_ruled(&mut profile, registry, node, notes, by_regex),
                "images-by-semver" => add_ruled(&mut profile, registry, node, notes, by_semver),
                "credentials" => notes.add(
                    node.line,
                    format_args!("{registry}: credentials; `sealift login {registry}` keeps them"),
                ),
                "tls-verify" if node.text() == Some("true") => {}
                "tls-verify" => notes.add(
                    node.line,
                    format_args!(
                        "{registry}: tls-verify; --ca-file trusts a certificate, --plain-http does without"
                    ),
                ),
                "cert-dir" => notes.add(
                    node.line,
                    format_args!(
                        "{registry}: cert-dir; --ca-file, --client-cert and --client-key name the files"
                    ),
                ),
                other => notes.add(node.line, format_args!("{registry}: {other}")),
            }
        }
    }
    profile
}

/// Without a tag all of them are meant.
fn add_images(profile: &mut Profile, registry: &str, images: &Node, notes: &mut Notes) {
    for (path, node) in images.entries() {
        let name = format!("{registry}/{path}");
        if node.items().is_empty() {
            let all = TagRules { glob: Pattern::new("*").into_iter().collect(), ..TagRules::default() };
            add_repository(profile, &name, all, node, notes);
            continue;
        }
        let mut named = Vec::new();
        for item in node.items() {
            match reference(&name, item) {
                Some(reference) => {
                    named.push(Name::new(reference, usize::try_from(item.line).unwrap_or_default()))
                }
                None => notes.add(
                    item.line,
                    format_args!("{name}: this is no tag and no digest; a number needs quotes"),
                ),
            }
        }
        if !named.is_empty() {
            profile.products.push(Product { images: named, ..Product::default() });
        }
    }
}

fn reference(name: &str, item: &Node) -> Option<Reference> {
    let Value::Text(text) = &item.value else { return None };
    let separator = if text.contains(':') { '@' } else { ':' };
    Reference::parse_familiar(&format!("{name}{separator}{text}")).ok()
}

fn add_ruled(
    profile: &mut Profile,
    registry: &str,
    images: &Node,
    notes: &mut Notes,
    rules: fn(&str) -> Option<TagRules>,
) {
    for (path, node) in images.entries() {
        let name = format!("{registry}/{path}");
        match node.text().and_then(rules) {
            Some(rules) => add_repository(profile, &name, rules, node, notes),
            None => notes.add(node.line, format_args!("{name}: this rule has no equal here")),
        }
    }
}

fn add_repository(profile: &mut Profile, name: &str, tags: TagRules, node: &Node, notes: &mut Notes) {
    match Source::parse(name) {
        Some(source) => profile.products.push(Product {
            repository: Some(source),
            tags: Some(tags),
            ..Product::default()
        }),
        None => notes.add(node.line, format_args!("{name}: this is no repository")),
    }
}

/// An expression of skopeo may fit any part of the tag.
fn by_regex(text: &str) -> Option<TagRules> {
    let regex = Pattern::<Regex>::new(&format!(".*(?:{text}).*")).ok()?;
    Some(TagRules { regex: vec![regex], ..TagRules::default() })
}

/// Ranges are those of the same grammar, but for `||`, blanks between comparisons, and a version alone, which is itself.
fn by_semver(text: &str) -> Option<TagRules> {
    let ranges: Option<Vec<Pattern<Range>>> = text.split("||").map(range).collect();
    Some(TagRules { semver: ranges?, ..TagRules::default() })
}

/// Reads the comparisons of one range; `None` where they mean something else here.
pub(super) fn range(text: &str) -> Option<Pattern<Range>> {
    let mut comparisons: Vec<String> = Vec::new();
    let mut operator = String::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        let version = word.trim_start_matches(['<', '>', '=', '^', '~', '!']);
        operator.push_str(&word[..word.len() - version.len()]);
        if version.is_empty() {
            continue;
        }
        let version = version.strip_prefix('v').unwrap_or(version);
        let is_open = version.contains(['*', 'x', 'X']);
        let sign = if operator.is_empty() && !is_open { "=" } else { operator.as_str() };
        comparisons.push(format!("{sign}{version}"));
        operator.clear();
    }
    // `1.2 - 1.4` leaves a sign without a version, or a version that is a sign.
    if !operator.is_empty() || comparisons.is_empty() {
        return None;
    }
    Pattern::new(&comparisons.join(", ")).ok()
}
