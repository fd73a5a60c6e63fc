//! `sealift kit`: the files that make a cluster pull from the target. No registry is asked.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use sealift_catalog::{ImageSet, Mapped, SIZE_LIMIT, image_set, newest_known};
use sealift_kit::arc::{ArcKit, PULL_SECRET};
use sealift_kit::kubernetes::Mapping;
use sealift_kit::{File, Kind, Place, arc, kubernetes};
use sealift_oci::{ManifestRef, Reference, Tag};
use sealift_registry::client::Credentials;
use sealift_store::platform;

use super::Result;
use super::job::{between_known, layered, read_list, refuse_beside_products};
use super::lock;
use crate::answers::Answer;
use crate::args::{Consumer, KitArgs, WhatArgs};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::list::{self, Wanted};
use crate::output::units::count;
use crate::places::is_plain;
use crate::profile::Layered;
use crate::selection::select;
use crate::settings::{Asker, Given, PlaceSettings, Settings};
use crate::ui::Ui;

/// The longest name of a namespace (RFC 1123 label), and of a resource as it stands in one.
const LABEL_LIMIT: usize = 63;

/// Writes the kit.
pub(crate) fn run(ui: &Ui, args: &KitArgs, environment: &mut Environment) -> Result<Exit> {
    for (flag, name) in [("--namespace", &args.namespace), ("--controller", &args.controller)] {
        check_label(flag, name)?;
    }
    check_directory(&args.to, args.force)?;
    let (profile, images_file) = (args.profile.clone(), args.images_file.clone());
    let what = WhatArgs { profile, images_file, ..WhatArgs::default() };
    let layered = layered(ui, &args.answers, &what, environment)?;
    let files = match args.consumer {
        Consumer::AzureArc => azure_arc(ui, args, &layered, environment)?,
        Consumer::Kubernetes => kubernetes(ui, args, &layered, environment)?,
    };
    for file in &files {
        write(&args.to, file).map_err(|error| refuse(&args.to.join(&file.path), &error))?;
    }
    let to = args.to.display();
    ui.status(format_args!("{to}: {}; begin with {to}/README.txt", count(files.len(), "file")));
    Ok(Exit::Success)
}

/// What was settled of the answers, by whom a list is mapped as well.
struct Settled<'a> {
    asker: Asker<'a>,
    target: PlaceSettings,
    place: Place,
}

fn settle<'a>(
    ui: &'a Ui,
    (args, layered): (&KitArgs, &Layered),
    answers: &[Answer],
    registry: Option<&str>,
    environment: &mut Environment,
) -> Result<Settled<'a>> {
    let mut typed = layered.answers.clone();
    let said = typed.target.target_registry.as_deref().or(typed.kept.get(Answer::TargetRegistry));
    // A lock says where the images are, should nobody else.
    if let (None, Some(registry)) = (said, registry) {
        typed.target.target_registry = Some(registry.to_owned());
        typed.target.target_repository.get_or_insert_with(|| "unused".to_owned());
    }
    let given = Given::read(answers, &typed, environment)?;
    given.demand_target(false)?;
    let mut asker = Asker::new(given, None, ui);
    let target = asker.target()?;
    let is_plain_http = is_plain(&args.plain_http, &target.registry);
    let place = Place { registry: target.registry.clone(), is_plain_http, ca: args.node_ca.clone() };
    Ok(Settled { asker, target, place })
}

fn azure_arc(ui: &Ui, args: &KitArgs, layered: &Layered, environment: &mut Environment) -> Result<Vec<File>> {
    let meaningless = [("--images-file", args.images_file.is_some()), ("--lock", args.lock.is_some())];
    if let Some((flag, _)) = meaningless.into_iter().find(|(_, is_given)| *is_given) {
        return Err(CommandError::usage(
            format_args!("{flag} says nothing to a data controller, which has one tag for all images"),
            "Name the release with --tag; --for kubernetes takes lists and locks.",
        ));
    }
    if layered.profile.has_images() {
        return Err(CommandError::usage(
            "the profile lists images, and a data controller has one tag for all of its own",
            "Name a profile with the product azure-arc; --for kubernetes takes other products.",
        ));
    }
    let answers = [
        Answer::SourceTag,
        Answer::TargetRegistry,
        Answer::TargetRepository,
        Answer::TargetUsername,
        Answer::TargetPassword,
        Answer::TargetTag,
    ];
    let mut settled = settle(ui, (args, layered), &answers, None, environment)?;
    let tag = release(ui, layered, &mut settled.asker)?;
    let (username, password) = match &settled.target.identity.credentials {
        Credentials::Basic { username, password } => (Some(username.as_str()), Some(password.expose())),
        _ => (None, None),
    };
    let kit = ArcKit {
        place: &settled.place,
        repository: &settled.target.repository,
        tag: &tag,
        namespace: &args.namespace,
        controller: &args.controller,
        username,
        password: password.filter(|password| !password.is_empty()),
    };
    if kit.password.is_none() {
        ui.status(format_args!(
            "No password is given, so {PULL_SECRET}.yaml has a place-holder; create-secret.sh reads DOCKER_PASSWORD."
        ));
    }
    arc::files(&kit).map_err(mistake)
}

