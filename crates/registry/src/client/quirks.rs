//! What is known of a registry beyond the protocol: learnt from its answers, or known of its name from the
//! start, and remembered in the run. No I/O: an answer comes in, and what follows from it is kept.
//!
//! The body of an upload goes out in one of three styles. The first is Docker's own way and the one that
//! every registry takes; another one is taken only where it is refused, and never given back, so that the
//! search ends:
//!
//! | refused | because of | then |
//! |---|---|---|
//! | [`UploadStyle::Streamed`] | the PATCH | [`UploadStyle::Single`] |
//! | [`UploadStyle::Streamed`] | its size, or a missing `Content-Range` | [`UploadStyle::Ranged`], or [`UploadStyle::Single`] where chunks are not taken |
//! | [`UploadStyle::Ranged`] | the size of a chunk | smaller chunks |
//! | [`UploadStyle::Single`] | anything | nothing: no other way is left |

use http::StatusCode;
use sealift_oci::Registry;

use super::answer::Answer;
use crate::wire::header::OCI_CHUNK_MIN_LENGTH;
use crate::wire::{ErrorBody, ErrorCode};

/// The sizes of chunks, in bytes, in the order in which they are tried. The first is above the 5 MB that ECR
/// wants of each part but the last, and below the 20 MB that some ACR refuse; the second is GHCR's limit of
/// one ranged PATCH; the third is what nginx takes unless it is told otherwise (`client_max_body_size`).
const CHUNK_SIZES: [u64; 3] = [10 * MIB, GHCR_LARGEST, MIB];
const MIB: u64 = 1024 * 1024;

/// So many mounts in a row that fail for no reason of their own, and none is asked for any more.
const MOUNT_FAILURES: u32 = 4;

/// ECR refuses smaller parts, but the last, with `LayerPartTooSmallException`.
const ECR_LEAST: u64 = 5 * MIB;
/// GHCR answers a larger ranged PATCH with `416` (rust-oci-client issue 35).
const GHCR_LARGEST: u64 = 4 * MIB;
/// Google's registries take blobs in one piece only ("must use monolithic uploads").
const NO_CHUNKS: u64 = 0;

/// What was learnt of a registry and need not be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quirks {
    /// It does not know the referrers API.
    pub(super) has_no_referrers: bool,
    /// What it says of how much an upload has is not true (ECR, containers-roadmap issue 2831), so uploads
    /// cannot be resumed.
    pub(super) has_stuck_ranges: bool,
    /// How the bodies of uploads go out.
    pub(super) style: UploadStyle,
    /// Smaller chunks, but the last of a blob, are refused.
    least_chunk: u64,
    /// Larger chunks are refused.
    largest_chunk: u64,
    /// How many mounts in a row failed where they could have been refused.
    failed_mounts: u32,
}

/// How the body of an upload goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UploadStyle {
    /// One PATCH with the whole body and without `Content-Range`, then an empty PUT.
    #[default]
    Streamed,
    /// One PUT with the whole body.
    Single,
    /// A PATCH with `Content-Range` for each chunk, then an empty PUT.
    Ranged {
        /// The length of every chunk but the last, in bytes.
        chunk: u64,
        /// Whether a body that is no longer than one chunk says its range, too.
        always: bool,
    },
}

/// Why a body was refused that may be taken in another style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// The registry takes no PATCH.
    Method,
    /// The body of one request has too many bytes.
    Size(u64),
    /// The registry wants to be told which part of the blob a body is.
    Range,
}

impl Quirks {
    /// Returns what is known of a registry by its name.
    pub(super) fn of(registry: &Registry) -> Self {
        let (least_chunk, largest_chunk) = chunk_bounds(registry.host());
        let style = UploadStyle::default();
        Self {
            has_no_referrers: false,
            has_stuck_ranges: false,
            style,
            least_chunk,
            largest_chunk,
            failed_mounts: 0,
        }
    }

    /// Tells whether it breaks where it is asked to mount, so that an upload is the quicker way.
    pub(super) fn breaks_at_mounts(&self) -> bool {
        self.failed_mounts >= MOUNT_FAILURES
    }

    /// Notes how a wish to mount ended.
    pub(super) fn mounted(&mut self, is_failure: bool) {
        self.failed_mounts = if is_failure { self.failed_mounts.saturating_add(1) } else { 0 };
    }

    /// Reads what the answer to the beginning of an upload says of chunks ("Pushing a blob in chunks").
    pub(super) fn hear(&mut self, answer: &Answer) {
        let told = answer.header(&OCI_CHUNK_MIN_LENGTH).and_then(|text| text.trim().parse().ok());
        self.least_chunk = self.least_chunk.max(told.unwrap_or_default());
        if let UploadStyle::Ranged { chunk, .. } = &mut self.style {
            *chunk = self.least_chunk.max(*chunk);
        }
    }

