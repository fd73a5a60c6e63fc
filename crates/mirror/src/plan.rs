//! The plan: a pure function from the survey to what has to be done, over the whole set at once.
//!
//! Each distinct blob is listed once, with every repository of the target that needs it: the first one
//! gets the bytes, the others a link. Nothing here does I/O, so a plan can be shown, gated and tested.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sealift_oci::{Descriptor, Digest, Manifest, Platform, RepositoryName, Tag};
use sealift_store::{Error, Side};

use crate::{Attachment, Graph, ImageRequest, State, Survey, Surveyed, SurveyedGroup};

/// A blob of so many bytes takes no longer than the questions about it: 10 ms at 1 Gbit/s.
const SMALL: u64 = 1024 * 1024;
/// How many large blobs are taken before the small ones: one fewer than a run begins with, so that the small ones
/// have a transfer to themselves.
const LEADING: usize = 3;

/// What has to be done so that the target has everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The groups, in the order in which they become complete.
    pub groups: Vec<PlannedGroup>,
    /// Each distinct blob once, in the order in which they are taken: those of earlier groups first, and within
    /// a group the largest first, so that no large one is left over for the end. Small ones cost round trips
    /// rather than time, so they come behind the first few large ones, which fill the line meanwhile.
    pub blobs: Vec<PlannedBlob>,
    /// How long the survey took, which counts as part of the run.
    pub surveyed: Duration,
}

/// A group, planned.
#[derive(Clone, Debug, Default)]
pub struct PlannedGroup {
    /// What the group is called.
    pub name: Option<String>,
    /// Its images, in the order of the selection.
    pub images: Vec<PlannedImage>,
}

/// An image, planned.
#[derive(Clone, Debug)]
pub struct PlannedImage {
    /// The wish.
    pub request: ImageRequest,
    /// What to do.
    pub step: Step,
    /// What is attached to it and not at the target yet; it is pushed before the image gets its tag.
    pub attachments: Vec<PlannedRoot>,
}

/// A manifest with everything below it.
#[derive(Clone, Debug)]
pub struct PlannedRoot {
    /// The manifests, children first; the root is the last.
    pub manifests: Vec<Arc<Manifest>>,
    /// Which of [`Plan::blobs`] they need, by position.
    pub blobs: Vec<usize>,
    /// The tag that the root gets.
    pub tag: Option<Tag>,
}

/// What to do with one image.
#[derive(Clone, Debug)]
pub enum Step {
    /// Copy it: when the blobs are there, push the manifests in their order.
    Copy {
        /// The image.
        root: PlannedRoot,
        /// The platforms that its index names.
        platforms: Vec<Platform>,
    },
    /// Nothing: the target has it.
    Keep(Descriptor),
    /// Nothing: the source does not have it, and should.
    Missing,
    /// Nothing: it is not part of this release.
    NotPart,
    /// Nothing: it could not be surveyed.
    Failed(Arc<Error>),
}

/// A blob, planned.
#[derive(Clone, Debug)]
pub struct PlannedBlob {
    /// The blob.
    pub descriptor: Descriptor,
    /// The source's repositories that have it; one is as good as another.
    pub sources: Vec<RepositoryName>,
    /// The target's repositories that need it.
    pub targets: Vec<RepositoryName>,
    /// A repository of the target that has it with a complete image of the selection, where none of those that need it
    /// has: they link it from there.
    pub holder: Option<RepositoryName>,
}

/// What a plan comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// How many images are to be copied.
    pub images: usize,
    /// How many distinct blobs they need.
    pub blobs: usize,
    /// How many bytes those blobs have; what the target has already is not fetched.
    pub bytes: u64,
}

impl PlannedImage {
    /// Goes through everything that the image needs, by position in [`Plan::blobs`].
    pub(crate) fn blobs(&self) -> impl Iterator<Item = usize> {
        let root = match &self.step {
            Step::Copy { root, .. } => root.blobs.as_slice(),
            _ => &[],
        };
        root.iter().chain(self.attachments.iter().flat_map(|attached| &attached.blobs)).copied()
    }
}

impl PlannedBlob {
    /// Lets a repository lead that has the blob with a complete image: the question whether it is there costs no
    /// request. Where none of those that need it has, another one holds it for them.
    fn held_by(mut self, holders: &[RepositoryName]) -> Self {
        self.targets.sort_by_key(|repository| !holders.contains(repository));
        let has_leader = self.targets.first().is_some_and(|leader| holders.contains(leader));
        self.holder = holders.first().filter(|_| !has_leader).cloned();
        self
    }

