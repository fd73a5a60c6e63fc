//! The target: who asks, and what that one may do, tried with a small image in a scratch repository. What was pushed is
//! deleted again, and what cannot be is named.

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, media_type};
use sealift_store::{
    BlobBody, Error, ErrorKind, Expected, LinkOutcome, Operation, PageRequest, Side, Store, Target,
};
use serde_json::json;

use super::End;
use super::findings::{Check, Examination, Part};
use super::{network, source};
use crate::commands::Result;
use crate::commands::job::Job;
use crate::places::Connection;

/// Where is pushed to, below the target's repository, and where is mounted to.
const SCRATCH: &str = "sealift-doctor";
const SCRATCH_MOUNT: &str = "sealift-doctor-mount";
/// What depends on the right to push.
const RIGHTS: [&str; 4] = ["push", "mount", "attachments", "delete"];

/// Looks at the target.
pub(super) async fn examine(
    job: &Job,
    connection: &Connection,
    may_push: bool,
    found: &mut Examination,
) -> Result<()> {
    let Some(place) = job.ends.target.place() else { return Ok(()) };
    let client =
        connection.client(&place.registry, place.identity.credentials.clone(), Some(Side::Target))?;
    let end = End { ends: &job.ends, registry: &place.registry, client, side: Side::Target };
    let mut part = Part::new("target", format!("{}/{}", place.registry, place.repository));
    network::examine(&end, &mut part).await;
    if part.is_fine() {
        part.checks.push(source::credentials(&end, &place.identity).await);
        match may_push {
            true => try_rights(&end, &place.repository, &mut part).await,
            false => part.skip(&RIGHTS, "--no-push"),
        }
    } else {
        part.skip(&["credentials"], "it cannot be asked");
        part.skip(&RIGHTS, "it cannot be asked");
    }
    found.parts.push(part);
    Ok(())
}

/// What was pushed.
struct Scratch {
    repository: RepositoryName,
    other: RepositoryName,
    blob: Bytes,
    manifest: Manifest,
}

impl Scratch {
    /// Makes an image that nothing else in the world has: what is found must have been pushed now.
    fn new(below: &RepositoryName) -> std::result::Result<Self, Error> {
        let wrong = |reason: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Invalid, Operation::PushManifest).object(below).because(reason)
        };
        let seed = super::super::job::jitter().to_bits();
        let blob = Bytes::from(json!({"sealift": "doctor", "seed": seed}).to_string());
        let config = Descriptor::of(media_type::OCI_EMPTY, &blob);
        let body = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "artifactType": "application/vnd.sealift.doctor.v1",
            "config": {"mediaType": config.media_type, "digest": config.digest.to_string(), "size": config.size},
            "layers": [{"mediaType": config.media_type, "digest": config.digest.to_string(), "size": config.size}],
        });
        let manifest = Manifest::parse(Some(media_type::OCI_MANIFEST), Bytes::from(body.to_string()));
        Ok(Self {
            repository: below.join(SCRATCH).map_err(|error| wrong(&error))?,
            other: below.join(SCRATCH_MOUNT).map_err(|error| wrong(&error))?,
            blob,
            manifest: manifest.map_err(|error| wrong(&error))?,
        })
    }

    fn digest(&self) -> Digest {
        Digest::sha256(&self.blob)
    }
}

async fn try_rights(end: &End<'_>, below: &RepositoryName, part: &mut Part) {
    let scratch = match Scratch::new(below) {
        Ok(scratch) => scratch,
        Err(error) => return part.checks.push(end.failed("push", error)),
    };
    if let Err(error) = push(end, &scratch).await {
        part.checks.push(end.failed("push", error));
        part.skip(&RIGHTS[1..], "nothing was pushed");
        return;
    }
    part.checks.push(Check::ok("push", format!("an image could be pushed to {}", scratch.repository)));
    part.checks.push(mount(end, &scratch).await);
    part.checks.push(attachments(end, &scratch).await);
    part.checks.push(delete(end, &scratch).await);
}

