//! What was typed. Doc comments here are the help texts.

mod bundle;
mod doctor;
mod guard;
mod help;
mod kit;
mod record;
mod schema;
mod serve;
mod shell;
mod upstream;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use sealift_catalog::Group as ImageGroup;
use sealift_oci::{Platform, Registry, Tag};

use crate::answers::Answer;
use crate::profile::Kept;
use crate::progress::Wish;
use crate::size::{Rate, Size};
use crate::ui::Level;

pub(crate) use bundle::{
    BundleLimitArgs, DeltaArg, InspectArgs, KeygenArgs, LoadArgs, OpenArgs, PackArgs, TargetArgs,
};
pub(crate) use doctor::DoctorArgs;
pub(crate) use guard::{AccessLogFormat, GuardArgs};
pub(crate) use help::parse;
pub(crate) use kit::{Consumer, ImagesArgs, KitArgs, LockArgs, LockSide};
pub(crate) use record::RecordArgs;
pub(crate) use schema::SchemaArgs;
pub(crate) use serve::{GcArgs, ServeArgs};
pub(crate) use shell::{CompletionsArgs, ManArgs, Shell};
pub(crate) use upstream::{UpstreamArgs, UpstreamName};

/// Carries the images of a release into the registry of an offline site.
///
/// Every byte is checked, digests stay the same, and each distinct byte moves once.
#[derive(Debug, Parser)]
#[command(name = "sealift", version, max_term_width = 80, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 all arrived, 1 some failed, 2 usage, 3 missing at the source, or at \
the target what a bundle builds on, 4 authentication, rights or a wrong key, 5 content differs, 6 refused: by a \
limit, for want of room, by --all-or-nothing or as untrusted, 130 interrupted.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mirror releases from one registry into another
    Mirror(MirrorArgs),
    /// Write releases into a bundle that crosses an air gap
    Pack(PackArgs),
    /// Bring a bundle into a registry
    Load(LoadArgs),
    /// Show what is in a bundle
    Inspect(InspectArgs),
    /// Compare what the target has with the source, digest by digest; or check
    /// every byte of a bundle, or of the directory of a registry
    Verify(VerifyArgs),
    /// Check both registries, credentials, rights, TLS, clock, proxy and disk
    /// before a run
    Doctor(DoctorArgs),
    /// Make a key to sign bundles with
    Keygen(KeygenArgs),
    /// Be a registry: over a directory, or straight over bundles
    Serve(ServeArgs),
    /// Remove what nothing links to from the directory of a registry
    Gc(GcArgs),
    /// List the known releases, and what a registry really has of them
    Releases(ReleasesArgs),
    /// Find the images that manifests, charts and Compose files refer to
    Images(ImagesArgs),
    /// Write down which digest each image has
    Lock(LockArgs),
    /// Write the files that make a cluster pull from the target
    Kit(KitArgs),
    /// Check a user and password at a registry and keep them, as Docker does
    Login(LoginArgs),
    /// Forget the user and password that are kept for a registry
    Logout(RegistryArgs),
    /// Show which user is kept for a registry, and where
    Whoami(RegistryArgs),
    /// Show it all on this machine: needs no registry, network or Docker
    Quickstart(QuickstartArgs),
    /// Print the JSON Schema of profiles, or check some
    Schema(SchemaArgs),
    /// Print what a shell needs to complete words
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

impl Command {
    /// How progress is to be shown, of what takes a while.
    pub(crate) fn progress(&self) -> Option<Wish> {
        match self {
            Self::Mirror(args) => Some(args.progress.progress),
            Self::Pack(args) => Some(args.progress.progress),
            Self::Load(args) => Some(args.progress.progress),
            Self::Verify(args) => Some(args.progress.progress),
            _ => None,
        }
    }

