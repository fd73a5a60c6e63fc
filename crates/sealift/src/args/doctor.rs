//! What is typed for `sealift doctor`.

use std::path::PathBuf;

use clap::Args as Group;

use super::{AnswerArgs, ConnectionArgs, OutputArgs, TalkArgs, WhatArgs};

#[derive(Debug, Group)]
#[command(after_help = "\
What is pushed to the target to try it lies below the target's repository, in
sealift-doctor and sealift-doctor-mount, and is deleted again; what cannot be
deleted is named.

Examples:
  sealift doctor --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata
  sealift doctor --no-push --output json --images-file images.txt \\
      --target-registry registry.ship.lan:5000 --target-repository mirrored")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Push nothing to the target: its rights are not tried then
    #[arg(long, help_heading = "What to try")]
    pub(crate) no_push: bool,
    /// Where unfinished uploads are remembered, as for mirror
    #[arg(long, value_name = "DIRECTORY", help_heading = "What to try")]
    pub(crate) state: Option<PathBuf>,
    /// Where the beginnings of blobs are kept, as for mirror
    #[arg(long, value_name = "DIRECTORY", help_heading = "What to try")]
    pub(crate) spool: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