    /// Tells an image why a blob is not there. What is shared may have failed in the repository of another
    /// image, which this one knows nothing of.
    pub(crate) fn error_for(&self, image: &ImageRequest, error: &Arc<Error>) -> Arc<Error> {
        let (shared, own) = match error.side() {
            Some(Side::Source) => (&self.sources, &image.source),
            Some(Side::Target) => (&self.targets, &image.target),
            None => return Arc::clone(error),
        };
        // The addresses of a foreign layer belong to no repository.
        if shared.len() < 2 || self.descriptor.is_foreign_layer() {
            return Arc::clone(error);
        }
        Arc::new(Error::clone(error).object(format_args!("{own}@{}", self.descriptor.digest)))
    }
}

impl Plan {
    /// Plans everything that the survey found.
    #[must_use]
    pub fn new(survey: Survey) -> Self {
        let mut builder = Builder { surveyed: survey.elapsed, ..Builder::default() };
        let groups = survey.groups.into_iter().enumerate().map(|(order, group)| builder.group(order, group));
        let groups: Vec<PlannedGroup> = groups.collect();
        builder.finish(groups)
    }

    /// Adds the plan up.
    #[must_use]
    pub fn totals(&self) -> PlanTotals {
        let images = self.groups.iter().flat_map(|group| &group.images);
        PlanTotals {
            images: images.filter(|image| matches!(image.step, Step::Copy { .. })).count(),
            blobs: self.blobs.len(),
            bytes: self.blobs.iter().map(|blob| blob.descriptor.size).sum(),
        }
    }
}

#[derive(Default)]
struct Builder {
    surveyed: Duration,
    blobs: Vec<(usize, PlannedBlob)>,
    positions: HashMap<Digest, usize>,
    /// Equal manifests are kept once: many tags of one image cost one copy of its bytes.
    manifests: HashMap<Digest, Arc<Manifest>>,
    /// The target's repositories that have a blob with a complete image of the selection.
    holders: HashMap<Digest, Vec<RepositoryName>>,
}

impl Builder {
    fn group(&mut self, order: usize, group: SurveyedGroup) -> PlannedGroup {
        let images = group.images.into_iter().map(|image| self.image(order, image)).collect();
        PlannedGroup { name: group.name, images }
    }

    fn image(&mut self, order: usize, image: Surveyed) -> PlannedImage {
        let Surveyed { request, state } = image;
        let mut attachments = Vec::new();
        let step = match state {
            State::Found(found) => {
                for Attachment { graph, tag } in found.attachments {
                    attachments.push(self.root(order, &request, graph, tag));
                }
                for digest in found.held {
                    insert(self.holders.entry(digest).or_default(), &request.target);
                }
                self.found(order, &request, found.root, found.graph)
            }
            State::Missing => Step::Missing,
            State::NotPart => Step::NotPart,
            State::Failed(error) => Step::Failed(error),
        };
        PlannedImage { request, step, attachments }
    }

    fn found(
        &mut self,
        order: usize,
        request: &ImageRequest,
        root: Descriptor,
        graph: Option<Graph>,
    ) -> Step {
        let Some(mut graph) = graph else { return Step::Keep(root) };
        let platforms = std::mem::take(&mut graph.platforms);
        Step::Copy { root: self.root(order, request, graph, request.tag.clone()), platforms }
    }

    fn root(&mut self, order: usize, request: &ImageRequest, graph: Graph, tag: Option<Tag>) -> PlannedRoot {
        let blobs = graph.blobs.iter().map(|blob| self.blob(order, request, blob)).collect();
        let shared =
            |manifest: Arc<Manifest>| Arc::clone(self.manifests.entry(manifest.digest()).or_insert(manifest));
        PlannedRoot { manifests: graph.manifests.into_iter().map(shared).collect(), blobs, tag }
    }

    fn blob(&mut self, order: usize, request: &ImageRequest, blob: &Descriptor) -> usize {
        let position = *self.positions.entry(blob.digest).or_insert_with(|| {
            let blob = PlannedBlob {
                descriptor: blob.clone(),
                sources: Vec::new(),
                targets: Vec::new(),
                holder: None,
            };
            self.blobs.push((order, blob));
            self.blobs.len() - 1
        });
        let planned = &mut self.blobs[position].1;
        insert(&mut planned.sources, &request.source);
        insert(&mut planned.targets, &request.target);
        position
    }