    pub(crate) fn talk(&self) -> TalkArgs {
        match self {
            Self::Mirror(args) => args.talk,
            Self::Pack(args) => args.talk,
            Self::Load(args) => args.talk,
            Self::Inspect(args) => args.talk,
            Self::Verify(args) => args.talk,
            Self::Doctor(args) => args.talk,
            Self::Keygen(args) => args.talk,
            Self::Serve(args) => args.talk,
            Self::Gc(args) => args.talk,
            Self::Releases(args) => args.talk,
            Self::Images(args) => args.talk,
            Self::Lock(args) => args.talk,
            Self::Kit(args) => args.talk,
            Self::Login(args) => args.talk,
            Self::Logout(args) | Self::Whoami(args) => args.talk,
            Self::Quickstart(args) => args.talk,
            Self::Schema(args) => args.talk,
            Self::Man(args) => args.talk,
            Self::Completions(_) => TalkArgs::default(),
        }
    }
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift mirror --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata
  sealift mirror --from-tag v1.40.0_2025-08-12 --to-tag v1.42.0_2025-10-14 \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata
  sealift mirror --images-file images.txt \\
      --target-registry registry.ship.lan:5000 --target-repository mirrored
  sealift mirror --profile site.yaml
  pass ship | sealift mirror --target-username captain --target-password-stdin \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata")]
pub(crate) struct MirrorArgs {
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// Keep the answers of this run in a profile, without passwords, for the next
    /// run with --profile
    #[arg(long, value_name = "FILE", help_heading = "What to take")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Go on without images that the source lacks; still ends with code 3
    #[arg(long, help_heading = "What to take")]
    pub(crate) allow_missing: bool,
    /// Check every blob of images that the target has already
    #[arg(long, help_heading = "What to take")]
    pub(crate) recheck: bool,
    /// Fetch foreign layers that the source lacks from where their publisher
    /// keeps them
    #[arg(long, help_heading = "What to take")]
    pub(crate) foreign_urls: bool,
    /// Make the target's repositories first, where it wants that: Harbor's
    /// project, and with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` the
    /// repositories of Amazon ECR
    #[arg(long, help_heading = "How to connect")]
    pub(crate) create_repositories: bool,
    /// Show what would be moved, and how long that takes; write nothing
    #[arg(long, help_heading = "Limits")]
    pub(crate) dry_run: bool,
    /// Refuse to fetch more than this, before anything moves: 20GB, 500MiB
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) max_bytes: Option<Size>,
    /// Fetch at most so much a second: 50MiB/s
    #[arg(long, value_name = "RATE", help_heading = "Limits")]
    pub(crate) bandwidth: Option<Rate>,
    /// Where unfinished uploads are remembered for the next run; `none` is
    /// nowhere
    /// [default: $XDG_STATE_HOME/sealift or ~/.local/state/sealift]
    #[arg(long, value_name = "DIRECTORY", help_heading = "Limits")]
    pub(crate) state: Option<PathBuf>,
    /// Keep the beginnings of blobs here for the next run, where the target
    /// forgets unfinished uploads
    #[arg(long, value_name = "DIRECTORY", help_heading = "Limits")]
    pub(crate) spool: Option<PathBuf>,
    /// How much of the spool's disk may be used
    #[arg(long, value_name = "SIZE", default_value = "10GB", requires = "spool", help_heading = "Limits")]
    pub(crate) spool_max: Size,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift verify --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata
  sealift verify --deep --tag v1.42.0_2025-10-14 --output json \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata
  sealift verify ./release --trust sealift.pub
  sealift verify ./store")]
pub(crate) struct VerifyArgs {
    /// A bundle to check in place of a registry, or the directory of one
    #[arg(value_name = "BUNDLE", conflicts_with_all = ["target_registry", "target_repository", "images_file", "profile"])]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Read every blob of the target back and hash it
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift releases
  sealift releases --source-registry mcr.microsoft.com
  sealift releases --discover --output json")]
pub(crate) struct ReleasesArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Read every repository of the source, and show what differs from
    /// sealift's table, release by release and image by image
    #[arg(long)]
    pub(crate) discover: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
The password is kept by the credential helper that Docker's configuration names
(credHelpers, credsStore), else unencrypted in a file that only you can read.

Examples:
  sealift login registry.ship.lan:5000
  pass ship | sealift login registry.ship.lan:5000 \\
      --username captain --password-stdin")]
pub(crate) struct LoginArgs {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    pub(crate) registry: Registry,
    /// User there; asked for on a terminal
    #[arg(long, short, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Read the password as a line of stdin; asked for on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// A registry and nothing more.
#[derive(Debug, Group)]
pub(crate) struct RegistryArgs {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    pub(crate) registry: Registry,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift quickstart
  sealift quickstart --serve --port 5000")]
pub(crate) struct QuickstartArgs {
    /// Where the mirrored images are kept
    #[arg(long, value_name = "DIRECTORY", default_value = "./sealift-quickstart")]
    pub(crate) dir: PathBuf,
    /// Keep the target registry up until Ctrl-C, to pull from it
    #[arg(long)]
    pub(crate) serve: bool,
    /// The port of the target registry; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// The ten answers, as flags. A flag beats the variable, the variable beats the profile, the profile beats the question.
#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "Where from and where to (a flag beats its variable)")]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Release to take; repeatable [SOURCE_DOCKER_TAG]
    /// [default: the newest at the source]; beside a list the tag of images that
    /// it names by digest alone
    #[arg(long, visible_alias = "tag", value_name = "TAG")]
    pub(crate) source_tag: Vec<String>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The answers of the profile that was named, below all of these.
    #[arg(skip)]
    pub(crate) kept: Kept,
}

/// The answers about the source, as flags.
#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "Where from and where to (a flag beats its variable)")]
pub(crate) struct SourceArgs {
    /// Registry to take from [SOURCE_DOCKER_REGISTRY]
    /// [default: mcr.microsoft.com]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) source_registry: Option<String>,
    /// Repository there, above the images' own [SOURCE_DOCKER_REPOSITORY]
    /// [default: arcdata]
    #[arg(long, value_name = "NAME")]
    pub(crate) source_repository: Option<String>,
    /// User there [SOURCE_DOCKER_USERNAME]
    /// [default: who is kept in Docker's configuration]
    #[arg(long, value_name = "USER")]
    pub(crate) source_username: Option<String>,
    /// Read that user's password as a line of stdin [SOURCE_DOCKER_PASSWORD]
    #[arg(long)]
    pub(crate) source_password_stdin: bool,
    /// Ask there as nobody, whoever is kept in Docker's configuration
    #[arg(long, conflicts_with_all = ["source_username", "source_password_stdin"])]
    pub(crate) source_anonymous: bool,
}

impl AnswerArgs {
    /// Returns what was typed for an answer; passwords and source tags are not typed like this.
    pub(crate) fn get(&self, answer: Answer) -> Option<&str> {
        let typed = match answer {
            Answer::SourceRegistry => &self.source.source_registry,
            Answer::SourceRepository => &self.source.source_repository,
            Answer::SourceUsername => &self.source.source_username,
            Answer::TargetRegistry => &self.target.target_registry,
            Answer::TargetRepository => &self.target.target_repository,
            Answer::TargetUsername => &self.target.target_username,
            Answer::TargetTag => &self.target.target_tag,
            Answer::SourceTag | Answer::SourcePassword | Answer::TargetPassword => &None,
        };
        typed.as_deref()
    }

