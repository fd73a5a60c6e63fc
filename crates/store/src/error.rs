//! The one error of every place: what could not be done, where, to what, and what a caller can do about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the functions of a place return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A cause as an error keeps it: one failure can be told of several objects.
type Kept = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, or the repository that should hold it, is not there.
    NotFound,
    /// The place knows who asks and refuses.
    Denied,
    /// The place wants credentials, or refuses the ones it got.
    Unauthenticated,
    /// The place can only be read.
    ReadOnly,
    /// Content differs from its digest or its size.
    Mismatch,
    /// Something was received that breaks the protocol or a bound.
    Invalid,
    /// The place cannot do this.
    Unsupported,
    /// The place asks to come back later.
    Busy,
    /// The place cannot be reached, or broke off; trying again may help.
    Unavailable,
    /// The place has no room, or its quota is used up.
    NoSpace,
    /// Reading or writing on this machine failed.
    Io,
}

impl ErrorKind {
    /// Tells whether the same call may succeed when it is made again.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "it is not there",
            Self::Denied => "access is denied",
            Self::Unauthenticated => "credentials are missing or refused",
            Self::ReadOnly => "the place is read-only",
            Self::Mismatch => "the content differs from its digest",
            Self::Invalid => "the answer is invalid",
            Self::Unsupported => "the place does not support it",
            Self::Busy => "the place is busy",
            Self::Unavailable => "the place does not answer",
            Self::NoSpace => "there is no space left",
            Self::Io => "reading or writing failed",
        }
    }
}

/// On which side of a transfer a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Content comes from there.
    Source,
    /// Content goes there.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Opening the place.
    Connect,
    /// Getting credentials accepted.
    Authenticate,
    /// Finding out what a tag points at.
    Resolve,
    /// Reading a manifest.
    FetchManifest,
    /// Asking whether a blob is there.
    CheckBlob,
    /// Reading a blob.
    FetchBlob,
    /// Writing a blob.
    PushBlob,
    /// Linking a blob from another repository.
    MountBlob,
    /// Writing a manifest, with or without a tag.
    PushManifest,
    /// Listing tags.
    ListTags,
    /// Listing what is attached to a manifest.
    ListReferrers,
    /// Listing repositories.
    ListRepositories,
    /// Making a repository.
    CreateRepository,
    /// Deleting a manifest, or taking a tag away.
    DeleteManifest,
    /// Deleting a blob.
    DeleteBlob,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Authenticate => "authenticate",
            Self::Resolve => "look up",
            Self::FetchManifest => "fetch manifest",
            Self::CheckBlob => "check blob",
            Self::FetchBlob => "fetch blob",
            Self::PushBlob => "push blob",
            Self::MountBlob => "mount blob",
            Self::PushManifest => "push manifest",
            Self::ListTags => "list the tags of",
            Self::ListReferrers => "list what is attached to",
            Self::ListRepositories => "list the repositories",
            Self::CreateRepository => "make repository",
            Self::DeleteManifest => "delete manifest",
            Self::DeleteBlob => "delete blob",
        })
    }
}

/// An error of a place. Its message never repeats its source, so that a chain prints each thing once.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Operation,
    place: Option<String>,
    object: Option<String>,
    side: Option<Side>,
    reason: Option<String>,
    host: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Kept>,
}

