//! `sealift load`: from bundles, or plain OCI image layouts, into a registry, or the directory of one.

use std::path::Path;
use std::sync::Arc;

use sealift_bundle::{Bundle, BundleError, BundleStore, Image, LayoutImage, LayoutStore, Receipt, SecretKey};
use sealift_mirror::{Group, ImageReport, ImageRequest, Outcome, Plan, Report, Selection};
use sealift_oci::{Digest, ManifestRef, NameError, RepositoryName, Tag};
use sealift_store::{DirectoryStore, ErrorKind, Side, Store};

use super::dry_run::{self, DryRun};
use super::job::{Job, look_up};
use super::mirror::{Begun, Terms, Transfer, begin, pace, report_errors, tell};
use super::{Result, bundle, proof, verify_bundle};
use crate::answers::Answer;
use crate::args::{AnswerArgs, LoadArgs, TargetArgs, WhatArgs};
use crate::ends::{Ends, SourceEnd, SourceNames, TargetEnd};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::identity::Lookup;
use crate::places::Connection;
use crate::settings::{Asker, Given};
use crate::size::Rate;
use crate::stop::Stop;
use crate::ui::Ui;

/// What is loaded.
enum Freight {
    /// Bundles, read as one.
    Bundles(Vec<Bundle>),
    /// A plain OCI image layout.
    Layout(LayoutStore, Vec<LayoutImage>),
}

/// Loads bundles.
pub(crate) async fn run(ui: &Arc<Ui>, args: LoadArgs, environment: &mut Environment) -> Result<Exit> {
    let (format, is_dry_run) = (args.output.output, args.limits.dry_run);
    let loaded = load(ui, &args, environment).await;
    report_errors(ui, loaded, format, is_dry_run)
}

async fn load(ui: &Arc<Ui>, args: &LoadArgs, environment: &mut Environment) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let connection = Connection::read(&args.connection, environment)?;
    // The registry is asked nothing before the bundle is proven.
    let freight = open(args, environment).await?;
    stop.unless_asked(tell_damage(ui, args, &freight)).await??;
    let to = match &args.into {
        Some(directory) => settle_directory(args, directory)?,
        None => settle_target(ui, args, environment, &connection).await?,
    };
    let below = to.below.clone();
    let mut job = job(ui, args, &freight, to, &connection)?;
    job.mirror.options.recheck = args.recheck;
    job.mirror.options.bandwidth = args.limits.bandwidth.map(|Rate(rate)| Arc::new(pace(rate)));
    if args.limits.dry_run {
        let wish = DryRun { limits: args.limits, format: args.output.output, volume_size: None };
        return dry_run::show(ui, &job, &wish, &stop).await;
    }
    let mut terms = Terms {
        allow_missing: true,
        max_bytes: args.limits.max_bytes,
        creation: None,
        format: args.output.output,
    };
    let key = args.sign.as_deref().map(|path| bundle::signing_key(path, environment)).transpose()?;
    let Begun { missing, plan } = begin(ui, &job, &mut terms, &stop).await?;
    let transfer = match plan {
        Err(refused) => refused,
        Ok(mut plan) => {
            stop.unless_asked(check_base(
                ui,
                args,
                &job,
                &freight,
                (&mut plan, below.as_ref()),
                key.as_ref(),
            ))
            .await??;
            Transfer { report: job.mirror.run(plan, stop.receiver()).await, is_refused: false }
        }
    };
    let receipt = write_receipt(ui, args, &job, &freight, &transfer.report, key.as_ref()).await;
    let exit = tell(ui, &job, &transfer, &missing, terms.format)?;
    stop.unless_asked(locate(ui, &freight, &transfer.report)).await??;
    // What arrived is there, also where nothing can be written down about it.
    match receipt {
        Err(error) if args.receipt.is_some() || args.sign.is_some() => {
            ui.command_error(&error);
            Ok(if exit == Exit::Success { Exit::Failed } else { exit })
        }
        Err(_) => {
            ui.warning("the receipt cannot be written here; --receipt FILE says where it goes");
            Ok(exit)
        }
        Ok(()) => Ok(exit),
    }
}

