//! `sealift load`: from bundles, or plain OCI image layouts, into a registry, or the directory of one.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use sealift_bundle::{Bundle, Image, LayoutImage, ListedDelta, Receipt};
use sealift_mirror::{BlobReport, Carried, ImageReport, Lead, Outcome, Plan, Report};
use sealift_oci::{Digest, NameError, RepositoryName, Tag};
use sealift_store::{DirectoryStore, ErrorKind, Side, Store};

use super::delta_sums;
use super::documents::{self, Documents};
use super::dry_run::DryRun;
use super::freight::{self, Freight};
use super::job::{Job, layered, look_up};
use super::mirror::{Begun, Terms, Transfer, begin, pace, report_errors, tell};
use super::record::Outlet;
use super::rehearsal::{self, Load};
use super::{Result, bases, bundle, loaded, proof, verify_bundle};
use crate::answers::Answer;
use crate::args::{AnswerArgs, Format, LoadArgs, TargetArgs, WhatArgs};
use crate::ends::{Ends, SourceEnd, SourceNames, TargetEnd};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::identity::Lookup;
use crate::output::json::BundleFacts;
use crate::output::layers;
use crate::places::Connection;
use crate::progress::lines::What;
use crate::settings::{Asker, Given};
use crate::size::Rate;
use crate::stop::Stop;
use crate::ui::Ui;

/// Loads bundles.
pub(crate) async fn run(ui: &Arc<Ui>, args: LoadArgs, environment: &mut Environment) -> Result<Exit> {
    let outlet = Outlet::settle("load", args.output.output, &args.record, args.limits.dry_run)?;
    let loaded = load(ui, &args, &outlet, environment).await;
    report_errors(ui, loaded, &outlet, args.limits.dry_run)
}

async fn load(ui: &Arc<Ui>, args: &LoadArgs, outlet: &Outlet, environment: &mut Environment) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    // The registry is asked nothing before the bundle is proven.
    let opened = freight::open(ui, &args.bundles, &args.open, environment);
    let freight = stop.unless_asked(opened).await??;
    check_images(freight.bundles())?;
    documents::check_asked(args, freight.bundles())?;
    let mut documents = match args.limits.dry_run {
        true => Documents::default(),
        false => Documents::settle(ui, args, freight.bundles(), environment)?,
    };
    stop.unless_asked(tell_damage(ui, args, &freight)).await??;
    let to = match &args.into {
        Some(directory) => settle_directory(args, directory)?,
        None => settle_target(ui, args, environment, &connection).await?,
    };
    let below = to.below.clone();
    let mut job = job(ui, args, &freight, to, &connection).await?;
    documents.keep_others(&job.ends.target)?;
    job.mirror.options.recheck = args.recheck;
    job.mirror.options.bandwidth = args.limits.bandwidth.map(|Rate(rate)| Arc::new(pace(rate)));
    if args.limits.dry_run {
        let wish = DryRun {
            limits: args.limits,
            format: args.output.output,
            bundle: None,
            room: args.into.as_deref(),
        };
        let load = Load { bundles: freight.bundles(), below: below.as_ref(), is_all: args.all_or_nothing };
        return rehearsal::show(ui, &job, &load, &wish, &stop).await;
    }
    bring(ui, args, (&job, below.as_ref()), &freight, (&documents, outlet), &stop).await
}

/// Brings what there is, and tells what came of it.
async fn bring(
    ui: &Arc<Ui>,
    args: &LoadArgs,
    (job, below): (&Job, Option<&RepositoryName>),
    freight: &Freight,
    (documents, outlet): (&Documents, &Outlet),
    stop: &Stop,
) -> Result<Exit> {
    let mut terms = Terms {
        allow_missing: true,
        max_bytes: args.limits.max_bytes,
        creation: None,
        outlet: outlet.clone(),
    };
    let Begun { missing, plan } = begin(ui, job, &mut terms, stop).await?;
    let transfer = match plan {
        Err(refused) => refused,
        Ok(mut plan) => {
            let checked = check_base(ui, args, job, freight.bundles(), (&mut plan, below), documents);
            stop.unless_asked(checked).await??;
            if let Some(directory) = &args.into {
                stop.unless_asked(make_directory(job, &mut plan, directory)).await??;
            }
            announce(ui, &delta_sums::planned(freight.bundles(), &plan));
            Transfer { report: job.mirror.run(plan, stop.receiver()).await, is_refused: false }
        }
    };
    let receipt = write_receipt(ui, args, freight.bundles(), &transfer.report, documents).await;
    let moved = moved(freight.bundles(), &transfer.report);
    let bundles = freight.bundles().iter().zip(&moved).map(|(it, from)| BundleFacts::of_read(it, from));
    let bundles = bundles.collect();
    let exit = tell(ui, job, &transfer, &missing, bundles, outlet)?;
    delta_sums::tell(ui, &moved.concat(), outlet.format == Format::Text)?;
    stop.unless_asked(locate(ui, freight, &transfer.report)).await??;
    // What arrived is there, also where nothing can be written down about it.
    match receipt {
        Err(error) => {
            ui.command_error(&error);
            Ok(if exit == Exit::Success { Exit::Failed } else { exit })
        }
        Ok(()) => Ok(exit),
    }
}

