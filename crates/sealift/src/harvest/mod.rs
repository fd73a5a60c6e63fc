//! Gathering the images that files refer to: walking directories, opening charts, running helm.
//!
//! What a file says is read by [`sealift_catalog::images`]. Here files are found and opened, within bounds: links are
//! not followed, and a directory that is larger than any set of manifests is refused, not read in part.

mod chart;
mod helm;
mod walk;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sealift_catalog::images::{Finding, Found, Image, Role, Unreadable, Unresolved, find};
use sealift_catalog::yaml::TEXT_LIMIT;
use sealift_oci::Reference;

use crate::environment::Environment;
use crate::errors::CommandError;
use crate::output::units::count;
use helm::Helm;
use walk::Item;

type Result<T> = std::result::Result<T, CommandError>;

/// What stands for standard input.
const STDIN: &str = "-";

/// What was found in all files.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    /// The images, each with every place that names it.
    pub(crate) images: BTreeMap<Reference, Vec<Place>>,
    /// What is no image yet, in the order in which it was found.
    pub(crate) unresolved: Vec<(String, Unresolved, Place)>,
    /// Files that cannot be read, and why.
    pub(crate) unread: Vec<(String, String)>,
    /// What to know of how it was found.
    pub(crate) notes: Vec<String>,
    /// How many files were read.
    pub(crate) files: usize,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: String,
    /// The line, and where in the document.
    pub(crate) line: u64,
    pub(crate) place: String,
    /// Whether the format says that this is an image.
    pub(crate) is_certain: bool,
    /// Whether no tag is written, and `latest` is meant.
    pub(crate) is_latest_implied: bool,
}

/// How charts are looked at.
#[derive(Debug)]
pub(crate) struct Charts<'a> {
    /// Values for them.
    pub(crate) values: &'a [PathBuf],
    /// Whether helm may be run.
    pub(crate) may_run_helm: bool,
}

/// Gathers what all places refer to.
pub(crate) async fn gather(
    places: &[PathBuf],
    charts: &Charts<'_>,
    environment: &mut Environment,
) -> Result<Harvest> {
    let helm = charts.may_run_helm.then(|| Helm::find(&environment.variables)).flatten();
    let mut harvest = Harvest::default();
    for place in places {
        if place == Path::new(STDIN) {
            harvest.standard_input(environment)?;
            continue;
        }
        let walked = walk::walk(place).map_err(|reason| refuse(place, &reason))?;
        if walked.links > 0 {
            let were = if walked.links == 1 { "was" } else { "were" };
            harvest
                .note(place, &format_args!("{} {were} not followed", count(walked.links, "symbolic link")));
        }
        for item in walked.items {
            match item {
                Item::File(path) => harvest.file(&path),
                Item::Chart(path) => harvest.chart(&path, charts, helm.as_ref()).await,
            }
        }
    }
    Ok(harvest)
}

fn refuse(place: &Path, reason: &dyn Display) -> CommandError {
    CommandError::usage(
        format_args!("{}: {reason}", place.display()),
        "Name a file, a directory or a packaged chart; - reads standard input.",
    )
}

impl Harvest {
    fn standard_input(&mut self, environment: &mut Environment) -> Result<()> {
        if environment.stdin_is_terminal {
            return Err(refuse(Path::new(STDIN), &"it reads from a pipe, and standard input is a terminal"));
        }
        let bytes = bounded(&mut environment.stdin).map_err(|error| refuse(Path::new(STDIN), &error))?;
        self.bytes("standard input", Role::Documents, &bytes);
        Ok(())
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match File::open(path).and_then(bounded) {
            Ok(bytes) => self.bytes(&name, Role::Documents, &bytes),
            Err(error) => self.unread.push((name, error.to_string())),
        }
    }

    fn bytes(&mut self, name: &str, role: Role, bytes: &[u8]) {
        self.files += 1;
        match find(role, bytes) {
            Ok(found) => self.add(name, role, found),
            Err(reason) => self.unread.push((name.to_owned(), told(&reason))),
        }
    }

    fn add(&mut self, file: &str, role: Role, found: Found) {
        if found.by_lines && role == Role::Documents {
            self.notes
                .push(format!("{file}: it is a template, so only lines that name an image were looked at"));
        }
        for Finding { line, place, image, certainty } in found.findings {
            let is_certain = certainty == sealift_catalog::images::Certainty::Certain;
            let place = Place { file: file.to_owned(), line, place, is_certain, is_latest_implied: false };
            match image {
                Image::Reference { reference, is_latest_implied } => {
                    let place = Place { is_latest_implied, ..place };
                    self.images.entry(reference).or_default().push(place);
                }
                Image::Unresolved { text, reason } => self.unresolved.push((text, reason, place)),
            }
        }
    }

    /// A chart says what it has in annotations, and the rest is what it renders to; without helm it is what its values
    /// and templates say.
    async fn chart(&mut self, path: &Path, charts: &Charts<'_>, helm: Option<&Helm>) {
        let name = path.display().to_string();
        let files = match chart::files(path) {
            Ok(files) => files,
            Err(error) => return self.unread.push((name, error.to_string())),
        };
        let rendered = match helm {
            Some(helm) => helm.template(path, charts.values).await,
            None if charts.may_run_helm => Err("helm is not on PATH".to_owned()),
            None => Err("helm is not to be run".to_owned()),
        };
        let is_rendered = rendered.is_ok();
        match rendered {
            Ok(text) => self.bytes(&format!("{name} (helm template)"), Role::Documents, &text),
            Err(reason) => {
                self.note(path, &format_args!(
                    "{reason}: images are looked for in its values and templates; names that templates put together \
                     cannot be resolved"
                ));
                for values in charts.values {
                    self.values(values);
                }
            }
        }
        for (inner, role, bytes) in files {
            if !is_rendered || matches!(role, Role::Chart | Role::Documents) {
                self.bytes(&format!("{name}/{inner}"), role, &bytes);
            }
        }
    }

    fn values(&mut self, path: &Path) {
        let name = path.display().to_string();
        match File::open(path).and_then(bounded) {
            Ok(bytes) => self.bytes(&name, Role::Values, &bytes),
            Err(error) => self.unread.push((name, error.to_string())),
        }
    }

    fn note(&mut self, place: &Path, text: &dyn Display) {
        self.notes.push(format!("{}: {text}", place.display()));
    }
}

fn told(reason: &Unreadable) -> String {
    match reason {
        Unreadable::NoText => reason.to_string(),
        Unreadable::Yaml(error) => format!("it is neither YAML nor JSON: {error}"),
    }
}

/// One byte more than is allowed is enough to know.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(TEXT_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > TEXT_LIMIT {
        return Err(io::Error::other(format!("it has more than {TEXT_LIMIT} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
