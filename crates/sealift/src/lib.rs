//! The door to sealift: arguments, answers, opening places, drawing what happens, exit codes.
//!
//! A run walks one line: [`args`] is what was typed, [`settings`] what it means, [`selection`] which images
//! that makes, [`places`] opens both ends, a file of [`commands`] does the work with the engine, and
//! [`output`] writes down what came of it. [`errors`] decides how the process ends. What surrounds the
//! process comes in as [`Environment`]; all output leaves through [`ui`]. [`credentials`] are kept and found
//! the way Docker does.
#![allow(rustdoc::private_intra_doc_links)]

mod age;
mod answers;
mod args;
mod certificates;
mod commands;
mod credentials;
mod discovery;
mod ends;
mod environment;
mod errors;
mod foreign;
mod harvest;
mod identity;
mod journal;
mod list;
mod observe;
mod output;
mod places;
mod platform;
mod profile;
mod progress;
mod prompt;
mod proxies;
mod quickstart;
mod selection;
mod settings;
mod size;
mod spool;
mod stop;
mod ui;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use errors::CommandError;
use progress::Manner;
use ui::{Level, Ui};

pub use environment::Environment;
pub use errors::Exit;
pub use prompt::{PromptError, Prompter, Terminal};
pub use sealift_registry::client::Secret;

/// How long threads may go on when all is told: one may wait for a name server that keeps silent.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Runs one command line, the program's name first, and says how it ended.
pub fn run<T: Into<OsString> + Clone>(
    args: impl IntoIterator<Item = T>,
    mut environment: Environment,
) -> Exit {
    let parsed = args::parse(args);
    let level = parsed.as_ref().map_or(Level::Normal, |args| args.command.talk().level());
    let wish = parsed.as_ref().ok().and_then(|args| args.command.progress());
    let manner = Manner::of(wish, level, &environment);
    let ui = Arc::new(Ui::of(&mut environment, level, manner));
    let ended = match parsed {
        Ok(args) => on_runtime(commands::run(&ui, args.command, &mut environment)),
        Err(refused) => return usage(&ui, &refused),
    };
    ui.end();
    ended.unwrap_or_else(|error| {
        ui.command_error(&error);
        error.exit()
    })
}

fn on_runtime(command: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::Machine("threads cannot be started", error))?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_WAIT);
    ended
}

/// `--help` and `--version` are asked for and go to stdout; anything else is a mistake.
fn usage(ui: &Ui, refused: &clap::Error) -> Exit {
    let text = refused.render().to_string();
    if !refused.use_stderr() {
        return if ui.data(&text).is_ok() { Exit::Success } else { Exit::Failed };
    }
    ui.raw_error(text.trim_end());
    Exit::Usage
}
