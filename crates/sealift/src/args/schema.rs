//! What is typed for `sealift schema`.

use std::path::PathBuf;

use clap::Args as Group;

use super::TalkArgs;

#[derive(Debug, Group)]
#[command(after_help = "\
Editors that know JSON Schema complete the keys of a profile and mark mistakes.
docs/PROFILE.md explains each key.

Examples:
  sealift schema
  sealift schema --check site.yaml
  sealift schema --check site.yaml --check sync.yaml")]
pub(crate) struct SchemaArgs {
    /// Check this profile in place of that, and tell every mistake with its line;
    /// repeatable. `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
