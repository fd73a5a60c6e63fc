//! The source: who asks, and whether that one may read what is wanted.

use futures_util::TryStreamExt;
use sealift_mirror::ImageRequest;
use sealift_oci::{Registry, RepositoryName};
use sealift_registry::client::Credentials;
use sealift_store::{ErrorKind, PageRequest, Side, Source, Store};

use super::findings::{Check, Examination, Part};
use super::{End, network, registries};
use crate::commands::Result;
use crate::commands::job::Job;
use crate::ends::SourceEnd;
use crate::identity::{Identity, KnownFrom};
use crate::places::Connection;

/// Looks at each registry of the source.
pub(super) async fn examine(job: &Job, connection: &Connection, found: &mut Examination) -> Result<()> {
    for registry in registries(&job.ends.source) {
        found.parts.push(examine_one(job, connection, registry).await?);
    }
    Ok(())
}

async fn examine_one(job: &Job, connection: &Connection, registry: &Registry) -> Result<Part> {
    let wanted = wanted(job, registry);
    let (request, repository) = wanted.unzip();
    let identity = identity(job, registry, repository.as_ref()).unwrap_or_default();
    let client = connection.client(registry, identity.credentials.clone(), Some(Side::Source))?;
    let end = End { ends: &job.ends, registry, client, side: Side::Source };
    let mut part = Part::new("source", registry.to_string());
    network::examine(&end, &mut part).await;
    if !part.is_fine() {
        part.skip(&["credentials", "pull", "attachments"], "it cannot be asked");
        return Ok(part);
    }
    part.checks.push(credentials(&end, &identity).await);
    match (request, repository) {
        (Some(request), Some(repository)) => {
            let place = end.client.source(&repository);
            part.checks.push(pull(&end, place.as_ref(), request).await);
            part.checks.push(attachments(&end, place.as_ref(), request).await);
        }
        _ => part.skip(&["pull", "attachments"], "nothing is wanted of it"),
    }
    Ok(part)
}

/// Finds an image that is wanted of a registry, and the repository that it has there.
fn wanted<'a>(job: &'a Job, registry: &Registry) -> Option<(&'a ImageRequest, RepositoryName)> {
    let mut images = job.selection.groups.iter().flat_map(|group| &group.images);
    images.find_map(|image| match job.ends.names.0.get(&image.source) {
        Some((of, repository)) => (of == registry).then(|| (image, repository.clone())),
        None => Some((image, image.source.clone())),
    })
}

/// Finds out who asks there.
fn identity(job: &Job, registry: &Registry, repository: Option<&RepositoryName>) -> Option<Identity> {
    match &job.ends.source {
        SourceEnd::Place(place) => Some(place.identity.clone()),
        SourceEnd::List(registries) => registries.get(registry)?.get(repository?).cloned(),
        SourceEnd::Bundle(_) | SourceEnd::Repair(_) => None,
    }
}

/// Says who asks, where that is known from, and whether the registry takes it.
pub(super) async fn credentials(end: &End<'_>, identity: &Identity) -> Check {
    let who = match &identity.credentials {
        Credentials::Anonymous => "nobody in particular".to_owned(),
        Credentials::Basic { username, .. } => username.clone(),
        Credentials::IdentityToken { username: Some(username), .. } => format!("{username} (identity token)"),
        Credentials::IdentityToken { username: None, .. } => "an identity token".to_owned(),
    };
    let from = match &identity.known_from {
        KnownFrom::Answer => ", as was typed or set".to_owned(),
        KnownFrom::Kept(origin) => format!(", kept in {origin}"),
        KnownFrom::Nowhere => ": none are kept".to_owned(),
        KnownFrom::Named(user) => format!(": the profile names {user}, and no password is there"),
    };
    match end.client.authenticate().await {
        Ok(()) => Check::ok("credentials", format!("{who}{from}")),
        // Many registries give nobody a token for nothing, and one for what is public.
        Err(error) if identity.credentials == Credentials::Anonymous && is_refusal(error.kind()) => {
            Check::ok("credentials", format!("{who}{from}; it wants to know who asks for some things"))
        }
        Err(error) => {
            let mut check = end.failed("credentials", error);
            check.found = format!("{who}{from}: {}", check.found);
            check
        }
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unauthenticated | ErrorKind::Denied)
}

/// Reads a manifest, and the beginning of one of its blobs: storage may be elsewhere.
async fn pull(end: &End<'_>, place: &dyn Source, request: &ImageRequest) -> Check {
    let named = format!("{}:{}", place.repository(), request.reference);
    let read = async {
        let mut manifest = place.manifest(&request.reference).await?;
        // Of an index one image will do.
        if let Some(child) = manifest.links.manifests.first() {
            manifest = place.manifest(&child.digest.into()).await?;
        }
        let Some(blob) = manifest.links.blobs.first() else { return Ok(()) };
        place.open_blob(&blob.digest, 0).await?.into_stream().try_next().await.map(drop)
    };
    match read.await {
        Ok(()) => Check::ok("pull", format!("{named} can be read, with its blobs")),
        Err(error) => end.failed("pull", error),
    }
}

/// Finds out how signatures are listed there.
async fn attachments(end: &End<'_>, place: &dyn Source, request: &ImageRequest) -> Check {
    let listed = async {
        let root = place.resolve(&request.reference).await?;
        let page = place.referrers(&root.digest, None, &PageRequest::first()).await?;
        Ok::<usize, sealift_store::Error>(page.items.len())
    };
    let what = |number: usize, how: &str| format!("{number} at that image; {how}");
    match listed.await {
        Ok(number) if place.keeps_referrers_in_tags() => {
            Check::ok("attachments", what(number, "it has no referrers API: they are looked for by tags"))
        }
        Ok(number) => Check::ok("attachments", what(number, "it has the referrers API")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Check::skipped("attachments", "there is no image")
        }
        Err(error) => end.failed("attachments", error),
    }
}
