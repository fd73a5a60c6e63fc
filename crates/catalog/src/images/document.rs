//! Documents of any kind: one walk over the values, which knows by names where images stand.
//!
//! Pod templates are found wherever they are, because `containers` says what it is in every kind that has some.

use super::word::{is_image_field, likely, pulled};
use super::{Certainty, FINDING_LIMIT, Finding, Image, arc, composed, kustomize};
use crate::yaml::{Node, Value, documents as read};

/// Where containers stand in a pod.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// The annotations of a chart that list its images: Artifact Hub's, and Bitnami's.
const ANNOTATIONS: [&str; 2] = ["artifacthub.io/images", "images"];

/// Finds the images of every document.
pub(super) fn find(documents: &[Node]) -> Vec<Finding> {
    let mut walk = Walk::default();
    for document in documents {
        match document.get("services").filter(|_| document.get("kind").is_none()) {
            Some(services) => walk.compose(services),
            None => walk.value(document, Context::Other),
        }
    }
    walk.findings
}

/// Finds the images that a chart lists of itself.
pub(super) fn annotations(documents: &[Node]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let annotations = documents.iter().filter_map(|it| it.get("annotations"));
    for (name, list) in annotations.flat_map(Node::entries) {
        let Some(text) = list.text().filter(|_| ANNOTATIONS.contains(&name.as_str())) else { continue };
        let listed = read::<Node>(text).unwrap_or_default();
        for entry in listed.iter().flat_map(Node::items).filter_map(|it| it.get("image")) {
            let Some(image) = entry.text().and_then(pulled) else { continue };
            let line = list.line + entry.line.saturating_sub(1);
            findings.push(Finding {
                line,
                place: format!("annotations.{name}"),
                image,
                certainty: Certainty::Certain,
            });
        }
    }
    findings
}

/// What the values stand in that are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Container,
    Volume,
    Other,
}

#[derive(Default)]
struct Walk {
    /// The object that is walked: `Deployment/web`.
    object: String,
    /// The way to the value, below the object.
    path: Vec<String>,
    findings: Vec<Finding>,
}

impl Walk {
    fn value(&mut self, node: &Node, context: Context) {
        if self.findings.len() >= FINDING_LIMIT {
            return;
        }
        match &node.value {
            Value::Map(_) => self.map(node, context),
            Value::List(items) => self.list(items, Context::Other),
            _ => {}
        }
    }

    fn list(&mut self, items: &[Node], context: Context) {
        for (index, item) in items.iter().enumerate() {
            self.below(format!("[{index}]"), |walk| walk.value(item, context));
        }
    }

    fn map(&mut self, map: &Node, context: Context) {
        let Some((object, is_definition)) = object(map) else { return self.entries(map, context) };
        // The schema in a definition speaks of fields, and names no image.
        if is_definition {
            return;
        }
        let outside = (std::mem::replace(&mut self.object, object), std::mem::take(&mut self.path));
        self.entries(map, context);
        (self.object, self.path) = outside;
    }

    fn entries(&mut self, map: &Node, context: Context) {
        for (name, value) in map.entries() {
            let part = format!(".{name}");
            self.below(part, |walk| walk.entry(name, value, context));
        }
    }

    fn entry(&mut self, name: &str, value: &Node, context: Context) {
        match (name, &value.value) {
            (name, Value::List(items)) if CONTAINERS.contains(&name) => self.list(items, Context::Container),
            ("volumes", Value::List(items)) => self.list(items, Context::Volume),
            ("image", Value::Map(_)) if context == Context::Volume => self.volume(value),
            ("image", Value::Text(text)) if context == Context::Container => {
                self.add(value, pulled(text), Certainty::Certain);
            }
            ("args" | "command", Value::List(items)) if context == Context::Container => {
                self.arguments(items)
            }
            ("env", Value::List(items)) if context == Context::Container => self.variables(items),
            ("images", Value::List(items)) => self.images(items),
            ("docker", Value::Map(_)) => self.docker(value),
            (name, Value::Text(text)) if is_image_field(name) => {
                self.add(value, likely(text), Certainty::Likely);
            }
            (name, Value::Map(_)) => match composed::image(value, is_image_field(name)) {
                Some(image) => self.add(value, Some(image), Certainty::Likely),
                None => self.value(value, Context::Other),
            },
            _ => self.value(value, Context::Other),
        }
    }

