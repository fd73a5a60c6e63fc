//! What the catalogue says of images, repositories and content, against the manifests themselves. The bytes are checked
//! elsewhere: here a catalogue is found out whose bytes are all right and which lies about what they are.

use std::collections::HashSet;

use sealift_oci::{Descriptor, Digest, Manifest};
use sealift_store::ErrorKind;

use super::Found;
use crate::catalogue::{Content, Image, Repository};
use crate::reader::Bundle;

/// Compares the catalogue with the manifests that can be read.
pub(super) fn check(bundle: &Bundle) -> Vec<Found> {
    let mut claims = Claims { bundle, found: Vec::new() };
    let catalogue = bundle.catalogue();
    catalogue.content.iter().for_each(|content| claims.place(content));
    catalogue.repositories.iter().for_each(|repository| claims.repository(repository));
    catalogue.images.iter().for_each(|image| claims.image(image));
    claims.found
}

struct Claims<'a> {
    bundle: &'a Bundle,
    found: Vec<Found>,
}

impl Claims<'_> {
    fn report(&mut self, digest: Digest, what: String) {
        let medium = self.bundle.medium();
        let position = medium.whole.as_ref().map(|whole| whole.trailer.catalogue.offset);
        let found = Found::at(medium.catalogue.0.clone(), position, what);
        self.found.push(Found { content: vec![digest], ..found });
    }

    /// What lies nowhere is what the other side has, and where it has it is known.
    fn place(&mut self, content: &Content) {
        let digest = content.digest;
        if !content.at.is_empty() {
            return;
        }
        if self.bundle.catalogue().builds_on.is_empty() {
            self.report(digest, format!("{digest} lies nowhere, and the bundle builds on no other"));
        } else if content.held.is_empty() {
            self.report(digest, format!("{digest} lies nowhere, and nothing says who has it"));
        }
    }

    fn repository(&mut self, repository: &Repository) {
        let manifests = repository.manifests.iter().map(|held| held.digest);
        let held: HashSet<Digest> = manifests.chain(repository.blobs.iter().copied()).collect();
        for listed in &repository.manifests {
            let Some(manifest) = self.manifest(listed.digest, &listed.media_type) else { continue };
            for link in &manifest.links.blobs {
                self.link(repository, &held, listed.digest, link, !link.is_foreign_layer());
            }
            // Of an index that was packed for one platform, the others are not there.
            for link in &manifest.links.manifests {
                let is_packed = self.bundle.content(&link.digest).is_some();
                self.link(repository, &held, listed.digest, link, is_packed);
            }
        }
    }

    /// Reads a manifest. What cannot be read, or has another digest, is found where it lies.
    fn manifest(&mut self, digest: Digest, media_type: &str) -> Option<Manifest> {
        if !self.bundle.content(&digest).is_some_and(|content| self.bundle.is_readable(content)) {
            return None;
        }
        match self.bundle.read_listed(&digest, media_type) {
            Ok((manifest, differs)) => {
                if let Some(what) = differs {
                    self.report(digest, what);
                }
                Some(manifest)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Invalid {
                    self.report(digest, format!("{digest} is listed as a manifest and is none: {error}"));
                }
                None
            }
        }
    }

    fn link(
        &mut self,
        repository: &Repository,
        held: &HashSet<Digest>,
        from: Digest,
        link: &Descriptor,
        is_needed: bool,
    ) {
        let (name, digest) = (&repository.name, link.digest);
        let size = self.bundle.content(&digest).map(|content| content.size);
        if is_needed && !held.contains(&digest) {
            self.report(from, format!("{name} lacks {digest}, which {from} needs"));
        } else if size.is_some_and(|size| size != link.size) {
            self.report(
                from,
                format!("{digest} has {} bytes, as {from} says, and is listed with others", link.size),
            );
        }
    }

    /// The tag of an image is its repository's.
    fn image(&mut self, image: &Image) {
        let Some(tag) = &image.tag else { return };
        let all = &self.bundle.catalogue().repositories;
        let held = all.iter().find(|it| it.name == image.repository).and_then(|it| it.tags.get(tag));
        if held != Some(&image.digest) {
            let (repository, digest) = (&image.repository, image.digest);
            let what = format!("{repository} does not have the tag {tag} for {digest}, as its image says");
            self.report(digest, what);
        }
    }
}
