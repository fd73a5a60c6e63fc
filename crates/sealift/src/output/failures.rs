//! Failures for people: what fails many images for one reason is told once.

use std::sync::Arc;

use sealift_mirror::ImageRequest;
use sealift_oci::ManifestRef;
use sealift_store::{Error, ErrorKind, Operation, Side};

use crate::ends::{Ends, SourceEnd};
use crate::errors::{CommandError, causes, machine_hint, told_causes};
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
    /// That error in words, with the names that the source has.
    pub(crate) message: String,
    /// The images.
    pub(crate) images: Vec<&'a ImageRequest>,
    /// What the images are called on the side that failed, where the error does not tell which it means.
    references: Option<Vec<String>>,
    /// What to do next.
    pub(crate) hint: String,
}

/// Puts images together that failed for the same reason.
pub(crate) fn gather<'a, 'e>(
    ends: &Ends,
    failures: impl IntoIterator<Item = (&'a ImageRequest, &'e Arc<Error>)>,
) -> Vec<Failure<'a>> {
    let mut gathered: Vec<(String, Failure<'a>)> = Vec::new();
    for (image, error) in failures {
        let reason = reason(image, error);
        match gathered.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, failure)) => failure.images.push(image),
            None => {
                let hint = ends.advice(error).hint;
                let message = ends.names.plain(error, error.to_string());
                let (error, images) = (Arc::clone(error), vec![image]);
                gathered.push((reason, Failure { error, message, images, references: None, hint }));
            }
        }
    }
    gathered.into_iter().map(|(_, failure)| failure.referring(ends)).collect()
}

/// Puts the images together that the source lacks, for documents: on a terminal they are a list of their own,
/// with that `hint`.
pub(crate) fn lacking<'a>(
    ends: &Ends,
    images: impl IntoIterator<Item = &'a ImageRequest>,
    hint: Option<&str>,
) -> Vec<Failure<'a>> {
    let lacking = |image: &'a ImageRequest| {
        let name = ends.names.of(image);
        // What a list names begins with its registry.
        let (place, object) = match (&ends.source, name.split_once('/')) {
            (SourceEnd::List(_) | SourceEnd::Repair(_), Some((registry, object))) => {
                (registry.to_owned(), object)
            }
            _ => (ends.source.registries(), name.as_str()),
        };
        let error = Error::new(ErrorKind::NotFound, Operation::Resolve).at(place).object(object);
        (image, Arc::new(error.on(Side::Source)))
    };
    let lacking: Vec<(&ImageRequest, Arc<Error>)> = images.into_iter().map(lacking).collect();
    let mut gathered = gather(ends, lacking.iter().map(|(image, error)| (*image, error)));
    for failure in &mut gathered {
        failure.hint = hint.map_or_else(|| std::mem::take(&mut failure.hint), str::to_owned);
    }
    gathered
}

impl Failure<'_> {
    /// Adds what the images are called, where that is not clear: where the error of one object, a blob that
    /// they share, stands for several, and where several images have one name.
    fn referring(mut self, ends: &Ends) -> Self {
        let mut names: Vec<&str> = self.images.iter().map(|image| image.name.as_str()).collect();
        names.sort_unstable();
        let repeats = names.windows(2).any(|pair| pair[0] == pair[1]);
        let is_of_one = names.len() > 1 && !is_about_the_place(self.error.kind());
        if repeats || is_of_one {
            let name = |image: &&ImageRequest| match self.error.side() {
                Some(Side::Target) => image.target_name(),
                _ => ends.names.of(image),
            };
            self.references = Some(self.images.iter().map(name).collect());
        }
        self
    }

    fn names(&self) -> Vec<&str> {
        match &self.references {
            Some(references) => references.iter().map(String::as_str).collect(),
            None => self.images.iter().map(|image| image.name.as_str()).collect(),
        }
    }
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
        place_error(ui, &failure.error, &failure.message, &failure.names(), &failure.hint);
    }
}

