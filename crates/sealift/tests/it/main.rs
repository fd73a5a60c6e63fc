//! The binary against registries in this process: one module for each command, and one for what they share.

// Clippy knows tests only by their attribute, not the functions that they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attachments;
mod bundles;
mod certificates;
mod creation;
mod credentials;
mod discover;
mod doctor;
mod dry_run;
mod failures;
mod foreign;
mod hostile;
mod hostile_lines;
mod images;
mod interrupt;
mod kills;
mod kit;
mod list;
mod login;
mod matrix;
mod mirror;
mod network;
mod pages;
mod platforms;
mod profile;
mod progress;
mod prompts;
mod quickstart;
mod ranges;
mod releases;
mod report;
mod requests;
mod resume;
mod screen;
mod secrets;
mod serve;
mod serve_guard;
mod serve_killed;
mod serve_upstream;
mod shell;
mod site;
mod terminal;
mod transcripts;
mod usage;
mod verify;

/// A file that nobody declares is a test that nobody runs.
#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(here).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs") else { continue };
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name}");
    }
}