    /// Sorts the blobs: each group's largest ones, then its small ones, then the rest from large to small.
    fn order(&self) -> Vec<usize> {
        let group = |old: usize| self.blobs[old].0;
        let size = |old: usize| self.blobs[old].1.descriptor.size;
        let mut order: Vec<usize> = (0..self.blobs.len()).collect();
        order.sort_by_key(|&old| (group(old), Reverse(size(old))));
        for blobs in order.chunk_by_mut(|&one, &other| group(one) == group(other)) {
            let small = blobs.iter().rev().take_while(|&&old| size(old) <= SMALL).count();
            let rest = blobs.get_mut(LEADING..).unwrap_or_default();
            rest.rotate_right(small.min(rest.len()));
        }
        order
    }

    /// Sorts the blobs and tells the images the new positions.
    fn finish(self, mut groups: Vec<PlannedGroup>) -> Plan {
        let order = self.order();
        let mut moved = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            moved[old] = new;
        }
        for image in groups.iter_mut().flat_map(|group| &mut group.images) {
            let root = match &mut image.step {
                Step::Copy { root, .. } => Some(root),
                _ => None,
            };
            for root in root.into_iter().chain(&mut image.attachments) {
                root.blobs.iter_mut().for_each(|position| *position = moved[*position]);
            }
        }
        let (surveyed, holders) = (self.surveyed, self.holders);
        let held = |blob: PlannedBlob| match holders.get(&blob.descriptor.digest) {
            Some(holders) => blob.held_by(holders),
            None => blob,
        };
        let mut blobs: Vec<Option<PlannedBlob>> =
            self.blobs.into_iter().map(|(_, blob)| Some(held(blob))).collect();
        Plan { groups, blobs: order.iter().filter_map(|&old| blobs[old].take()).collect(), surveyed }
    }
}

