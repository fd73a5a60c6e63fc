use super::*;

const RELEASES: &str = "\
schema: sealift.profile/1
source: {registry: mirror.lan, repository: arcdata, username: reader}
target: {registry: ship.lan, repository: site, username: captain, tag: approved}
products:
- azure-arc: {tags: [v1.42.0_2025-10-14], images: [arc-dns], skip-groups: [postgres]}
platform: linux/amd64
attachments: false
";
const IMAGES: &str = "\
schema: sealift.profile/1
source: {username: reader}
target: {registry: ship.lan}
products:
- images: [quay.io/a/b:1]
leave-out: ['*/debug']
rewrite:
- from: quay.io
  to: quay
";

fn layered(profile: &str, answers: &AnswerArgs, what: &WhatArgs, variables: &[(&str, &str)]) -> Layered {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Layered::new(Some(Profile::parse(profile).unwrap()), answers, what, &variables)
}

fn typed_tag() -> AnswerArgs {
    AnswerArgs { source_tag: vec!["v1".to_owned()], ..AnswerArgs::default() }
}

fn settled(texts: &[(Answer, &str)], tags: &[&str]) -> Settled {
    Settled {
        texts: texts.iter().map(|(answer, text)| (*answer, (*text).to_owned())).collect(),
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
    }
}

#[test]
fn what_is_typed_or_set_stands_above_the_profile() {
    let plain = || (AnswerArgs::default(), WhatArgs::default());
    let ranged = |what: WhatArgs| WhatArgs { from_tag: "v1".parse().ok(), to_tag: "v2".parse().ok(), ..what };
    let named = |what: WhatArgs| WhatArgs { images: vec!["arc-sqlmi".to_owned()], ..what };
    for (number, ((answers, what), variables, tags, images)) in (1..).zip([
        (plain(), &[][..], 1, "arc-dns"),
        ((typed_tag(), plain().1), &[], 0, "arc-dns"),
        (plain(), &[("SOURCE_DOCKER_TAG", "v1")], 0, "arc-dns"),
        ((plain().0, ranged(plain().1)), &[], 0, "arc-dns"),
        ((plain().0, named(plain().1)), &[], 1, "arc-sqlmi"),
    ]) {
        let layered = layered(RELEASES, &answers, &what, variables);
        assert_eq!(
            (layered.answers.kept.tags.len(), layered.what.images[0].as_str()),
            (tags, images),
            "{number}"
        );
        assert_eq!(layered.answers.kept.get(Answer::SourceUsername), Some("reader"), "{number}");
        assert!(layered.what.no_attachments && layered.answers.kept.is_there, "{number}");
        assert_eq!(layered.what.platform.as_ref().map(ToString::to_string).as_deref(), Some("linux/amd64"));
    }
    let range = "schema: sealift.profile/1\nproducts: [{azure-arc: {from: v1, to: v2}}]";
    let (answers, what) = plain();
    assert_eq!(
        layered(range, &answers, &what, &[]).what.to_tag.map(|it| it.to_string()).as_deref(),
        Some("v2")
    );
    assert_eq!(layered(range, &typed_tag(), &what, &[]).what.to_tag, None);
}

/// The source of releases, and who asks there, means nothing to a list.
#[test]
fn a_list_that_is_named_takes_the_place_of_the_products() {
    let what = WhatArgs { images_file: Some("images.txt".into()), ..WhatArgs::default() };
    let releases = layered(RELEASES, &AnswerArgs::default(), &what, &[]);
    assert_eq!(releases.answers.kept.get(Answer::SourceUsername), None);
    assert_eq!(releases.answers.kept.get(Answer::TargetUsername), Some("captain"));
    assert!(releases.what.images.is_empty() && releases.answers.kept.tags.is_empty());
    let images = layered(IMAGES, &AnswerArgs::default(), &what, &[]);
    assert_eq!(images.answers.kept.get(Answer::SourceUsername), Some("reader"));
}

#[test]
fn without_a_profile_nothing_changes() {
    let layered = Layered::new(None, &typed_tag(), &WhatArgs::default(), &HashMap::new());
    assert!(!layered.answers.kept.is_there && layered.answers.source_tag == ["v1"]);
    assert_eq!(layered.profile, Profile::default());
}

#[test]
fn the_answers_of_a_run_for_releases_become_the_same_profile() {
    let layered = layered(RELEASES, &AnswerArgs::default(), &WhatArgs::default(), &[]);
    let answers = [
        (Answer::SourceRegistry, "mirror.lan"),
        (Answer::SourceRepository, "arcdata"),
        (Answer::SourceUsername, "reader"),
        (Answer::TargetRegistry, "ship.lan"),
        (Answer::TargetRepository, "site"),
        (Answer::TargetUsername, "captain"),
        (Answer::TargetTag, "approved"),
    ];
    let kept = layered.kept_releases(&settled(&answers, &["v1.42.0_2025-10-14"]));
    assert_eq!(kept, Profile::parse(RELEASES).unwrap());
    let what = WhatArgs { from_tag: "v1".parse().ok(), to_tag: "v2".parse().ok(), ..WhatArgs::default() };
    let ranged = Layered { what, ..layered }.kept_releases(&settled(&[], &["v1", "v1.5", "v2"]));
    let releases = ranged.releases().unwrap();
    assert!(releases.tags.is_empty() && releases.from.is_some() && releases.to.is_some());
}

#[test]
fn the_answers_of_a_run_for_images_keep_the_rules_and_tag_what_has_a_digest_alone() {
    let layered = layered(IMAGES, &AnswerArgs::default(), &WhatArgs::default(), &[]);
    let answers = settled(&[(Answer::SourceUsername, "reader"), (Answer::TargetRegistry, "ship.lan")], &[]);
    assert_eq!(layered.kept_images(&answers, None, None), Profile::parse(IMAGES).unwrap());
    let digest = sealift_oci::Digest::sha256(b"x");
    let list = ImageList::parse(&format!("quay.io/c/d@{digest}\nquay.io/e:1")).unwrap();
    let tag = "v1".parse().unwrap();
    let kept = layered.kept_images(&answers, Some(&list), Some(&tag));
    let names: Vec<String> = kept.products[0].images.iter().map(|it| it.reference.to_string()).collect();
    assert_eq!(names, [format!("quay.io/c/d:v1@{digest}"), "quay.io/e:1".to_owned()]);
    assert_eq!(kept.leave_out, layered.profile.leave_out);
}
