//! Failures for people: what fails many images for one reason is told once.

use std::sync::Arc;

use sealift_mirror::ImageRequest;
use sealift_oci::ManifestRef;
use sealift_store::{Error, ErrorKind};

use crate::ends::Ends;
use crate::errors::{CommandError, causes};
use crate::output::table::wrap;
use crate::output::units::count;
use crate::ui::Ui;

/// How wide lines on stderr may be.
const WIDTH: usize = 100;

/// One reason, and the images that failed for it.
#[derive(Clone, Debug)]
pub(crate) struct Failure<'a> {
    /// The error of the first of them.
    pub(crate) error: Arc<Error>,
    /// The images.
    pub(crate) images: Vec<&'a ImageRequest>,
    /// What to do next.
    pub(crate) hint: String,
}

/// Puts images together that failed for the same reason.
pub(crate) fn gather<'a>(
    ends: &Ends,
    failures: impl IntoIterator<Item = (&'a ImageRequest, &'a Arc<Error>)>,
) -> Vec<Failure<'a>> {
    let mut gathered: Vec<(String, Failure<'a>)> = Vec::new();
    for (image, error) in failures {
        let reason = reason(image, error);
        match gathered.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, failure)) => failure.images.push(image),
            None => {
                let hint = ends.advice(error).hint;
                gathered.push((reason, Failure { error: Arc::clone(error), images: vec![image], hint }));
            }
        }
    }
    gathered.into_iter().map(|(_, failure)| failure).collect()
}

/// Writes an error without the words that differ from image to image.
fn reason(image: &ImageRequest, error: &Error) -> String {
    let text = std::iter::once(error.to_string()).chain(causes(error)).collect::<Vec<_>>().join("\n");
    let text = text.replace(image.source.as_str(), "*").replace(image.target.as_str(), "*");
    // Errors of a list's registries speak of the repository there, which the alias has behind the host.
    let inner = image.source.as_str().split_once('/').map_or("", |(_, inner)| inner);
    let text = text.replace(&format!(" {inner}:"), " *:").replace(&format!(" {inner}@"), " *@");
    let text = format!("{:?} {text}", error.side());
    if is_about_the_place(error.kind()) { without_reference(&text, image) } else { text }
}

/// Tells whether an error would be the same with any other object.
fn is_about_the_place(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable
            | ErrorKind::Unauthenticated
            | ErrorKind::Denied
            | ErrorKind::Busy
            | ErrorKind::NoSpace
            | ErrorKind::ReadOnly
    )
}

fn without_reference(text: &str, image: &ImageRequest) -> String {
    let text = match &image.reference {
        ManifestRef::Tag(tag) => &text.replace(&format!("*:{tag}"), "*"),
        ManifestRef::Digest(_) => text,
    };
    let mut parts = text.split("sha256:");
    let mut cut = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        cut.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    cut
}

/// Tells every reason with what it comes from, where, for which images, and what to do next.
pub(crate) fn tell(ui: &Ui, failures: &[Failure<'_>]) {
    for failure in failures {
        place_error(ui, &failure.error, &failure.images, &failure.hint);
    }
}

fn place_error(ui: &Ui, error: &Error, images: &[&ImageRequest], hint: &str) {
    ui.error(error);
    for cause in causes(error) {
        ui.note(format_args!("Caused by: {cause}"));
    }
    let side = error.side().map(|side| format!("At the {side}, for")).unwrap_or_else(|| "For".to_owned());
    if !images.is_empty() {
        let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
        ui.note(
            wrap(&format!("{side} {}:", count(images.len(), "image")), &names, WIDTH).replace('\n', "\n  "),
        );
    }
    ui.note(format_args!("Hint: {hint}"));
}

impl Ui {
    /// Tells why a command could not do its work.
    pub(crate) fn command_error(&self, error: &CommandError) {
        match error {
            CommandError::Usage { .. } | CommandError::Refused { .. } => self.usage(error),
            CommandError::Place(error, advice) => place_error(self, error, &[], &advice.hint),
            CommandError::Interrupted => self.error("interrupted; nothing was changed"),
            CommandError::Machine(what, error) => {
                self.error(what);
                self.note(format_args!("Caused by: {error}"));
            }
        }
    }

    /// Tells what is wrong with an answer, or which limit is reached.
    pub(crate) fn usage(&self, error: &CommandError) {
        if let CommandError::Usage { message, hint } | CommandError::Refused { message, hint } = error {
            self.error(message);
            self.note(format_args!("Hint: {hint}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ends::{SourceEnd, SourceNames};
    use crate::identity::Identity;
    use crate::settings::PlaceSettings;
    use sealift_oci::Digest;
    use sealift_store::{Operation, Side};

    fn image(name: &str) -> ImageRequest {
        ImageRequest {
            name: name.to_owned(),
            source: format!("arcdata/{name}").parse().unwrap(),
            reference: "v1".parse().unwrap(),
            target: format!("site/{name}").parse().unwrap(),
            tag: None,
            optional: false,
            gate: false,
        }
    }

    fn error(kind: ErrorKind, image: &ImageRequest, content: &[u8]) -> Arc<Error> {
        let object = format!("{}@{}", image.source, Digest::sha256(content));
        Arc::new(Error::new(kind, Operation::FetchBlob).at("reg").object(object).on(Side::Source))
    }

    #[test]
    fn one_reason_is_told_once() {
        let place = |registry: &str| PlaceSettings {
            registry: registry.parse().unwrap(),
            repository: "a".parse().unwrap(),
            identity: Identity::default(),
        };
        let ends = Ends {
            source: SourceEnd::Place(place("reg")),
            names: SourceNames::default(),
            target: place("ship.lan"),
        };
        let (a, b) = (image("a"), image("b"));
        for (kind, reasons) in [(ErrorKind::Unavailable, 1), (ErrorKind::Mismatch, 2)] {
            let errors = [error(kind, &a, b"x"), error(kind, &b, b"y")];
            let gathered = gather(&ends, [(&a, &errors[0]), (&b, &errors[1])]);
            assert_eq!(gathered.len(), reasons, "{kind:?}");
        }
    }
}