    /// Lists the users that are to be nobody.
    pub(crate) fn anonymous(&self) -> Vec<Answer> {
        let sides = [
            (self.source.source_anonymous, Answer::SourceUsername),
            (self.target.target_anonymous, Answer::TargetUsername),
        ];
        sides.into_iter().filter_map(|(is_anonymous, user)| is_anonymous.then_some(user)).collect()
    }

    /// Tells whether a password is to be read from standard input.
    pub(crate) fn is_on_stdin(&self, answer: Answer) -> bool {
        match answer {
            Answer::SourcePassword => self.source.source_password_stdin,
            Answer::TargetPassword => self.target.target_password_stdin,
            _ => false,
        }
    }
}

#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "What to take")]
pub(crate) struct WhatArgs {
    /// Take what this profile says, and its answers where no flag and no variable
    /// gives one (`-` is standard input). Also read: the YAML of `skopeo sync` and
    /// of regsync, and lists
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// The images that FILE lists, of any product, one reference on each line
    /// (`-` is standard input); each goes to its own path below the target
    /// repository
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "source_registry", "source_repository", "from_tag", "images", "skip_groups",
    ])]
    pub(crate) images_file: Option<PathBuf>,
    /// Only this image of the release; repeatable
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) images: Vec<String>,
    /// Every release from this one on, in place of --source-tag
    #[arg(long, value_name = "TAG", requires = "to_tag", conflicts_with = "source_tag")]
    pub(crate) from_tag: Option<Tag>,
    /// Every release up to this one
    #[arg(long, value_name = "TAG", requires = "from_tag")]
    pub(crate) to_tag: Option<Tag>,
    /// Without the images of this group (postgres, dashboards, test-harness);
    /// repeatable
    #[arg(long = "skip-group", value_name = "GROUP")]
    pub(crate) skip_groups: Vec<ImageGroup>,
    /// Only this platform out of each multi-platform image
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<Platform>,
    /// Without what is attached to the images: signatures, attestations, SBOMs
    #[arg(long)]
    pub(crate) no_attachments: bool,
}

