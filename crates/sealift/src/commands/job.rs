//! What `mirror` and `verify` share: settling what is to be done, and opening both ends.

use std::sync::Arc;

use sealift_catalog::{RangeError, between, misprint};
use sealift_mirror::{Mirror, Options, RetryPolicy, Selection};
use sealift_oci::Tag;
use sealift_store::{Side, Store};

use super::Result;
use crate::answers::Answer;
use crate::args::{AnswerArgs, WhatArgs};
use crate::ends::Ends;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::Lookup;
use crate::observe::Progress;
use crate::places::{Connection, newest_release, release_tags};
use crate::selection::select;
use crate::settings::{Asker, Given, PlaceSettings, Settings};
use crate::ui::Ui;

/// Everything settled: what to take, and both ends open.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ends: Ends,
    pub(super) selection: Selection,
    pub(super) mirror: Mirror,
}

impl Job {
    pub(super) fn new(
        ui: &Arc<Ui>,
        settings: Settings,
        what: &WhatArgs,
        connection: &Connection,
    ) -> Result<Self> {
        let selection = select(&settings, what)?;
        let options = Options {
            transfers: connection.transfers,
            platform: what.platform.clone(),
            retry: RetryPolicy { jitter, ..RetryPolicy::default() },
            ..Options::default()
        };
        let mirror = Mirror {
            source: connection.open(&settings.source, Side::Source)?,
            target: connection.open(&settings.target, Side::Target)?,
            options,
            observer: Arc::new(Progress::new(Arc::clone(ui))),
        };
        let ends = Ends { source: settings.source, target: settings.target };
        Ok(Self { ends, selection, mirror })
    }

    /// Tells what is about to be done, since much of it may be defaults.
    pub(super) fn announce(&self, ui: &Ui) {
        let Ends { source, target } = &self.ends;
        let names = self.selection.groups.iter().filter_map(|group| group.name.as_deref());
        ui.status(format_args!(
            "{} from {}/{} to {}/{}",
            names.collect::<Vec<_>>().join(", "),
            source.registry,
            source.repository,
            target.registry,
            target.repository
        ));
    }
}

/// Settles the ten answers.
pub(super) async fn settle(
    ui: &Ui,
    answers: &AnswerArgs,
    what: &WhatArgs,
    connection: &Connection,
    environment: &mut Environment,
) -> Result<Settings> {
    let range = what.from_tag.as_ref().zip(what.to_tag.as_ref());
    let is_wanted = |answer: &Answer| range.is_none() || *answer != Answer::SourceTag;
    let wanted: Vec<Answer> = Answer::ALL.into_iter().filter(is_wanted).collect();
    let given = Given::read(&wanted, answers, environment)?;
    given.demand_target(environment.is_interactive)?;
    let lookup = Lookup::new(environment, ui);
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, ui);
    let mut source = asker.source()?;
    look_up(&lookup, &mut source).await?;
    let mut newest = None;
    if let Some(range) = range {
        let store = connection.open(&source, Side::Source)?;
        asker.take_range(releases_between(ui, store.as_ref(), &source, range).await?)?;
    } else if asker.needs_newest() {
        newest = newest_release(ui, connection.open(&source, Side::Source)?.as_ref(), &source).await;
    }
    let tags = asker.tags(newest)?;
    let mut target = asker.target()?;
    look_up(&lookup, &mut target).await?;
    let target_tag = asker.target_tag(&tags)?;
    let settings = Settings { source, target, tags, target_tag };
    settings.check()?;
    for tag in &settings.tags {
        if let Some(what) = misprint(tag) {
            ui.warning(format_args!("{tag}: {what}"));
        }
    }
    Ok(settings)
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
    (from, to): (&Tag, &Tag),
) -> Result<Vec<Tag>> {
    let listed = release_tags(store, source).await.unwrap_or_else(|error| {
        ui.warning(format_args!("{error}\n  Only releases that sealift knows of are taken."));
        Vec::new()
    });
    between(from, to, &listed).map_err(|error| {
        let hint = match error {
            RangeError::Reversed { .. } => "Give the older one with --from-tag.".to_owned(),
            _ => format!("`sealift releases --source-registry {}` lists the releases.", source.registry),
        };
        CommandError::usage(error, hint)
    })
}

/// A number from 0 to 1. Nothing secret hangs on it: the seeds of the standard library's maps will do.
fn jitter() -> f64 {
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
