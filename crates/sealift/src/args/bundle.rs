//! What is typed for the commands about bundles.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};

use super::{ConnectionArgs, OutputArgs, ProgressArgs, RecordArgs, SourceArgs, TalkArgs, WhatArgs};
use crate::size::{Rate, Size, VolumeSize};

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift pack --to ./release
  sealift pack --tag v1.42.0_2025-10-14 --to /mnt/stick --volume-size fat32
  sealift pack --images-file images.txt --to images.tar
  sealift pack --images-file images.txt --to oci:./layout
  sealift pack --to ./november --since october.receipt.json
  sealift pack --to ./release --sign sealift.key --encrypt-passphrase")]
pub(crate) struct PackArgs {
    /// Where the bundle goes: a directory, a file that ends in .tar, or - for a
    /// pipe; oci:DIRECTORY is a plain OCI image layout
    #[arg(long, value_name = "PATH", required_unless_present = "dry_run")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Release to take; repeatable [SOURCE_DOCKER_TAG]
    /// [default: the newest at the source]
    #[arg(long, visible_alias = "tag", value_name = "TAG")]
    pub(crate) source_tag: Vec<String>,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// Go on without images that the source lacks; still ends with code 3
    #[arg(long, help_heading = "What to take")]
    pub(crate) allow_missing: bool,
    /// Leave out what this receipt says the other side has; repeatable. With
    /// --assume-delivered also a bundle
    #[arg(long, value_name = "FILE", help_heading = "What to take")]
    pub(crate) since: Vec<PathBuf>,
    /// Carry a changed layer as what differs from the one before it, which the
    /// other side has: off, fast, better, or best, which is slow
    #[arg(long, value_enum, value_name = "HOW", default_value_t, help_heading = "What to take")]
    pub(crate) delta: DeltaArg,
    /// Read earlier layers from this bundle, layout or directory of a registry,
    /// and not at the source; repeatable
    #[arg(long, value_name = "PATH", requires = "since", help_heading = "What to take")]
    pub(crate) base: Vec<PathBuf>,
    /// Volumes of such bundles lie here, too; repeatable
    #[arg(long, value_name = "DIRECTORY", requires = "base", help_heading = "What to take")]
    pub(crate) volume_dir: Vec<PathBuf>,
    /// Take for granted that the bundles that --since names have arrived
    #[arg(long, requires = "since", help_heading = "What to take")]
    pub(crate) assume_delivered: bool,
    /// Refuse receipts, bundles and requests that this key did not sign
    #[arg(long, value_name = "PUBKEY", help_heading = "What to take")]
    pub(crate) trust: Option<String>,
    /// Open encrypted bundles that --since or --base names with this age
    /// identity file
    #[arg(long, value_name = "FILE", requires = "since", help_heading = "What to take")]
    pub(crate) identity: Vec<PathBuf>,
    /// Take what this repair request asks for, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "images_file", "profile", "source_tag", "from_tag", "images", "since", "skip_groups", "platform",
    ], help_heading = "What to take")]
    pub(crate) repair: Option<PathBuf>,
    /// The most bytes of a volume: 4000MiB, or fat32, or dvd
    #[arg(long, value_name = "SIZE", help_heading = "The bundle")]
    pub(crate) volume_size: Option<VolumeSize>,
    /// Sign it with this key, which `sealift keygen` or minisign made
    #[arg(long, value_name = "KEY", help_heading = "The bundle")]
    pub(crate) sign: Option<PathBuf>,
    /// Encrypt it so that the owner of this age recipient can open it;
    /// repeatable
    // It is parsed later: an error here would print it, and somebody may have typed an identity.
    #[arg(long, value_name = "RECIPIENT", help_heading = "The bundle")]
    pub(crate) encrypt_to: Vec<String>,
    /// Encrypt it under a passphrase, which is asked for
    #[arg(long, conflicts_with = "encrypt_to", help_heading = "The bundle")]
    pub(crate) encrypt_passphrase: bool,
    #[command(flatten)]
    pub(crate) limits: BundleLimitArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// Whether changed layers become deltas, and how small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeltaArg {
    /// Every layer as it is
    Off,
    /// Quickly
    #[default]
    Fast,
    /// A little smaller
    Better,
    /// As small as possible
    Best,
}

