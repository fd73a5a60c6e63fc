//! How help is shown: `-h` fits a screen of 24 lines with what is wanted most, `--help` has everything in sections.
//!
//! The tables below say what `-h` shows; what they do not name, and everything else about the arguments, comes from the
//! definitions. Tests hold both together.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::Args;

/// What `sealift` and `sealift -h` show above the table of commands.
const ABOUT: &str = "Carries container images into the registries of offline sites, byte for byte.

Usage: sealift COMMAND [OPTIONS]
";
/// And below it.
const BELOW: &str = "
sealift COMMAND -h       what a command does, and the flags wanted most
sealift COMMAND --help   every flag; sealift --help: every command in a line

Start with `sealift quickstart`: it needs no registry, network or Docker.
";

/// The commands, by what they are for; what is not named here has a line at the end.
const COMMANDS: &[(&str, &[&str])] = &[
    ("Find", &["images", "releases", "inspect", "lock"]),
    ("Carry", &["mirror", "pack", "load"]),
    ("Check", &["verify", "doctor", "schema"]),
    ("Hand on", &["kit"]),
    ("Serve", &["serve", "gc"]),
    ("Sign in", &["login", "logout", "whoami"]),
    ("Keys", &["keygen"]),
    ("Learn", &["quickstart"]),
    ("Shell", &["completions", "man"]),
];

/// Of the commands that have many flags, those that `-h` shows, and in which words.
const WANTED: &[(&str, &[(&str, &str)])] = &[
    (
        "mirror",
        &[
            ("target_registry", "Registry to bring to"),
            ("target_repository", "Repository there"),
            ("source_registry", "Registry to take from"),
            ("source_tag", "Release to take; --tag"),
            ("images_file", "Take the images that this file lists"),
            ("profile", "Take what this profile says"),
            ("ca_files", "Trust these certificates, too"),
            ("dry_run", "Show what would be moved"),
            ("reports", "Keep a report: .html, .json"),
        ],
    ),
    (
        "pack",
        &[
            ("to", "Directory, FILE.tar, - or oci:DIRECTORY"),
            ("source_tag", "Release to take; --tag"),
            ("images_file", "Take the images that this file lists"),
            ("since", "Leave out what the other side has"),
            ("volume_size", "Cut into volumes: fat32, dvd"),
            ("sign", "Sign it with this key"),
            ("encrypt_to", "Encrypt it for this age recipient"),
            ("dry_run", "Show what would be moved"),
        ],
    ),
    (
        "load",
        &[
            ("bundles", "The bundles, or OCI image layouts"),
            ("target_registry", "Registry to bring to"),
            ("target_repository", "Repository there"),
            ("into", "Or the directory of a registry"),
            ("trust", "Refuse what this key did not sign"),
            ("identity", "Open what is encrypted with this"),
            ("volume_dir", "Volumes lie here, too"),
            ("dry_run", "Show what would be moved"),
        ],
    ),
    (
        "verify",
        &[
            ("bundle", "A bundle, or the directory of a registry"),
            ("target_registry", "Registry to look at"),
            ("target_repository", "Repository there"),
            ("source_tag", "Release to compare; --tag"),
            ("images_file", "Compare the images of this list"),
            ("deep", "Read every blob back and hash it"),
            ("trust", "Refuse what this key did not sign"),
            ("reports", "Keep a report: .html, .json"),
        ],
    ),
    (
        "doctor",
        &[
            ("target_registry", "Registry to bring to"),
            ("target_repository", "Repository there"),
            ("source_registry", "Registry to take from"),
            ("images_file", "Look at what this list names"),
            ("ca_files", "Trust these certificates, too"),
            ("no_push", "Write nothing to the target"),
        ],
    ),
    (
        "releases",
        &[
            ("source_registry", "Registry to ask"),
            ("source_repository", "Repository there"),
            ("discover", "Read all of it; show what is not as listed"),
        ],
    ),
    (
        "lock",
        &[
            ("at", "Which side to ask"),
            ("target_registry", "Registry of the target"),
            ("target_repository", "Repository there"),
            ("source_tag", "Release; --tag"),
            ("images_file", "The images that this file lists"),
        ],
    ),
    (
        "kit",
        &[
            ("consumer", "Who is to pull: azure-arc, kubernetes"),
            ("to", "Where the files go"),
            ("target_registry", "Registry that was mirrored to"),
            ("source_tag", "Release that was mirrored; --tag"),
            ("images_file", "The images that this file lists"),
        ],
    ),
    (
        "serve",
        &[
            ("places", "Its directory; bundles with --read-only"),
            ("read_only", "Serve what is there and take nothing"),
            ("listen", "Where to listen"),
            ("tls_self_signed", "Serve over TLS, by an own authority"),
            ("htpasswd", "Ask for users and passwords"),
            ("allow", "Who may read or write what"),
            ("access_log", "Write a line for each request"),
        ],
    ),
];