/// Settles which releases there are, as far as the table knows.
fn releases(layered: &Layered, asker: &mut Asker<'_>) -> Result<Vec<Tag>> {
    if let Some(range) = layered.what.from_tag.as_ref().zip(layered.what.to_tag.as_ref()) {
        asker.take_range(between_known(range, &[], "sealift releases")?)?;
    }
    asker.tags(newest_known().map(|release| release.tag.clone()))
}

/// Settles the one tag that all images have at the target.
fn release(ui: &Ui, layered: &Layered, asker: &mut Asker<'_>) -> Result<Tag> {
    let is_guessed = asker.needs_newest() && layered.what.from_tag.is_none();
    let tags = releases(layered, asker)?;
    let [tag] = tags.as_slice() else {
        return Err(CommandError::usage(
            "several releases are named, and a data controller has one",
            "Give --tag once, and make a kit for each release in a directory of its own.",
        ));
    };
    let tag = asker.target_tag(&tags)?.unwrap_or_else(|| tag.clone());
    if is_guessed {
        ui.warning(format_args!("no release is named; this is the newest that sealift knows of: {tag}"));
    }
    Ok(tag)
}

fn kubernetes(
    ui: &Ui,
    args: &KitArgs,
    layered: &Layered,
    environment: &mut Environment,
) -> Result<Vec<File>> {
    let wanted = match &args.images_file {
        Some(path) => Some(Wanted::List(read_list(path, &args.answers, environment)?)),
        None => layered.profile.has_images().then_some(Wanted::Products),
    };
    let (place, images) = match (&args.lock, wanted) {
        (Some(path), _) => of_lock(ui, args, layered, path, environment)?,
        (None, Some(wanted)) => of_list(ui, args, layered, &wanted, environment)?,
        (None, None) => of_releases(ui, args, layered, environment)?,
    };
    kubernetes::files(&place, &images).map_err(mistake)
}

const TARGET: [Answer; 3] = [Answer::TargetRegistry, Answer::TargetRepository, Answer::TargetTag];

fn of_list(
    ui: &Ui,
    args: &KitArgs,
    layered: &Layered,
    wanted: &Wanted,
    environment: &mut Environment,
) -> Result<(Place, Vec<Mapping>)> {
    if matches!(wanted, Wanted::Products) {
        refuse_beside_products(&args.answers, &layered.what, environment)?;
        if let Some(open) = layered.profile.open_repositories().first() {
            return Err(CommandError::usage(
                format_args!(
                    "which tags of {}/{} the profile takes is not known before the registry is asked",
                    open.registry, open.repository
                ),
                "`sealift lock --profile FILE --output json` asks; --lock takes what it writes.",
            ));
        }
    }
    let list = wanted.images_of(&layered.profile, &BTreeMap::new())?;
    let mut settled = settle(ui, (args, layered), &TARGET, None, environment)?;
    let rule = settled.asker.tag_rule(&args.answers.source_tag)?;
    let mapped = list::map(&list, Some(&settled.target.repository), &rule)?;
    let images = mapped.into_iter().map(|Mapped { reference, target, tag }| {
        let digest = reference.digest;
        Mapping { source: reference, target, tag, digest }
    });
    Ok((settled.place, images.collect()))
}