/// Says of each layer that is to come how it is carried.
fn announce(ui: &Ui, layers: &[ListedDelta]) {
    let tell_one = |layer: &ListedDelta| ui.tell(|| What::layer(layer));
    // Where nobody reads lines of JSON, all are told in one.
    if !layers.iter().all(tell_one) {
        layers::sentence(layers).into_iter().for_each(|sentence| ui.status(sentence));
    }
}

/// Lists what was moved from each bundle, and how it lies there.
fn moved(bundles: &[Bundle], report: &Report) -> Vec<Vec<ListedDelta>> {
    let is_moved = |blob: &&BlobReport| blob.carried.values().any(|how| *how == Carried::Moved);
    let moved: HashSet<Digest> =
        report.blobs.iter().filter(is_moved).map(|blob| blob.descriptor.digest).collect();
    delta_sums::listed(bundles, |digest| moved.contains(digest))
}

/// What repairs other bundles has content and no images.
fn check_images(bundles: &[Bundle]) -> Result<()> {
    let Some(first) = bundles.first() else { return Ok(()) };
    if bundles.iter().any(|opened| !opened.catalogue().images.is_empty()) {
        return Ok(());
    }
    let path = first.path().display();
    let repaired = first.catalogue().builds_on.join(", ");
    if repaired.is_empty() {
        return Err(CommandError::usage(
            format_args!("{path}: it has no images"),
            "Have it packed again: `sealift pack` writes none without.",
        ));
    }
    Err(CommandError::usage(
        format_args!("{path}: it has content that repairs another bundle, and no images of its own"),
        format_args!("Load it together with the bundle {repaired}: `sealift load BUNDLE {path}`."),
    ))
}

/// Proves that the target has what the bundles build on. What it lacks is asked for, and the images that need it fail.
async fn check_base(
    ui: &Ui,
    args: &LoadArgs,
    job: &Job,
    bundles: &[Bundle],
    (plan, below): (&mut Plan, Option<&RepositoryName>),
    documents: &Documents,
) -> Result<()> {
    let missing = proof::prove(job, plan, bundles, below).await?;
    let Some(first) = bundles.first().filter(|_| !missing.content.is_empty()) else { return Ok(()) };
    proof::tell(ui, &missing.content, bundles);
    proof::request(ui, plan, &missing, first, documents)?;
    if args.all_or_nothing {
        return Err(proof::refusal(documents.request.as_deref()));
    }
    proof::leave_out(plan, &proof::lost(&missing, first));
    Ok(())
}

/// Writes down what the target holds now of the bundles.
async fn write_receipt(
    ui: &Ui,
    args: &LoadArgs,
    bundles: &[Bundle],
    report: &Report,
    documents: &Documents,
) -> Result<()> {
    let Some(path) = documents.receipt.as_ref().filter(|_| !bundles.is_empty()) else { return Ok(()) };
    let there: Vec<(RepositoryName, Digest, Option<Tag>)> = report
        .images
        .iter()
        .filter(|image: &&ImageReport| image.is_there())
        .filter_map(|image| Some((image.request.source.clone(), image.digest?, image.request.tag.clone())))
        .collect();
    let with_attachments = !args.no_attachments;
    let created = bundle::now()?;
    let target = documents.target.clone();
    let mut receipt = Receipt::new(bundle::random_id()?, created.clone(), bundle::tool(), target);
    let opened = bundles.to_vec();
    let filled = tokio::task::spawn_blocking(move || {
        for bundle in &opened {
            let known = |digest| bundle.catalogue().images.iter().find(|image| image.digest == digest);
            let arrived = there.iter().filter_map(|(repository, digest, tag)| {
                let image = known(*digest)?.clone();
                Some(Image { repository: repository.clone(), tag: tag.clone(), ..image })
            });
            let arrived: Vec<Image> = arrived.collect();
            receipt.add(bundle, &arrived, with_attachments);
        }
        receipt
    });
    let receipt = filled
        .await
        .map_err(|error| CommandError::Machine("the receipt cannot be made", std::io::Error::other(error)))?;
    if receipt.repositories.is_empty() {
        return Ok(());
    }
    let (key, comment) = (documents.key.as_ref(), format!("sealift receipt of {created}"));
    bundle::write_signed(path, &receipt.to_bytes(), key, &comment)?;
    ui.status(format_args!(
        "{}: the receipt; take it back, and `sealift pack --since` leaves out what is here",
        path.display()
    ));
    Ok(())
}

