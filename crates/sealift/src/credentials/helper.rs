//! The helpers that keep credentials in a keychain or make them up: `docker-credential-NAME`, with the words
//! `get`, `store` and `erase` and JSON in between (docker/docker-credential-helpers, README, "Development").

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift_registry::client::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::document::quoted;
use super::locations::Surroundings;
use super::process::{self, Finished};
use super::traces::Traces;
use super::{Found, Origin};

/// The user that says "the secret is an identity token".
pub(super) const TOKEN_USER: &str = "<token>";
/// What helpers say that have nothing. It is no failure.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// As much of a helper's complaint as a message has room for, in characters.
const WORDS_LIMIT: usize = 300;

/// A helper that a file names.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    program: String,
    file: PathBuf,
    is_for_all: bool,
}

/// Why a helper is of no use, and which one.
#[derive(Debug, thiserror::Error)]
#[error("the credential helper {program} {failure}")]
pub(crate) struct HelperError {
    /// The program's name.
    pub(crate) program: String,
    /// The file that names it.
    pub(crate) file: PathBuf,
    /// Why.
    pub(super) failure: HelperFailure,
}

impl HelperError {
    /// Tells whether it is the user's own doing.
    pub(crate) fn is_interrupt(&self) -> bool {
        matches!(self.failure, HelperFailure::Interrupted)
    }
}

/// Why a helper is of no use.
#[derive(Debug)]
pub(super) enum HelperFailure {
    /// There is no such program.
    Missing,
    /// It does not start.
    Start(io::Error),
    /// It does not answer.
    TimedOut(Duration),
    /// It answers without end.
    TooMuch,
    /// What it answers is no credentials.
    Nonsense,
    /// It says that it failed, and how.
    Refused(String),
    /// The pipes to it broke.
    Broken(io::Error),
    /// The user broke it off.
    Interrupted,
}

impl fmt::Display for HelperFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is not installed: it is not on the PATH"),
            Self::Start(error) => write!(f, "does not start: {error}"),
            Self::TimedOut(limit) => write!(f, "did not answer within {} s", limit.as_secs_f32()),
            Self::TooMuch => f.write_str("answers more than credentials can be"),
            Self::Nonsense => f.write_str("answers something that is no credentials"),
            Self::Refused(words) => write!(f, "fails: {words}"),
            Self::Broken(error) => write!(f, "cannot be talked to: {error}"),
            Self::Interrupted => f.write_str("was interrupted"),
        }
    }
}

/// What `get` answers. It has no `Debug` form.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl Helper {
    /// Takes the name that a file has for a helper. It becomes the end of a program's name on the PATH, so
    /// it has no slashes, nor anything else that program names do not have.
    pub(super) fn new(name: &str, is_for_all: bool, file: &Path) -> Option<Self> {
        let is_fine = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let program = format!("docker-credential-{name}");
        (is_fine && !name.is_empty()).then_some(Self { program, file: file.to_owned(), is_for_all })
    }

    /// Returns the program's name.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the file that names it.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Tells whether it is for all registries that have none of their own.
    pub(super) fn is_for_all(&self) -> bool {
        self.is_for_all
    }

    /// Returns it as a place where credentials are.
    pub(super) fn origin(&self) -> Origin {
        Origin::Helper { program: self.program.clone(), file: self.file.clone() }
    }

    /// Asks for credentials.
    pub(super) async fn get(
        &self,
        server: &str,
        surroundings: &Surroundings,
        time_limit: Duration,
    ) -> Result<Found, HelperError> {
        let finished = self.run("get", server.as_bytes(), surroundings, time_limit).await?;
        if finished.is_success {
            return parse(&finished.answer).ok_or_else(|| self.error(HelperFailure::Nonsense));
        }
        if finished.says(NOT_FOUND) {
            return Ok(Found::None);
        }
        Err(self.error(HelperFailure::Refused(finished.words(&Traces::default()))))
    }

    /// Gives credentials to keep.
    pub(super) async fn store(
        &self,
        server: &str,
        username: &str,
        password: &Secret,
        surroundings: &Surroundings,
        time_limit: Duration,
    ) -> Result<(), HelperError> {
        let input = Zeroizing::new(format!(
            "{{\"ServerURL\":{},\"Username\":{},\"Secret\":{}}}\n",
            *quoted(server),
            *quoted(username),
            *quoted(password.expose())
        ));
        let finished = self.run("store", input.as_bytes(), surroundings, time_limit).await?;
        if finished.is_success {
            return Ok(());
        }
        Err(self.error(HelperFailure::Refused(finished.words(&Traces::of(password)))))
    }

    /// Has credentials forgotten.
    pub(super) async fn erase(
        &self,
        server: &str,
        surroundings: &Surroundings,
        time_limit: Duration,
    ) -> Result<(), HelperError> {
        let finished = self.run("erase", server.as_bytes(), surroundings, time_limit).await?;
        if finished.is_success || finished.says(NOT_FOUND) {
            return Ok(());
        }
        Err(self.error(HelperFailure::Refused(finished.words(&Traces::default()))))
    }

    async fn run(
        &self,
        verb: &str,
        input: &[u8],
        surroundings: &Surroundings,
        time_limit: Duration,
    ) -> Result<Finished, HelperError> {
        let program =
            surroundings.program(&self.program).ok_or_else(|| self.error(HelperFailure::Missing))?;
        process::run(&program, verb, input, surroundings, time_limit).await.map_err(|it| self.error(it))
    }

    fn error(&self, failure: HelperFailure) -> HelperError {
        HelperError { program: self.program.clone(), file: self.file.clone(), failure }
    }
}