/// Proves that the target has what the bundles build on. What it lacks is asked for, and the images that need it fail.
async fn check_base(
    ui: &Ui,
    args: &LoadArgs,
    job: &Job,
    freight: &Freight,
    (plan, below): (&mut Plan, Option<&RepositoryName>),
    key: Option<&SecretKey>,
) -> Result<()> {
    let Freight::Bundles(bundles) = freight else { return Ok(()) };
    let missing = proof::prove(job, plan, bundles, below).await?;
    let Some(first) = bundles.first().filter(|_| !missing.is_empty()) else { return Ok(()) };
    let path = bundle::document_of(first.path(), ".repair.json");
    proof::request(ui, job, plan, &missing, first, (&path, key))?;
    match args.all_or_nothing {
        true => Err(CommandError::Refused {
            message:
                "the target lacks what the bundle builds on, and --all-or-nothing is set; nothing was loaded"
                    .to_owned(),
            hint: format!("{} says what is missing.", path.display()),
        }),
        false => {
            proof::leave_out(plan, &missing, first);
            Ok(())
        }
    }
}

/// Writes down what the target holds now of the bundles.
async fn write_receipt(
    ui: &Ui,
    args: &LoadArgs,
    job: &Job,
    freight: &Freight,
    report: &Report,
    key: Option<&SecretKey>,
) -> Result<()> {
    let Freight::Bundles(bundles) = freight else { return Ok(()) };
    let there: Vec<(RepositoryName, Digest, Option<Tag>)> = report
        .images
        .iter()
        .filter(|image: &&ImageReport| image.is_there())
        .filter_map(|image| Some((image.request.source.clone(), image.digest?, image.request.tag.clone())))
        .collect();
    let with_attachments = !args.no_attachments;
    let created = bundle::now()?;
    let target = job.ends.target.to_string();
    let mut receipt = Receipt::new(bundle::random_id()?, created.clone(), bundle::tool(), target);
    let opened = bundles.clone();
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
    let default = args.bundles.first().map(|path| bundle::document_of(path, ".receipt.json"));
    let Some(path) = args.receipt.clone().or(default) else { return Ok(()) };
    bundle::write_signed(&path, &receipt.to_bytes(), key, &format!("sealift receipt of {created}"))?;
    ui.status(format_args!(
        "{}: the receipt; take it back, and `sealift pack --since` leaves out what is here",
        path.display()
    ));
    Ok(())
}

async fn open(args: &LoadArgs, environment: &mut Environment) -> Result<Freight> {
    let mut bundles = Vec::new();
    for path in &args.bundles {
        let error = match bundle::open(path, &args.open, environment).await {
            Ok(opened) => {
                bundles.push(opened);
                continue;
            }
            Err(error) => error,
        };
        let is_none = matches!(error, CommandError::Bundle(BundleError::NotABundle { .. }, _));
        let layout = if is_none && args.bundles.len() == 1 { open_layout(path).await? } else { None };
        let Some(layout) = layout else { return Err(error) };
        if args.open.trust.is_some() {
            return Err(CommandError::from(BundleError::Untrusted {
                path: path.clone(),
                reason: "it is a plain OCI image layout, and those have no signature".to_owned(),
            }));
        }
        let images = layout.images().await?;
        return Ok(Freight::Layout(layout, images));
    }
    Ok(Freight::Bundles(bundles))
}

/// Opens a plain layout, if it is one. Images that have no full name in it are called like the directory or the file.
pub(super) async fn open_layout(path: &Path) -> Result<Option<LayoutStore>> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let stem = whole.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let main: RepositoryName = stem.parse().or_else(|_| "image".parse()).map_err(|error| {
        CommandError::usage(format_args!("{}: {error}", path.display()), "Give it another name.")
    })?;
    if path.join("oci-layout").is_file() {
        return Ok(Some(LayoutStore::open(path, &main).await?));
    }
    if path.is_file() {
        return Ok(Some(LayoutStore::open_archive(path, &main).await?));
    }
    Ok(None)
}

