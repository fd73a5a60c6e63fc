use std::collections::BTreeMap;

use proptest::prelude::*;
use sealift_oci::Tag;

use super::*;
use crate::{ImageList, TagRule};

/// Every part that a profile can have, of which some exclude each other.
const WHOLE: &str = "\
schema: sealift.profile/1
source:
  username: reader
target:
  registry: registry.ship.lan:5000
  repository: site
  username: captain
  tag: approved
products:
- repository: quay.io/org/app
  tags:
    glob:
    - 1.*
    newest: 2
    without:
      regex:
      - .*-rc\\d+
- images:
  - docker.io/library/nginx:1.25
  - ghcr.io/org/tool:v1
  target: tools/box
platform: linux/amd64
attachments: false
rewrite:
- from: docker.io/library
  to: hub
leave-out:
- '*/debug'
";

fn tags(texts: &[&str]) -> Vec<Tag> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Writes a list as `line reference > path`.
fn told(list: &ImageList) -> Vec<String> {
    let path = |it: &crate::Listed| it.path.as_ref().map_or(String::new(), |path| format!(" > {path}"));
    list.images().iter().map(|it| format!("{} {}{}", it.line, it.reference, path(it))).collect()
}

#[test]
fn a_profile_is_written_as_it_is_read() {
    let profile = Profile::parse(WHOLE).unwrap();
    let text = profile.to_yaml().unwrap();
    assert_eq!(Profile::parse(&text).unwrap(), profile, "{text}");
    let empty = Profile::default().to_yaml().unwrap();
    assert_eq!(empty.trim(), "schema: sealift.profile/1");
}

#[test]
fn products_become_a_list() {
    let profile = Profile::parse(&WHOLE.replace("  target: tools/box\n", "")).unwrap();
    let open = profile.open_repositories();
    assert_eq!(open.iter().map(ToString::to_string).collect::<Vec<_>>(), ["quay.io/org/app"]);
    let listed = tags(&["1.0", "latest", "1.2-rc1", "1.1", "1.2"]);
    let known = BTreeMap::from([(open[0].clone(), listed)]);
    let list = profile.image_list(&known).unwrap();
    assert_eq!(
        told(&list),
        [
            "0 quay.io/org/app:1.1",
            "0 quay.io/org/app:1.2",
            "19 docker.io/library/nginx:1.25 > hub/nginx",
            "20 ghcr.io/org/tool:v1",
        ]
    );
    let mapped = list.map(Some(&"site".parse().unwrap()), &TagRule::default()).unwrap();
    let targets: Vec<&str> = mapped.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(targets, ["site/org/app", "site/org/app", "site/hub/nginx", "site/org/tool"]);
    assert_eq!(profile.image_list(&BTreeMap::new()).unwrap().images().len(), 2);
}

#[test]
fn what_is_left_out_and_rewritten_is_told() {
    let own = |more: &str| {
        let text = format!(
            "schema: sealift.profile/1\nproducts: [{{images: ['quay.io/a/debug:1', 'quay.io/a/b:2']}}]\n{more}"
        );
        let profile = Profile::parse(&text).unwrap();
        profile.image_list(&BTreeMap::new()).map(|list| told(&list)).map_err(|error| error.to_string())
    };
    assert_eq!(own("leave-out: ['*/debug']").unwrap(), ["3 quay.io/a/b:2".replace('3', "2")]);
    assert_eq!(own("leave-out: ['*:2']").unwrap(), ["2 quay.io/a/debug:1"]);
    assert_eq!(own("leave-out: ['quay.io/*']").unwrap_err(), "the profile leaves out every image");
    let error = own("rewrite: [{from: quay.io/a, to: UP}]").unwrap_err();
    assert!(error.starts_with("quay.io/a/debug: the rewrite rules make `UP/debug` of it"), "{error}");
    let profile = Profile::parse(WHOLE).unwrap();
    let error = profile.image_list(&BTreeMap::from([(profile.open_repositories()[0].clone(), tags(&["2"]))]));
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "quay.io/org/app: none of its 1 tags is taken by the rules of the profile");
}

