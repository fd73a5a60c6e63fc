//! `--dry-run`: what would be moved. And the limit on that, which every run can have.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealift_bundle::Held;
use sealift_mirror::{ImageRequest, Lead, Plan, PlannedImage, Step, Weight, Weights};

use super::delta_sums::DeltasPlanned;
use super::job::Job;
use super::mirror::{survey, write};
use super::{Result, bundle};
use crate::args::{BundleLimitArgs, Format};
use crate::ends::Ends;
use crate::errors::{CommandError, Exit, exit_of};
use crate::output::failures::{self, Failure};
use crate::output::layers::Coverage;
use crate::output::units::bytes;
use crate::output::{json, plan};
use crate::size::{Rate, Size, VolumeSize};
use crate::stop::Stop;
use crate::ui::Ui;

/// What a line is taken to carry where nothing is said: 100 Mbit/s.
const ASSUMED_RATE: Rate = Rate(12_500_000);

/// A plan that is shown and not run.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) plan: Plan,
    pub(crate) weights: Weights,
    /// How many requests were sent to find this out; a run sends them, too.
    pub(crate) survey_requests: u64,
    /// At what rate the time is told, and whether that is only assumed.
    pub(crate) rate: Rate,
    pub(crate) is_assumed: bool,
    /// The volumes that it goes into or comes from, where there are some.
    pub(crate) volumes: Option<Volumes>,
}

/// Volumes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volumes {
    /// It takes some.
    Needed {
        /// How many blobs it carries.
        blobs: usize,
        /// How many volumes those take at least.
        least: usize,
        /// What deltas may come to, where some would be made.
        deltas: Option<DeltasPlanned>,
    },
    /// It has so many, of which some cannot be read.
    Present {
        /// How many the bundles have.
        all: usize,
        /// How many of them cannot be read.
        unreadable: usize,
        /// What lies in them as deltas.
        deltas: Option<Coverage>,
    },
}

/// A bundle that would be packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing<'a> {
    /// How large its volumes are.
    pub(super) volume_size: Option<VolumeSize>,
    /// What is left out of it.
    pub(super) since: &'a Held,
    /// What deltas may come to, where some would be made.
    pub(super) deltas: Option<DeltasPlanned>,
}

/// What is asked of a plan that is only shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct DryRun<'a> {
    pub(super) limits: BundleLimitArgs,
    pub(super) format: Format,
    /// The bundle that it would go into, where it goes into one.
    pub(super) bundle: Option<Packing<'a>>,
    /// Where on this machine it would go.
    pub(super) room: Option<&'a Path>,
}

/// Shows what would be moved. Nothing is written.
pub(super) async fn show(ui: &Ui, job: &Job, wish: &DryRun<'_>, stop: &Stop) -> Result<Exit> {
    let plan = Plan::new(survey(ui, job, stop).await?);
    pack(ui, job, plan, wish, stop).await
}

/// Shows what would go into a bundle, where it goes into one.
pub(super) async fn pack(ui: &Ui, job: &Job, plan: Plan, wish: &DryRun<'_>, stop: &Stop) -> Result<Exit> {
    let volumes = wish.bundle.map(|packing| count_volumes(&plan, packing));
    propose(ui, job, plan, volumes, wish, stop).await
}

/// Shows what a plan would move.
pub(super) async fn propose(
    ui: &Ui,
    job: &Job,
    mut plan: Plan,
    volumes: Option<Volumes>,
    wish: &DryRun<'_>,
    stop: &Stop,
) -> Result<Exit> {
    let BundleLimitArgs { bandwidth, max_bytes, .. } = wish.limits;
    // What comes now is asked by the plan alone.
    let survey_requests = job.requests.load(Ordering::Relaxed);
    let lead = if may_exceed(&plan, max_bytes) { Lead::WhoHasIt } else { Lead::AsPlanned };
    let weighed = stop.unless_asked(job.mirror.weigh(&mut plan, lead)).await?;
    let weights = weighed.map_err(|error| job.ends.refusal(error))?;
    let (rate, is_assumed) = (bandwidth.unwrap_or(ASSUMED_RATE), bandwidth.is_none());
    let proposal = Proposal { plan, weights, survey_requests, rate, is_assumed, volumes };
    let fetch = proposal.weights.total.fetch;
    let room = || wish.room.map_or(Ok(()), |place| bundle::check_space(place, fetch));
    let over = check(proposal.fetched(), max_bytes).and_then(|()| room()).err();
    let exit = match proposal.exit(&job.ends) {
        Exit::Success => over.as_ref().map_or(Exit::Success, CommandError::exit),
        other => other,
    };
    match wish.format {
        Format::Text => write(ui, &plan::text(&proposal, ui.width()))?,
        Format::Json => write(ui, &json::text(&json::PlanReport::new(&job.ends, &proposal, exit)))?,
    }
    tell(ui, job, &proposal);
    if let Some(over) = over {
        ui.usage(&over);
    }
    Ok(exit)
}

/// Refuses a plan that fetches too much. The target is asked what it has of it where that can matter, since
/// the run asks again.
pub(super) async fn hold(job: &Job, plan: &mut Plan, limit: Option<Size>, stop: &Stop) -> Result<()> {
    if !may_exceed(plan, limit) {
        return Ok(());
    }
    let weighed = stop.unless_asked(job.mirror.weigh_copies(plan, Lead::WhoHasIt)).await?;
    check(weighed.map_err(|error| job.ends.refusal(error))?.total, limit)
}

