//! What has to come of each case, by step and fault, written down before the client is asked. The first row
//! that fits counts.

use sealift_store::ErrorKind;

use super::fault::{Body, Case, Fault, Step, Wait};

/// What has to come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Everything is there in the end.
    Arrives,
    /// One clear error of this kind for each image that the fault hits.
    Fails(ErrorKind),
}

use ErrorKind::{
    Busy, Denied, Invalid, Mismatch, NoSpace, NotFound, Unauthenticated, Unavailable, Unsupported,
};
use Expected::{Arrives, Fails};

impl Case {
    /// Returns what has to come of it.
    pub(super) fn expected(&self) -> Expected {
        match self.if_always() {
            Fails(kind) if !self.always && self.passes(kind) => Arrives,
            other => other,
        }
    }

    /// Tells whether there is a way around what would fail with `kind`, where it is shown only once.
    fn passes(&self, kind: ErrorKind) -> bool {
        match (self.step, self.fault) {
            // The request is repeated.
            _ if kind == Unavailable || kind == Busy && !self.fault.asks_for_long() => true,
            // Where it leads, the answer is there.
            (step, Fault::Circle(_)) if step.is_read() => true,
            // What hangs on tags is asked for one by one.
            (Step::Tags, _) => true,
            // The layer that both images share goes first, and the other repository has it, too.
            (Step::Blob, _) => true,
            // The service is asked in the other way.
            (Step::Token, fault) => matches!(fault, Fault::Status(404 | 405, _)),
            // There is another token.
            (_, Fault::Status(401, _)) => true,
            // What is not what its digest says is fetched once more.
            (Step::Manifest, Fault::SaysLess | Fault::Gzip | Fault::Other(_) | Fault::Status(200, _)) => true,
            // The target is asked by HEAD, which some do not know.
            (Step::Manifest, Fault::Status(400 | 405 | 406 | 501, _)) => !self.is_source,
            // A line may have spoiled it, so it is sent once more.
            (Step::PutManifest, _) => matches!(kind, Invalid | Mismatch | NotFound),
            // It wants to be told the range, and is.
            (Step::Upload, Fault::Status(416, _)) => true,
            _ => false,
        }
    }

    fn if_always(&self) -> Expected {
        match (self.step, self.fault) {
            // How a registry answers the first question matters only where it does not answer.
            (Step::Ping, fault) => of_ping(fault),
            (Step::Token, fault) => of_token(fault),
            // A mount that fails in any way means: upload instead. Only who is told to come back later waits.
            (Step::Mount, Fault::Wait(429, _) | Fault::Status(429, _)) => Fails(Busy),
            // Whether it lies shows when the manifest comes.
            (Step::Mount, Fault::Status(201, _)) => Fails(NotFound),
            (Step::Mount, _) => Arrives,
            (Step::Tags, fault) => match of_read(fault, Invalid) {
                Fails(kind) if kind.is_transient() => Fails(kind),
                // What hangs on tags is asked for one by one then.
                _ => Arrives,
            },
            (Step::Manifest, fault) if !self.is_source => of_check(fault),
            (Step::Manifest, fault) => of_manifest(fault),
            (Step::Blob, fault) => of_read(fault, Mismatch),
            (step, fault) => of_write(step, fault),
        }
    }
}

impl Fault {
    fn asks_for_long(self) -> bool {
        matches!(self, Self::Wait(_, wait) if wait.is_long())
    }
}

/// The kind that a status has of its own.
fn of_status(status: u16) -> ErrorKind {
    match status {
        401 => Unauthenticated,
        403 => Denied,
        404 | 410 => NotFound,
        405 | 413 | 501 => Unsupported,
        429 => Busy,
        408 | 500 | 502 | 503 | 504 => Unavailable,
        507 => NoSpace,
        _ => Invalid,
    }
}

/// Faults of the line and of the head, which any answer can have.
fn of_any(fault: Fault) -> Option<Expected> {
    Some(match fault {
        Fault::Cut | Fault::Stalled | Fault::Silent | Fault::Dropped | Fault::Garbage => Fails(Unavailable),
        Fault::TwoLengths | Fault::HugeHeader | Fault::ManyHeaders => Fails(Unavailable),
        Fault::TooLong | Fault::Doubled => Arrives,
        Fault::Wait(..) => Fails(Busy),
        Fault::Circle(_) => Fails(Invalid),
        Fault::Status(301 | 302 | 303 | 307 | 308, _) => Fails(Invalid),
        _ => return None,
    })
}