    /// An image volume of a pod: `volumes[].image.reference`.
    fn volume(&mut self, image: &Node) {
        if let Some(reference) = image.get("reference") {
            self.below(".reference".to_owned(), |walk| {
                walk.add(reference, reference.text().and_then(pulled), Certainty::Certain);
            });
        }
    }

    /// Operators are told by arguments which images they start: `--sidecar-image=REF`, or `-image REF`.
    fn arguments(&mut self, arguments: &[Node]) {
        let mut is_next = false;
        for (index, argument) in arguments.iter().enumerate() {
            let text = argument.text().unwrap_or_default();
            let named = text.split_once('=').filter(|(name, _)| is_flag(name)).map(|(_, value)| value);
            let value = named.or_else(|| is_next.then_some(text));
            is_next = is_flag(text) && !text.contains('=');
            if let Some(image) = value.and_then(likely) {
                self.below(format!("[{index}]"), |walk| walk.add(argument, Some(image), Certainty::Likely));
            }
        }
    }

    /// And by variables: `RELATED_IMAGE_WEB`.
    fn variables(&mut self, variables: &[Node]) {
        for (index, variable) in variables.iter().enumerate() {
            let name = variable.get("name").and_then(Node::text).unwrap_or_default();
            let Some(value) = variable.get("value") else { continue };
            if name.to_ascii_lowercase().contains("image") {
                let image = value.text().and_then(likely);
                self.below(format!("[{index}].value"), |walk| walk.add(value, image, Certainty::Likely));
            }
        }
    }

    /// A list called `images`: Kustomize's, or references one by one.
    fn images(&mut self, entries: &[Node]) {
        for (index, entry) in entries.iter().enumerate() {
            self.below(format!("[{index}]"), |walk| match kustomize::image(entry) {
                Some(image) => walk.add(entry, Some(image), Certainty::Certain),
                None => match entry.text() {
                    Some(text) => walk.add(entry, likely(text), Certainty::Likely),
                    None => walk.value(entry, Context::Other),
                },
            });
        }
    }

    fn docker(&mut self, docker: &Node) {
        for image in arc::images(docker) {
            self.add(docker, Some(image), Certainty::Certain);
        }
    }

    /// The services of a Compose file. What is built there has a name, but need not be anywhere.
    fn compose(&mut self, services: &Node) {
        self.object.clear();
        for (name, service) in services.entries() {
            let Some(image) = service.get("image") else { continue };
            let is_built = service.get("build").is_some();
            let certainty = if is_built { Certainty::Likely } else { Certainty::Certain };
            self.below(format!("services.{name}.image"), |walk| {
                walk.add(image, image.text().and_then(pulled), certainty);
            });
        }
    }

    fn below(&mut self, part: String, visit: impl FnOnce(&mut Self)) {
        self.path.push(part);
        visit(self);
        self.path.pop();
    }

    fn add(&mut self, node: &Node, image: Option<Image>, certainty: Certainty) {
        let Some(image) = image else { return };
        let path = self.path.concat();
        let path = path.strip_prefix('.').unwrap_or(&path);
        let place = format!("{} {path}", self.object);
        self.findings.push(Finding { line: node.line, place: place.trim().to_owned(), image, certainty });
    }
}

/// Names an object of Kubernetes, and tells whether it defines a kind.
fn object(map: &Node) -> Option<(String, bool)> {
    let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    let kind = text(map.get("kind"))?;
    text(map.get("apiVersion"))?;
    let is_definition = kind == "CustomResourceDefinition";
    let name = map.get("metadata").and_then(|it| text(it.get("name")));
    // A list has no name, and its items have theirs.
    Some((name.map_or(kind.clone(), |name| format!("{kind}/{name}")), is_definition))
}

fn is_flag(text: &str) -> bool {
    text.starts_with('-') && text.to_ascii_lowercase().contains("image")
}