/// The parser's own words quote what it did not expect, so they are dropped.
fn parse(answer: &[u8]) -> Option<Found> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(Found::of_password(answer.username, Secret::new(answer.secret)))
}

impl Finished {
    /// Tells whether these words are said; Docker's own helpers complain on standard output.
    fn says(&self, words: &str) -> bool {
        [&self.answer, &self.message].iter().any(|bytes| String::from_utf8_lossy(bytes).contains(words))
    }

    /// Gathers the complaint. Lines that look like an answer are left out, since answers have secrets; where
    /// there are traces of what the helper was told, nothing is repeated at all. Nor is anything that
    /// terminals obey.
    fn words(&self, traces: &Traces) -> String {
        let said = [&self.message, &self.answer]
            .map(|bytes| Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()));
        if said.iter().any(|text| traces.are_in(text)) {
            return "its message has the password in it and is not shown".to_owned();
        }
        let lines = said.iter().flat_map(|text| text.split(['\n', '\r'])).map(str::trim);
        let lines =
            lines.filter(|line| !line.is_empty() && !line.contains(['{', '}']) && !line.contains("Secret"));
        let words = lines.collect::<Vec<_>>().join("; ");
        let words: String = words.chars().filter(|it| is_shown(*it)).take(WORDS_LIMIT).collect();
        if words.is_empty() { "it gives no reason".to_owned() } else { words }
    }
}

/// Control characters move cursors and colour screens; those that turn the direction of writing around make
/// a text seem to say something else (Unicode, "Bidirectional Algorithm", section 2).
fn is_shown(it: char) -> bool {
    !it.is_control()
        && !matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_ends_of_program_names() {
        let file = Path::new("/config.json");
        for name in ["pass", "ecr-login", "desktop.exe", "gcr_2", "."] {
            assert!(Helper::new(name, true, file).is_some(), "{name}");
        }
        for name in ["", "a/b", "../a", "a\\b", "a b", "a\0b", "ä", "a\n", "$(a)"] {
            assert!(Helper::new(name, true, file).is_none(), "{name}");
        }
    }

    #[test]
    fn a_complaint_is_repeated_without_what_looks_like_an_answer() {
        let words = |message: &str, answer: &str| {
            let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_owned());
            let finished = Finished { is_success: false, answer: bytes(answer), message: bytes(message) };
            finished.words(&Traces::of(&Secret::new("hunter2")))
        };
        assert_eq!(words("gpg: no key\n", "exit status 2\n"), "gpg: no key; exit status 2");
        assert_eq!(words("", "{\"Secret\":\"x\"}\n"), "it gives no reason");
        assert_eq!(words("{\"token\":\"x\"}", ""), "it gives no reason");
        assert_eq!(words("+ Secret=x\nlocked", ""), "locked");
        assert!(words("cannot keep hunter2", "").contains("is not shown"));
        assert!(words("", "cannot keep aHVudGVy\nMg==").contains("is not shown"));
        assert_eq!(words("\u{1b}[31mred\u{7}\r\n\u{202e}der\u{9b}2J\0", ""), "[31mred; der2J");
        assert_eq!(words(&"é".repeat(1000), "").chars().count(), WORDS_LIMIT);
    }

    proptest! {
        #[test]
        fn any_answer_is_parsed_without_panic(answer in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&answer);
        }
    }
}
