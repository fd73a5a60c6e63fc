//! The commands, one file each; and what two of them share: settling the answers and opening both ends.

mod login;
mod logout;
mod mirror;
mod quickstart;
mod releases;
mod verify;
mod whoami;

use std::sync::Arc;

use sealift_catalog::misprint;
use sealift_mirror::{Mirror, Options, RetryPolicy, Selection};
use sealift_store::Side;

use crate::answers::Answer;
use crate::args::{AnswerArgs, Command, WhatArgs};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::observe::Progress;
use crate::places::{Connection, newest_release};
use crate::selection::select;
use crate::settings::{Asker, Given, PlaceSettings, Settings};
use crate::ui::Ui;

pub(crate) use mirror::Transfer;

type Result<T> = std::result::Result<T, CommandError>;

/// Runs a command.
pub(crate) async fn run(ui: &Arc<Ui>, command: Command, environment: &mut Environment) -> Result<Exit> {
    match command {
        Command::Mirror(args) => mirror::run(ui, args, environment).await,
        Command::Verify(args) => verify::run(ui, args, environment).await,
        Command::Releases(args) => releases::run(ui, &args, environment).await,
        Command::Login(args) => login::run(ui, &args, environment).await,
        Command::Logout(args) => logout::run(ui, &args, environment).await,
        Command::Whoami(args) => whoami::run(ui, &args, environment).await,
        Command::Quickstart(args) => quickstart::run(ui, &args).await,
    }
}

/// Everything settled: what to take, and both ends open.
#[derive(Debug)]
struct Job {
    settings: Settings,
    selection: Selection,
    mirror: Mirror,
}

impl Job {
    fn new(ui: &Arc<Ui>, settings: Settings, what: &WhatArgs, connection: &Connection) -> Result<Self> {
        let selection = select(&settings, &what.images)?;
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
        Ok(Self { settings, selection, mirror })
    }

    /// Tells what is about to be done, since much of it may be defaults.
    fn announce(&self, ui: &Ui) {
        let Settings { source, target, .. } = &self.settings;
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

    fn places(&self) -> Places<'_> {
        Places { source: &self.settings.source, target: &self.settings.target }
    }
}

/// Both ends, for those who report on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) source: &'a PlaceSettings,
    pub(crate) target: &'a PlaceSettings,
}

/// Settles the ten answers.
async fn settle(
    ui: &Ui,
    answers: &AnswerArgs,
    connection: &Connection,
    environment: &mut Environment,
) -> Result<Settings> {
    let given = Given::read(&Answer::ALL, answers, environment)?;
    given.demand_target(environment.is_interactive)?;
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, ui);
    let source = asker.source()?;
    let newest = match asker.needs_newest() {
        true => newest_release(ui, connection.open(&source, Side::Source)?.as_ref(), &source).await,
        false => None,
    };
    let tags = asker.tags(newest)?;
    let target = asker.target()?;
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