/// What is wrong → all that is told, of which the beginnings stand here.
#[test]
fn what_makes_no_sense_is_refused_with_line_and_key() {
    for (text, told) in [
        ("products: []", &["line 2: schema: it is missing; it reads `schema: sealift.profile/1`"][..]),
        (
            "schema: sealift.profile/2",
            &["line 2: schema: `sealift.profile/2` is not known here; what is: sealift.profile/1"],
        ),
        ("schema: sealift.profile/1\nplatform: x", &["line 3: platform: `x`: "]),
        (
            "schema: sealift.profile/1\nproducts:\n- images: [quay.io/a]",
            &["line 4: products[].images[]: `quay.io/a`: a reference ends with a tag"],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{}]",
            &["line 3: products[]: product 1: it is one of azure-arc, repository and images"],
        ),
        (
            "schema: sealift.profile/1\nproducts:\n- repository: a/b\n- images: ['a:1']\n  tags: {newest: 1}",
            &[
                "line 4: products[]: product 1: docker.io/a/b: tags has no rule",
                "line 5: products[]: product 2: tags is for a repository",
            ],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{azure-arc: {}}, {images: ['a:1']}]",
            &["line 3: products: azure-arc stands alone"],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{azure-arc: {}}, {azure-arc: {}}]",
            &["line 3: products: azure-arc is there twice"],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{azure-arc: {from: v1}}]",
            &["line 3: products[]: product 1: azure-arc: from and to belong together"],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{azure-arc: {skip-groups: [x]}}]",
            &["line 3: products[].azure-arc.skip-groups[]: `x` is not known here; what is: postgres, dash"],
        ),
        (
            "schema: sealift.profile/1\nproducts: [{azure-arc: {}}]\nleave-out: [a]",
            &["line 4: leave-out: this is for repositories and images; azure-arc has skip-groups"],
        ),
        (
            "schema: sealift.profile/1\nsource: {registry: a.b}\nproducts: [{images: ['a:1']}]",
            &["line 3: source: the products say"],
        ),
        ("schema: sealift.profile/1\nrewrite: [{from: /}]", &["line 3: rewrite: from is empty"]),
        ("schema: sealift.profile/1\nschema: sealift.profile/1", &["line 3: "]),
        ("schema: [", &["line 2: "]),
        ("- a", &["line 2: keys with values belong below it"]),
        ("", &["it is empty; a profile begins with `schema: sealift.profile/1`"]),
    ] {
        // A line before all of them: the first line is no special one.
        let error = Profile::parse(&format!("# a comment\n{text}")).unwrap_err();
        let lines: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), told.len(), "{text}: {error}");
        assert!(lines.iter().zip(told).all(|(line, told)| line.starts_with(told)), "{text}: {error}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let text = "\
schema: sealift.profile/1
targte:
  registry: a.b
target:
  registry: https://me:hunter2@a.b
  password: hunter2
  tag: a b
products:
  - repository: quay.io/a:1
    tags:
      glob: 1.*
      regex: ['(', \"v\\\\d+\"]
      semver: ['>=x']
      newest: 0
      without: []
  - azure-arc: yes
attachments: perhaps
rewrite:
  - to: x
leave-out: ['[']
platform: [linux/amd64]
";
    let error = Profile::parse(text).unwrap_err();
    let told = error.to_string();
    let expected = [
        "line 2: targte: there is no such key; did you mean target?",
        "line 5: target.registry: a registry reads HOST or HOST:PORT",
        "line 6: target.password: a profile never holds a secret; a variable, standard input",
        "line 7: target.tag: `a b`: ",
        "line 9: products[].repository: `quay.io/a:1` is no repository; it reads REGISTRY/PATH, without a tag",
        "line 11: products[].tags.glob: a list belongs here",
        "line 12: products[].tags.regex[]: the regular expression `(` cannot be used: unclosed group",
        "line 13: products[].tags.semver[]: the range of versions `>=x` cannot be used",
        "line 14: products[].tags.newest: `0` is no whole number from 1 on",
        "line 15: products[].tags.without: keys with values belong below it",
        "line 16: products[].azure-arc: keys with values belong below it",
        "line 17: attachments: true or false belongs here",
        "line 19: rewrite[].from: it is missing",
        "line 20: leave-out[]: the glob `[` cannot be used: unclosed",
        "line 21: platform: one text belongs here",
    ];
    for (line, expected) in told.lines().zip(expected) {
        assert!(line.starts_with(expected), "{expected}:\n{told}");
    }
    assert_eq!(error.0.len(), expected.len(), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

/// What the schema lets through and the reader does not is told all the same.
#[test]
fn a_number_is_a_text_where_one_belongs_and_nothing_is_nothing() {
    let parse = |text: &str| Profile::parse(&format!("schema: sealift.profile/1\n{text}"));
    let profile = parse("products: [{repository: a/b, tags: {glob: [1.10, 2]}}]").unwrap();
    let rules = profile.products[0].tags.clone().unwrap();
    assert_eq!(rules.take(&tags(&["1.1", "1.10", "2"])), tags(&["1.10", "2"]));
    let error = parse("platform: 1.5").unwrap_err();
    assert_eq!((error.0.len(), error.0[0].line), (1, Some(2)), "{error}");
    assert!(!error.to_string().contains("at line"), "{error}");
    for nothing in ["source: {registry: }", "platform: ~", "attachments: null"] {
        assert_eq!(parse(nothing).unwrap(), Profile::default(), "{nothing}");
    }
    let error = parse("products:").unwrap_err();
    assert_eq!(error.to_string().split(": lines").next(), Some("line 2: products: a list belongs here"));
}

#[test]
fn mistakes_and_rules_are_bounded_in_number() {
    let rules = "'*', ".repeat(RULE_LIMIT + 1);
    let error = Profile::parse(&format!("schema: sealift.profile/1\nleave-out: [{rules}]")).unwrap_err();
    assert_eq!(error.to_string(), "there are 1001 rules about tags and names, and at most 1000 may be");
    let products = "- images: ['a:1']\n".repeat(PRODUCT_LIMIT + 1);
    let error = Profile::parse(&format!("schema: sealift.profile/1\nproducts:\n{products}")).unwrap_err();
    assert_eq!(error.to_string(), "line 2: products: there are more than 1000");
    let wrong = "- x\n".repeat(FAULT_LIMIT + 1);
    let error = Profile::parse(&format!("schema: sealift.profile/1\nproducts:\n{wrong}")).unwrap_err();
    assert_eq!(error.0.len(), FAULT_LIMIT);
}

#[test]
fn the_yaml_of_skopeo_is_read() {
    let text = "\
registry.example.com:
    images:
        busybox: []
        redis:
            - \"1.0\"
            - \"sha256:0000000000000000000000000000000011111111111111111111111111111111\"
            - 2.0
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    images-by-semver:
        alpine: \">= 3.12.0, <4 || 5\"
        odd: \"1.2 - 1.4\"
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
quay.io:
    tls-verify: false
    images:
        coreos/etcd:
            - latest
";
    let read = read(text).unwrap();
    assert_eq!(read.kind, Kind::Skopeo);
    let yaml = read.profile.to_yaml().unwrap();
    assert!(!yaml.contains("secret") && !yaml.contains("john"), "{yaml}");
    assert_eq!(Profile::parse(&yaml).unwrap(), read.profile);
    let product = |name: &str| {
        let is_named = |it: &&Product| it.repository.as_ref().is_some_and(|it| it.to_string() == name);
        read.profile.products.iter().find(is_named).and_then(|it| it.tags.clone()).unwrap()
    };
    let listed = tags(&["1.13.1-alpine-perl", "1.13.1-alpine", "3.11.0", "3.12.1", "5.0.0", "5.0.1"]);
    let taken = |name: &str| {
        product(name).take(&listed).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(taken("registry.example.com/nginx"), "1.13.1-alpine-perl");
    assert_eq!(taken("registry.example.com/alpine"), "3.12.1 5.0.0 5.0.1");
    assert_eq!(product("registry.example.com/busybox").take(&listed), listed);
    let images = told(&read.profile.image_list(&BTreeMap::new()).unwrap());
    assert_eq!(images.len(), 3);
    assert!(images[2].ends_with("quay.io/coreos/etcd:latest"), "{images:?}");
    let lines: Vec<&str> = read.unmapped.iter().map(|it| it.split_once(':').unwrap().0).collect();
    assert_eq!(lines, ["line 7", "line 12", "line 14", "line 18"], "{:?}", read.unmapped);
    assert!(!read.unmapped.iter().any(|it| it.contains("secret")), "{:?}", read.unmapped);
}

#[test]
fn the_yaml_of_regsync_is_read() {
    let text = "\
x-sched-a: &sched-a \"15 01 * * *\"
version: 1
creds:
  - registry: docker.io
    user: someone
    pass: a-secret
defaults:
  parallel: 2
sync:
  - source: busybox:latest
    target: localhost:5000/library/busybox:latest
    type: image
  - source: alpine
    target: localhost:5000/library/mine/alpine
    type: repository
    tags:
      allow: [latest, \"3\", \"3.\\\\d+\"]
      deny: [\"3.0\"]
    schedule: *sched-a
  - source: localreg:5000
    target: localcopy:5000
    type: registry
  - source: \"{{ .X }}\"
    target: a/b
    type: image
";
    let read = read(text).unwrap();
    assert_eq!(read.kind, Kind::Regsync);
    let profile = &read.profile;
    assert_eq!(profile.target.registry.as_ref().unwrap().as_str(), "localhost:5000");
    assert_eq!(profile.target.repository.as_ref().unwrap().as_str(), "library");
    let open = profile.open_repositories()[0].clone();
    let known = BTreeMap::from([(open, tags(&["latest", "3.0", "3.1", "3.10-x", "edge"]))]);
    assert_eq!(
        told(&profile.image_list(&known).unwrap()),
        [
            "10 docker.io/library/busybox:latest > busybox",
            "0 docker.io/library/alpine:latest > mine/alpine",
            "0 docker.io/library/alpine:3.1 > mine/alpine",
        ]
    );
    let told = read.unmapped.join("\n");
    for words in [
        "line 4: creds",
        "line 8: defaults: parallel",
        "schedule",
        "type registry",
        "templates are not filled in",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("a-secret") && !profile.to_yaml().unwrap().contains("a-secret"), "{told}");
}

#[test]
fn targets_of_several_places_are_not_mapped_and_that_is_said() {
    let text = "\
sync:
  - {source: 'quay.io/a/b:1', target: 'one.lan/x/b:1', type: image, platform: linux/amd64}
  - {source: 'quay.io/a/c:1', target: 'two.lan/x/c:1', type: image}
  - {source: 'quay.io/a/d:1', target: 'two.lan/x/d:other', type: image}
";
    let read = read(text).unwrap();
    assert_eq!((&read.profile.target, &read.profile.platform), (&To::default(), &None));
    assert!(read.profile.products.iter().all(|it| it.target.is_none()));
    let told = read.unmapped.join("\n");
    for words in ["line 4: quay.io/a/d:1: where it goes", "line 2: platform", "line 2: the targets are not"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_plain_list_is_read() {
    for text in ["nginx:1.25", "# the fleet\nnginx:1.25  # the proxy\nquay.io:443/a/b:2\nnginx:1.25\n"] {
        let read = read(text).unwrap();
        assert_eq!(read.kind, Kind::List, "{text}");
        let images = told(&read.profile.image_list(&BTreeMap::new()).unwrap());
        assert!(images[0].ends_with(" docker.io/library/nginx:1.25") && images.len() <= 2, "{images:?}");
    }
    let error = read("nginx:1.25\nnginx\none two\n").unwrap_err();
    let lines: Vec<String> = error.0.iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("line 2: nginx: neither a tag nor a digest"), "{error}");
    assert!(lines[1].starts_with("line 3: one two: a line has one reference"), "{error}");
}

#[test]
fn a_file_of_nobody_is_a_bad_profile_and_one_without_sense_says_so() {
    for (text, words) in [
        ("", "it is empty"),
        ("just words\n", "line 1: just words: "),
        ("- a\n- b\n", "keys with values belong below it"),
        ("a: {images: {}}", "nothing in it can be taken"),
        ("version: 1\nsync: []", "nothing in it can be taken"),
        ("sync: [{source: a, type: registry}]", "nothing in it can be taken: line 1: a: type registry"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_or_refused(text in "[a-z:{}\\[\\], '\"*\n-]{0,80}") {
        if let Ok(read) = read(&text) {
            let yaml = read.profile.to_yaml().unwrap();
            prop_assert_eq!(Profile::parse(&yaml).unwrap(), read.profile);
        }
    }
}

/// `UPDATE_SNAPSHOTS=1` writes the schema anew.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/profile.schema.json");
    let current = serde_json::to_string_pretty(&Profile::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        published == current,
        "docs/profile.schema.json is old; UPDATE_SNAPSHOTS=1 cargo test -p sealift-catalog"
    );
}