/// The sections that `-h` leaves out where a command is not in the table: they are the same everywhere.
const COMMON: &[&str] = &["What to take", "How to connect", "Limits", "Output"];
/// The same of single flags, by their endings.
const COMMON_ENDINGS: &[&str] = &["_username", "_password_stdin", "_anonymous", "target_tag", "plain_http"];

/// Reads the arguments of a run.
pub(crate) fn parse<T: Into<OsString> + Clone>(
    args: impl IntoIterator<Item = T>,
) -> Result<Args, clap::Error> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let mut command = Args::command();
    if args.iter().any(|argument| argument == "-h") {
        command = shaped(command);
    }
    if args.get(1).is_none_or(|first| first == "-h") {
        command = command.override_help(overview());
    }
    let matches = command.try_get_matches_from_mut(args)?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Lists the commands, for `-h`.
fn overview() -> StyledStr {
    let mut command = Args::command();
    command.build();
    let there: Vec<&str> =
        command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
    let is_named = |name: &&str| COMMANDS.iter().any(|(_, names)| names.contains(name));
    let rest: Vec<&str> = there.iter().copied().filter(|name| !is_named(name)).collect();
    let line = |purpose: &str, names: &[&str]| {
        let names: Vec<&str> = names.iter().copied().filter(|name| there.contains(name)).collect();
        if names.is_empty() { String::new() } else { format!("  {purpose:<9} {}\n", names.join("  ")) }
    };
    let table: String = COMMANDS.iter().map(|(purpose, names)| line(purpose, names)).collect();
    format!("{ABOUT}\nCommands:\n{table}{}{BELOW}", line("Also", &rest)).into()
}

/// Leaves in `-h` of each command what is wanted most.
fn shaped(mut command: Command) -> Command {
    command.build();
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |it| shorten(it, &name));
    }
    command
}

fn shorten(command: Command, name: &str) -> Command {
    let wanted = WANTED.iter().find(|(it, _)| *it == name).map(|(_, wanted)| *wanted);
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let below = format!("{}\nMore: sealift {name} --help", first_example(&examples));
    command.after_help(below).mut_args(|argument| {
        let id = argument.get_id().to_string();
        let words = wanted.map(|wanted| wanted.iter().find(|(it, _)| *it == id).map(|(_, words)| *words));
        let is_common = argument.get_help_heading().is_some_and(|heading| COMMON.contains(&heading))
            || COMMON_ENDINGS.iter().any(|ending| id.ends_with(ending));
        // A heading for each two of them would take more lines than they do.
        let argument = argument.help_heading(None::<&str>);
        match words {
            Some(Some(words)) => argument.help(words).hide_possible_values(true),
            Some(None) => argument.hide_short_help(id != "help"),
            None => {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                argument.help(first_clause(&help).to_owned()).hide_short_help(is_common)
            }
        }
    })
}