async fn push(end: &End<'_>, scratch: &Scratch) -> std::result::Result<(), Error> {
    let target = end.client.target(&scratch.repository)?;
    upload(target.as_ref(), &scratch.blob).await?;
    target.put_manifest(&scratch.manifest, None).await?;
    let reference = ManifestRef::Digest(scratch.manifest.digest());
    end.client.source(&scratch.repository).manifest(&reference).await.map(drop)
}

async fn upload(target: &dyn Target, blob: &Bytes) -> std::result::Result<(), Error> {
    let (digest, size) = (Digest::sha256(blob), blob.len() as u64);
    let mut upload = target.begin_upload(Some(Expected::new(digest, size))).await?;
    upload.append(BlobBody::from(blob.clone())).await?;
    upload.finish(&digest).await
}

/// Without mounts it works, too: what several images share is uploaded several times.
async fn mount(end: &End<'_>, scratch: &Scratch) -> Check {
    const NEXT: &str = "It works without: blobs that repositories share are then sent to each of them. Amazon ECR has a setting for it (registry blob mounting).";
    let linked =
        async { end.client.target(&scratch.other)?.link_blob(&scratch.digest(), &scratch.repository).await };
    match linked.await {
        Ok(LinkOutcome::Linked) => {
            Check::ok("mount", format!("a blob could be linked into {}", scratch.other))
        }
        Ok(LinkOutcome::Upload(upload)) => {
            // Nobody needs it.
            let _ = upload.cancel().await;
            Check::warn("mount", "it links no blobs between repositories", NEXT)
        }
        Ok(LinkOutcome::Refused) => {
            Check::warn("mount", "it refuses to link blobs between repositories", NEXT)
        }
        Err(error) => end.failed("mount", error),
    }
}

async fn attachments(end: &End<'_>, scratch: &Scratch) -> Check {
    let place = end.client.source(&scratch.repository);
    match place.referrers(&scratch.manifest.digest(), None, &PageRequest::first()).await {
        Ok(_) if place.keeps_referrers_in_tags() => {
            Check::ok("attachments", "it has no referrers API: signatures are listed by tags")
        }
        Ok(_) => Check::ok("attachments", "it has the referrers API"),
        Err(error) => end.failed("attachments", error),
    }
}

/// Cleans up. Mirroring deletes nothing, so it is no failure where that is not allowed.
async fn delete(end: &End<'_>, scratch: &Scratch) -> Check {
    let (client, blob) = (&end.client, scratch.digest());
    let manifest = scratch.manifest.digest();
    let mut left = Vec::new();
    let mut why = None;
    let mut note = |name: String, done: std::result::Result<(), Error>| match done {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            why.get_or_insert(error.to_string().replace(&format!(" {name}"), ""));
            left.push(name);
        }
        _ => {}
    };
    let name = format!("{}@{manifest}", scratch.repository);
    note(name, client.remove_scratch_manifest(&scratch.repository, &manifest).await);
    for repository in [&scratch.repository, &scratch.other] {
        note(format!("{repository}@{blob}"), client.remove_scratch_blob(repository, &blob).await);
    }
    match why {
        None => Check::ok("delete", "what was pushed is gone again; its empty repositories may stay"),
        Some(why) => {
            let found = format!("left behind: {} ({why})", left.join(", "));
            Check::warn(
                "delete",
                found,
                "Mirroring needs no right to delete. Who runs the registry can delete these.",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_image_is_whole_and_no_two_are_the_same() {
        let below: RepositoryName = "site/arcdata".parse().unwrap();
        let (one, two) = (Scratch::new(&below).unwrap(), Scratch::new(&below).unwrap());
        assert_eq!(one.repository.as_str(), "site/arcdata/sealift-doctor");
        assert!(one.manifest.links.blobs.iter().all(|blob| blob.digest == one.digest()));
        assert_ne!(one.digest(), two.digest());
    }
}