fn insert(repositories: &mut Vec<RepositoryName>, repository: &RepositoryName) {
    if !repositories.contains(repository) {
        repositories.push(repository.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Found;
    use bytes::Bytes;
    use sealift_oci::media_type;

    fn manifest(layers: &[&str]) -> Arc<Manifest> {
        let layers: Vec<Descriptor> =
            layers.iter().map(|it| Descriptor::of(media_type::OCI_LAYER_GZIP, it.as_bytes())).collect();
        let value = serde_json::json!({"schemaVersion": 2, "layers": layers});
        Arc::new(Manifest::parse(None, Bytes::from(value.to_string())).unwrap())
    }

    fn surveyed(name: &str, layers: &[&str]) -> Surveyed {
        let manifest = manifest(layers);
        let root = manifest.descriptor.clone();
        let blobs = manifest.links.blobs.clone();
        let graph = Graph { manifests: vec![manifest], blobs, platforms: Vec::new() };
        let request = ImageRequest {
            name: name.to_owned(),
            source: format!("src/{name}").parse().unwrap(),
            reference: root.digest.into(),
            target: format!("dst/{name}").parse().unwrap(),
            tag: None,
            optional: false,
            gate: false,
        };
        Surveyed {
            request,
            state: State::Found(Box::new(Found {
                root,
                graph: Some(graph),
                attachments: Vec::new(),
                held: Vec::new(),
            })),
        }
    }

    fn plan(groups: &[&[(&str, &[&str])]]) -> Plan {
        let group = |images: &&[(&str, &[&str])]| SurveyedGroup {
            name: None,
            images: images.iter().map(|(name, layers)| surveyed(name, layers)).collect(),
        };
        Plan::new(Survey { groups: groups.iter().map(group).collect(), ..Survey::default() })
    }

    fn layers_of(plan: &Plan, group: usize, image: usize) -> Vec<u64> {
        plan.groups[group].images[image].blobs().map(|blob| plan.blobs[blob].descriptor.size).collect()
    }

    #[test]
    fn each_distinct_blob_is_planned_once_for_the_whole_set() {
        let plan = plan(&[&[("a", &["base", "x"]), ("b", &["base", "yy"])], &[("a", &["base", "zzz"])]]);
        let sizes: Vec<u64> = plan.blobs.iter().map(|blob| blob.descriptor.size).collect();
        assert_eq!(sizes, [4, 2, 1, 3], "earlier groups first, then the largest first");
        let base = &plan.blobs[0];
        let names = |repositories: &[RepositoryName]| {
            repositories.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&base.sources), ["src/a", "src/b"]);
        assert_eq!(names(&base.targets), ["dst/a", "dst/b"]);
        assert_eq!(plan.totals(), PlanTotals { images: 3, blobs: 4, bytes: 10 });
    }

    #[test]
    fn small_blobs_come_behind_the_first_large_ones() {
        let blob = |size: u64| PlannedBlob {
            descriptor: Descriptor {
                size,
                ..Descriptor::of(media_type::OCI_LAYER_GZIP, &size.to_be_bytes())
            },
            sources: Vec::new(),
            targets: Vec::new(),
            holder: None,
        };
        let cases: [(&[u64], &[u64]); 4] = [
            (&[1, 30, 50, 2, 40, 60, 70], &[70, 60, 50, 2, 1, 40, 30]),
            (&[1, 2, 3, 4, 5], &[5, 4, 3, 2, 1]),
            (&[50, 1, 60], &[60, 50, 1]),
            (&[10, 20, 30, 40, 50], &[50, 40, 30, 20, 10]),
        ];
        for (sizes, expected) in cases {
            // Megabytes from 10 on.
            let scaled = |size: &u64| if *size >= 10 { size << 20 } else { *size };
            let blobs = sizes.iter().map(|size| (0, blob(scaled(size)))).collect();
            let planner = Builder { blobs, ..Builder::default() };
            let sorted: Vec<u64> =
                planner.order().into_iter().map(|old| planner.blobs[old].1.descriptor.size).collect();
            assert_eq!(sorted, expected.iter().map(scaled).collect::<Vec<_>>());
        }
    }

    #[test]
    fn images_find_their_blobs_after_the_sorting() {
        let plan = plan(&[&[("a", &["x", "base"]), ("b", &["base", "yy"])], &[("c", &["zzz", "x"])]]);
        assert_eq!(layers_of(&plan, 0, 0), [1, 4]);
        assert_eq!(layers_of(&plan, 0, 1), [4, 2]);
        assert_eq!(layers_of(&plan, 1, 0), [3, 1]);
    }

    /// What a complete image has is asked for where it is: that repository leads, or holds it for the others.
    #[test]
    fn what_a_complete_image_has_comes_from_its_repository() {
        let kept = |name: &str, layers: &[&str]| {
            let mut image = surveyed(name, layers);
            if let State::Found(found) = &mut image.state {
                let graph = found.graph.take().unwrap();
                found.held = graph.blobs.iter().map(|blob| blob.digest).collect();
            }
            image
        };
        let need = ["new", "old"];
        // Which images are complete, what they have; who needs it, in order, and who holds it.
        type Case<'a> = (&'a [&'a str], &'a [&'a str], [&'a str; 2], Option<&'a str>);
        let cases: [Case<'_>; 4] = [
            (&["old"], &["base", "x"], ["dst/old", "dst/new"], None),
            (&["other"], &["base", "x"], ["dst/new", "dst/old"], Some("dst/other")),
            (&["other", "old"], &["base"], ["dst/old", "dst/new"], None),
            (&["other"], &["x"], ["dst/new", "dst/old"], None),
        ];
        for (complete, has, targets, holder) in cases {
            let images = need.iter().map(|name| surveyed(name, &["base"]));
            let images = images.chain(complete.iter().map(|name| kept(name, has))).collect();
            let group = SurveyedGroup { name: None, images };
            let plan = Plan::new(Survey { groups: vec![group], ..Survey::default() });
            let names: Vec<String> = plan.blobs[0].targets.iter().map(ToString::to_string).collect();
            assert_eq!(names, targets, "{complete:?}");
            assert_eq!(plan.blobs[0].holder.as_ref().map(ToString::to_string).as_deref(), holder);
        }
    }

    #[test]
    fn equal_manifests_are_kept_once() {
        let plan = plan(&[&[("a", &["x"]), ("b", &["x"])]]);
        let root = |image: usize| match &plan.groups[0].images[image].step {
            Step::Copy { root, .. } => Arc::clone(&root.manifests[0]),
            _ => panic!("nothing to copy"),
        };
        assert!(Arc::ptr_eq(&root(0), &root(1)));
    }
}