impl Error {
    /// Starts an error; place, object and reason are added by the methods that follow.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            place: None,
            object: None,
            side: None,
            reason: None,
            host: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Names the place: a registry's address, a directory.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(place.to_string());
        self
    }

    /// Names the object: a repository with a tag or digest.
    #[must_use]
    pub fn object(mut self, object: impl fmt::Display) -> Self {
        self.0.object = Some(object.to_string());
        self
    }

    /// Says why, in words that continue "cannot fetch blob X: …".
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = Some(reason.to_string());
        self
    }

    /// Keeps the error that this one comes from.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.0.source = Some(Kept::from(source.into()));
        self
    }

    /// Names the host that was asked, where the place leads to another one.
    #[must_use]
    pub fn led_to(mut self, host: Option<String>) -> Self {
        self.0.host = host;
        self
    }

    /// Keeps how long the place asked to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Says on which side of a transfer the place stands; the first to say so is right.
    #[must_use]
    pub fn on(mut self, side: Side) -> Self {
        self.0.side.get_or_insert(side);
        self
    }

    /// Returns what a caller can act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Returns the place's name.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// Returns the side of the transfer.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        self.0.side
    }

    /// Returns the host that was asked, where it is not the place itself: what is wrong is wrong there.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// Returns how long the place asked to wait.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Makes an error from one of this machine's I/O; a full disk is told from other failures.
    #[must_use]
    pub fn io(operation: Operation, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            _ => ErrorKind::Io,
        };
        Self::new(kind, operation).caused_by(error)
    }

    /// Makes an error from reading a file of a place; one that is malformed is told from other failures.
    #[must_use]
    pub fn of_file(operation: Operation, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                Self::new(ErrorKind::Invalid, operation)
                    .because("a file of the place is malformed")
                    .caused_by(error)
            }
            _ => Self::io(operation, error),
        }
    }
}

/// Tells a wait as people do, rounded up.
#[must_use]
pub fn in_words(wait: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    // From two of a unit on; no place is waited for longer than that.
    const DAYS: u64 = 30;
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    match UNITS.iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, "days")) if seconds > DAYS * unit => format!("more than {DAYS} days"),
        Some((unit, name)) => format!("{} {name}", seconds.div_ceil(*unit)),
        None => "a second".to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(place) = &inner.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "cannot {}", inner.operation)?;
        if let Some(object) = &inner.object {
            write!(f, " {object}")?;
        }
        if let Some(host) = &inner.host {
            write!(f, ": {host}, to which it leads")?;
        }
        write!(f, ": {}", inner.reason.as_deref().unwrap_or_else(|| inner.kind.as_str()))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        match &self.0.source {
            Some(source) => write!(f, " ({source:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_message_names_place_operation_object_and_reason_and_not_the_source() {
        let error = Error::new(ErrorKind::Unavailable, Operation::FetchBlob)
            .at("mcr.microsoft.com")
            .object("arcdata/arc-dns@sha256:ab")
            .caused_by("reset by peer");
        assert_eq!(
            error.to_string(),
            "mcr.microsoft.com: cannot fetch blob arcdata/arc-dns@sha256:ab: the place does not answer"
        );
        assert_eq!(error.source().unwrap().to_string(), "reset by peer");
        assert_eq!(error.because("no route").to_string().rsplit(": ").next(), Some("no route"));
    }

    #[test]
    fn the_message_names_the_host_that_the_place_leads_to() {
        let error = Error::new(ErrorKind::Unavailable, Operation::FetchBlob)
            .at("r.example")
            .because("its name cannot be resolved")
            .led_to(Some("cdn.example:8443".to_owned()));
        let words = "cdn.example:8443, to which it leads: its name cannot be resolved";
        assert_eq!(error.to_string(), format!("r.example: cannot fetch blob: {words}"));
        assert_eq!(error.host(), Some("cdn.example:8443"));
    }

    #[test]
    fn waits_are_told_in_words() {
        for (seconds, words) in [
            (0, "a second"),
            (1, "a second"),
            (119, "119 seconds"),
            (600, "10 minutes"),
            (601, "11 minutes"),
            (7200, "2 hours"),
            (200_000, "3 days"),
            (u64::MAX, "more than 30 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(2500)), "3 seconds");
    }

    #[test]
    fn the_first_side_stays() {
        let error = Error::new(ErrorKind::Io, Operation::PushBlob).on(Side::Source).on(Side::Target);
        assert_eq!(error.side(), Some(Side::Source));
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Error::io(Operation::PushBlob, full).kind(), ErrorKind::NoSpace);
        let other = std::io::Error::other("x");
        assert_eq!(Error::io(Operation::PushBlob, other).kind(), ErrorKind::Io);
    }
}
