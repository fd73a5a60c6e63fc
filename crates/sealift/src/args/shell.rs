//! What is typed for the shell's sake: completions and manual pages.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};

use super::TalkArgs;

#[derive(Debug, Group)]
#[command(after_help = "\
Where each shell looks for them:
  bash        ~/.local/share/bash-completion/completions/sealift
  zsh         a directory of $fpath, as _sealift
  fish        ~/.config/fish/completions/sealift.fish
  powershell  a file that $PROFILE runs

Examples:
  sealift completions bash
  sealift completions zsh")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU bash, version 4.4 or later
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly shell
    Fish,
    /// PowerShell 5.0 or later
    Powershell,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift man --to ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Where the pages go: sealift.1 and one for each command
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
