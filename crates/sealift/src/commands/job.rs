//! What `mirror`, `verify` and `pack` share: settling what is to be done, and opening both ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sealift_catalog::profile::{self, Profile};
use sealift_catalog::{ImageList, RangeError, between, misprint};
use sealift_mirror::{Mirror, Options, RetryPolicy, Selection};
use sealift_oci::{Registry, Tag};
use sealift_store::{Backoff, Side, Store};

use super::Result;
use crate::answers::Answer;
use crate::args::{AnswerArgs, WhatArgs};
use crate::ends::{Ends, SourceEnd, SourceNames, TargetEnd};
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::Lookup;
use crate::list::{self, Wanted};
use crate::observe::Progress;
use crate::output::units::count;
use crate::places::{Connection, newest_release, release_tags};
use crate::profile::Layered;
use crate::selection::select;
use crate::settings::{Asker, Given, PlaceSettings, Settings, Settled};
use crate::ui::Ui;

/// Where a command brings images.
#[derive(Debug)]
pub(super) enum Goal {
    /// Into the registry that the answers name.
    Registry,
    /// Into a bundle.
    Bundle {
        /// What it is called.
        path: String,
        /// The open bundle.
        store: Arc<dyn Store>,
    },
}

impl Goal {
    /// Lists the answers that are wanted, of those that a command may want.
    fn narrow(&self, answers: &[Answer]) -> Vec<Answer> {
        let is_wanted = |answer: &&Answer| matches!(self, Self::Registry) || !answer.is_about_target();
        answers.iter().filter(is_wanted).copied().collect()
    }
}

/// Everything settled: what to take, and both ends open.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ends: Ends,
    pub(super) selection: Selection,
    pub(super) mirror: Mirror,
    /// How many requests were answered so far.
    pub(super) requests: Arc<AtomicU64>,
    /// The answers, as a profile keeps them.
    pub(super) kept: Profile,
}

impl Job {
    /// Settles what was typed for a command, and opens both ends.
    pub(super) async fn settle(
        ui: &Arc<Ui>,
        answers: &AnswerArgs,
        what: &WhatArgs,
        connection: &Connection,
        environment: &mut Environment,
        goal: Goal,
    ) -> Result<Self> {
        let layered = layered(ui, answers, what, environment)?;
        let wanted = match &what.images_file {
            Some(file) => Wanted::List(read_list(file, answers, environment)?),
            None if layered.profile.has_images() => {
                refuse_beside_products(answers, what, environment)?;
                Wanted::Products
            }
            None => return Self::of_wish(ui, &layered, connection, environment, goal).await,
        };
        Self::of_list(ui, &wanted, &layered, connection, environment, goal).await
    }

    async fn of_wish(
        ui: &Arc<Ui>,
        layered: &Layered,
        connection: &Connection,
        environment: &mut Environment,
        goal: Goal,
    ) -> Result<Self> {
        let (settings, settled) = settle_releases(ui, layered, connection, environment, &goal).await?;
        let kept = layered.kept_releases(&settled);
        let job = Self::of_settings(ui, settings, &layered.what, connection, goal)?;
        Ok(Self { kept, ..job })
    }

    /// Opens both ends for releases that go from registry to registry.
    pub(super) fn of_releases(
        ui: &Arc<Ui>,
        settings: Settings,
        what: &WhatArgs,
        connection: &Connection,
    ) -> Result<Self> {
        Self::of_settings(ui, settings, what, connection, Goal::Registry)
    }

    fn of_settings(
        ui: &Arc<Ui>,
        settings: Settings,
        what: &WhatArgs,
        connection: &Connection,
        goal: Goal,
    ) -> Result<Self> {
        let selection = select(&settings, what)?;
        let source = connection.open(&settings.source, Side::Source)?;
        let Settings { source: place, target, .. } = settings;
        let (target, store) = open_target(goal, target, connection)?;
        let ends = Ends { source: SourceEnd::Place(place), names: SourceNames::default(), target };
        Ok(Self::new(ui, ends, selection, (source, store), what, connection))
    }

    async fn of_list(
        ui: &Arc<Ui>,
        wanted: &Wanted,
        layered: &Layered,
        connection: &Connection,
        environment: &mut Environment,
        goal: Goal,
    ) -> Result<Self> {
        let Layered { answers, what, profile } = layered;
        let given = Given::read(&goal.narrow(&Answer::BESIDE_LIST), answers, environment)?;
        if matches!(goal, Goal::Registry) {
            given.demand_target(environment.is_interactive)?;
        }
        let lookup = Lookup::new(environment, ui);
        let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
        let mut asker = Asker::new(given, prompter, ui);
        let identity = asker.listed_identity()?;
        let mut target = match goal {
            Goal::Registry => Some(asker.target()?),
            Goal::Bundle { .. } => None,
        };
        if let Some(target) = &mut target {
            look_up(&lookup, target).await?;
            asker.ask_for_named(&mut target.identity, Answer::TargetPassword)?;
        }
        let rule = asker.tag_rule(&answers.source_tag)?;
        let list = match wanted {
            Wanted::List(list) => Some(list),
            Wanted::Products => None,
        };
        let kept = layered.kept_images(&asker.into_settled(), list, rule.digest_only.as_ref());
        let registries = list::identities(&lookup, wanted.repositories(profile), &identity).await?;
        let mut clients = list::Clients::new(connection, &registries);
        let images = wanted.images(profile, &mut clients).await?;
        let mapped = list::map(&images, target.as_ref().map(|target| &target.repository), &rule)?;
        let (source, names) = list::connect(&mapped, &mut clients)?;
        let (target, store) = open_target(goal, target, connection)?;
        let ends = Ends { source: SourceEnd::List(registries), names, target };
        let job = Self::new(ui, ends, list::select(&mapped), (source, store), what, connection);
        Ok(Self { kept, ..job })
    }