fn place_error(ui: &Ui, error: &Error, message: &str, images: &[&str], hint: &str) {
    ui.error(message);
    for cause in told_causes(error) {
        ui.note(format_args!("Caused by: {cause}"));
    }
    let side = error.side().map(|side| format!("At the {side}, for")).unwrap_or_else(|| "For".to_owned());
    if !images.is_empty() {
        let head = format!("{side} {}:", count(images.len(), "image"));
        ui.note(wrap(&head, images, WIDTH).replace('\n', "\n  "));
    }
    ui.note(format_args!("Hint: {hint}"));
}

impl Ui {
    /// Tells why a command could not do its work.
    pub(crate) fn command_error(&self, error: &CommandError) {
        match error {
            CommandError::Usage { .. } | CommandError::Refused { .. } | CommandError::Missing { .. } => {
                self.usage(error);
            }
            CommandError::Place(error, advice) => {
                place_error(self, error, &error.to_string(), &[], &advice.hint);
            }
            CommandError::Bundle(error, advice) => {
                self.error(error);
                self.note(format_args!("Hint: {}", advice.hint));
            }
            CommandError::Interrupted => self.error("interrupted; nothing was changed"),
            CommandError::Machine(what, error) => {
                self.error(what);
                self.note(format_args!("Caused by: {error}"));
                self.note(format_args!("Hint: {}", machine_hint(error)));
            }
        }
    }

    /// Tells what is wrong with an answer, or which limit is reached.
    pub(crate) fn usage(&self, error: &CommandError) {
        if let CommandError::Usage { message, hint }
        | CommandError::Refused { message, hint }
        | CommandError::Missing { message, hint } = error
        {
            self.error(message);
            self.note(format_args!("Hint: {hint}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ends::{SourceEnd, SourceNames, TargetEnd};
    use crate::identity::Identity;
    use crate::settings::PlaceSettings;
    use sealift_oci::Digest;

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

    fn ends() -> Ends {
        let place = |registry: &str| PlaceSettings {
            registry: registry.parse().unwrap(),
            repository: "a".parse().unwrap(),
            identity: Identity::default(),
        };
        Ends {
            source: SourceEnd::Place(place("reg")),
            names: SourceNames::default(),
            target: TargetEnd::Place(place("ship.lan")),
        }
    }

    #[test]
    fn one_reason_is_told_once() {
        let (ends, a, b) = (ends(), image("a"), image("b"));
        for (kind, reasons) in [(ErrorKind::Unavailable, 1), (ErrorKind::Mismatch, 2)] {
            let errors = [error(kind, &a, b"x"), error(kind, &b, b"y")];
            let gathered = gather(&ends, [(&a, &errors[0]), (&b, &errors[1])]);
            assert_eq!(gathered.len(), reasons, "{kind:?}");
            assert!(gathered.iter().all(|failure| failure.references.is_none()), "{kind:?}");
        }
    }

    /// What is told of a blob that images share names the repository of one of them.
    #[test]
    fn of_a_shared_blob_every_image_is_named_by_its_own_reference() {
        let (ends, a, b) = (ends(), image("a"), image("b"));
        for (side, names) in
            [(Side::Source, ["arcdata/a:v1", "arcdata/b:v1"]), (Side::Target, ["site/a:v1", "site/b:v1"])]
        {
            let error = |image: &ImageRequest| {
                let object = format!("{}@{}", image.source, Digest::sha256(b"shared"));
                Arc::new(Error::new(ErrorKind::Mismatch, Operation::FetchBlob).object(object).on(side))
            };
            let errors = [error(&a), error(&b)];
            let gathered = gather(&ends, [(&a, &errors[0]), (&b, &errors[1])]);
            assert_eq!(gathered.len(), 1);
            assert_eq!(gathered[0].names(), names);
        }
        // Of two releases of one image the name alone says nothing.
        let (old, new) = (image("a"), ImageRequest { reference: "v2".parse().unwrap(), ..image("a") });
        let errors = [error(ErrorKind::Busy, &old, b"x"), error(ErrorKind::Busy, &new, b"y")];
        let gathered = gather(&ends, [(&old, &errors[0]), (&new, &errors[1])]);
        assert_eq!(gathered[0].names(), ["arcdata/a:v1", "arcdata/a:v2"]);
    }
}