    /// Takes over another style where `used` was refused, and tells whether the blob may get through when it
    /// is sent again: also where somebody else has learnt it in the meantime.
    pub(super) fn adapt(&mut self, used: UploadStyle, objection: Objection) -> bool {
        if self.style != used {
            return true;
        }
        let Some(next) = self.after(objection) else { return false };
        self.style = next;
        true
    }

    fn after(&self, objection: Objection) -> Option<UploadStyle> {
        match (self.style, objection) {
            (UploadStyle::Single, _) => None,
            (_, Objection::Method) => Some(UploadStyle::Single),
            (UploadStyle::Streamed, Objection::Size(sent)) => self.chunks_below(sent, false),
            (UploadStyle::Streamed, Objection::Range) => {
                Some(self.chunks_below(u64::MAX, true).unwrap_or(UploadStyle::Single))
            }
            (UploadStyle::Ranged { always, .. }, Objection::Size(sent)) => self.chunks_below(sent, always),
            (UploadStyle::Ranged { always: true, .. }, Objection::Range) => None,
            (UploadStyle::Ranged { chunk, .. }, Objection::Range) => {
                Some(UploadStyle::Ranged { chunk, always: true })
            }
        }
    }

    /// Chooses the largest chunks that have fewer bytes than what was refused.
    fn chunks_below(&self, refused: u64, always: bool) -> Option<UploadStyle> {
        let fits = |chunk: &u64| (self.least_chunk..refused).contains(chunk);
        let mut sizes = CHUNK_SIZES.iter().map(|size| *size.max(&self.least_chunk).min(&self.largest_chunk));
        sizes.find(fits).map(|chunk| UploadStyle::Ranged { chunk, always })
    }
}

/// The least and the largest chunk that registries of known names take.
fn chunk_bounds(host: &str) -> (u64, u64) {
    let is_google = host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev");
    match host {
        _ if is_google => (1, NO_CHUNKS),
        _ if is_ecr(host) => (ECR_LEAST, u64::MAX),
        "ghcr.io" => (1, GHCR_LARGEST),
        _ => (1, u64::MAX),
    }
}

/// Tells whether a host is one of Amazon's registries: the public one, or `<account>.dkr.ecr.<region>.…`.
pub(super) fn is_ecr(host: &str) -> bool {
    host == "public.ecr.aws" || host.contains(".dkr.ecr.") || host.contains(".dkr.ecr-fips.")
}

/// Reads whether a refusal is one of the style alone. `sent` is how many bytes the request had; a chunk that
/// is not the first one has had its style accepted.
pub(super) fn objection(style: UploadStyle, answer: &Answer, sent: u64, is_first: bool) -> Option<Objection> {
    let body = ErrorBody::parse(&answer.bytes());
    match answer.status {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Some(Objection::Method),
        // An error of the protocol is about the repository or the upload; anything else is about the path.
        StatusCode::NOT_FOUND if body.is_none() => Some(Objection::Method),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Objection::Size(sent)),
        StatusCode::RANGE_NOT_SATISFIABLE if is_first => match style {
            UploadStyle::Ranged { .. } => Some(Objection::Size(sent)),
            UploadStyle::Streamed | UploadStyle::Single => Some(Objection::Range),
        },
        StatusCode::BAD_REQUEST | StatusCode::LENGTH_REQUIRED if body.as_ref().is_some_and(wants_range) => {
            Some(Objection::Range)
        }
        _ => None,
    }
}