/// Names the volumes that cannot be read. Whether all can be loaded is only known when every byte was looked at.
async fn tell_damage(ui: &Arc<Ui>, args: &LoadArgs, freight: &Freight) -> Result<()> {
    let is_damaged = match args.all_or_nothing {
        true => verify_bundle::examine(ui, freight).await?,
        false => {
            for opened in freight.bundles() {
                bundle::tell_damage(ui, opened, &opened.damage().await?);
            }
            false
        }
    };
    match is_damaged {
        true => Err(CommandError::Refused {
            message: "volumes are missing or damaged, and --all-or-nothing is set; nothing was loaded"
                .to_owned(),
            hint: "Name the directories where volumes lie with --volume-dir, or copy them again.".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Where content of bundles differed from its digest, says in which volumes that is.
async fn locate(ui: &Arc<Ui>, freight: &Freight, report: &Report) -> Result<()> {
    let is_damage = |image: &ImageReport| match &image.outcome {
        Outcome::Failed(error) => error.kind() == ErrorKind::Mismatch && error.side() == Some(Side::Source),
        _ => false,
    };
    if !report.images.iter().any(is_damage) {
        return Ok(());
    }
    ui.status("Looking for what is damaged.");
    verify_bundle::examine(ui, freight).await.map(|_| ())
}

/// Where to.
struct Destination {
    end: TargetEnd,
    store: Arc<dyn Store>,
    /// The repository below which everything goes; at the top where there is none.
    below: Option<RepositoryName>,
    /// The tag there, where it is another one.
    tag: Option<Tag>,
}

/// Makes the directory, if there is room for what goes into it.
async fn make_directory(job: &Job, plan: &mut Plan, directory: &Path) -> Result<()> {
    let weights =
        job.mirror.weigh_copies(plan, Lead::WhoHasIt).await.map_err(|error| job.ends.refusal(error))?;
    bundle::check_space(directory, weights.total.fetch)?;
    DirectoryStore::create(directory).map_err(|error| error.on(Side::Target))?;
    Ok(())
}

/// The directory of a registry, which may be missing yet.
fn settle_directory(args: &LoadArgs, directory: &Path) -> Result<Destination> {
    let TargetArgs { target_repository, target_tag, .. } = &args.target;
    let malformed = |error: NameError| CommandError::usage(error, "Choose another name.");
    let below = target_repository.as_deref().map(|text| text.parse().map_err(malformed)).transpose()?;
    let tag = target_tag.as_deref().map(|text| text.parse().map_err(malformed)).transpose()?;
    Ok(Destination {
        end: TargetEnd::Directory(directory.display().to_string()),
        store: Arc::new(DirectoryStore::planned(directory).map_err(|error| error.on(Side::Target))?),
        below,
        tag,
    })
}

async fn settle_target(
    ui: &Ui,
    args: &LoadArgs,
    environment: &mut Environment,
    connection: &Connection,
) -> Result<Destination> {
    let answers = AnswerArgs { target: args.target.clone(), ..AnswerArgs::default() };
    let what = WhatArgs { profile: args.profile.clone(), ..WhatArgs::default() };
    let answers = layered(ui, &answers, &what, environment)?.answers;
    let wanted: Vec<Answer> = Answer::ALL.into_iter().filter(|answer| answer.is_about_target()).collect();
    let given = Given::read(&wanted, &answers, environment)?;
    given.demand_target(environment.is_interactive)?;
    let lookup = Lookup::new(environment, ui);
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, ui);
    let mut target = asker.target()?;
    look_up(&lookup, &mut target).await?;
    asker.ask_for_named(&mut target.identity, Answer::TargetPassword)?;
    let tag = asker.listed_tag()?;
    let (store, below) = (connection.open(&target, Side::Target)?, Some(target.repository.clone()));
    Ok(Destination { end: TargetEnd::Place(target), store, below, tag })
}

async fn job(
    ui: &Arc<Ui>,
    args: &LoadArgs,
    freight: &Freight,
    to: Destination,
    connection: &Connection,
) -> Result<Job> {
    let (below, tag) = (to.below.as_ref(), to.tag.as_ref());
    let (selection, source): (_, Arc<dyn Store>) = match freight {
        Freight::Bundles(bundles) => {
            let store = bases::store(bundles, &to.store, below, args.limits.memory);
            let images = || bundles.iter().flat_map(|opened| &opened.catalogue().images);
            let named = |image: &Image| (image.repository.clone(), image.tag.clone(), image.digest);
            loaded::one_each(images().map(|image| (named(image), image.source.clone())), tag)?;
            (loaded::select(images(), below, tag)?, Arc::new(store))
        }
        Freight::Layout(layout) => {
            let images = layout.images().await?;
            let named =
                |image: &LayoutImage| (image.repository.clone(), image.tag.clone(), image.descriptor.digest);
            loaded::one_each(images.iter().map(|image| (named(image), image.name())), tag)?;
            (loaded::select_listed(&images, below, tag)?, Arc::new(layout.clone()))
        }
    };
    let names: Vec<String> = args.bundles.iter().map(|path| path.display().to_string()).collect();
    let ends = Ends {
        source: SourceEnd::Bundle(names.join(" and ")),
        names: SourceNames::default(),
        target: to.end,
    };
    let what = WhatArgs { no_attachments: args.no_attachments, ..WhatArgs::default() };
    Ok(Job::new(ui, ends, selection, (source, to.store), &what, connection))
}
