//! What the documents share: who wrote them, the two ends, why something failed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ends::{Ends, SourceEnd, TargetEnd};
use crate::errors::{CommandError, machine_hint, plainly, told_causes};
use crate::output::failures;
use crate::settings::PlaceSettings;

/// The version of sealift that writes.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One end of a transfer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged, rename_all = "camelCase")]
pub(in crate::output) enum Place {
    /// A place in a registry.
    Registry {
        /// The registry's address.
        registry: String,
        /// The repository below which the images are.
        repository: String,
    },
    /// A bundle.
    Bundle {
        /// Its path.
        bundle: String,
    },
    /// The directory of a registry.
    Directory {
        /// Its path.
        directory: String,
    },
}

/// One reason why images failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Failure {
    /// What kind of error it is.
    pub(in crate::output) kind: String,
    /// On which side: `source` or `target`.
    pub(in crate::output) side: Option<String>,
    /// Where: a registry's address.
    pub(in crate::output) place: Option<String>,
    /// What was being done.
    pub(in crate::output) operation: Option<String>,
    /// What went wrong, of the first image.
    pub(in crate::output) message: String,
    /// What that comes from, nearest first.
    pub(in crate::output) causes: Vec<String>,
    /// What to do next.
    pub(in crate::output) hint: String,
    /// The images that failed for this reason: their repositories and tags at the source.
    pub(in crate::output) images: Vec<String>,
}

impl Place {
    /// A list of images has no one source.
    pub(super) fn of_source(ends: &Ends) -> Option<Self> {
        match &ends.source {
            SourceEnd::Place(place) => Some(Self::of(place)),
            SourceEnd::List(_) | SourceEnd::Repair(_) => None,
            SourceEnd::Bundle(path) => Some(Self::Bundle { bundle: path.clone() }),
        }
    }

    pub(super) fn of_target(ends: &Ends) -> Self {
        match &ends.target {
            TargetEnd::Place(place) => Self::of(place),
            TargetEnd::Bundle(path) => Self::Bundle { bundle: path.clone() },
            TargetEnd::Directory(path) => Self::Directory { directory: path.clone() },
        }
    }

    pub(super) fn of(settings: &PlaceSettings) -> Self {
        let PlaceSettings { registry, repository, .. } = settings;
        Self::Registry { registry: registry.to_string(), repository: repository.to_string() }
    }
}

impl Failure {
    pub(super) fn of(ends: &Ends, failure: &failures::Failure<'_>) -> Self {
        let images = failure.images.iter().map(|image| ends.names.of(image)).collect();
        let message = plainly(&failure.message).into_owned();
        Self { images, message, ..Self::of_error(&failure.error, &failure.hint) }
    }

    fn of_error(error: &sealift_store::Error, hint: &str) -> Self {
        Self {
            kind: kebab(&format!("{:?}", error.kind())),
            side: error.side().map(|side| side.to_string()),
            place: error.place().map(str::to_owned),
            operation: Some(kebab(&format!("{:?}", error.operation()))),
            message: plainly(&error.to_string()).into_owned(),
            causes: told_causes(error),
            hint: hint.to_owned(),
            images: Vec::new(),
        }
    }

    pub(super) fn of_command(error: &CommandError) -> Self {
        let plain = |kind: &str, message: &str, causes: Vec<String>, hint: &str| Self {
            kind: kind.to_owned(),
            side: None,
            place: None,
            operation: None,
            message: plainly(message).into_owned(),
            causes,
            hint: hint.to_owned(),
            images: Vec::new(),
        };
        match error {
            CommandError::Place(error, advice) => Self::of_error(error, &advice.hint),
            CommandError::Bundle(error, advice) => {
                plain("bundle", &error.to_string(), told_causes(error), &advice.hint)
            }
            CommandError::Usage { message, hint } => plain("usage", message, Vec::new(), hint),
            CommandError::Refused { message, hint } => plain("refused", message, Vec::new(), hint),
            CommandError::Missing { message, hint } => plain("not-found", message, Vec::new(), hint),
            CommandError::Interrupted => plain("interrupted", "interrupted", Vec::new(), "Run again."),
            CommandError::Machine(what, error) => {
                plain("io", what, vec![plainly(&error.to_string()).into_owned()], machine_hint(error))
            }
        }
    }
}

/// Writes a time in whole milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Writes `NotFound` as `not-found`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_with_hyphens() {
        assert_eq!(kebab("NotFound"), "not-found");
        assert_eq!(kebab("Io"), "io");
    }
}
