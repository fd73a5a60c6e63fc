//! The YAML of regsync: steps that bring an image or a repository to a place of its own.

use sealift_oci::{Platform, Reference, Registry, RepositoryName};

use super::foreign::Notes;
use super::pattern::{Pattern, Regex};
use super::{Name, Product, Profile, Source, TagRules, Without, skopeo};
use crate::yaml::Node;

pub(super) fn map(file: &Node, notes: &mut Notes) -> Profile {
    let mut profile = Profile::default();
    for (field, node) in file.entries() {
        match field.as_str() {
            "version" | "sync" => {}
            "creds" => notes.add(
                node.line,
                "creds; `sealift login` keeps credentials, --plain-http and --ca-file say how to connect",
            ),
            "defaults" => {
                node.entries()
                    .iter()
                    .for_each(|(name, node)| notes.add(node.line, format_args!("defaults: {name}")));
            }
            own if own.starts_with("x-") => {}
            other => notes.add(node.line, other),
        }
    }
    let steps = file.get("sync").map_or(&[][..], Node::items);
    let read: Vec<Step> = steps.iter().filter_map(|step| Step::read(step, notes)).collect();
    settle_platform(&mut profile, &read, notes);
    settle_target(&mut profile, read, notes);
    profile
}

/// One step that maps.
struct Step {
    line: u64,
    product: Product,
    platform: Option<String>,
    /// The registry, and the path there.
    target: Option<(Registry, RepositoryName)>,
}

impl Step {
    fn read(step: &Node, notes: &mut Notes) -> Option<Self> {
        let text = |name: &str| step.get(name).and_then(Node::text);
        let source = text("source").unwrap_or_default();
        if [source, text("target").unwrap_or_default()].iter().any(|text| text.contains("{{")) {
            notes.add(step.line, format_args!("{source}: templates are not filled in; write the name out"));
            return None;
        }
        let product = match text("type") {
            Some("image") => image(source, step),
            Some("repository") => repository(source, step, notes),
            Some("registry") => {
                notes.add(step.line, format_args!("{source}: type registry; name its repositories"));
                return None;
            }
            _ => None,
        };
        let Some(product) = product else {
            notes.add(step.line, format_args!("{source}: this step cannot be read"));
            return None;
        };
        for (field, node) in step.entries() {
            let is_known = ["source", "target", "type", "tags", "platform"].contains(&field.as_str());
            if !is_known {
                notes.add(node.line, format_args!("{source}: {field}"));
            }
        }
        let target = text("target").and_then(|target| place(target, &product));
        if target.is_none() {
            notes.add(step.line, format_args!("{source}: where it goes; it keeps its path, and a tag of its own at the target is for --target-tag"));
        }
        Some(Self { line: step.line, product, platform: text("platform").map(str::to_owned), target })
    }
}

/// Without a tag `latest` is meant.
fn image(source: &str, step: &Node) -> Option<Product> {
    let reference = Reference::parse_familiar(source)
        .ok()
        .or_else(|| Reference::parse_familiar(&format!("{source}:latest")).ok())?;
    let name = Name::new(reference, usize::try_from(step.line).unwrap_or_default());
    Some(Product { images: vec![name], ..Product::default() })
}

fn repository(source: &str, step: &Node, notes: &mut Notes) -> Option<Product> {
    let mut rules = TagRules::default();
    let mut without = Without::default();
    for (field, node) in step.get("tags").map_or(&[][..], Node::entries) {
        for item in node.items() {
            let text = item.text().unwrap_or_default();
            let regex = || Pattern::<Regex>::new(text);
            let is_mapped = match field.as_str() {
                "allow" => regex().map(|it| rules.regex.push(it)).is_ok(),
                "deny" => regex().map(|it| without.regex.push(it)).is_ok(),
                "semverRange" => {
                    let ranges: Option<Vec<_>> = text.split("||").map(skopeo::range).collect();
                    ranges.map(|it| rules.semver.extend(it)).is_some()
                }
                _ => false,
            };
            if !is_mapped {
                notes.add(item.line, format_args!("{source}: tags: {field}: `{text}` has no equal here"));
                // Without a rule that narrows, far more would come than was asked for.
                return None;
            }
        }
    }
    if rules.is_open() {
        rules.glob.extend(Pattern::new("*"));
    }
    let rules = TagRules { without, ..rules };
    Some(Product { repository: Some(Source::parse(source)?), tags: Some(rules), ..Product::default() })
}

/// Reads where a step goes; `None` where an image gets another tag there.
fn place(target: &str, product: &Product) -> Option<(Registry, RepositoryName)> {
    let Some(name) = product.images.first() else {
        return Source::parse(target).map(|it| (it.registry, it.repository));
    };
    let target = Reference::parse_familiar(target)
        .or_else(|_| Reference::parse_familiar(&format!("{target}:latest")))
        .ok()?;
    (target.tag == name.reference.tag).then_some((target.registry, target.repository))
}

fn settle_platform(profile: &mut Profile, steps: &[Step], notes: &mut Notes) {
    let Some(first) = steps.first() else { return };
    let platform = first.platform.as_deref().and_then(|it| it.parse::<Platform>().ok());
    if steps.iter().all(|step| step.platform == first.platform) && platform.is_some() {
        profile.platform = platform;
        return;
    }
    for step in steps.iter().filter(|step| step.platform.is_some()) {
        notes.add(
            step.line,
            "platform; a profile has one for all of its products, and all platforms are taken",
        );
    }
}

/// A run has one target: the registry and the first part of the path that all steps have in common. Else each image keeps its
/// path, and where it goes is for the flags to say.
fn settle_target(profile: &mut Profile, steps: Vec<Step>, notes: &mut Notes) {
    let first = steps.iter().find_map(common);
    let is_one =
        first.is_some() && steps.iter().filter(|it| it.target.is_some()).all(|step| common(step) == first);
    if let (true, Some((registry, top))) = (is_one, first) {
        profile.target.registry = Some(registry);
        profile.target.repository = Some(top);
    } else if let Some(step) = steps.first() {
        notes.add(step.line, "the targets are not below one repository of one registry; --target-registry and --target-repository say where all go");
    }
    for Step { mut product, target, .. } in steps {
        if let (true, Some((_, path))) = (is_one, &target) {
            product.target = path.as_str().split_once('/').and_then(|(_, rest)| rest.parse().ok());
        }
        profile.products.push(product);
    }
}

fn common(step: &Step) -> Option<(Registry, RepositoryName)> {
    let (registry, path) = step.target.as_ref()?;
    let (top, _) = path.as_str().split_once('/')?;
    Some((registry.clone(), top.parse().ok()?))
}
