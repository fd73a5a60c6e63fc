//! Profiles: put below what was typed, and made of the answers of a run. A password is in neither.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use sealift_catalog::ImageList;
use sealift_catalog::profile::{From, Product, Profile, Releases, To};
use sealift_oci::Tag;

use crate::answers::Answer;
use crate::args::{AnswerArgs, WhatArgs};
use crate::settings::Settled;

/// The answers of a profile. They count where neither a flag nor a variable gives one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// Somebody answered once, so nothing that has a default is asked again.
    pub(crate) is_there: bool,
    pub(crate) tags: Vec<Tag>,
    texts: BTreeMap<Answer, String>,
}

impl Kept {
    pub(crate) fn get(&self, answer: Answer) -> Option<&str> {
        self.texts.get(&answer).map(String::as_str)
    }

    fn of(profile: &Profile, has_source: bool) -> Self {
        let Profile { source: From { registry, repository, username }, target, .. } = profile;
        let text = |it: &dyn ToString| it.to_string();
        let source = [
            (Answer::SourceRegistry, registry.as_ref().map(|it| text(it))),
            (Answer::SourceRepository, repository.as_ref().map(|it| text(it))),
            (Answer::SourceUsername, username.clone()),
        ];
        let target = [
            (Answer::TargetRegistry, target.registry.as_ref().map(|it| text(it))),
            (Answer::TargetRepository, target.repository.as_ref().map(|it| text(it))),
            (Answer::TargetUsername, target.username.clone()),
            (Answer::TargetTag, target.tag.as_ref().map(|it| text(it))),
        ];
        let answers = source.into_iter().filter(|_| has_source).chain(target);
        let texts = answers.filter_map(|(answer, text)| Some((answer, text?))).collect();
        Self { is_there: true, tags: Vec::new(), texts }
    }
}

/// What was typed, with what a profile says below it.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) answers: AnswerArgs,
    pub(crate) what: WhatArgs,
    /// An empty one where none was named.
    pub(crate) profile: Profile,
}

impl Layered {
    pub(crate) fn new(
        profile: Option<Profile>,
        answers: &AnswerArgs,
        what: &WhatArgs,
        variables: &HashMap<OsString, OsString>,
    ) -> Self {
        let (mut answers, mut what) = (answers.clone(), what.clone());
        let Some(profile) = profile else { return Self { answers, what, profile: Profile::default() } };
        // Where the profile has releases come from, a list's images do not.
        answers.kept = Kept::of(&profile, what.images_file.is_none() || profile.has_images());
        if let Some(releases) = profile.releases().filter(|_| what.images_file.is_none()) {
            let is_set = variables.contains_key(OsStr::new(Answer::SourceTag.variable()));
            fill(&mut answers, &mut what, releases, is_set);
        }
        what.platform = what.platform.or_else(|| profile.platform.clone());
        what.no_attachments |= profile.attachments == Some(false);
        Self { answers, what, profile }
    }

    /// Makes the profile that says the same as the answers of a run for releases.
    pub(crate) fn kept_releases(&self, settled: &Settled) -> Profile {
        let WhatArgs { from_tag, to_tag, images, skip_groups, .. } = &self.what;
        let releases = Releases {
            tags: if from_tag.is_some() { Vec::new() } else { settled.tags.clone() },
            from: from_tag.clone(),
            to: to_tag.clone(),
            images: images.clone(),
            skip_groups: skip_groups.clone(),
        };
        let product = Product { azure_arc: Some(releases), ..Product::default() };
        Profile { products: vec![product], ..self.kept(settled) }
    }

    /// Makes the profile that says the same as the answers of a run for a list, or for the products of this profile. What
    /// is named by its digest alone gets its tag there.
    pub(crate) fn kept_images(
        &self,
        settled: &Settled,
        list: Option<&ImageList>,
        tag: Option<&Tag>,
    ) -> Profile {
        let mut products = list.map_or_else(|| self.profile.products.clone(), |it| vec![Product::of(it)]);
        for name in products.iter_mut().flat_map(|product| &mut product.images) {
            name.reference.tag = name.reference.tag.take().or_else(|| tag.cloned());
        }
        let Profile { rewrite, leave_out, .. } = self.profile.clone();
        Profile { products, rewrite, leave_out, ..self.kept(settled) }
    }

    fn kept(&self, settled: &Settled) -> Profile {
        Profile {
            source: From {
                registry: settled.get(Answer::SourceRegistry),
                repository: settled.get(Answer::SourceRepository),
                username: settled.get(Answer::SourceUsername),
            },
            target: To {
                registry: settled.get(Answer::TargetRegistry),
                repository: settled.get(Answer::TargetRepository),
                username: settled.get(Answer::TargetUsername),
                tag: settled.get(Answer::TargetTag),
            },
            platform: self.what.platform.clone(),
            attachments: self.what.no_attachments.then_some(false),
            ..Profile::default()
        }
    }
}

/// Puts releases below what was typed about them.
fn fill(answers: &mut AnswerArgs, what: &mut WhatArgs, releases: &Releases, is_tag_set: bool) {
    if answers.source_tag.is_empty() && what.from_tag.is_none() && !is_tag_set {
        answers.kept.tags.clone_from(&releases.tags);
        what.from_tag.clone_from(&releases.from);
        what.to_tag.clone_from(&releases.to);
    }
    if what.images.is_empty() {
        what.images.clone_from(&releases.images);
    }
    if what.skip_groups.is_empty() {
        what.skip_groups.clone_from(&releases.skip_groups);
    }
}

impl Settled {
    /// Returns an answer; all of them were read before.
    fn get<T: FromStr>(&self, answer: Answer) -> Option<T> {
        self.texts.get(&answer)?.parse().ok()
    }
}

#[cfg(test)]
mod tests;