    /// Puts a job together of both ends, open.
    pub(super) fn new(
        ui: &Arc<Ui>,
        ends: Ends,
        selection: Selection,
        (source, target): (Arc<dyn Store>, Arc<dyn Store>),
        what: &WhatArgs,
        connection: &Connection,
    ) -> Self {
        let options = Options {
            transfers: connection.transfers,
            windows: Arc::clone(&connection.windows),
            places: Arc::new(ends.names.places()),
            platform: what.platform.clone(),
            attachments: !what.no_attachments,
            retry: RetryPolicy {
                backoff: Backoff { jitter, ..Backoff::default() },
                ..RetryPolicy::default()
            },
            ..Options::default()
        };
        let observer = Arc::new(Progress::new(Arc::clone(ui), &ends));
        let requests = Arc::clone(&connection.requests);
        let mirror = Mirror { source, target, options, observer };
        Self { ends, selection, mirror, requests, kept: Profile::default() }
    }

    /// Returns the registry within whose bounds foreign layers are fetched. Their addresses do not tell which
    /// registry of a list named them.
    pub(super) fn foreign_registry(&self) -> Result<&Registry> {
        self.ends.source.only_registry().ok_or_else(|| {
            CommandError::usage(
                format_args!(
                    "--foreign-urls is for one registry, and the list has several: {}",
                    self.ends.source.registries()
                ),
                "Bring the images of each registry in a run of its own.",
            )
        })
    }

    /// Tells what is about to be done, since much of it may be defaults.
    pub(super) fn announce(&self, ui: &Ui) {
        let Ends { source, target, .. } = &self.ends;
        let groups = self.selection.groups.iter();
        let images = groups.clone().map(|group| group.images.len()).sum();
        let names: Vec<&str> = groups.filter_map(|group| group.name.as_deref()).collect();
        let what = if names.is_empty() { count(images, "image") } else { names.join(", ") };
        ui.status(format_args!("{what} from {source} to {target}"));
    }
}

fn open_target(
    goal: Goal,
    place: Option<PlaceSettings>,
    connection: &Connection,
) -> Result<(TargetEnd, Arc<dyn Store>)> {
    match (goal, place) {
        (Goal::Bundle { path, store }, _) => Ok((TargetEnd::Bundle(path), store)),
        (Goal::Registry, Some(place)) => {
            let store = connection.open(&place, Side::Target)?;
            Ok((TargetEnd::Place(place), store))
        }
        (Goal::Registry, None) => {
            Err(CommandError::usage("the target is not given", "Set --target-registry."))
        }
    }
}

/// Reads the profile that is named, puts it below what was typed, and tells what of a file of another tool has no place in it.
pub(super) fn layered(
    ui: &Ui,
    answers: &AnswerArgs,
    what: &WhatArgs,
    environment: &mut Environment,
) -> Result<Layered> {
    let Some(path) = what.profile.as_deref() else {
        return Ok(Layered::new(None, answers, what, &environment.variables));
    };
    refuse_shared_input("profile", path, answers)?;
    if path == Path::new("-") && what.images_file.as_deref() == Some(path) {
        return Err(CommandError::usage(
            "both the list and the profile are to be read from standard input",
            "Put one of them into a file.",
        ));
    }
    let read = list::read_profile("--profile", path, environment)?;
    tell_unmapped(ui, path, &read);
    Ok(Layered::new(Some(read.profile), answers, what, &environment.variables))
}

/// Tells what of a file of another tool has no place in a profile.
pub(super) fn tell_unmapped(ui: &Ui, path: &Path, read: &profile::Read) {
    if !read.unmapped.is_empty() {
        let what = format!("{}: of {} this is not taken over:", path.display(), read.kind);
        ui.warning(list::together(&what, &read.unmapped));
    }
}

/// Reads the list of images that is named, where nothing else says what is taken.
pub(super) fn read_list(
    file: &Path,
    answers: &AnswerArgs,
    environment: &mut Environment,
) -> Result<ImageList> {
    Given::refuse_beside_list("list", "--images-file", environment)?;
    refuse_shared_input("list", file, answers)?;
    list::read(file, environment)
}

