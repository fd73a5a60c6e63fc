//! The engine: takes images from one place to another, whole or not at all.
//!
//! One image can be followed along the files of this crate:
//!
//! 1. [`Selection`] (`select`) says what is wanted: images in groups, and what they are called on each side.
//! 2. [`Mirror::survey`] (`survey`) asks the source what the tags point at and whether the target has it
//!    already, before a byte moves.
//! 3. `walk` follows the manifests from their roots to their blobs.
//! 4. [`Plan::new`] (`plan`) is a pure function over the whole set: each distinct blob gets one transfer.
//! 5. [`Mirror::run`] (`run`) does what the plan says: blobs (`blobs`, `copy`), manifests children first, tags last.
//! 6. [`Report`] (`report`) says what became of every image; [`Mirror::verify`] (`verify`) looks again.
//!
//! The engine knows places only by the traits of [`sealift_store`]; it never prints: what happens on the
//! way leaves as [`Event`]s.

mod attach;
mod beside;
mod blobs;
mod copy;
mod event;
mod meter;
mod passage;
mod plan;
mod queue;
mod reader;
mod report;
mod retry;
mod run;
mod select;
mod spool;
mod survey;
mod trail;
mod verify;
mod walk;
mod weigh;
mod window;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use sealift_oci::{Platform, RepositoryName};
use sealift_store::{BlobBody, Pace, Store};

pub use attach::Attachment;
pub use event::{Event, Observer};
pub use passage::Passage;
pub use plan::{Plan, PlanTotals, PlannedBlob, PlannedGroup, PlannedImage, PlannedRoot, Step};
pub use report::{Attached, BlobReport, Carried, Failure, ImageReport, Outcome, Report, Totals};
pub use retry::RetryPolicy;
pub use select::{Group, ImageRequest, Selection};
pub use spool::Spool;
pub use survey::{Found, State, Survey, Surveyed, SurveyedGroup};
pub use trail::{Journal, Unfinished, UploadKey};
pub use verify::{Finding, ImageVerdict, Verdict, Verification};
pub use walk::Graph;
pub use weigh::{Lead, Weight, Weights};
pub use windows::Windows;

/// Both ends of a transfer, and how to do it.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Where content comes from.
    pub source: Arc<dyn Store>,
    /// Where content goes.
    pub target: Arc<dyn Store>,
    /// How it is done.
    pub options: Options,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
}

/// How a transfer is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many blobs are on their way at the same time at most; fewer where more does not help.
    pub transfers: usize,
    /// How many of them each place bears in each direction, as far as it is known.
    pub windows: Arc<Windows>,
    /// The names of the places that serve the source's repositories, where that is several places as one.
    pub places: Arc<BTreeMap<RepositoryName, String>>,
    /// How many bytes a second all transfers together may move, also those that are read back from the target.
    pub bandwidth: Option<Arc<Pace>>,
    /// Copy only this platform's image out of each index.
    pub platform: Option<Platform>,
    /// Carry what is attached to the images: signatures, attestations, SBOMs.
    pub attachments: bool,
    /// Check every blob of an image although its tag at the target is right already.
    pub recheck: bool,
    /// How often a broken transfer is tried again, and how long to wait.
    pub retry: RetryPolicy,
    /// Keeps unfinished uploads for the next process.
    pub journal: Option<Arc<dyn Journal>>,
    /// Keeps the beginnings of blobs for the next process.
    pub spool: Option<Arc<dyn Spool>>,
    /// Fetches foreign layers from the addresses in their manifests; without it they are never fetched there.
    pub foreign: Option<Arc<dyn ForeignLayers>>,
}

/// How many blobs are on their way at the same time where nothing is said.
const TRANSFERS: usize = 16;

impl Default for Options {
    fn default() -> Self {
        Self {
            transfers: TRANSFERS,
            windows: Arc::new(Windows::new(TRANSFERS)),
            places: Arc::default(),
            bandwidth: None,
            platform: None,
            attachments: true,
            recheck: false,
            retry: RetryPolicy::default(),
            journal: None,
            spool: None,
            foreign: None,
        }
    }
}

/// Reads layers that registries may lack from where their publisher keeps them.
#[async_trait::async_trait]
pub trait ForeignLayers: std::fmt::Debug + Send + Sync + 'static {
    /// Opens what lies at `url`, from byte `offset` on.
    async fn open(&self, url: &str, offset: u64) -> sealift_store::Result<BlobBody>;
}