fn may_exceed(plan: &Plan, limit: Option<Size>) -> bool {
    limit.is_some_and(|Size(limit)| plan.totals().bytes > limit)
}

/// Refuses a plan that fetches too much.
pub(super) fn check(total: Weight, limit: Option<Size>) -> Result<()> {
    match limit {
        Some(Size(limit)) if total.fetch > limit => Err(CommandError::Refused {
            message: format!(
                "{} ({} bytes) would be fetched, and --max-bytes allows {}; nothing was moved",
                bytes(total.fetch),
                total.fetch,
                bytes(limit)
            ),
            hint: "Take less, by --image or --skip-group, or raise --max-bytes. --dry-run shows what each image costs.".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Counts what a bundle carries, and the volumes that this takes.
fn count_volumes(plan: &Plan, packing: Packing<'_>) -> Volumes {
    let Packing { volume_size, since, deltas } = packing;
    let carried = plan.blobs.iter().filter(|blob| since.get(&blob.descriptor.digest).is_none());
    let blobs: Vec<u64> = carried.map(|blob| blob.descriptor.size).collect();
    let least = sealift_bundle::count_volumes(&blobs, volume_size.map(|VolumeSize(size)| size));
    // Deltas may make it less, but for one volume.
    let least = if deltas.is_some() { 1 } else { least };
    Volumes::Needed { blobs: blobs.len(), least, deltas }
}

fn tell(ui: &Ui, job: &Job, proposal: &Proposal) {
    let missing: Vec<&ImageRequest> = proposal.missing().collect();
    if !missing.is_empty() {
        ui.error(format_args!("images are missing at the source {}", job.ends.source.registries()));
        for image in missing {
            ui.note(job.ends.names.of(image));
        }
    }
    failures::tell(ui, &proposal.failures(&job.ends));
}

impl Proposal {
    /// Returns what is fetched, with the earlier layers that deltas are made from.
    fn fetched(&self) -> Weight {
        let total = self.weights.total;
        match self.volumes {
            Some(Volumes::Needed { deltas: Some(promise), .. }) => {
                Weight { fetch: total.fetch.saturating_add(promise.earlier), ..total }
            }
            _ => total,
        }
    }

    /// Goes through the images and what each costs.
    pub(crate) fn images(&self) -> impl Iterator<Item = (Option<&str>, &PlannedImage, &Weight)> {
        self.plan.groups.iter().zip(&self.weights.groups).flat_map(|(group, weights)| {
            group.images.iter().zip(weights).map(|(image, weight)| (group.name.as_deref(), image, weight))
        })
    }

    /// Returns how many requests a run sends, if nothing breaks.
    pub(crate) fn requests(&self) -> u64 {
        self.survey_requests + self.weights.total.requests
    }

    /// Returns how long fetching takes at the rate: for one image, or for all together.
    pub(crate) fn time(&self, weight: &Weight) -> Duration {
        let Rate(rate) = self.rate;
        let milliseconds = u128::from(weight.fetch) * 1000 / u128::from(rate.max(1));
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }

    fn missing(&self) -> impl Iterator<Item = &ImageRequest> {
        let missing = self.images().filter(|(_, image, _)| matches!(image.step, Step::Missing));
        missing.map(|(_, image, _)| &image.request)
    }

    /// Puts the images together that the source lacks.
    pub(crate) fn lacking(&self, ends: &Ends) -> Vec<Failure<'_>> {
        failures::lacking(ends, self.missing(), None)
    }

    /// Puts images together that cannot be planned for the same reason.
    pub(crate) fn failures(&self, ends: &Ends) -> Vec<Failure<'_>> {
        failures::gather(
            ends,
            self.images().filter_map(|(_, image, _)| match &image.step {
                Step::Failed(error) => Some((&image.request, error)),
                _ => None,
            }),
        )
    }

    fn exit(&self, ends: &Ends) -> Exit {
        exit_of(self.images().filter_map(|(_, image, _)| match &image.step {
            Step::Missing => Some(Exit::Missing),
            Step::Failed(error) => Some(ends.advice(error).exit),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_inclusive() {
        let weight = |fetch| Weight { fetch, ..Weight::default() };
        for (fetch, limit, is_refused) in [
            (5, None, false),
            (5, Some(5), false),
            (6, Some(5), true),
            (0, Some(0), false),
            (1, Some(0), true),
        ] {
            let checked = check(weight(fetch), limit.map(Size));
            assert_eq!(checked.as_ref().err().map(CommandError::exit), is_refused.then_some(Exit::Refused));
        }
    }

    #[test]
    fn a_time_is_told_by_the_rate() {
        let total = Weight { fetch: 25_000_000, ..Weight::default() };
        let weights = Weights { total, ..Weights::default() };
        let proposal = Proposal {
            plan: Plan::default(),
            weights,
            survey_requests: 0,
            rate: ASSUMED_RATE,
            is_assumed: true,
            volumes: None,
        };
        assert_eq!(proposal.time(&proposal.weights.total), Duration::from_secs(2));
        assert_eq!(proposal.time(&Weight::default()), Duration::ZERO);
    }
}
