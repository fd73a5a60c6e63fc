//! Completions in the shells that they are for. PowerShell is no package of Debian's: what is written for it is not read here.

use sealift_testbed::peers::{interop_wanted, run_well};

use crate::site::run;

/// Writes the completions of a shell, and returns where.
async fn completions(directory: &tempfile::TempDir, shell: &str, name: &str) -> String {
    let file = directory.path().join(name);
    std::fs::write(&file, run(vec!["completions", shell], &[]).await.expect(0).stdout).unwrap();
    file.display().to_string()
}

async fn said(program: &str, arguments: &[&str]) -> String {
    let output = run_well(program, arguments).await.unwrap();
    assert_eq!(output.stderr, "", "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fish_completes_commands_flags_and_values() {
    if !interop_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = completions(&directory, "fish", "sealift.fish").await;
    assert_eq!(said("fish", &["--no-config", "--no-execute", &file]).await, "");
    for (line, expected) in [
        ("sealift ser", "serve\t"),
        ("sealift serve --read-", "--read-only\t"),
        ("sealift pack --delta b", "better\t"),
    ] {
        let script = format!("source {file}; complete --do-complete '{line}'");
        let found = said("fish", &["--no-config", "--command", &script]).await;
        assert!(found.lines().any(|it| it.starts_with(expected)), "{line}: {found}");
    }
}

/// zsh finds the function by the file's name, and binds it to the command by its first line.
#[tokio::test(flavor = "multi_thread")]
async fn zsh_finds_and_loads_the_completions() {
    if !interop_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = completions(&directory, "zsh", "_sealift").await;
    assert_eq!(said("zsh", &["-f", "-n", &file]).await, "");
    let script = format!(
        "fpath=({} $fpath); autoload -Uz compinit; compinit -u -D; autoload +X _sealift; \
         print -r -- $_comps[sealift] $+functions[_sealift]",
        directory.path().display()
    );
    assert_eq!(said("zsh", &["-f", "-c", &script]).await.trim(), "_sealift 1");
}
