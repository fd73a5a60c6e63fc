use super::*;
use proptest::prelude::*;
use sealift_oci::media_type;
use serde_json::{Value, json};

fn descriptor(content: &str) -> Descriptor {
    Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes())
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn entry(content: &str, annotations: &Value) -> Value {
    let Descriptor { media_type, digest, size, .. } = descriptor(content);
    json!({"mediaType": media_type, "digest": digest, "size": size, "annotations": annotations})
}

fn named(content: &str, reference: &str) -> Value {
    entry(content, &json!({REF_NAME: reference}))
}

fn read(entries: &[Value]) -> Index {
    let text = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    Index::parse(text.as_bytes(), &name("main")).unwrap()
}

fn tagged(index: &Index, repository: &str, tag: &str) -> Option<Digest> {
    index.tagged(&name(repository), &tag.parse().unwrap()).map(|it| it.digest)
}

fn repositories(index: &Index) -> Vec<String> {
    index.repositories().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn names_become_repositories_and_tags() {
    let index = read(&[
        named("a", "mcr.microsoft.com/arcdata/x:v1"),
        named("b", "arcdata/x:v2"),
        named("c", "latest"),
        named("d", "latest"),
        entry("e", &json!({})),
        json!({"mediaType": "x", "digest": "blake3:00", "size": 3}),
        json!("nonsense"),
    ]);
    assert_eq!(repositories(&index), ["arcdata/x", "main"]);
    assert_eq!(tagged(&index, "arcdata/x", "v1"), Some(descriptor("a").digest));
    assert_eq!(tagged(&index, "arcdata/x", "v2"), Some(descriptor("b").digest));
    assert_eq!(tagged(&index, "main", "latest"), Some(descriptor("c").digest));
    let source = index.held(&name("arcdata/x")).unwrap().source();
    assert_eq!(source.as_deref(), Some("mcr.microsoft.com/arcdata/x"));
    for (repository, content, is_listed) in [
        ("arcdata/x", "a", true),
        ("arcdata/x", "c", false),
        ("arcdata/x", "e", true),
        ("main", "d", true),
        ("main", "e", true),
        ("other", "e", false),
    ] {
        let listed = index.listed(&name(repository), &descriptor(content).digest);
        assert_eq!(listed.is_some(), is_listed, "{content} in {repository}");
    }
}

#[test]
fn images_of_two_hosts_do_not_hide_one_another() {
    let index = read(&[named("a", "a.io/x:v"), named("b", "b.io:5000/x:v"), named("c", "a.io/x:w")]);
    assert_eq!(repositories(&index), ["b.io_5000/x", "x"]);
    assert_eq!(tagged(&index, "x", "v"), Some(descriptor("a").digest));
    assert_eq!(tagged(&index, "b.io_5000/x", "v"), Some(descriptor("b").digest));
    let source = index.held(&name("b.io_5000/x")).unwrap().source();
    assert_eq!(source.as_deref(), Some("b.io:5000/x"));
}

/// Entries as `content=name@repository`, for contents of one letter.
fn show(index: &Index) -> Vec<String> {
    let letter = |digest| ('a'..='z').map(String::from).find(|it| descriptor(it).digest == digest).unwrap();
    let show = |(_, entry): (usize, &Listed)| {
        let [name, repository] = [REF_NAME, REPOSITORY].map(|it| entry.annotation(it).unwrap_or_default());
        format!("{}={name}@{repository}", letter(entry.digest))
    };
    index.document.known().map(show).collect()
}

fn put(
    index: &Index,
    names: &LayoutNames,
    content: &str,
    at: (&str, Option<&str>),
    below: &[&str],
) -> Option<Index> {
    let (repository, tag) = (name(at.0), at.1.map(|tag| tag.parse().unwrap()));
    let children: Vec<Digest> = below.iter().map(|child| descriptor(child).digest).collect();
    let manifest = descriptor(content);
    index.with(&Addition {
        names,
        repository: &repository,
        manifest: &manifest,
        tag: tag.as_ref(),
        children: &children,
    })
}

#[test]
fn what_is_written_is_listed_once() {
    type Step<'a> = (&'a str, (&'a str, Option<&'a str>), &'a [&'a str], Option<&'a [&'a str]>);
    let steps: [Step<'_>; 11] = [
        ("a", ("x", None), &[], Some(&["a=@x"])),
        ("a", ("x", None), &[], None),
        ("a", ("x", Some("v")), &[], Some(&["a=q.io/x:v@"])),
        ("a", ("x", None), &[], None),
        ("a", ("y", Some("v")), &[], Some(&["a=q.io/x:v@", "a=y:v@"])),
        ("b", ("x", Some("v")), &[], Some(&["a=@x", "a=y:v@", "b=q.io/x:v@"])),
        ("i", ("x", Some("i")), &["a", "b"], Some(&["a=y:v@", "b=q.io/x:v@", "i=q.io/x:i@"])),
        ("i", ("x", Some("i")), &["a", "b"], None),
        ("i", ("x", Some("j")), &[], Some(&["a=y:v@", "b=q.io/x:v@", "i=q.io/x:i@", "i=q.io/x:j@"])),
        ("b", ("x", Some("j")), &[], Some(&["a=y:v@", "b=q.io/x:v@", "i=q.io/x:i@", "b=q.io/x:j@"])),
        (
            "c",
            ("a.b/c", Some("v")),
            &[],
            Some(&["a=y:v@", "b=q.io/x:v@", "i=q.io/x:i@", "b=q.io/x:j@", "c=a.b/c:v@a.b/c"]),
        ),
    ];
    let names = LayoutNames::Full([(name("x"), ("q.io".parse().unwrap(), name("x")))].into());
    let mut index = Index::empty(&name("main"));
    for (step, (content, at, below, expected)) in steps.into_iter().enumerate() {
        let next = put(&index, &names, content, at, below);
        let shown = next.as_ref().map(show);
        assert_eq!(shown, expected.map(|it| it.iter().map(|&it| it.to_owned()).collect()), "{step}");
        index = next.unwrap_or(index);
        let again = Index::parse(&index.to_bytes().unwrap(), &name("main")).unwrap();
        assert!(again.listed(&name(at.0), &descriptor(content).digest).is_some() || !below.is_empty());
    }
    assert_eq!(tagged(&index, "a.b/c", "v"), Some(descriptor("c").digest));
    assert_eq!(repositories(&index), ["a.b/c", "x", "y"]);
}

