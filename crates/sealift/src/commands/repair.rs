//! `sealift pack --repair`: a bundle of what a repair request asks for, and of nothing else.

use std::path::Path;
use std::sync::Arc;

use sealift_bundle::{BundleWriter, Contents, MissingContent, REPAIR_LIMIT, RepairRequest};
use sealift_catalog::profile::Profile;
use sealift_catalog::{ImageList, TagRule};
use sealift_mirror::{
    ImageRequest, Plan, PlannedBlob, PlannedGroup, PlannedImage, PlannedRoot, Selection, Step,
};
use sealift_oci::{Descriptor, ManifestRef, Reference, media_type};
use sealift_store::{Side, Store as _, alias_of};

use super::bundle;
use super::job::{Goal, Job};
use super::{Result, since};
use crate::answers::Answer;
use crate::args::{AnswerArgs, PackArgs, WhatArgs};
use crate::ends::{Ends, SourceEnd, TargetEnd};
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::Lookup;
use crate::list::{self, Wanted};
use crate::output::units::count;
use crate::places::Connection;
use crate::settings::{Asker, Given};
use crate::ui::Ui;

/// What to do about a request that is none.
const REQUEST_HINT: &str = "Name the repair request that `sealift load` wrote, and copy it again where it was damaged on the way; the same `sealift load` writes it anew.";

/// Reads a request.
pub(super) fn read(path: &Path, trust: Option<&str>) -> Result<RepairRequest> {
    let trust = trust.map(bundle::trusted_key).transpose()?;
    let content = since::signed(path, REPAIR_LIMIT, trust.as_ref())?;
    let request = RepairRequest::parse(path, &content);
    let request = request.map_err(|error| bundle::document_error(error, REQUEST_HINT))?;
    match request.missing.is_empty() {
        true => Err(CommandError::usage(
            format_args!("{}: nothing is missing, so there is nothing to repair", path.display()),
            "Load the bundle as it is.",
        )),
        false => Ok(request),
    }
}

/// Opens the registries that what is missing comes from.
pub(super) async fn job(
    ui: &Arc<Ui>,
    args: &PackArgs,
    request: &RepairRequest,
    connection: &Connection,
    environment: &mut Environment,
    goal: Goal,
) -> Result<Job> {
    let images = sources(request)?;
    let answers = AnswerArgs { source: args.source.clone(), ..AnswerArgs::default() };
    let given = Given::read(&[Answer::SourceUsername, Answer::SourcePassword], &answers, environment)?;
    let lookup = Lookup::new(environment, ui);
    let identity = Asker::new(given, None, ui).listed_identity()?;
    let mapped = list::map(&images, None, &TagRule::default())?;
    let (wanted, profile) = (Wanted::List(images), Profile::default());
    let registries = list::identities(&lookup, wanted.repositories(&profile), &identity).await?;
    let (source, names) = list::connect(&mapped, &mut list::Clients::new(connection, &registries))?;
    let Goal::Bundle { path, store } = goal else {
        return Err(CommandError::usage("a repair goes into a bundle", "Name it with --to."));
    };
    let ends = Ends { source: SourceEnd::Repair(registries), names, target: TargetEnd::Bundle(path) };
    let what = WhatArgs::default();
    Ok(Job::new(ui, ends, Selection::default(), (source, store), &what, connection))
}

/// Lists where each missing blob comes from, as a list of images would.
fn sources(request: &RepairRequest) -> Result<ImageList> {
    let lines = request.missing.iter().flat_map(|missing| {
        missing.repositories.iter().map(|repository| format!("{}@{}", repository.source, missing.digest))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    ImageList::parse(&text).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        CommandError::usage(
            format_args!("the repair request names a source that is none: {first}"),
            "Have the request written again by `sealift load`.",
        )
    })
}

/// Plans the blobs alone. Each counts as an image, so that it is told what became of it.
pub(super) fn plan(request: &RepairRequest) -> Plan {
    let blobs = request.missing.iter().map(|missing| PlannedBlob {
        descriptor: Descriptor::new(media_type::OCI_LAYER_GZIP, missing.digest, missing.size),
        sources: missing.repositories.iter().filter_map(|it| alias(&it.source)).collect(),
        targets: missing.repositories.iter().map(|it| it.name.clone()).collect(),
        holder: None,
    });
    let images = request.missing.iter().enumerate().filter_map(|(at, missing)| image(at, missing)).collect();
    let groups = vec![PlannedGroup { name: None, images }];
    Plan { groups, blobs: blobs.collect(), ..Plan::default() }
}

/// An image of one blob and no manifest.
fn image(at: usize, MissingContent { digest, repositories, .. }: &MissingContent) -> Option<PlannedImage> {
    let from = repositories.first()?;
    let request = ImageRequest {
        name: digest.to_string(),
        source: alias(&from.source)?,
        reference: ManifestRef::from(*digest),
        target: from.name.clone(),
        tag: None,
        optional: false,
        gate: false,
    };
    let root = PlannedRoot { manifests: Vec::new(), blobs: vec![at], tag: None };
    let step = Step::Copy { root, platforms: Vec::new() };
    Some(PlannedImage { request, step, attachments: Vec::new() })
}

fn alias(source: &str) -> Option<sealift_oci::RepositoryName> {
    let reference = Reference::parse_familiar(&format!("{source}:x")).ok()?;
    Some(alias_of(&reference.registry, &reference.repository))
}

/// Checks that everything came that is asked for.
pub(super) async fn check(writer: &BundleWriter, request: &RepairRequest) -> Result<()> {
    for MissingContent { digest, repositories, .. } in &request.missing {
        let Some(repository) = repositories.first() else { continue };
        let target = writer.target(&repository.name).map_err(|error| error.on(Side::Target))?;
        if target.stat_blob(digest).await?.is_none() {
            return Err(CommandError::usage(
                format_args!("{}: {digest} did not come", repository.source),
                "Run the same command again; if it is not at the source any more, pack the whole release without --since.",
            ));
        }
    }
    Ok(())
}

/// Says what the bundle is: content without images.
pub(super) fn contents(request: &RepairRequest) -> Result<Contents> {
    let all = request.missing.iter().flat_map(|missing| &missing.repositories);
    Ok(Contents {
        created: bundle::now()?,
        tool: bundle::tool(),
        images: Vec::new(),
        sources: all.map(|it| (it.name.clone(), it.source.clone())).collect(),
        builds_on: vec![request.bundle.clone()],
    })
}

/// Tells what a repair brings.
pub(super) fn announce(ui: &Ui, request: &RepairRequest) {
    ui.status(format_args!(
        "{} for {} of bundle {}",
        count(request.missing.len(), "blob"),
        count(request.images.len(), "image"),
        request.bundle
    ));
}
