//! What happens on the way: what is worth a line is told, the rest is kept on the board that progress is shown from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use sealift_mirror::{Carried, Event, ImageReport, ImageRequest, Observer, Outcome, PlanTotals};
use sealift_store::lock;

use crate::ends::{Ends, SourceEnd, SourceNames};
use crate::output::units::{bytes, count, seconds};
use crate::progress::lines::{What, milliseconds};
use crate::progress::{Board, Phase, Way};
use crate::ui::{ShowId, Ui};

/// Tells what happens.
#[derive(Debug)]
pub(crate) struct Progress {
    ui: Arc<Ui>,
    names: SourceNames,
    /// A bundle's images are named by their digests; people know them by the tags that they get.
    is_of_bundles: bool,
    /// Blobs alone are brought: they are not told as images.
    is_of_blobs: bool,
    board: Arc<Mutex<Board>>,
    show: Mutex<Option<ShowId>>,
}

impl Progress {
    pub(crate) fn new(ui: Arc<Ui>, ends: &Ends) -> Self {
        let board = Arc::new(Mutex::new(Board::new(Phase::Moving, 0, 0)));
        let is_of_blobs = matches!(ends.source, SourceEnd::Repair(_));
        let is_of_bundles = matches!(ends.source, SourceEnd::Bundle(_));
        Self { ui, names: ends.names.clone(), is_of_bundles, is_of_blobs, board, show: Mutex::default() }
    }

    fn name(&self, request: &ImageRequest) -> String {
        match &request.tag {
            Some(tag) if self.is_of_bundles => format!("{}:{tag}", request.source),
            _ => self.names.of(request),
        }
    }

    fn begin(&self, board: Board) {
        *lock(&self.board) = board;
        *lock(&self.show) = Some(self.ui.begin(&self.board));
    }

    fn end(&self) {
        let show = lock(&self.show).take();
        show.into_iter().for_each(|show| self.ui.end_of(show));
    }

    fn started(&self, totals: PlanTotals) {
        let PlanTotals { images, blobs, bytes: planned } = totals;
        let is_told = self.ui.tell(|| What::Start { images, blobs, bytes: planned });
        let (size, blobs) = (bytes(planned), count(blobs, "blob"));
        if !is_told && self.is_of_blobs {
            self.ui.status(format_args!("Bringing {blobs}: {size}, less what is there already."));
        } else if !is_told && images > 0 {
            self.ui.status(format_args!(
                "Bringing {}: {size} in {blobs}, less what is there already.",
                count(images, "image")
            ));
        }
        self.begin(Board::new(Phase::Moving, images, planned));
    }

    /// It scrolls away above the bars at once; that its tag is set is told by the report.
    fn ready(&self, request: &ImageRequest) {
        let (phase, (done, images)) = {
            let mut board = lock(&self.board);
            board.image_done();
            (board.phase(), board.images())
        };
        let name = self.name(request);
        let outcome = if phase == Phase::Comparing { "compared" } else { "ready" };
        let is_told = self.ui.tell(|| What::Image { name: name.clone(), outcome, bytes_moved: None });
        if !is_told && self.ui.way() == Way::Bars && phase == Phase::Moving {
            self.ui.status(format_args!("{name} is all there ({done} of {images})"));
        }
    }

    fn image(&self, report: &ImageReport) {
        let name = self.name(&report.request);
        let (outcome, words) = match &report.outcome {
            // Nothing happened to these.
            Outcome::NotPart | Outcome::Interrupted | Outcome::Missing => return,
            Outcome::Arrived => ("arrived", format!("arrived ({} moved)", bytes(report.moved))),
            Outcome::AlreadyThere => ("already-there", "is there already".to_owned()),
            Outcome::Withheld => ("withheld", "is withheld: others of its release are not there".to_owned()),
            Outcome::Failed(_) => ("failed", "failed".to_owned()),
        };
        let bytes_moved = Some(report.moved);
        let is_told = self.ui.tell(|| What::Image { name: name.clone(), outcome, bytes_moved });
        // Above the bars it stands already.
        let is_shown = self.ui.way() == Way::Bars && matches!(report.outcome, Outcome::Arrived);
        if !is_told && !is_shown {
            self.ui.status(format_args!("{name} {words}"));
        }
    }

    fn retrying(&self, error: &sealift_store::Error, wait: std::time::Duration) {
        lock(&self.board).retried();
        let error = self.names.plain(error, error.to_string());
        let message = || What::Retry { message: error.clone(), wait_milliseconds: milliseconds(wait) };
        if !self.ui.tell(message) {
            let when = if wait.is_zero() { "at once".to_owned() } else { format!("in {}", seconds(wait)) };
            self.ui.status(format_args!("Trying again {when}: {error}"));
        }
    }
}

impl Observer for Progress {
    fn notice(&self, event: &Event<'_>) {
        match event {
            Event::SurveyStarted { images } => {
                self.ui.status(format_args!("Looking up {}.", count(*images, "image")))
            }
            Event::ComparisonStarted { images } => {
                self.ui.status(format_args!("Looking up {}.", count(*images, "image")));
                self.begin(Board::new(Phase::Comparing, *images, 0));
            }
            Event::RunStarted { totals } => self.started(*totals),
            Event::BlobStarted { passage } => {
                lock(&self.board).started(passage);
                let (digest, size) = (passage.digest().short(), bytes(passage.size()));
                self.ui.detail(format_args!("blob {digest} ({size}) starts"));
            }
            Event::BlobFinished { digest, size, carried } => {
                lock(&self.board).settled(*digest, *size);
                self.ui.detail(format_args!("blob {} ({}) {}", digest.short(), bytes(*size), how(*carried)))
            }
            Event::Retrying { error, wait } => self.retrying(error, *wait),
            Event::AttachmentGone { request, digest, subject } => self.ui.warning(format_args!(
                "{}: {digest} is listed as attached to {subject}, and is not at the source any more; it is left out",
                self.name(request)
            )),
            Event::ImageReady { request } => self.ready(request),
            Event::ImageFinished { report } => self.image(report),
            Event::RunFinished => {
                self.end();
                self.ui.tell(|| What::End);
            }
            // The board reads the counters instead: these come too often.
            _ => {}
        }
    }
}

/// Shows how far a file or a bundle is read, from the first word of it until the function goes.
pub(crate) fn reading(ui: &Arc<Ui>) -> Arc<sealift_bundle::Progress<'static>> {
    let (ui, counters) = (Arc::clone(ui), Arc::<[AtomicU64; 2]>::default());
    let reading = Reading { ui, show: OnceLock::new() };
    Arc::new(move |done, total| {
        counters[0].store(done, Ordering::Relaxed);
        counters[1].store(total, Ordering::Relaxed);
        reading
            .show
            .get_or_init(|| reading.ui.begin(&Arc::new(Mutex::new(Board::reading(Arc::clone(&counters))))));
    })
}

struct Reading {
    ui: Arc<Ui>,
    show: OnceLock<ShowId>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.show.get().into_iter().for_each(|show| self.ui.end_of(*show));
    }
}

fn how(carried: Carried) -> &'static str {
    match carried {
        Carried::Moved => "arrived",
        Carried::Mounted => "mounted",
        Carried::ReadBack => "read back from the target",
        Carried::Present => "is there already",
        Carried::Skipped => "left out: a foreign layer that the source lacks",
    }
}
