//! `sealift lock`: which digest each selected image has, at the target or at the source.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use sealift_mirror::ImageRequest;
use sealift_oci::{Descriptor, ManifestRef};
use sealift_store::{ErrorKind, MemoryStore, Side};

use super::Result;
use super::job::{Goal, Job};
use super::mirror::write;
use crate::args::{Format, LockArgs, LockSide};
use crate::ends::{SourceEnd, TargetEnd};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::output::json::{self, Lock, Locked};
use crate::output::units::count;
use crate::places::Connection;
use crate::stop::Stop;
use crate::ui::Ui;

/// How many images are asked for at the same time.
const CONCURRENCY: usize = 8;

/// Asks for every selected image, and writes down what it is.
pub(crate) async fn run(ui: &Arc<Ui>, args: &LockArgs, environment: &mut Environment) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    // Where only the source is asked, no target has to be named.
    let goal = match args.at {
        LockSide::Target => Goal::Registry,
        LockSide::Source => {
            Goal::Bundle { path: "a lock".to_owned(), store: Arc::new(MemoryStore::new("a lock")) }
        }
    };
    let settled = Job::settle(ui, &args.answers, &args.what, &connection, environment, goal);
    let job = stop.unless_asked(settled).await??;
    let lock = stop.unless_asked(lock(&job, args.at)).await??;
    match args.output.output {
        Format::Text => write(ui, &text(&lock))?,
        Format::Json => write(ui, &json::text(&lock))?,
    }
    Ok(tell(ui, &lock, args.at))
}

async fn lock(job: &Job, side: LockSide) -> Result<Lock> {
    let groups = job.selection.groups.iter();
    let requests: Vec<&ImageRequest> = groups.flat_map(|group| &group.images).collect();
    let asked = stream::iter(requests.iter().map(|request| resolve(job, request, side)));
    let asked: Vec<Result<Option<Descriptor>>> = asked.buffered(CONCURRENCY).collect().await;
    let (mut images, mut missing) = (Vec::new(), Vec::new());
    for (request, found) in requests.into_iter().zip(asked) {
        let source = source_name(job, request);
        match found? {
            Some(found) => {
                images.push(Locked {
                    source,
                    target: target_name(job, request),
                    digest: found.digest.to_string(),
                });
            }
            None if request.optional => {}
            None => missing.push(source),
        }
    }
    Ok(Lock::new(name(side), images, missing))
}

/// Asks for one image. That it is not there is no error.
async fn resolve(job: &Job, request: &ImageRequest, side: LockSide) -> Result<Option<Descriptor>> {
    let (found, side) = match side {
        LockSide::Source => {
            (job.mirror.source.source(&request.source).resolve(&request.reference).await, Side::Source)
        }
        LockSide::Target => {
            let tag = request.tag.clone().map(ManifestRef::Tag);
            let reference = tag.unwrap_or_else(|| request.reference.clone());
            (job.mirror.target.source(&request.target).resolve(&reference).await, Side::Target)
        }
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.on(side).into()),
    }
}

fn source_name(job: &Job, request: &ImageRequest) -> String {
    let name = job.ends.names.of(request);
    match &job.ends.source {
        SourceEnd::Place(place) => format!("{}/{name}", place.registry),
        _ => name,
    }
}

fn target_name(job: &Job, request: &ImageRequest) -> Option<String> {
    match &job.ends.target {
        TargetEnd::Place(place) => Some(format!("{}/{}", place.registry, request.target_name())),
        _ => None,
    }
}

/// A list of the source's images, by tag and digest; where they are now stands behind them.
fn text(lock: &Lock) -> String {
    let mut text = String::new();
    for Locked { source, target, digest } in &lock.images {
        let pinned = if source.contains('@') { source.clone() } else { format!("{source}@{digest}") };
        let comment = target.as_ref().map(|target| format!("  # {target}")).unwrap_or_default();
        text += &format!("{pinned}{comment}\n");
    }
    for missing in &lock.missing {
        text += &format!("# not there: {missing}\n");
    }
    text
}

fn tell(ui: &Ui, lock: &Lock, side: LockSide) -> Exit {
    if lock.missing.is_empty() {
        return Exit::Success;
    }
    let verb = if lock.missing.len() == 1 { "is" } else { "are" };
    ui.error(format_args!("{} {verb} not at the {}", count(lock.missing.len(), "image"), name(side)));
    for missing in &lock.missing {
        ui.note(missing);
    }
    ui.note(match side {
        LockSide::Target => "Hint: `sealift mirror` with the same answers brings them.",
        LockSide::Source => "Hint: check their names; `sealift releases` lists the releases that are there.",
    });
    Exit::Missing
}

fn name(side: LockSide) -> &'static str {
    match side {
        LockSide::Target => "target",
        LockSide::Source => "source",
    }
}

/// Reads a document again.
pub(super) fn read(path: &std::path::Path, text: &str) -> Result<Lock> {
    let refuse = |reason: &dyn std::fmt::Display| {
        let message = format!("--lock {}: {reason}", path.display());
        CommandError::usage(message, "Name a file that `sealift lock --output json` wrote.")
    };
    let lock: Lock = serde_json::from_str(text).map_err(|error| refuse(&error))?;
    match lock.is_understood() {
        true => Ok(lock),
        false => Err(refuse(&format_args!("its schema {:?} is not known", lock.schema))),
    }
}
