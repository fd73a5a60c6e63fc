//! Errors at the door: what each kind means for the exit code, and what the user can do next.
//!
//! The libraries say what is wrong and never what to do. The one table, [`rules::RULES`], turns their errors
//! into an exit code and a hint.

mod elsewhere;
mod rules;
mod system;

use std::fmt;
use std::io;

use sealift_bundle::BundleError;
use sealift_store::{Error, ErrorKind, Side, in_words};

use crate::credentials::CredentialsError;
use crate::prompt::PromptError;

pub(crate) use system::plainly;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Everything that was wanted is there.
    Success = 0,
    /// Something failed.
    Failed = 1,
    /// The command line, a variable or an answer is wrong.
    Usage = 2,
    /// Something that was wanted is not at the source, or the target lacks what a bundle builds on.
    Missing = 3,
    /// Credentials or rights are not enough, or a key does not fit.
    Access = 4,
    /// Content differs from what it should be.
    Difference = 5,
    /// A limit that the user set forbids it: how much, how trusted, all or nothing; or there is no room.
    Refused = 6,
    /// The run was interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Returns the number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// What was asked for makes no sense.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// It goes beyond a limit that the user set.
    Refused {
        /// What goes beyond which limit.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// What is wanted is not at the source.
    Missing {
        /// What is not there.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// A place failed, and this is what that means.
    Place(Error, Advice),
    /// A bundle cannot be used, and this is what that means.
    Bundle(BundleError, Advice),
    /// The user broke off.
    Interrupted,
    /// This machine failed.
    Machine(&'static str, io::Error),
}

impl CommandError {
    pub(crate) fn usage(message: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self::Usage { message: message.to_string(), hint: hint.to_string() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Refused { .. } => Exit::Refused,
            Self::Missing { .. } => Exit::Missing,
            Self::Place(_, advice) | Self::Bundle(_, advice) => advice.exit,
            Self::Interrupted => Exit::Interrupted,
            Self::Machine(..) => Exit::Failed,
        }
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        let advice = Advice::of(&error);
        Self::Place(error, advice)
    }
}

impl From<BundleError> for CommandError {
    fn from(error: BundleError) -> Self {
        let (exit, hint) = match &error {
            BundleError::NotABundle { .. } => (
                Exit::Usage,
                "Check the path; `sealift pack --to` goes on with an unfinished bundle when it is run again.",
            ),
            BundleError::Part { .. } => (
                Exit::Usage,
                "Name the directory that has SHA256SUMS in it; --volume-dir names others in which volumes lie.",
            ),
            BundleError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                (Exit::Usage, "Check the path.")
            }
            BundleError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                (Exit::Usage, "Name the file itself: what is read of a bundle are regular files.")
            }
            BundleError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                Exit::Failed,
                "Make room on that disk, then run the same command again: what is whole is kept.",
            ),
            BundleError::Damaged { .. } => (
                Exit::Difference,
                "Copy the file again from where it came, or have the bundle packed again. `sealift verify BUNDLE` finds everything that is wrong.",
            ),
            BundleError::Version { .. } => (Exit::Failed, "Update sealift on this side."),
            BundleError::Untrusted { .. } => (
                Exit::Refused,
                "Nothing of it was used. Check who packed it, and the key that --trust names.",
            ),
            BundleError::WrongKey { .. } => {
                (Exit::Access, "Name the age identity file with --identity, or type the passphrase again.")
            }
            _ => (Exit::Failed, "Check the disk and the rights on it, then run the same command again."),
        };
        Self::Bundle(error, Advice { exit, hint: hint.to_owned() })
    }
}

impl From<PromptError> for CommandError {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Interrupted => Self::Interrupted,
            PromptError::Terminal(error) => Self::Machine("the terminal cannot be read", error),
        }
    }
}

impl From<CredentialsError> for CommandError {
    fn from(error: CredentialsError) -> Self {
        let message = error.to_string();
        match error {
            CredentialsError::Read { error, .. } | CredentialsError::Write { error, .. } => {
                let error = io::Error::new(error.kind(), format!("{message}: {error}"));
                Self::Machine("the files with credentials cannot be used", error)
            }
            CredentialsError::TooLarge { .. }
            | CredentialsError::Malformed { .. }
            | CredentialsError::Member { .. } => Self::usage(
                message,
                "Put the file right; `docker login` and `podman login` write such files, too. --source-anonymous and --target-anonymous go on without credentials.",
            ),
            CredentialsError::NoFile => Self::usage(message, "Set one of them."),
            CredentialsError::Username => Self::usage(message, "Check --username."),
            CredentialsError::Helper(error) if error.is_interrupt() => Self::Interrupted,
            CredentialsError::Helper(error) => Self::usage(
                message,
                format_args!(
                    "Run `{} list` to see what is wrong with it, or take it out of {}. --source-anonymous and --target-anonymous go on without credentials.",
                    error.program,
                    error.file.display()
                ),
            ),
        }
    }
}