#[derive(Debug, Group)]
#[command(next_help_heading = "How to connect")]
pub(crate) struct ConnectionArgs {
    /// Speak plain HTTP with this registry; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) plain_http: Vec<Registry>,
    /// Trust the certificates in this PEM file, too; repeatable
    #[arg(long = "ca-file", value_name = "FILE")]
    pub(crate) ca_files: Vec<PathBuf>,
    /// Show this certificate to registries that ask for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of that certificate, unencrypted
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// Find this host there, whatever name servers say; repeatable
    #[arg(long, value_name = "HOST:IP", value_parser = parse_resolve)]
    pub(crate) resolve: Vec<(String, IpAddr)>,
    /// How long a connection may take to stand
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) connect_timeout: u64,
    /// How long a registry may keep silent; five times as long once all of a blob
    /// is sent
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) stall_timeout: u64,
    /// How many blobs move, and images are looked up, at the same time at most;
    /// fewer where more do not help
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) max_connections: u16,
    /// How many requests a second each registry gets at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) requests_per_second: Option<u32>,
}

impl ConnectionArgs {
    /// What holds where nothing is said; the same stands on the arguments.
    pub(crate) fn usual() -> Self {
        Self {
            plain_http: Vec::new(),
            ca_files: Vec::new(),
            client_cert: None,
            client_key: None,
            resolve: Vec::new(),
            connect_timeout: 10,
            stall_timeout: 60,
            max_connections: 16,
            requests_per_second: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How the report is written to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, Default, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct ProgressArgs {
    /// How progress is shown on stderr
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Wish::Auto)]
    pub(crate) progress: Wish,
}

#[derive(Clone, Copy, Debug, Default, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct TalkArgs {
    /// Tell nothing on the way but warnings and errors
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell about every blob
    #[arg(long, short)]
    verbose: bool,
}

impl TalkArgs {
    pub(crate) fn level(self) -> Level {
        match self {
            Self { quiet: true, .. } => Level::Quiet,
            Self { verbose: true, .. } => Level::Verbose,
            _ => Level::Normal,
        }
    }
}

/// Reads `HOST:IP`; an IPv6 address may be in brackets.
fn parse_resolve(text: &str) -> Result<(String, IpAddr), &'static str> {
    const FORM: &str = "it reads HOST:IP, without a port";
    let (host, address) = text.split_once(':').ok_or(FORM)?;
    let host: Registry = host.parse().map_err(|_| FORM)?;
    let address = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
    Ok((host.as_str().to_owned(), address.parse().map_err(|_| FORM)?))
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Text,
    /// A document for programs; docs/REPORT.md explains it
    Json,
}

#[cfg(test)]
mod examples;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn hosts_are_given_addresses() {
        for (text, expected) in [
            ("Ship.lan:10.0.0.5", Some("ship.lan 10.0.0.5")),
            ("ship.lan:fd00::5", Some("ship.lan fd00::5")),
            ("ship.lan:[fd00::5]", Some("ship.lan fd00::5")),
            ("ship.lan:5000:10.0.0.5", None),
            ("ship.lan", None),
            ("ship.lan:other.lan", None),
            (":10.0.0.5", None),
        ] {
            let read = parse_resolve(text).ok().map(|(host, address)| format!("{host} {address}"));
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn every_help_fits_80_columns() {
        let mut command = Args::command().term_width(80);
        command.build();
        let mut texts = vec![command.render_long_help().to_string()];
        texts.extend(command.get_subcommands_mut().map(|it| it.render_long_help().to_string()));
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    /// The reference, made of the help texts. `UPDATE_SNAPSHOTS=1` writes docs/CLI.md anew.
    #[test]
    fn the_published_reference_is_that_of_the_definitions() {
        let mut command = Args::command().term_width(80);
        command.build();
        let mut text = include_str!("cli-intro.md").to_owned();
        let section = |name: &str, help: &str| format!("\n## {name}\n\n```text\n{}\n```\n", help.trim_end());
        text += &section("sealift", &command.render_long_help().to_string());
        for command in command.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            text += &section(&format!("sealift {}", command.get_name()), &help);
        }
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CLI.md");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == text, "docs/CLI.md is old; UPDATE_SNAPSHOTS=1 cargo test -p sealift");
    }

    #[test]
    fn every_answer_has_its_flag_and_no_password_is_an_argument() {
        let mut command = Args::command();
        command.build();
        for name in ["mirror", "verify"] {
            let command = command.find_subcommand(name).unwrap();
            for answer in Answer::ALL {
                let flag = answer.flag().trim_start_matches("--");
                let argument = command.get_arguments().find(|it| it.get_long() == Some(flag)).unwrap();
                let is_password = matches!(answer, Answer::SourcePassword | Answer::TargetPassword);
                assert_eq!(argument.get_action().takes_values(), !is_password, "{flag}");
            }
        }
    }
}
