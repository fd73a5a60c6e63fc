//! What the shell is given: completions that real shells read, and manual pages that `man` shows without complaint. A shell that
//! is not installed is left out; bash is everywhere.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::site::sealift;

async fn completions(shell: &str) -> String {
    let run = sealift(&["completions", shell], &[], None).await.expect(0);
    assert_eq!(run.stderr, "");
    run.stdout
}

/// Runs a program on a script that it reads from standard input; `None` where it is not installed.
fn feed(program: &str, arguments: &[&str], script: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Lets bash complete the last of some words, as it does when TAB is pressed.
fn complete(script: &str, words: &[&str]) -> Vec<String> {
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let script = format!(
        "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_sealift sealift '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        list.join(" "),
        words.len() - 1
    );
    let output = feed("bash", &["--norc", "--noprofile"], &script).expect("bash is not installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_flags_and_values() {
    let script = completions("bash").await;
    for (words, expected) in [
        (&["sealift", "mir"][..], "mirror"),
        (&["sealift", "compl"], "completions"),
        (&["sealift", "mirror", "--target-reg"], "--target-registry"),
        (&["sealift", "pack", "--volume-s"], "--volume-size"),
        (&["sealift", "mirror", "--output", "js"], "json"),
        (&["sealift", "completions", "pow"], "powershell"),
    ] {
        assert_eq!(complete(&script, words), [expected], "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_can_read_their_completions() {
    for (shell, program, arguments) in
        [("bash", "bash", ["-n"]), ("zsh", "zsh", ["-n"]), ("fish", "fish", ["--no-execute"])]
    {
        let script = completions(shell).await;
        assert!(script.contains("target-registry"), "{shell}");
        let Some(output) = feed(program, &arguments, &script) else { continue };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
    }
    let run = sealift(&["completions", "bsh"], &[], None).await.expect(2);
    assert!(run.stderr.contains("a similar value exists: 'bash'"), "{}", run.stderr);
}

/// PowerShell is not there to read it. So this looks at what a parser would trip over: strings, and braces outside of them; and that
/// there is a case for each command with each of its flags.
#[tokio::test(flavor = "multi_thread")]
async fn the_text_for_powershell_is_closed_and_whole() {
    let script = completions("powershell").await;
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName 'sealift'"), "{script}");
    let mut depth: Vec<char> = Vec::new();
    for line in script.lines() {
        // Within a string a quote is doubled, which closes one and opens the next.
        let outside: Vec<&str> = line.split('\'').step_by(2).collect();
        assert_eq!(line.matches('\'').count() % 2, 0, "a string is open: {line}");
        for character in outside.concat().chars() {
            match character {
                '(' | '{' | '[' => depth.push(character),
                ')' => assert_eq!(depth.pop(), Some('('), "{line}"),
                '}' => assert_eq!(depth.pop(), Some('{'), "{line}"),
                ']' => assert_eq!(depth.pop(), Some('['), "{line}"),
                _ => {}
            }
        }
    }
    assert_eq!(depth, [' '; 0]);
    let case = |command: &str| {
        let begin = script
            .find(&format!("'sealift;{command}' {{"))
            .unwrap_or_else(|| panic!("no case for {command}"));
        script[begin..].split("break").next().unwrap_or_default()
    };
    for (command, flags) in [
        ("mirror", &["--target-registry", "--profile", "--save"][..]),
        ("pack", &["--volume-size", "--encrypt-to"]),
        ("serve", &["--read-only", "--upstream"]),
        ("kit", &["--for", "--profile"]),
    ] {
        for flag in flags {
            assert!(case(command).contains(&format!("::new('{flag}', '{flag}'")), "{command} {flag}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_has_a_page_for_each_command_and_no_flaw() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("deep/man1");
    let run = sealift(&["man", "--to", to.to_str().unwrap()], &[], None).await.expect(0);
    assert!(run.stdout.is_empty() && run.stderr.contains(" pages"), "{}", run.stderr);
    let mut pages: Vec<_> = std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let names: Vec<&str> = pages.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
    for name in
        ["sealift.1", "sealift-mirror.1", "sealift-pack.1", "sealift-serve.1", "sealift-completions.1"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    pages.iter().for_each(|page| read_by_man(page));
    let run = sealift(&["man", "--to", "/proc/nowhere"], &[], None).await.expect(2);
    assert!(run.stderr.contains("--to /proc/nowhere"), "{}", run.stderr);
}

/// `man` formats a page and says what is wrong with it.
fn read_by_man(page: &Path) {
    let mut command = Command::new("man");
    command.args(["--local-file", "--warnings=all"]).arg(page);
    command.envs([("MANWIDTH", "80"), ("LC_ALL", "C.UTF-8"), ("MANROFFOPT", ""), ("PAGER", "cat")]);
    let Ok(output) = command.stdin(Stdio::null()).output() else { return };
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A machine without the formatter has nothing to say about the page.
    if said.contains("groff") && !output.status.success() {
        return;
    }
    assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
    for heading in ["NAME", "SYNOPSIS", "OPTIONS"] {
        assert!(text.contains(heading), "{} has no {heading}", page.display());
    }
}