/// A file on standard input leaves no room for passwords there.
fn refuse_shared_input(noun: &str, file: &Path, answers: &AnswerArgs) -> Result<()> {
    let passwords = [Answer::SourcePassword, Answer::TargetPassword];
    match passwords.into_iter().find(|answer| file == Path::new("-") && answers.is_on_stdin(*answer)) {
        Some(answer) => Err(CommandError::usage(
            format_args!("both the {noun} and the {} are to be read from standard input", answer.noun()),
            format_args!("Set {}, or put the {noun} into a file.", answer.variable()),
        )),
        None => Ok(()),
    }
}

/// Refuses what is about releases beside a profile that has none.
pub(super) fn refuse_beside_products(
    answers: &AnswerArgs,
    what: &WhatArgs,
    environment: &Environment,
) -> Result<()> {
    let typed = [
        ("--source-registry", answers.source.source_registry.is_some()),
        ("--source-repository", answers.source.source_repository.is_some()),
        ("--from-tag", what.from_tag.is_some()),
        ("--image", !what.images.is_empty()),
        ("--skip-group", !what.skip_groups.is_empty()),
    ];
    match typed.into_iter().find(|(_, is_typed)| *is_typed) {
        Some((flag, _)) => Err(CommandError::usage(
            format_args!(
                "{flag} is for releases, and the profile lists other images, and where they come from"
            ),
            format_args!("Leave out {flag} or --profile."),
        )),
        None => Given::refuse_beside_list("profile", "--profile", environment),
    }
}

/// Settles the ten answers.
async fn settle_releases(
    ui: &Ui,
    layered: &Layered,
    connection: &Connection,
    environment: &mut Environment,
    goal: &Goal,
) -> Result<(Settings, Settled)> {
    let Layered { answers, what, .. } = layered;
    let range = what.from_tag.as_ref().zip(what.to_tag.as_ref());
    let is_wanted = |answer: &Answer| range.is_none() || *answer != Answer::SourceTag;
    let wanted: Vec<Answer> = goal.narrow(&Answer::ALL).into_iter().filter(is_wanted).collect();
    let given = Given::read(&wanted, answers, environment)?;
    if matches!(goal, Goal::Registry) {
        given.demand_target(environment.is_interactive)?;
    }
    let lookup = Lookup::new(environment, ui);
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, ui);
    let mut source = asker.source()?;
    look_up(&lookup, &mut source).await?;
    asker.ask_for_named(&mut source.identity, Answer::SourcePassword)?;
    let mut newest = None;
    if let Some(range) = range {
        let store = connection.open(&source, Side::Source)?;
        asker.take_range(releases_between(ui, store.as_ref(), &source, range).await?)?;
    } else if asker.needs_newest() {
        newest = newest_release(ui, connection.open(&source, Side::Source)?.as_ref(), &source).await;
    }
    let tags = asker.tags(newest)?;
    let (mut target, mut target_tag) = (None, None);
    if matches!(goal, Goal::Registry) {
        let mut place = asker.target()?;
        look_up(&lookup, &mut place).await?;
        asker.ask_for_named(&mut place.identity, Answer::TargetPassword)?;
        target = Some(place);
        target_tag = asker.target_tag(&tags)?;
    }
    let settled = asker.into_settled();
    let settings = Settings { source, target, tags, target_tag };
    settings.check()?;
    for tag in &settings.tags {
        if let Some(what) = misprint(tag) {
            ui.warning(format_args!("{tag}: {what}"));
        }
    }
    Ok((settings, settled))
}

/// Finds out who asks at a place where no answer says so.
pub(super) async fn look_up(lookup: &Lookup<'_>, place: &mut PlaceSettings) -> Result<()> {
    let PlaceSettings { registry, repository, identity } = place;
    lookup.fill_in(identity, registry, Some(repository)).await
}

/// Finds every release of a range, also those that came out after this program; where the source does not
/// tell, those of the table.
async fn releases_between(
    ui: &Ui,
    store: &dyn Store,
    source: &PlaceSettings,
    range: (&Tag, &Tag),
) -> Result<Vec<Tag>> {
    let listed = release_tags(store, source).await.unwrap_or_else(|error| {
        ui.warning(format_args!("{error}\n  Only releases that sealift knows of are taken."));
        Vec::new()
    });
    between_known(range, &listed, &format!("sealift releases --source-registry {}", source.registry))
}

/// Finds every release of a range among those of the table and those that are listed; `command` shows which there are.
pub(super) fn between_known((from, to): (&Tag, &Tag), listed: &[Tag], command: &str) -> Result<Vec<Tag>> {
    between(from, to, listed).map_err(|error| {
        let hint = match error {
            RangeError::Reversed { .. } => "Give the older one with --from-tag.".to_owned(),
            _ => format!("`{command}` lists the releases."),
        };
        CommandError::usage(error, hint)
    })
}

/// A number from 0 to 1. Nothing secret hangs on it: the seeds of the standard library's maps will do.
pub(super) fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(std::time::Instant::now());
    // 53 bits are what a float holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_between_0_and_1_and_differs() {
        let numbers: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 0.1));
    }
}
