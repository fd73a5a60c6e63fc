//! The examples in the help texts, which people copy: each is a command line that is understood, and each
//! release in it is one of the table.

use clap::{CommandFactory, Parser as _};
use sealift_catalog::releases;

use super::Args;

/// Finds the command lines in a text: those that begin with `sealift`, or have it behind a pipe. A line that
/// ends in a backslash goes on.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().map(|line| line.rsplit(" | ").next().unwrap_or_default());
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| words.first().is_some_and(|word| word == "sealift")).collect()
}

/// Every command's examples, behind the command's name.
fn examples() -> Vec<(String, Vec<String>)> {
    let mut command = Args::command();
    command.build();
    let texts = command.get_subcommands_mut().map(|it| {
        let text = it.render_long_help().to_string();
        let examples = text.split_once("Examples:").map(|(_, examples)| examples.to_owned());
        (it.get_name().to_owned(), examples.unwrap_or_default())
    });
    let texts: Vec<(String, String)> = texts.collect();
    texts
        .iter()
        .flat_map(|(name, text)| command_lines(text).into_iter().map(|it| (name.clone(), it)))
        .collect()
}

fn is_release(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()))
}

#[test]
fn every_example_is_understood() {
    let examples = examples();
    for (name, words) in &examples {
        assert_eq!(words.get(1), Some(name), "an example of another command: {words:?}");
        if let Err(error) = Args::try_parse_from(words) {
            panic!("{words:?}: {error}");
        }
    }
    for name in ["mirror", "verify", "releases", "images", "lock", "kit", "login", "quickstart"] {
        assert!(examples.iter().any(|(it, _)| it == name), "{name} has no example");
    }
}

#[test]
fn every_release_in_an_example_is_one_of_the_table() {
    let examples = examples();
    let words = examples.iter().flat_map(|(_, words)| words).filter(|word| is_release(word));
    let tags: Vec<&String> = words.collect();
    assert!(!tags.is_empty());
    for tag in tags {
        assert!(releases().iter().any(|release| release.tag.as_str() == tag), "{tag}");
    }
}

/// What the tests above would not notice if nothing was found.
#[test]
fn examples_are_found() {
    let text = "Words with sealift in them\n  sealift a \\\n      --b c\n  pass x | sealift d\n";
    assert_eq!(command_lines(text), [&["sealift", "a", "--b", "c"][..], &["sealift", "d"]]);
    assert!(is_release("v1.2.0_2021-12-15") && !is_release("verify") && !is_release("--v1"));
    assert!(Args::try_parse_from(["sealift", "mirror", "--no-such-flag"]).is_err());
}