/// Keeps what a help text begins with: what follows is for who reads everything.
fn first_clause(help: &str) -> &str {
    let end = [". ", "; ", " ["].iter().filter_map(|it| help.find(it)).min();
    help.get(..end.unwrap_or(help.len())).unwrap_or(help)
}

/// Keeps the first of the examples.
fn first_example(examples: &str) -> String {
    let Some((_, list)) = examples.split_once("Examples:\n") else { return String::new() };
    let mut first = "Example:\n".to_owned();
    for line in list.lines() {
        first += line;
        first.push('\n');
        if !line.ends_with('\\') {
            break;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The lines of a screen, less the one for the next prompt.
    const LINES: usize = 23;

    fn short_help(args: &[&str]) -> String {
        parse(args).unwrap_err().render().to_string()
    }

    #[test]
    fn the_overview_names_every_command_once() {
        let mut command = Args::command();
        command.build();
        let there: BTreeSet<&str> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
        let overview = overview().to_string();
        let lines = overview
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty());
        let named: Vec<&str> = lines.flat_map(|line| line[12..].split_whitespace()).collect();
        assert_eq!(named.len(), there.len(), "{named:?}");
        assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn every_short_help_fits_a_screen() {
        let mut command = Args::command();
        command.build();
        let mut pages = vec![("sealift", short_help(&["sealift", "-h"]))];
        for subcommand in command.get_subcommands().map(Command::get_name) {
            pages.push((subcommand, short_help(&["sealift", subcommand, "-h"])));
        }
        for (name, page) in pages {
            assert!(page.contains("Usage: sealift"), "{page}");
            assert!(page.trim_end().lines().count() <= LINES, "{name} has more than {LINES} lines:\n{page}");
            assert!(
                page.lines().all(|line| line.chars().count() <= 80),
                "{name} is wider than 80 columns:\n{page}"
            );
        }
    }

    #[test]
    fn short_help_has_an_example_and_long_help_everything() {
        for (name, wanted) in WANTED {
            let (short, long) =
                (short_help(&["sealift", name, "-h"]), short_help(&["sealift", name, "--help"]));
            assert!(
                short.contains("Example") && short.contains(&format!("More: sealift {name} --help")),
                "{short}"
            );
            assert!(long.contains("Examples:") && !long.contains("More: sealift"), "{long}");
            let mut command = Args::command();
            command.build();
            let command = command.find_subcommand(name).unwrap();
            for (id, _) in *wanted {
                assert!(command.get_arguments().any(|it| it.get_id() == *id), "{name} has no {id}");
            }
            for flag in command.get_arguments().filter(|it| !it.is_hide_set()).filter_map(clap::Arg::get_long)
            {
                assert!(long.contains(&format!("--{flag}")), "{name} --help lacks --{flag}");
            }
        }
    }

    #[test]
    fn what_is_misspelt_is_suggested() {
        for (typed, suggested) in [
            (&["sealift", "miror"][..], "mirror"),
            (&["sealift", "mirorr"], "mirror"),
            (&["sealift", "verfy"], "verify"),
            (&["sealift", "quick-start"], "quickstart"),
            (&["sealift", "mirror", "--target-registy", "a"], "--target-registry"),
            (&["sealift", "pack", "--volume-sise", "fat32"], "--volume-size"),
            (&["sealift", "pack", "--delta", "fats"], "fast"),
            (&["sealift", "mirror", "--output", "jsn"], "json"),
        ] {
            let text = parse(typed).unwrap_err().render().to_string();
            assert!(text.contains("tip:") && text.contains(suggested), "{typed:?}: {text}");
        }
    }

    #[test]
    fn without_a_command_the_overview_is_shown() {
        let error = parse(["sealift"]).unwrap_err();
        assert!(error.use_stderr(), "it is no success to have said nothing");
        assert!(error.render().to_string().contains("Start with `sealift quickstart`"), "{error}");
    }
}
