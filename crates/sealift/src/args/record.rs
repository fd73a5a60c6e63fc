//! What is typed about the reports that are kept of a run.

use std::path::PathBuf;

use clap::Args as Group;

#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct RecordArgs {
    /// Keep the report in this file, too: one page to read and print where its
    /// name ends in .html, the document for programs where it ends in .json;
    /// repeatable
    #[arg(long = "report", value_name = "FILE")]
    pub(crate) reports: Vec<PathBuf>,
    /// Who runs this, for the report
    #[arg(long, value_name = "NAME", value_parser = parse_operator)]
    pub(crate) operator: Option<String>,
}

/// A name is one line; what is longer than a page's line is none.
fn parse_operator(text: &str) -> Result<String, &'static str> {
    const LIMIT: usize = 200;
    let name = text.trim();
    match name.chars().any(char::is_control) || name.chars().count() > LIMIT || name.is_empty() {
        true => Err("it is a name on one line, of 200 characters at most"),
        false => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_it_is_a_name() {
        let long = "a".repeat(201);
        for (text, expected) in [
            (" Grace Hopper, USN ", Some("Grace Hopper, USN")),
            ("Zoë <z@ship.lan>", Some("Zoë <z@ship.lan>")),
            ("", None),
            ("  ", None),
            ("two\nlines", None),
            (long.as_str(), None),
        ] {
            assert_eq!(parse_operator(text).ok().as_deref(), expected, "{text:?}");
        }
    }
}