/// Says what to do where this machine failed.
pub(crate) fn machine_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "Run it as a user who may do that.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Make room there, then run the same command again."
        }
        _ => "Check this machine's disk and rights, then run the same command again.",
    }
}

/// What an error of a place means for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The exit code of a run that fails with this error alone.
    pub(crate) exit: Exit,
    /// What to do next.
    pub(crate) hint: String,
}

/// What refuses access and is not about anybody's user and password.
const NOT_ABOUT_THE_USER: [&str; 4] =
    ["the proxy ", "a client certificate", "amazon's api", "to which it leads"];

impl Advice {
    /// Looks an error up in the table.
    pub(crate) fn of(error: &Error) -> Self {
        let text = whole_text(error);
        let fits = |rule: &&rules::Rule| {
            rule.kind.is_none_or(|kind| kind == error.kind())
                && (rule.side.is_none() || rule.side == error.side())
                && (rule.words.is_empty() || rule.words.iter().any(|word| text.contains(word)))
        };
        let elsewhere = error.host().map_or(&[][..], |_| elsewhere::RULES);
        match elsewhere.iter().chain(rules::RULES).find(fits) {
            Some(rule) => Self { exit: rule.exit, hint: fill_in(rule.hint, error) },
            None => Self { exit: Exit::Failed, hint: "Run again with -v to see more.".to_owned() },
        }
    }
}

/// Tells whether the credentials of the user are in question.
pub(crate) fn is_about_credentials(error: &Error) -> bool {
    let text = whole_text(error);
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied)
        && !NOT_ABOUT_THE_USER.iter().any(|words| text.contains(words))
}

fn whole_text(error: &Error) -> String {
    let text = std::iter::once(error.to_string()).chain(causes(error)).collect::<Vec<_>>().join("\n");
    text.to_lowercase()
}

fn fill_in(hint: &str, error: &Error) -> String {
    let side = error.side().unwrap_or(Side::Source).to_string();
    let place = error.place().unwrap_or("the registry");
    let host = error.host().unwrap_or(place);
    let wait = error.wait().map(|wait| format!(" {}", in_words(wait))).unwrap_or_default();
    hint.replace("{side}", &side)
        .replace("{SIDE}", &side.to_uppercase())
        .replace("{place}", place)
        .replace("{host}", host)
        .replace("{name}", without_port(host))
        .replace("{wait}", &wait)
}

fn without_port(host: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name)
}

/// What the HTTP client says of every failure alike.
const NOISE: [&str; 4] =
    ["error sending request", "client error (", "request or response body error", "error resolving DNS"];

/// What the HTTP client has before what the system says.
const CONNECTING: &str = "tcp connect error";

/// Lists what an error comes from, nearest first. Libraries repeat themselves: what the line before says
/// already is left out, and so is what says nothing.
pub(crate) fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        let is_noise = NOISE.iter().any(|noise| text.starts_with(noise));
        if !is_noise && !last.contains(&text) {
            causes.push(text.clone());
            last = text;
        }
        next = cause.source();
    }
    causes
}

/// Lists what an error comes from as it is told: in plain words, and nothing twice.
pub(crate) fn told_causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut last = plainly(&error.to_string()).into_owned();
    for cause in causes(error) {
        let cause = plainly(cause.strip_prefix(CONNECTING).unwrap_or(&cause)).into_owned();
        let cause = cause.trim_start_matches(": ").to_owned();
        if !last.contains(&cause) {
            told.push(cause.clone());
            last = cause;
        }
    }
    told
}

