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
  sealift schema --check site.yaml sync.yaml")]
pub(crate) struct SchemaArgs {
    /// Check these profiles in place of that, and tell every mistake with its
    /// line; - is standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) check: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