/// Names the volumes that cannot be read. Whether all can be loaded is only known when every byte was looked at.
async fn tell_damage(ui: &Ui, args: &LoadArgs, freight: &Freight) -> Result<()> {
    let Freight::Bundles(bundles) = freight else { return Ok(()) };
    let mut is_damaged = false;
    for opened in bundles {
        if args.all_or_nothing {
            is_damaged |= verify_bundle::examine(ui, opened).await?;
        } else {
            bundle::tell_damage(ui, opened, &opened.damage().await?);
        }
    }
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
async fn locate(ui: &Ui, freight: &Freight, report: &Report) -> Result<()> {
    let Freight::Bundles(bundles) = freight else { return Ok(()) };
    let is_damage = |image: &ImageReport| match &image.outcome {
        Outcome::Failed(error) => error.kind() == ErrorKind::Mismatch && error.side() == Some(Side::Source),
        _ => false,
    };
    if !report.images.iter().any(is_damage) {
        return Ok(());
    }
    ui.status("Looking for what is damaged.");
    for opened in bundles {
        verify_bundle::examine(ui, opened).await?;
    }
    Ok(())
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

/// The directory of a registry, which is made where it is missing.
fn settle_directory(args: &LoadArgs, directory: &Path) -> Result<Destination> {
    let TargetArgs { target_repository, target_tag, .. } = &args.target;
    let malformed = |error: NameError| CommandError::usage(error, "Choose another name.");
    let below = target_repository.as_deref().map(|text| text.parse().map_err(malformed)).transpose()?;
    let tag = target_tag.as_deref().map(|text| text.parse().map_err(malformed)).transpose()?;
    Ok(Destination {
        end: TargetEnd::Directory(directory.display().to_string()),
        store: Arc::new(DirectoryStore::create(directory).map_err(|error| error.on(Side::Target))?),
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
    let wanted: Vec<Answer> = Answer::ALL.into_iter().filter(|answer| answer.is_about_target()).collect();
    let given = Given::read(&wanted, &answers, environment)?;
    given.demand_target(environment.is_interactive)?;
    let lookup = Lookup::new(environment, ui);
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, ui);
    let mut target = asker.target()?;
    look_up(&lookup, &mut target).await?;
    let tag = asker.listed_tag()?;
    let (store, below) = (connection.open(&target, Side::Target)?, Some(target.repository.clone()));
    Ok(Destination { end: TargetEnd::Place(target), store, below, tag })
}

fn job(
    ui: &Arc<Ui>,
    args: &LoadArgs,
    freight: &Freight,
    to: Destination,
    connection: &Connection,
) -> Result<Job> {
    let (below, tag) = (to.below.as_ref(), to.tag.as_ref());
    let (selection, source): (_, Arc<dyn Store>) = match freight {
        Freight::Bundles(bundles) => {
            let store = BundleStore::new(bundles.clone());
            let images = bundles.iter().flat_map(|opened| &opened.catalogue().images);
            (select(images, below, tag)?, Arc::new(store))
        }
        Freight::Layout(layout, images) => (select_listed(images, below, tag)?, Arc::new(layout.clone())),
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

/// Selects every image of the bundles, release by release. One that several bundles have is taken once.
fn select<'a>(
    images: impl Iterator<Item = &'a Image>,
    below: Option<&RepositoryName>,
    tag: Option<&Tag>,
) -> Result<Selection> {
    let mut groups: Vec<Group> = Vec::new();
    for image in images {
        let request = ImageRequest {
            name: image.name.clone(),
            source: image.repository.clone(),
            reference: ManifestRef::from(image.digest),
            target: join(below, &image.repository)?,
            tag: tag.or(image.tag.as_ref()).cloned(),
            optional: false,
            gate: image.gate,
        };
        let position = groups.iter().position(|group| group.name == image.group).unwrap_or(groups.len());
        if position == groups.len() {
            groups.push(Group { name: image.group.clone(), images: Vec::new() });
        }
        let group = &mut groups[position];
        let is_same = |other: &ImageRequest| other.target == request.target && other.tag == request.tag;
        match group.images.iter_mut().find(|other| is_same(other)) {
            // The later bundle says what the tag means now.
            Some(other) => *other = request,
            None => group.images.push(request),
        }
    }
    Ok(Selection { groups })
}

fn select_listed(
    images: &[LayoutImage],
    below: Option<&RepositoryName>,
    tag: Option<&Tag>,
) -> Result<Selection> {
    let request = |image: &LayoutImage| {
        Ok(ImageRequest {
            name: image.repository.to_string(),
            source: image.repository.clone(),
            reference: ManifestRef::from(image.descriptor.digest),
            target: join(below, &image.repository)?,
            tag: tag.or(image.tag.as_ref()).cloned(),
            optional: false,
            gate: false,
        })
    };
    let images = images.iter().map(request).collect::<Result<_>>()?;
    Ok(Selection { groups: vec![Group { name: None, images }] })
}

fn join(below: Option<&RepositoryName>, path: &RepositoryName) -> Result<RepositoryName> {
    let Some(below) = below else { return Ok(path.clone()) };
    below.join(path.as_str()).map_err(|error| {
        CommandError::usage(
            format_args!("with {path} behind it the target's repository is malformed: {error}"),
            "Choose a shorter --target-repository.",
        )
    })
}