#[test]
fn tags_alone_name_the_main_repository() {
    let index = put(&Index::empty(&name("main")), &LayoutNames::Tags, "a", ("main", Some("v")), &[]).unwrap();
    let index = put(&index, &LayoutNames::Tags, "b", ("x", Some("v")), &[]).unwrap();
    assert_eq!(show(&index), ["a=v@", "b=x:v@"]);
}

#[test]
fn a_host_that_another_has_is_said() {
    let index = read(&[named("a", "a.io/x:v")]);
    let names = LayoutNames::Full([(name("x"), ("b.io".parse().unwrap(), name("x")))].into());
    let index = put(&index, &names, "b", ("x", Some("w")), &[]).unwrap();
    assert_eq!(show(&index), ["a=a.io/x:v@", "b=b.io/x:w@x"]);
    assert_eq!(tagged(&index, "x", "w"), Some(descriptor("b").digest));
}

#[test]
fn the_path_at_the_source_may_be_another() {
    let names = LayoutNames::Full([(name("x"), ("q.io".parse().unwrap(), name("org/x")))].into());
    let index = put(&Index::empty(&name("main")), &names, "a", ("x", Some("v")), &[]).unwrap();
    assert_eq!(show(&index), ["a=q.io/org/x:v@x"]);
    let again = Index::parse(&index.to_bytes().unwrap(), &name("main")).unwrap();
    assert_eq!(repositories(&again), ["x"]);
    assert_eq!(again.held(&name("x")).unwrap().source().as_deref(), Some("q.io/org/x"));
    assert_eq!(tagged(&again, "x", "v"), Some(descriptor("a").digest));
}

#[test]
fn what_other_tools_wrote_is_kept() {
    let written = json!({
        "schemaVersion": 2, "vendor": {"x": [1]},
        "manifests": [
            entry("a", &json!({REF_NAME: "v1", "other": "kept"})),
            {"mediaType": "x", "digest": "blake3:00", "size": 3},
        ],
    });
    let index = Index::parse(written.to_string().as_bytes(), &name("main")).unwrap();
    let moved = put(&index, &LayoutNames::Tags, "b", ("main", Some("v1")), &[]).unwrap();
    let moved: Value = serde_json::from_slice(&moved.to_bytes().unwrap()).unwrap();
    assert_eq!(moved["vendor"], written["vendor"]);
    assert_eq!(moved["manifests"][0]["annotations"], json!({"other": "kept", REPOSITORY: "main"}));
    assert_eq!(moved["manifests"][1], written["manifests"][1]);
}

#[test]
fn malformed_lists_are_refused() {
    let deep = format!("{{\"manifests\":{}", "[".repeat(100_000));
    for text in ["", "[]", "{\"manifests\":{}}", "{\"manifests\":[}", &deep] {
        assert!(Index::parse(text.as_bytes(), &name("main")).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Index::parse(&bytes, &name("main"));
    }

    #[test]
    fn any_names_are_sorted_and_written_back(
        names in prop::collection::vec(("\\PC{0,12}|([a-c]\\.io/)?[a-c](:[a-c])?", "[a-d]"), 0..12),
    ) {
        let entries: Vec<Value> = names.iter().map(|(name, content)| named(content, name)).collect();
        let index = read(&entries);
        let again = Index::parse(&index.to_bytes().unwrap(), &name("main")).unwrap();
        prop_assert_eq!(&again.document, &index.document);
        for (repository, held) in index.repositories() {
            for tag in held.tags() {
                let found = index.tagged(repository, tag).unwrap();
                prop_assert!(index.listed(repository, &found.digest).is_some());
            }
        }
    }
}