/// Limits of both ways over the gap.
#[derive(Clone, Copy, Debug, Group)]
#[command(next_help_heading = "Limits")]
pub(crate) struct BundleLimitArgs {
    /// Show what would be moved; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Refuse to move more than this, before anything moves: 20GB, 500MiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_bytes: Option<Size>,
    /// Move at most so much a second: 50MiB/s
    #[arg(long, value_name = "RATE")]
    pub(crate) bandwidth: Option<Rate>,
    /// Let deltas take at most so much memory [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift load ./release --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata
  sealift load /mnt/a --volume-dir /mnt/b --trust sealift.pub \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata
  sealift load ./release --into ./store
  sealift load ./november ./repair --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata")]
pub(crate) struct LoadArgs {
    /// The bundle; several count as one. Also an OCI image layout, as a directory
    /// or a tar: oci:DIRECTORY, oci-archive:FILE
    #[arg(value_name = "BUNDLE", required = true)]
    pub(crate) bundles: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    /// Load into the directory of a registry, which `sealift serve` serves; with
    /// --target-repository below that repository
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = [
        "target_registry", "target_username", "target_password_stdin", "target_anonymous", "profile",
    ])]
    pub(crate) into: Option<PathBuf>,
    /// Take from this profile where to, as far as no flag and no variable says it
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Load nothing unless everything can be loaded
    #[arg(long, help_heading = "The bundle")]
    pub(crate) all_or_nothing: bool,
    /// Where the receipt goes: what the target has now, for the next `sealift
    /// pack --since`. That of another target is not written over [default:
    /// NAME.receipt.json in this directory]
    #[arg(long, value_name = "FILE", help_heading = "The bundle")]
    pub(crate) receipt: Option<PathBuf>,
    /// Where a repair request goes, should the target lack what the bundle
    /// builds on [default: NAME.repair.json in this directory]
    #[arg(long, value_name = "FILE", help_heading = "The bundle")]
    pub(crate) repair_request: Option<PathBuf>,
    /// Sign the receipt, or the repair request, with this key
    #[arg(long, value_name = "KEY", help_heading = "The bundle")]
    pub(crate) sign: Option<PathBuf>,
    /// Check every blob of images that the target has already
    #[arg(long, help_heading = "The bundle")]
    pub(crate) recheck: bool,
    /// Without what is attached to the images: signatures, attestations, SBOMs
    #[arg(long, help_heading = "The bundle")]
    pub(crate) no_attachments: bool,
    #[command(flatten)]
    pub(crate) limits: BundleLimitArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// How a bundle is opened.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "The bundle")]
pub(crate) struct OpenArgs {
    /// Volumes lie here, too; repeatable
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) volume_dir: Vec<PathBuf>,
    /// Refuse what this key did not sign: a .pub file, or its line
    #[arg(long, value_name = "PUBKEY")]
    pub(crate) trust: Option<String>,
    /// Open an encrypted bundle with this age identity file; repeatable. A
    /// passphrase is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
}

/// The answers about the target, as flags.
#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "Where to (a flag beats its variable)")]
pub(crate) struct TargetArgs {
    /// Registry to bring to [TARGET_DOCKER_REGISTRY]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) target_registry: Option<String>,
    /// Repository there [TARGET_DOCKER_REPOSITORY]
    #[arg(long, value_name = "NAME")]
    pub(crate) target_repository: Option<String>,
    /// User there [TARGET_DOCKER_USERNAME]
    /// [default: who is kept in Docker's configuration]
    #[arg(long, value_name = "USER")]
    pub(crate) target_username: Option<String>,
    /// Read that user's password as a line of stdin, behind the source's if
    /// both are read [TARGET_DOCKER_PASSWORD]
    #[arg(long)]
    pub(crate) target_password_stdin: bool,
    /// Ask there as nobody, whoever is kept in Docker's configuration
    #[arg(long, conflicts_with_all = ["target_username", "target_password_stdin"])]
    pub(crate) target_anonymous: bool,
    /// Tag there [TARGET_DOCKER_TAG] [default: the source's; sha256-<hash> for
    /// what a list names by digest alone]
    #[arg(long, value_name = "TAG")]
    pub(crate) target_tag: Option<String>,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift inspect ./release
  sealift inspect images.tar --output json")]
pub(crate) struct InspectArgs {
    /// The bundle, or an OCI image layout as a directory or a tar
    #[arg(value_name = "BUNDLE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
The keys are minisign's: `minisign -Vm SHA256SUMS -p sealift.pub` checks a bundle.

Examples:
  sealift keygen
  sealift keygen --out ship --no-passphrase")]
pub(crate) struct KeygenArgs {
    /// What the two files are called: NAME.key and NAME.pub
    #[arg(long, value_name = "NAME", default_value = "sealift")]
    pub(crate) out: PathBuf,
    /// Do not hide the key under a passphrase: whoever reads the file can sign
    #[arg(long)]
    pub(crate) no_passphrase: bool,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