/// Decides how a run ends in which these failed: all for one reason means that reason.
pub(crate) fn exit_of(failures: impl IntoIterator<Item = Exit>) -> Exit {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Exit::Success };
    if failures.all(|exit| exit == first) { first } else { Exit::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_store::Operation;

    fn error(kind: ErrorKind, side: Side) -> Error {
        Error::new(kind, Operation::FetchBlob).at("reg.lan:5000").on(side)
    }

    /// kind × side → exit code, and a word of the hint.
    #[test]
    fn every_kind_has_an_exit_code_and_a_next_step() {
        use ErrorKind as K;
        use Side::{Source, Target};
        let cases = [
            (K::NotFound, Source, Exit::Missing, "has lost a part of it"),
            (K::NotFound, Target, Exit::Failed, "--target-repository"),
            (K::Denied, Source, Exit::Access, "pull"),
            (K::Denied, Target, Exit::Access, "push"),
            (K::Unauthenticated, Source, Exit::Access, "SOURCE_DOCKER_PASSWORD"),
            (K::Unauthenticated, Target, Exit::Access, "--target-password-stdin"),
            (K::ReadOnly, Target, Exit::Failed, "another target"),
            (K::Mismatch, Source, Exit::Difference, "proxy"),
            (K::Mismatch, Target, Exit::Difference, "--recheck"),
            (K::Invalid, Source, Exit::Failed, "is a container registry"),
            (K::Unsupported, Target, Exit::Failed, "cannot do this"),
            (K::Busy, Target, Exit::Failed, "--max-connections"),
            (K::Unavailable, Source, Exit::Failed, "not moved again"),
            (K::NoSpace, Target, Exit::Failed, "Make room at reg.lan:5000"),
            (K::Io, Source, Exit::Failed, "disk"),
        ];
        for (kind, side, exit, words) in cases {
            let advice = Advice::of(&error(kind, side));
            assert_eq!(advice.exit, exit, "{kind:?} {side}");
            assert!(advice.hint.contains(words), "{kind:?} {side}: {}", advice.hint);
            assert!(!advice.hint.contains('{'), "{}", advice.hint);
        }
    }

    #[test]
    fn what_was_never_there_is_told_from_what_was_lost() {
        let error = Error::new(ErrorKind::NotFound, Operation::Resolve).at("reg.lan:5000").on(Side::Source);
        let hint = Advice::of(&error).hint;
        assert!(hint.contains("sealift releases --source-registry reg.lan:5000"), "{hint}");
    }

    #[test]
    fn connection_failures_are_told_apart_by_their_cause() {
        let cases = [
            ("dns error: failed to lookup address information", "DNS"),
            ("tcp connect error: Connection refused (os error 111)", "Nothing listens at reg.lan:5000"),
            ("invalid peer certificate: UnknownIssuer", "--ca-file"),
            ("received corrupt message of type InvalidContentType", "--plain-http reg.lan:5000"),
            ("reset by peer", "Check the network"),
            ("it leads to the private address 10.0.0.1", "--resolve HOST:IP"),
            ("it leads to the link-local or metadata address 169.254.169.254", "tell who runs it"),
        ];
        for (cause, words) in cases {
            let advice = Advice::of(&error(ErrorKind::Unavailable, Side::Target).caused_by(cause));
            assert!(advice.hint.contains(words), "{cause}: {}", advice.hint);
        }
    }

    /// Images that can be pulled need not wait for signatures that cannot be seen, or put.
    #[test]
    fn what_fails_for_attachments_names_the_way_without_them() {
        use ErrorKind as K;
        let listing =
            |kind, side| Error::new(kind, Operation::ListReferrers).at("r").object("a/b@x").on(side);
        let pushing = |kind, words: &str| {
            Error::new(kind, Operation::PushManifest).at("r").because(words).on(Side::Target)
        };
        for (error, exit) in [
            (listing(K::Unauthenticated, Side::Source), Exit::Access),
            (listing(K::Denied, Side::Target), Exit::Access),
            (listing(K::Unavailable, Side::Source).because("it answers 502"), Exit::Failed),
            (listing(K::Invalid, Side::Source), Exit::Failed),
            (pushing(K::Invalid, "it is an attachment of a (x), and is refused"), Exit::Failed),
            (pushing(K::Unsupported, "it is an attachment of a (x), and is refused"), Exit::Failed),
            (pushing(K::Invalid, "x").caused_by("this tag is where …, and it holds no list"), Exit::Failed),
        ] {
            let advice = Advice::of(&error);
            assert_eq!(advice.exit, exit, "{error}");
            assert!(advice.hint.contains("--no-attachments"), "{error}: {}", advice.hint);
        }
    }

    /// The host that is at fault is the one to put right, never the registry that leads there.
    #[test]
    fn failures_of_another_host_are_told_of_that_host() {
        use ErrorKind::{Busy, Denied, Invalid, Unauthenticated, Unavailable};
        let cases = [
            (Unavailable, "its name cannot be resolved", "--resolve cdn.example:IP"),
            (
                Unavailable,
                "it cannot be reached: the connection is refused",
                "allow that host in the firewall",
            ),
            (Unavailable, "it cannot be reached in time", "allow that host in the firewall"),
            (Unavailable, "nothing came for 60 seconds", "allow that host in the firewall"),
            (
                Unavailable,
                "it cannot be reached (by way of the proxy http://p)",
                "allow that host in the proxy",
            ),
            (
                Invalid,
                "its certificate is not trusted: no authority that is known here has signed it",
                "--ca-file",
            ),
            (Invalid, "its certificate is for another name", "--resolve cdn.example:IP"),
            (Invalid, "it cannot be spoken to by TLS", "which speaks no TLS"),
            (Unauthenticated, "it answers 401", "nobody's user and password are sent"),
            (Denied, "it answers 403", "nobody's user and password are sent"),
            (Busy, "it answers 429", "cdn.example:8443 limits"),
        ];
        for (kind, reason, words) in cases {
            let error = error(kind, Side::Source).because(reason).led_to(Some("cdn.example:8443".to_owned()));
            let hint = Advice::of(&error).hint;
            assert!(hint.contains(words) && hint.contains("cdn.example"), "{reason}: {hint}");
            for wrong in ["Nothing listens", "--plain-http", "--source-registry", "SOURCE_DOCKER"] {
                assert!(!hint.contains(wrong) && !hint.contains('{'), "{reason}: {hint}");
            }
            assert!(!is_about_credentials(&error), "{error}");
        }
    }

    #[test]
    fn credentials_are_not_in_question_where_something_else_refuses() {
        let refused = |words| error(ErrorKind::Unauthenticated, Side::Source).because(words);
        assert!(is_about_credentials(&refused("it answers 401")));
        for words in ["the proxy http://p wants a user and password", "it wants a client certificate"] {
            assert!(!is_about_credentials(&refused(words)), "{words}");
        }
        assert!(!is_about_credentials(&error(ErrorKind::Unavailable, Side::Source)));
    }

    #[test]
    fn a_wait_is_told() {
        let wait = Some(std::time::Duration::from_secs(7200));
        let hint = Advice::of(&error(ErrorKind::Busy, Side::Source).retry_after(wait)).hint;
        assert!(hint.contains("Wait 2 hours, then run again"), "{hint}");
        assert!(Advice::of(&error(ErrorKind::Busy, Side::Source)).hint.contains("Wait, then run again"));
    }

    /// What registries answer where a tag stays what it is.
    #[test]
    fn a_tag_that_nobody_may_change_has_a_next_step_of_its_own() {
        for (kind, reason) in [
            (ErrorKind::Invalid, "it answers 412"),
            (ErrorKind::Invalid, "it answers 412 PRECONDITION: Failed to process request"),
            (ErrorKind::Invalid, "it answers 400 TAG_INVALID: The image tag 'x' already exists"),
            (ErrorKind::Denied, "it answers 403 DENIED: the tag is immutable"),
        ] {
            let advice = Advice::of(&error(kind, Side::Target).because(reason));
            assert_eq!(advice.exit, Exit::Failed, "{reason}");
            assert!(advice.hint.contains("lift the rule on immutable tags"), "{reason}: {}", advice.hint);
        }
    }

    #[test]
    fn a_repository_that_is_not_there_may_show_as_a_broken_connection() {
        let hint = |place| {
            let error = Error::new(ErrorKind::Unavailable, Operation::PushBlob);
            Advice::of(&error.at(place).on(Side::Target)).hint
        };
        assert!(hint("1.dkr.ecr.eu-west-1.amazonaws.com").contains("--create-repositories"));
        assert!(!hint("reg.lan:5000").contains("--create-repositories"));
    }

    #[test]
    fn a_run_ends_with_the_reason_that_all_failures_share() {
        use Exit::{Access, Difference, Failed, Missing, Success};
        for (failures, expected) in [
            (&[][..], Success),
            (&[Missing, Missing], Missing),
            (&[Access], Access),
            (&[Difference, Difference], Difference),
            (&[Access, Missing], Failed),
            (&[Failed, Access], Failed),
        ] {
            assert_eq!(exit_of(failures.iter().copied()), expected, "{failures:?}");
        }
    }

    #[test]
    fn a_cause_that_repeats_what_was_said_is_left_out() {
        let error = error(ErrorKind::Io, Side::Source).because("disk on fire").caused_by("disk on fire");
        assert_eq!(causes(&error), [""; 0]);
    }
}