fn of_releases(
    ui: &Ui,
    args: &KitArgs,
    layered: &Layered,
    environment: &mut Environment,
) -> Result<(Place, Vec<Mapping>)> {
    let answers =
        [&TARGET[..], &[Answer::SourceRegistry, Answer::SourceRepository, Answer::SourceTag]].concat();
    let mut settled = settle(ui, (args, layered), &answers, None, environment)?;
    let source = settled.asker.source()?;
    let tags = releases(layered, &mut settled.asker)?;
    let target_tag = settled.asker.target_tag(&tags)?;
    for tag in tags.iter().filter(|tag| matches!(image_set(tag), ImageSet::Candidates { .. })) {
        ui.warning(format_args!(
            "{tag}: sealift has no list of its images, so every name that any release had is in the kit"
        ));
    }
    let registry = source.registry.clone();
    let settings = Settings { source, target: Some(settled.target), tags, target_tag };
    let selection = select(&settings, &layered.what)?;
    let images = selection.groups.into_iter().flat_map(|group| group.images).map(|image| {
        let (tag, digest) = match image.reference {
            ManifestRef::Tag(tag) => (Some(tag), None),
            ManifestRef::Digest(digest) => (None, Some(digest)),
        };
        let source = Reference { registry: registry.clone(), repository: image.source, tag, digest: None };
        Mapping { source, target: image.target, tag: image.tag, digest }
    });
    Ok((settled.place, images.collect()))
}

fn of_lock(
    ui: &Ui,
    args: &KitArgs,
    layered: &Layered,
    path: &Path,
    environment: &mut Environment,
) -> Result<(Place, Vec<Mapping>)> {
    let refuse = |reason: &dyn std::fmt::Display| {
        CommandError::usage(
            format_args!("--lock {}: {reason}", path.display()),
            "Name a file that `sealift lock --output json` wrote; without --at source it says where images are.",
        )
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| refuse(&error))?;
    file.take(SIZE_LIMIT as u64).read_to_string(&mut text).map_err(|error| refuse(&error))?;
    let lock = lock::read(path, &text)?;
    let mut images = Vec::new();
    let mut registries = std::collections::BTreeSet::new();
    for locked in &lock.images {
        let parse =
            |text: &str| text.parse::<Reference>().map_err(|error| refuse(&format_args!("{text}: {error}")));
        let source = parse(&locked.source)?;
        let Some(target) = &locked.target else { return Err(refuse(&"it does not say where images went")) };
        let target = parse(target)?;
        let digest =
            locked.digest.parse().map_err(|error| refuse(&format_args!("{}: {error}", locked.digest)))?;
        registries.insert(target.registry.clone());
        images.push(Mapping { source, target: target.repository, tag: target.tag, digest: Some(digest) });
    }
    let mut registries = registries.into_iter();
    let (Some(registry), None) = (registries.next(), registries.next()) else {
        return Err(refuse(&"it does not name one registry that all images are in"));
    };
    let settled = settle(ui, (args, layered), &TARGET, Some(registry.as_str()), environment)?;
    if settled.place.registry != registry {
        return Err(refuse(&format_args!("its images are in {registry}, not in {}", settled.place.registry)));
    }
    Ok((settled.place, images))
}

/// Kubernetes takes such names; anything else would only fail there.
fn check_label(flag: &str, name: &str) -> Result<()> {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_right = !name.is_empty()
        && name.len() <= LABEL_LIMIT
        && name.bytes().all(is_inside)
        && !name.starts_with('-')
        && !name.ends_with('-');
    match is_right {
        true => Ok(()),
        false => Err(CommandError::usage(
            format_args!("{flag} `{name}` is no name to Kubernetes"),
            "A name there has small letters, digits and hyphens, and a letter or digit at both ends.",
        )),
    }
}

/// Files that lie there already may be somebody's work.
fn check_directory(directory: &Path, is_forced: bool) -> Result<()> {
    match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(is_empty) if is_forced || is_empty => Ok(()),
        Ok(_) => Err(CommandError::usage(
            format_args!("--to {}: it is not empty", directory.display()),
            "Name another directory, or write over what has the same names with --force.",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refuse(directory, &error)),
    }
}

fn refuse(path: &Path, error: &io::Error) -> CommandError {
    CommandError::usage(
        format_args!("--to {}: {error}", path.display()),
        "Name a directory that can be written to.",
    )
}

/// A new file takes the old one's place, so that a secret is never readable under the rights that the old one had.
fn write(root: &Path, file: &File) -> io::Result<()> {
    let path = root.join(&file.path);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    platform::set_mode(&mut options, mode(file.kind));
    options.open(&path)?.write_all(file.content.as_bytes())
}

fn mistake(error: sealift_kit::WriteError) -> CommandError {
    CommandError::usage(error, "This is a mistake in sealift; please report it.")
}

/// Who may read and run a file.
fn mode(kind: Kind) -> u32 {
    match kind {
        Kind::Plain => 0o644,
        Kind::Script => 0o755,
        Kind::Secret => platform::PRIVATE_FILE,
    }
}
