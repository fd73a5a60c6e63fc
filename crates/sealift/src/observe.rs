//! What happens on the way, told in lines.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealift_mirror::{Carried, Event, ImageReport, Observer, Outcome};
use sealift_store::lock;

use crate::ends::SourceNames;
use crate::output::units::{bytes, count, seconds};
use crate::ui::Ui;

/// How often a sign of life is given where somebody watches.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// Tells what happens.
#[derive(Debug)]
pub(crate) struct Progress {
    ui: Arc<Ui>,
    names: SourceNames,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    signs: Signs,
    moved: u64,
    planned: u64,
}

impl Progress {
    pub(crate) fn new(ui: Arc<Ui>, names: SourceNames) -> Self {
        let now = Instant::now();
        Self { ui, names, state: Mutex::new(State { began: now, signs: Signs(now), moved: 0, planned: 0 }) }
    }

    fn plan(&self, planned: u64) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        *state = State { began: now, signs: Signs(now), moved: 0, planned };
    }

    fn moved(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.moved += bytes;
        if self.ui.is_live() && state.signs.is_due(Instant::now()) {
            self.ui.status(state.line());
        }
    }
}

impl State {
    fn line(&self) -> String {
        let elapsed = self.began.elapsed().as_secs_f64().max(0.001);
        // A rate is for people: the fraction of a byte does not matter.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rate = (self.moved as f64 / elapsed) as u64;
        format!("{} moved of at most {}, {}/s", bytes(self.moved), bytes(self.planned), bytes(rate))
    }
}

impl Observer for Progress {
    fn notice(&self, event: &Event<'_>) {
        match event {
            Event::SurveyStarted { images } => {
                self.ui.status(format_args!("Looking up {}.", count(*images, "image")))
            }
            Event::RunStarted { totals } => {
                self.plan(totals.bytes);
                if totals.images > 0 {
                    self.ui.status(format_args!(
                        "Bringing {}: {} in {}, less what is there already.",
                        count(totals.images, "image"),
                        bytes(totals.bytes),
                        count(totals.blobs, "blob")
                    ));
                }
            }
            Event::BlobStarted { digest, size } => {
                self.ui.detail(format_args!("blob {} ({}) starts", digest.short(), bytes(*size)));
            }
            Event::BlobProgress { bytes, .. } => self.moved(*bytes),
            Event::BlobFinished { digest, size, carried } => {
                self.ui.detail(format_args!("blob {} ({}) {}", digest.short(), bytes(*size), how(*carried)))
            }
            Event::Retrying { error, wait } => {
                let when =
                    if wait.is_zero() { "at once".to_owned() } else { format!("in {}", seconds(*wait)) };
                self.ui.status(format_args!("Trying again {when}: {error}"));
            }
            Event::AttachmentGone { request, digest, subject } => self.ui.warning(format_args!(
                "{}: {digest} is listed as attached to {subject}, and is not at the source any more; it is left out",
                self.names.of(request)
            )),
            Event::ImageFinished { report } => self.image(report),
            _ => {}
        }
    }
}

impl Progress {
    fn image(&self, report: &ImageReport) {
        let name = self.names.of(&report.request);
        let what = match &report.outcome {
            // Nothing happened to these.
            Outcome::NotPart | Outcome::Interrupted | Outcome::Missing => return,
            Outcome::Arrived => format!("arrived ({} moved)", bytes(report.moved)),
            Outcome::AlreadyThere => "is there already".to_owned(),
            Outcome::Withheld => "is withheld: others of its release are not there".to_owned(),
            Outcome::Failed(_) => "failed".to_owned(),
        };
        self.ui.status(format_args!("{name} {what}"));
    }
}

/// When a sign of life was given last.
#[derive(Debug)]
struct Signs(Instant);

impl Signs {
    /// Tells whether it is time for the next one.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.0) >= SIGN_OF_LIFE;
        if is_due {
            self.0 = now;
        }
        is_due
    }
}

/// Tells how far a file or a bundle is read, where somebody watches.
pub(crate) fn reading(ui: &Arc<Ui>) -> Arc<sealift_bundle::Progress<'static>> {
    let (ui, signs) = (Arc::clone(ui), Mutex::new(Signs(Instant::now())));
    Arc::new(move |done, total| {
        if ui.is_live() && lock(&signs).is_due(Instant::now()) {
            ui.status(format_args!("{} read of {}", bytes(done), bytes(total)));
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_keep_their_distance() {
        let began = Instant::now();
        let mut signs = Signs(began);
        let due =
            [0, 2900, 3000, 3001, 5999, 6000].map(|later| signs.is_due(began + Duration::from_millis(later)));
        assert_eq!(due, [false, false, true, false, false, true]);
    }
}