fn of_ping(fault: Fault) -> Expected {
    match fault {
        // The body of a refusal, which this answer is, matters to nobody.
        Fault::Cut | Fault::Stalled | Fault::Endless => Arrives,
        // So does a server answer that speaks TLS.
        Fault::Status(400, _) => Fails(Invalid),
        // Who is there says so by any answer.
        Fault::Status(408 | 429 | 500 | 502 | 503 | 504, _) => Fails(of_status(match fault {
            Fault::Status(status, _) => status,
            _ => 0,
        })),
        Fault::Elsewhere(_) => Arrives,
        fault => of_any(fault).unwrap_or(Arrives),
    }
}

/// A token service that says no, in whatever way, means the credentials.
fn of_token(fault: Fault) -> Expected {
    match fault {
        Fault::Status(200, _) | Fault::NoHeaders => Arrives,
        // The other host is shown no password.
        Fault::Elsewhere(_) => Fails(Unauthenticated),
        Fault::Status(403, _) => Fails(Denied),
        Fault::Status(status @ 400..500, _) if !matches!(status, 408 | 429) => Fails(Unauthenticated),
        Fault::Status(301..=308, _) => Fails(Invalid),
        Fault::Status(status, _) => Fails(of_status(status)),
        fault => of_any(fault).unwrap_or(Fails(Invalid)),
    }
}

/// What is read. `wrong` is what other content than was asked for is.
fn of_read(fault: Fault, wrong: ErrorKind) -> Expected {
    match fault {
        Fault::Status(200, _) | Fault::NoHeaders | Fault::Elsewhere(_) => Arrives,
        Fault::SaysLess | Fault::Other(_) => Fails(wrong),
        // A list is bounded; so is a blob, by what its manifest says.
        Fault::Endless => Fails(wrong),
        Fault::Gzip => Fails(Invalid),
        fault => of_any(fault).unwrap_or_else(|| match fault {
            Fault::Status(status, _) => Fails(of_status(status)),
            _ => Fails(Invalid),
        }),
    }
}

fn of_manifest(fault: Fault) -> Expected {
    match fault {
        // No manifest is that long, so nothing is compared; and a page is none.
        Fault::Endless | Fault::Status(200, _) => Fails(Invalid),
        // A manifest is checked by its digest, however its bytes are called.
        Fault::Gzip => Fails(Mismatch),
        fault => of_read(fault, Mismatch),
    }
}

/// The question at the target whether a manifest is there: most often it is not.
fn of_check(fault: Fault) -> Expected {
    match fault {
        Fault::Status(404 | 410, _) => Arrives,
        // Nothing is there, so what comes is an error with a success in front.
        Fault::Status(200, _) => Fails(Invalid),
        Fault::Status(..) => of_manifest(fault),
        // The answer to HEAD has no body that could be wrong.
        Fault::Cut | Fault::Stalled | Fault::TwoLengths => Arrives,
        fault => of_any(fault).unwrap_or(Arrives),
    }
}

/// What is written: an upload's begin, body and end, and a manifest.
fn of_write(step: Step, fault: Fault) -> Expected {
    match (step, fault) {
        // A refusal has a body, and a success of a PATCH is read as if it was one: only its head counts.
        (Step::Upload, Fault::Cut | Fault::Stalled | Fault::Endless) => Arrives,
        // Who stays silent each time is given up for all blobs together.
        (Step::Upload, Fault::Silent) => Fails(Unavailable),
        // What was done is found, also where the answer is lost: by the length of the upload, or by the blob.
        (Step::Upload | Step::Finish, fault) if of_any(fault) == Some(Fails(Unavailable)) => Arrives,
        (Step::Start, Fault::Status(202, _)) => Arrives,
        (Step::Start, Fault::NoHeaders) => Fails(Invalid),
        (Step::Upload, Fault::Status(201 | 202 | 204, _)) => Arrives,
        (Step::Finish | Step::PutManifest, Fault::Status(200 | 201 | 202 | 204, _)) => Arrives,
        // Another style may do: one PUT.
        (Step::Upload, Fault::Status(404, Body::Page) | Fault::Status(405 | 501, _)) => Arrives,
        (_, Fault::Elsewhere(_)) => Fails(Invalid),
        (_, Fault::Endless) => Fails(Invalid),
        (_, Fault::NoHeaders | Fault::SaysLess | Fault::Gzip | Fault::Other(_)) => Arrives,
        (_, fault) => of_any(fault).unwrap_or_else(|| match fault {
            Fault::Status(status, _) => Fails(of_status(status)),
            _ => Fails(Invalid),
        }),
    }
}

/// Waits are told apart by what they ask for alone.
#[test]
fn long_waits_are_long() {
    assert!(Wait::Seconds(600).is_long() && Wait::LongDate.is_long());
    assert!(!Wait::Seconds(0).is_long() && !Wait::Date.is_long());
}
