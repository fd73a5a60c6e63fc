//! What the manifests of a bundle link to: read once, from those that can be read.

use std::collections::{HashMap, HashSet};

use sealift_oci::{Digest, RepositoryName};

use super::Bundle;
use crate::catalogue::{Image, Repository};

/// The links of all manifests.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    links: HashMap<Digest, Links>,
    /// What is attached to a manifest of a repository.
    attached: HashMap<(RepositoryName, Digest), Vec<Digest>>,
}

/// What one manifest links to.
#[derive(Debug, Default)]
struct Links {
    children: Vec<Digest>,
    subject: Option<Digest>,
}

impl Bundle {
    /// Returns the links, which are read on the first call.
    pub(crate) fn graph(&self) -> &Graph {
        self.0.graph.get_or_init(|| Graph::read(self))
    }

    /// Returns every digest of the catalogue that an image needs: its manifests, their blobs, and what is attached
    /// to them. Of a manifest that cannot be read, only itself.
    pub(crate) fn reach(&self, image: &Image) -> HashSet<Digest> {
        self.reach_of(image, true)
    }

    /// The same, where what is attached may not count.
    pub(crate) fn reach_of(&self, image: &Image, with_attachments: bool) -> HashSet<Digest> {
        let (graph, mut found) = (self.graph(), HashSet::new());
        let mut next = vec![image.digest];
        while let Some(digest) = next.pop() {
            // Foreign layers are linked to and not in the catalogue.
            if self.content(&digest).is_none() || !found.insert(digest) {
                continue;
            }
            next.extend(graph.links.get(&digest).iter().flat_map(|links| &links.children));
            if with_attachments {
                next.extend(graph.attached_to(&image.repository, &digest));
            }
        }
        found
    }

    /// Goes through what the images need, by their places in the catalogue. What needs the same is walked once: many
    /// repositories may hold one image.
    pub(crate) fn reaches(&self) -> impl Iterator<Item = (Vec<usize>, HashSet<Digest>)> {
        let graph = self.graph();
        let with_attachments: HashSet<&RepositoryName> =
            graph.attached.keys().map(|(name, _)| name).collect();
        let images = &self.catalogue().images;
        let mut alike: HashMap<(Option<&RepositoryName>, Digest), Vec<usize>> = HashMap::new();
        for (place, image) in images.iter().enumerate() {
            let own = with_attachments.get(&image.repository).copied();
            alike.entry((own, image.digest)).or_default().push(place);
        }
        alike.into_values().map(|places| {
            let reached = places.first().map(|first| self.reach(&images[*first]));
            (places, reached.unwrap_or_default())
        })
    }
}

impl Graph {
    fn read(bundle: &Bundle) -> Self {
        let mut graph = Self::default();
        for repository in &bundle.catalogue().repositories {
            graph.add(bundle, repository);
        }
        graph.attached.values_mut().for_each(|all| all.sort());
        graph
    }

    fn add(&mut self, bundle: &Bundle, repository: &Repository) {
        for held in &repository.manifests {
            let links = self.links.entry(held.digest).or_insert_with(|| {
                // What cannot be read is told of where it is asked for.
                let read = bundle.read_listed(&held.digest, &held.media_type).ok();
                read.map_or_else(Links::default, |(manifest, _)| Links {
                    subject: manifest.links.subject.map(|subject| subject.digest),
                    children: manifest
                        .links
                        .manifests
                        .iter()
                        .chain(&manifest.links.blobs)
                        .map(|it| it.digest)
                        .collect(),
                })
            });
            if let Some(subject) = links.subject {
                self.attached.entry((repository.name.clone(), subject)).or_default().push(held.digest);
            }
        }
    }

    /// Returns what is attached to a manifest in a repository.
    pub(crate) fn attached_to(&self, repository: &RepositoryName, subject: &Digest) -> &[Digest] {
        self.attached.get(&(repository.clone(), *subject)).map_or(&[], Vec::as_slice)
    }
}