fn wants_range(body: &ErrorBody) -> bool {
    let is_about_range = |message: &str| message.to_ascii_lowercase().contains("content-range");
    body.errors.iter().any(|it| it.code == ErrorCode::RangeInvalid || is_about_range(&it.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answer::Body;
    use UploadStyle::{Ranged, Single, Streamed};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn quirks(registry: &str) -> Quirks {
        Quirks::of(&registry.parse().unwrap())
    }

    fn ranged(mebibytes: u64) -> UploadStyle {
        Ranged { chunk: mebibytes * MIB, always: false }
    }

    /// The sizes that are tried, one after the other, for a body of `size` bytes that is always too large.
    fn tried(registry: &str, least: Option<&str>, size: u64) -> Vec<u64> {
        let mut quirks = quirks(registry);
        if let Some(least) = least {
            quirks.hear(&answer(202, "", &[("oci-chunk-min-length", least)]));
        }
        let (mut sizes, mut sent) = (Vec::new(), size);
        while quirks.adapt(quirks.style, Objection::Size(sent)) {
            let Ranged { chunk, .. } = quirks.style else { panic!("{quirks:?}") };
            sent = chunk.min(size);
            sizes.push(chunk / MIB);
        }
        sizes
    }

    fn answer(status: u16, body: &str, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            url: "https://r.example/u".parse().unwrap(),
            is_foreign: false,
            body: Body::Whole(Bytes::copy_from_slice(body.as_bytes())),
        }
    }

    #[test]
    fn chunks_become_smaller_within_what_a_registry_takes() {
        let cases = [
            ("r.example", None, 100 * MIB, vec![10, 4, 1]),
            ("r.example:5000", None, 3 * MIB, vec![1]),
            ("r.example", None, MIB, vec![]),
            ("r.example", Some("16777216"), 100 * MIB, vec![16]),
            ("r.example", Some("99999999999999999999"), 100 * MIB, vec![10, 4, 1]),
            ("123.dkr.ecr.eu-west-1.amazonaws.com", None, 100 * MIB, vec![10, 5]),
            ("public.ecr.aws", None, 5 * MIB, vec![]),
            ("ghcr.io", None, 100 * MIB, vec![4, 1]),
            ("europe-docker.pkg.dev", None, 100 * MIB, vec![]),
            ("eu.gcr.io:443", None, 100 * MIB, vec![]),
            ("notgcr.io", None, 100 * MIB, vec![10, 4, 1]),
        ];
        for (registry, least, size, expected) in cases {
            assert_eq!(tried(registry, least, size), expected, "{registry} {least:?} {size}");
        }
    }

    /// Style → objection → the next style.
    #[test]
    fn styles_follow_one_another() {
        let always = |chunk| Ranged { chunk, always: true };
        let cases = [
            (Streamed, Objection::Method, Some(Single)),
            (Streamed, Objection::Size(20 * MIB), Some(ranged(10))),
            (Streamed, Objection::Range, Some(always(10 * MIB))),
            (ranged(10), Objection::Method, Some(Single)),
            (ranged(10), Objection::Size(10 * MIB), Some(ranged(4))),
            (ranged(10), Objection::Range, Some(always(10 * MIB))),
            (always(10 * MIB), Objection::Range, None),
            (ranged(1), Objection::Size(MIB), None),
            (Single, Objection::Size(20 * MIB), None),
            (Single, Objection::Method, None),
        ];
        for (style, objection, expected) in cases {
            let mut quirks = Quirks { style, ..quirks("r.example") };
            assert_eq!(quirks.adapt(style, objection), expected.is_some(), "{style:?} {objection:?}");
            assert_eq!(quirks.style, expected.unwrap_or(style), "{style:?} {objection:?}");
        }
        // Who takes no chunks is told no ranges either.
        let mut google = quirks("gcr.io");
        assert!(google.adapt(Streamed, Objection::Range));
        assert_eq!(google.style, Single);
    }

    #[test]
    fn what_another_upload_has_learnt_counts() {
        let mut quirks = quirks("r.example");
        assert!(quirks.adapt(Streamed, Objection::Size(20 * MIB)));
        assert!(quirks.adapt(Streamed, Objection::Size(20 * MIB)));
        assert_eq!(quirks.style, ranged(10));
    }

    /// Status and body of a refused PATCH → what is wrong with it: of one that streams, of a first chunk, and
    /// of another one.
    #[test]
    fn objections() {
        use Objection::{Method, Range, Size};
        let unknown = r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#;
        let range = r#"{"errors":[{"code":"RANGE_INVALID"}]}"#;
        let words = r#"{"errors":[{"code":"BAD_REQUEST","message":"Missing Content-Range header"}]}"#;
        let other = r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"no"}]}"#;
        let cases = [
            (405, "", [Some(Method); 3]),
            (501, unknown, [Some(Method); 3]),
            (404, "<html>", [Some(Method); 3]),
            (404, unknown, [None; 3]),
            (413, "<html>", [Some(Size(7)); 3]),
            (416, "", [Some(Range), Some(Size(7)), None]),
            (400, range, [Some(Range); 3]),
            (400, words, [Some(Range); 3]),
            (400, other, [None; 3]),
            (401, "", [None; 3]),
            (503, range, [None; 3]),
        ];
        for (status, body, expected) in cases {
            let answer = answer(status, body, &[]);
            let styles = [(Streamed, true), (ranged(1), true), (ranged(1), false)];
            let found = styles.map(|(style, is_first)| objection(style, &answer, 7, is_first));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    proptest! {
        /// Whatever is refused, and whoever is told to speak: the search for a style ends.
        #[test]
        fn the_search_ends(
            objections in proptest::collection::vec((0_u8..3, 0_u64..200), 60),
            least in 0_u64..30,
        ) {
            let mut quirks = quirks("r.example");
            quirks.hear(&answer(202, "", &[("oci-chunk-min-length", &(least * MIB).to_string())]));
            let changes = objections.into_iter().filter(|(kind, size)| {
                let objection = match kind {
                    0 => Objection::Method,
                    1 => Objection::Size(size * MIB),
                    _ => Objection::Range,
                };
                let before = quirks.style;
                quirks.adapt(before, objection) && quirks.style != before
            });
            prop_assert!(changes.count() <= 6);
        }
    }
}
