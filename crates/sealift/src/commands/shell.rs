//! `sealift completions` and `sealift man`: what shells and `man` want to know, made from the definitions of the arguments.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell as Kind, generate};
use clap_mangen::Man;
use sealift_store::atomic;

use super::Result;
use super::mirror::write;
use crate::args::{Args, CompletionsArgs, ManArgs, Shell};
use crate::errors::{CommandError, Exit};
use crate::output::units::count;
use crate::ui::Ui;

/// What the program is called.
const NAME: &str = "sealift";

/// Writes the completions of a shell to standard output.
pub(super) fn completions(ui: &Ui, args: &CompletionsArgs) -> Result<Exit> {
    let kind = match args.shell {
        Shell::Bash => Kind::Bash,
        Shell::Zsh => Kind::Zsh,
        Shell::Fish => Kind::Fish,
        Shell::Powershell => Kind::PowerShell,
    };
    let mut script = Vec::new();
    generate(kind, &mut Args::command(), NAME, &mut script);
    // The definitions are text.
    write(ui, &String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Writes the manual pages into a directory.
pub(super) fn man(ui: &Ui, args: &ManArgs) -> Result<Exit> {
    let pages = pages().map_err(|error| CommandError::Machine("the manual cannot be made", error))?;
    let written = write_pages(&args.to, &pages);
    written.map_err(|error| {
        let message = format!("--to {}: {error}", args.to.display());
        CommandError::usage(message, "Name a directory to write to.")
    })?;
    ui.status(format_args!("{}: {}", args.to.display(), count(pages.len(), "page")));
    Ok(Exit::Success)
}

fn write_pages(to: &Path, pages: &[(String, Vec<u8>)]) -> io::Result<()> {
    atomic::create_dir_all(to)?;
    pages.iter().try_for_each(|(name, page)| atomic::write_unsynced(&to.join(name), page))
}

/// Makes the page of the program and one for each command, each with its file's name.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Args::command();
    command.build();
    let mut pages = vec![(format!("{NAME}.1"), page(command.clone())?)];
    for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("{NAME}-{}.1", subcommand.get_name());
        pages.push((name, page(subcommand.clone())?));
    }
    Ok(pages)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let section = concat!("sealift ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(section).manual("sealift").render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page() {
        let pages = pages().unwrap();
        let mut command = Args::command();
        command.build();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "sealift.1");
        for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            let name = format!("sealift-{}.1", subcommand.get_name());
            let (_, page) = pages.iter().find(|(it, _)| *it == name).unwrap_or_else(|| panic!("{name}"));
            let page = String::from_utf8(page.clone()).unwrap();
            for argument in subcommand.get_arguments().filter_map(clap::Arg::get_long) {
                let escaped = argument.replace('-', "\\-");
                assert!(page.contains(&escaped), "{name} lacks --{argument}");
            }
        }
    }

    #[test]
    fn pages_have_no_time_and_no_secret_of_this_machine() {
        let (first, second) = (pages().unwrap(), pages().unwrap());
        assert_eq!(first, second);
    }
}
