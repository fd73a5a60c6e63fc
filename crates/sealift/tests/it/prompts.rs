use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use sealift::{Environment, Exit, PromptError, Prompter, Secret};

use crate::site::{KNOWN, Site, image};

/// Answers from a list, and breaks off behind its end.
#[derive(Debug)]
pub(crate) struct Script(pub(crate) Vec<String>);

impl Script {
    fn next(&mut self) -> Result<String, PromptError> {
        if self.0.is_empty() { Err(PromptError::Interrupted) } else { Ok(self.0.remove(0)) }
    }
}

impl Prompter for Script {
    fn text(&mut self, _: &str) -> Result<String, PromptError> {
        self.next()
    }

    fn secret(&mut self, _: &str) -> Result<Secret, PromptError> {
        self.next().map(Secret::new)
    }
}

/// Keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the library on a terminal where these answers are typed.
pub(crate) async fn typed(args: &[&str], answers: &[&str]) -> (Exit, String) {
    let kept = Kept::default();
    let environment = Environment {
        variables: std::collections::HashMap::new(),
        is_interactive: true,
        stdin_is_terminal: true,
        stdout_width: Some(80),
        stderr_width: Some(80),
        stderr_size: || None,
        stdin: Box::new(io::empty()),
        stdout: Box::new(kept.clone()),
        stdout_file: None,
        stderr: Box::new(kept.clone()),
        prompter: Box::new(Script(answers.iter().map(|&it| it.to_owned()).collect())),
    };
    let args: Vec<String> = std::iter::once(&"sealift").chain(args).map(|&it| it.to_owned()).collect();
    let exit = tokio::task::spawn_blocking(|| sealift::run(args, environment)).await.unwrap();
    (exit, kept.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_answers_on_a_terminal_mirror_a_release() {
    let site = Site::new().await;
    let (from, to) = (site.source.address.as_str(), site.target.address.as_str());
    let answers = [from, "", "", "", "", to, "site/arcdata", "captain", "hunter2", "approved"];
    let (exit, text) = typed(&["mirror", "--image", "arc-dns"], &answers).await;
    assert_eq!(exit, Exit::Success, "{text}");
    assert_eq!(site.tagged("arc-dns", "approved").await, Some(image(KNOWN, "arc-dns").digest()));
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_asked_for_again_and_breaking_off_is_130() {
    let (exit, text) = typed(&["mirror"], &["https://mcr.example/arcdata"]).await;
    assert_eq!(exit, Exit::Interrupted);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("Did you mean --source-registry mcr.example --source-repository arcdata?"),
        "{text}"
    );
}
