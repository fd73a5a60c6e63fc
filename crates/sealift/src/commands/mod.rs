//! The commands, one file each; [`job`] has what `mirror` and `verify` share.

mod alike;
mod bases;
mod bundle;
mod carried;
mod creation;
mod delta_sums;
mod deltas;
mod discover;
mod doctor;
mod documents;
mod dry_run;
mod earlier;
mod fits;
mod freight;
mod gc;
mod guard;
mod hosts_toml;
mod images;
mod inspect;
mod job;
mod keygen;
mod kit;
mod laid_out;
mod load;
mod loaded;
mod lock;
mod login;
mod logout;
mod mirror;
mod origins;
mod pack;
mod prefix;
mod proof;
mod quickstart;
mod record;
mod rehearsal;
mod releases;
mod repair;
mod save;
mod schema;
mod serve;
mod shell;
mod since;
mod sockets;
mod upstreams;
mod verify;
mod verify_bundle;
mod verify_directory;
mod whoami;

use std::sync::Arc;

use crate::args::Command;
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::ui::Ui;

pub(crate) use doctor::{Check, Examination, Part, Verdict};
pub(crate) use dry_run::{Proposal, Volumes};
pub(crate) use inspect::{Inspected, Inspection};
pub(crate) use mirror::Transfer;

type Result<T> = std::result::Result<T, CommandError>;

/// Runs a command.
pub(crate) async fn run(ui: &Arc<Ui>, command: Command, environment: &mut Environment) -> Result<Exit> {
    match command {
        Command::Mirror(args) => mirror::run(ui, args, environment).await,
        Command::Pack(args) => pack::run(ui, args, environment).await,
        Command::Load(args) => load::run(ui, args, environment).await,
        Command::Inspect(args) => inspect::run(ui, &args, environment).await,
        Command::Doctor(args) => doctor::run(ui, &args, environment).await,
        Command::Keygen(args) => keygen::run(ui, &args, environment).await,
        Command::Serve(args) => serve::run(ui, &args, environment).await,
        Command::Gc(args) => gc::run(ui, &args).await,
        Command::Verify(args) => verify::run(ui, args, environment).await,
        Command::Releases(args) if args.discover => discover::run(ui, &args, environment).await,
        Command::Releases(args) => releases::run(ui, &args, environment).await,
        Command::Images(args) => images::run(ui, &args, environment).await,
        Command::Lock(args) => lock::run(ui, &args, environment).await,
        Command::Kit(args) => kit::run(ui, &args, environment),
        Command::Login(args) => login::run(ui, &args, environment).await,
        Command::Logout(args) => logout::run(ui, &args, environment).await,
        Command::Whoami(args) => whoami::run(ui, &args, environment).await,
        Command::Quickstart(args) => quickstart::run(ui, &args).await,
        Command::Schema(args) => schema::run(ui, &args, environment),
        Command::Completions(args) => shell::completions(ui, &args),
        Command::Man(args) => shell::man(ui, &args),
    }
}
