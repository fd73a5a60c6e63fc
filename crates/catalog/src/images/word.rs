//! What a word means that stands where an image is expected.

use sealift_oci::{Reference, ReferenceError};

use super::{Image, Unresolved};
use crate::image_list::shown;

/// What templates and variables begin with: Helm and Go, shells and Compose, Kubernetes.
const OPENINGS: [&str; 3] = ["{{", "${", "$("];

/// Reads what a container runtime, or Compose, would pull: without a tag it takes `latest`. `None` is no image at all.
pub(super) fn pulled(text: &str) -> Option<Image> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Some(match read(text) {
        Err(Unresolved::NoTag) => match read(&format!("{text}:latest")) {
            Ok(reference) => Image::Reference { reference, is_latest_implied: true },
            Err(reason) => unresolved(text, reason),
        },
        read => resolved(text, read),
    })
}

/// Reads what may be an image, going by the name of the field alone: words that are none are passed over.
pub(super) fn likely(text: &str) -> Option<Image> {
    let text = text.trim();
    match read(text) {
        Ok(reference) => Some(Image::Reference { reference, is_latest_implied: false }),
        Err(Unresolved::NoTag) if has_registry(text) => Some(unresolved(text, Unresolved::NoTag)),
        Err(Unresolved::Template) => Some(unresolved(text, Unresolved::Template)),
        Err(_) => None,
    }
}

/// Takes a reference that was put together, or the reason why it is none.
pub(super) fn resolved(text: &str, read: Result<Reference, Unresolved>) -> Image {
    match read {
        Ok(reference) => Image::Reference { reference, is_latest_implied: false },
        Err(reason) => unresolved(text, reason),
    }
}

/// Says why something is no image yet.
pub(super) fn unresolved(text: &str, reason: Unresolved) -> Image {
    Image::Unresolved { text: shown(text), reason }
}

/// Reads a reference.
pub(super) fn read(text: &str) -> Result<Reference, Unresolved> {
    if OPENINGS.iter().any(|opening| text.contains(opening)) {
        return Err(Unresolved::Template);
    }
    Reference::parse_familiar(text).map_err(|error| match error {
        ReferenceError::NoTag => Unresolved::NoTag,
        error => Unresolved::Malformed(error),
    })
}

fn has_registry(text: &str) -> bool {
    text.split_once('/').is_some_and(|(host, _)| host.contains('.') || host.contains(':'))
}

/// Tells whether a field is called like one that holds an image.
pub(super) fn is_image_field(name: &str) -> bool {
    name == "image" || name == "imageName" || name.ends_with("Image")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(image: Option<Image>) -> String {
        match image {
            None => "-".to_owned(),
            Some(Image::Reference { reference, is_latest_implied: false }) => reference.to_string(),
            Some(Image::Reference { reference, .. }) => format!("{reference} implied"),
            Some(Image::Unresolved { text, reason }) => format!("{text}: {reason:?}"),
        }
    }

    #[test]
    fn words_are_read_as_their_place_demands() {
        for (text, runtime, field) in [
            ("nginx:1", "docker.io/library/nginx:1", "docker.io/library/nginx:1"),
            (" quay.io/a/b:1 ", "quay.io/a/b:1", "quay.io/a/b:1"),
            ("nginx", "docker.io/library/nginx:latest implied", "-"),
            ("quay.io/a", "quay.io/a:latest implied", "quay.io/a: NoTag"),
            ("projects/x/images/y", "docker.io/projects/x/images/y:latest implied", "-"),
            ("", "-", "-"),
            ("https://x.y/z:1", "https://x.y/z:1: Malformed(Name(Registry))", "-"),
            ("a/{{ .x }}:1", "a/{{ .x }}:1: Template", "a/{{ .x }}:1: Template"),
            ("a:${TAG:-1}", "a:${TAG:-1}: Template", "a:${TAG:-1}: Template"),
            ("$(IMAGE)", "$(IMAGE): Template", "$(IMAGE): Template"),
        ] {
            assert_eq!(told(pulled(text)), runtime, "{text}");
            assert_eq!(told(likely(text)), field, "{text}");
        }
    }

    #[test]
    fn fields_are_known_by_their_names() {
        for name in ["image", "imageName", "sidecarImage"] {
            assert!(is_image_field(name), "{name}");
        }
        for name in ["images", "imagePullPolicy", "Imagery", "imageTag", "diskimage"] {
            assert!(!is_image_field(name), "{name}");
        }
    }
}
