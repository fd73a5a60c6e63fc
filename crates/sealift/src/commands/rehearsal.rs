//! `sealift load --dry-run`: what would be loaded, and what could not be. The target is asked, and nothing is written.

use sealift_bundle::{Bundle, BundleStore};
use sealift_mirror::Plan;
use sealift_oci::RepositoryName;

use super::delta_sums;
use super::dry_run::{self, DryRun, Volumes};
use super::job::Job;
use super::mirror::survey;
use super::{Result, proof};
use crate::errors::Exit;
use crate::output::layers::Coverage;
use crate::stop::Stop;
use crate::ui::Ui;

/// What would be loaded.
#[derive(Debug)]
pub(super) struct Load<'a> {
    /// The bundles; none of a plain layout.
    pub(super) bundles: &'a [Bundle],
    /// The repository of the target below which everything goes.
    pub(super) below: Option<&'a RepositoryName>,
    /// Whether all or nothing is loaded.
    pub(super) is_all: bool,
}

/// Shows what loading would do, as far as it is known without reading the content.
pub(super) async fn show(
    ui: &Ui,
    job: &Job,
    load: &Load<'_>,
    wish: &DryRun<'_>,
    stop: &Stop,
) -> Result<Exit> {
    let mut plan = Plan::new(survey(ui, job, stop).await?);
    stop.unless_asked(prove(ui, job, load, &mut plan)).await??;
    let volumes = volumes(load.bundles, &plan);
    dry_run::propose(ui, job, plan, volumes, wish, stop).await
}

/// Takes the images out of the plan that cannot come.
async fn prove(ui: &Ui, job: &Job, load: &Load<'_>, plan: &mut Plan) -> Result<()> {
    let Load { bundles, below, is_all } = *load;
    let Some(first) = bundles.first() else { return Ok(()) };
    let missing = proof::prove(job, plan, bundles, below).await?;
    if !missing.content.is_empty() {
        proof::tell(ui, &missing.content, bundles);
        if is_all {
            return Err(proof::refusal(None));
        }
    }
    let mut lost = proof::lost(&missing, first);
    let store = BundleStore::new(bundles.to_vec());
    lost.extend(proof::unreadable(job, plan, &store, below).await?);
    proof::leave_out(plan, &lost);
    Ok(())
}

fn volumes(bundles: &[Bundle], plan: &Plan) -> Option<Volumes> {
    let deltas = Coverage::of(&delta_sums::planned(bundles, plan)).filter(|it| it.deltas > 0);
    let volumes = || bundles.iter().flat_map(Bundle::volumes);
    let unreadable = volumes().filter(|volume| volume.problem().is_some()).count();
    (!bundles.is_empty()).then(|| Volumes::Present { all: volumes().count(), unreadable, deltas })
}
