use proptest::prelude::*;

use super::*;
use sealift_oci::NameError;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HASH_TAG: &str = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The lines and references of a list.
fn read(text: &str) -> Vec<(usize, String)> {
    let list = ImageList::parse(text).unwrap();
    list.images().iter().map(|it| (it.line, it.reference.to_string())).collect()
}

fn owned(images: &[(usize, &str)]) -> Vec<(usize, String)> {
    images.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
}

/// What goes where under the prefix `site/mirror`, or the messages.
fn map(text: &str, tag: Option<&str>) -> Result<Vec<String>, Vec<String>> {
    let rule = TagRule { every: tag.map(|tag| tag.parse().unwrap()), digest_only: None };
    map_by(text, &rule)
}

fn map_by(text: &str, rule: &TagRule) -> Result<Vec<String>, Vec<String>> {
    let mapped = ImageList::parse(text).unwrap().map(Some(&"site/mirror".parse().unwrap()), rule);
    let show = |it: Mapped| format!("{} {:?}", it.target, it.tag.as_ref().map(Tag::as_str));
    match mapped {
        Ok(mapped) => Ok(mapped.into_iter().map(show).collect()),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn what_has_a_digest_alone_can_get_a_tag() {
    let digest = DIGEST;
    let rule = TagRule { every: None, digest_only: Some("pinned".parse().unwrap()) };
    let mapped =
        map_by(&format!("quay.io/a/b@{digest}\nquay.io/a/c:1@{digest}\nquay.io/a/d:2"), &rule).unwrap();
    assert_eq!(
        mapped,
        ["site/mirror/a/b Some(\"pinned\")", "site/mirror/a/c Some(\"1\")", "site/mirror/a/d Some(\"2\")"]
    );
}

#[test]
fn lists_are_read() {
    let cases: [(&str, &[(usize, &str)]); 9] = [
        ("", &[]),
        ("\n \t\r\n# only a comment\n  # and another", &[]),
        ("nginx:1.25\norg/app:1", &[(1, "docker.io/library/nginx:1.25"), (2, "docker.io/org/app:1")]),
        (
            "\u{feff}quay.io/a/b:1\r\n\r\nlocalhost:5000/c:2\r\n",
            &[(1, "quay.io/a/b:1"), (3, "localhost:5000/c:2")],
        ),
        ("  quay.io/a:1   # why\n\tquay.io/b:1\t#", &[(1, "quay.io/a:1"), (2, "quay.io/b:1")]),
        ("\u{feff}# a comment\nquay.io/a:1\r", &[(2, "quay.io/a:1")]),
        (
            "a:1\nb:1\ndocker.io/library/a:1\na:1",
            &[(1, "docker.io/library/a:1"), (2, "docker.io/library/b:1")],
        ),
        ("[::1]:5000/a:1", &[(1, "[::1]:5000/a:1")]),
        ("a:1\nA.io/a:1", &[(1, "docker.io/library/a:1"), (2, "a.io/a:1")]),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), owned(expected), "{text:?}");
    }
    let both = format!("a@{DIGEST}\na:1@{DIGEST}");
    let expected = ["docker.io/library/a@", "docker.io/library/a:1@"].map(|it| format!("{it}{DIGEST}"));
    assert_eq!(read(&both).into_iter().map(|it| it.1).collect::<Vec<_>>(), expected);
    assert!(ImageList::parse("# nothing").unwrap().is_empty());
    assert!(!ImageList::parse("a:1").unwrap().is_empty());
}

#[test]
fn every_bad_line_is_told() {
    let malformed = |error| LineFault::Malformed(ReferenceError::Name(error));
    let text = "nginx\n# fine\nquay.io/a:1 quay.io/b:1\nA/b:1\nok:1\na:1#no comment\n\"a:1\"\na:1#\na@sha256:1\nhttps://a.io/b:1 # x\n";
    let expected = [
        (1, "nginx", LineFault::NoTag),
        (3, "quay.io/a:1 quay.io/b:1", LineFault::SeveralWords),
        (4, "A/b:1", malformed(NameError::Repository)),
        (6, "a:1#no comment", LineFault::SeveralWords),
        (7, "\"a:1\"", malformed(NameError::Tag)),
        (8, "a:1#", malformed(NameError::Tag)),
        (9, "a@sha256:1", LineFault::Malformed(ReferenceError::Digest)),
        (10, "https://a.io/b:1", malformed(NameError::Registry)),
    ];
    let expected = expected.map(|(line, text, fault)| LineError { line, text: text.to_owned(), fault });
    let errors = ImageList::parse(text).unwrap_err();
    assert_eq!(errors, expected);
    assert_eq!(
        errors[0].to_string(),
        "line 1: nginx: neither a tag nor a digest is given; write the tag (:latest if that is meant)"
    );
}

#[test]
fn a_bad_line_is_shown_safely_and_not_whole() {
    let shown = |line: &str| ImageList::parse(line).unwrap_err().remove(0).text;
    assert_eq!(shown("\u{1b}[2J\u{202e}'\\ä"), "\\u{1b}[2J\\u{202e}'\\ä");
    assert_eq!(shown(&"ä".repeat(200)), "ä".repeat(200));
    assert_eq!(shown(&"ä".repeat(201)), "ä".repeat(200) + "…");
}

#[test]
fn a_list_is_bounded() {
    let fault = |text: &str| {
        let errors = ImageList::parse(text).unwrap_err();
        assert_eq!(errors.len(), 1);
        (errors[0].line, errors[0].fault)
    };
    let full = "a:1\n".repeat(LINE_LIMIT);
    assert_eq!(read(&full).len(), 1);
    assert_eq!(fault(&(full + "a:1")), (LINE_LIMIT + 1, LineFault::TooManyLines));
    let comment = "a:1\n#".to_owned() + &" ".repeat(SIZE_LIMIT - 5);
    assert_eq!(read(&comment).len(), 1);
    assert_eq!(fault(&(comment + "\n")), (2, LineFault::TooLarge));
}

#[test]
fn an_image_goes_to_its_path_below_the_prefix() {
    let both = format!("quay.io/a/b:1@{DIGEST}");
    let digest = format!("host:5000/c@{DIGEST}");
    let long = format!("a@sha512:{}", "0".repeat(128));
    type Goes = (&'static str, Option<&'static str>);
    let cases: [(&str, Option<&str>, &[Goes]); 8] = [
        ("nginx:1", None, &[("library/nginx", Some("1"))]),
        ("quay.io/a/b:1\nquay.io/a/b:2", None, &[("a/b", Some("1")), ("a/b", Some("2"))]),
        ("quay.io/a/b:1\nquay.io/c:2", Some("t"), &[("a/b", Some("t")), ("c", Some("t"))]),
        (&both, None, &[("a/b", Some("1"))]),
        (&both, Some("t"), &[("a/b", Some("t"))]),
        (&digest, None, &[("c", Some(HASH_TAG))]),
        (&digest, Some("t"), &[("c", Some("t"))]),
        // 135 characters are no tag.
        (&long, None, &[("library/a", None)]),
    ];
    for (text, tag, expected) in cases {
        let expected = expected.iter().map(|(path, tag)| format!("site/mirror/{path} {tag:?}"));
        assert_eq!(map(text, tag), Ok(expected.collect()), "{text} {tag:?}");
    }
}

#[test]
fn what_would_meet_is_told_whole() {
    let text =
        "quay.io/a/b:1\nnginx:1\ndocker.io/a/b:1\nghcr.io/a/b:1\nquay.io/library/nginx:1\nquay.io/a/b:2";
    let errors = [
        "site/mirror/a/b:1 would be the copy of quay.io/a/b:1 (line 1) and of docker.io/a/b:1 (line 3) and of ghcr.io/a/b:1 (line 4)",
        "site/mirror/library/nginx:1 would be the copy of docker.io/library/nginx:1 (line 2) and of quay.io/library/nginx:1 (line 5)",
    ];
    assert_eq!(map(text, None), Err(errors.map(str::to_owned).to_vec()));
}

#[test]
fn different_sources_meet_and_spellings_of_one_do_not() {
    let digest = format!("@{DIGEST}");
    let other = format!("@sha256:{}", "0".repeat(64));
    let sha512 = format!("@sha512:{}", "0".repeat(128));
    let cases: [(&[&str], Option<&str>, Option<usize>); 9] = [
        // One repository, two images, one tag for both.
        (&["a.io/a:1", "a.io/a:2"], Some("t"), None),
        (&["a.io/a:1", "a.io/b:1"], Some("t"), Some(2)),
        // A tag and the digest that it may or may not point at.
        (&["a.io/a:1", &format!("a.io/a:1{digest}")], None, None),
        (&[&format!("a.io/a:1{other}"), &format!("a.io/a:1{digest}")], None, None),
        // A tag that is spelled like the one that a digest gets.
        (&[&format!("a.io/a{digest}"), &format!("a.io/a:{HASH_TAG}")], None, None),
        // The same digest of the same repository is the same image.
        (&[&format!("a.io/a:1{digest}"), &format!("a.io/a{digest}")], Some("t"), Some(1)),
        (&[&format!("a.io/a:1{digest}"), &format!("a.io/a{digest}")], None, Some(2)),
        // The same digest elsewhere can have other things attached.
        (&[&format!("a.io/a{digest}"), &format!("b.io/a{digest}")], None, None),
        (&[&format!("a.io/a{sha512}"), &format!("b.io/a{sha512}")], None, None),
    ];
    for (lines, tag, expected) in cases {
        let found = map(&lines.join("\n"), tag);
        assert_eq!(found.as_ref().ok().map(Vec::len), expected, "{lines:?} {found:?}");
    }
}

#[test]
fn a_name_can_become_too_long() {
    let path = "a".repeat(244);
    let text = format!("b.io/b:1\na.io/{path}:1\na.io/c:1\nb.io/c:1");
    let message =
        format!("a.io/{path}:1 (line 2): below site/mirror the name of the repository becomes too long");
    let collision = "site/mirror/c:1 would be the copy of a.io/c:1 (line 3) and of b.io/c:1 (line 4)";
    assert_eq!(map(&text, None), Err(vec![message, collision.to_owned()]));
    assert_eq!(map(&format!("a.io/{}:1", &path[1..]), None).map(|it| it.len()), Ok(1));
}

/// Few hosts, paths and tags, so that lists repeat themselves and collide.
const LINE: &str = "((a[.]io|b[.]io:5000|docker[.]io)/)?[ab](/[ab])?:[12]|#.{0,9}| {0,3}";

proptest! {
    #[test]
    fn parsing_never_panics(text in "(.{0,40}\n){0,4}|([a-c./:@# \t\r\n]{0,60})") {
        let lines = text.lines().count();
        match ImageList::parse(&text) {
            Ok(list) => prop_assert!(list.images().len() <= lines),
            Err(errors) => {
                prop_assert!(!errors.is_empty() && errors.len() <= lines);
                prop_assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)));
                prop_assert!(errors.is_sorted_by(|a, b| a.line < b.line));
            }
        }
    }

    #[test]
    fn a_list_prints_back(lines in proptest::collection::vec(LINE, 0..12)) {
        let list = ImageList::parse(&lines.join("\n")).unwrap();
        let full: Vec<String> = list.images().iter().map(|it| it.reference.to_string()).collect();
        let again = ImageList::parse(&full.join("\r\n")).unwrap();
        let references = |list: &ImageList| list.images().iter().map(|it| it.reference.clone()).collect::<Vec<_>>();
        prop_assert_eq!(references(&again), references(&list));
    }

    #[test]
    fn no_two_images_share_a_target(lines in proptest::collection::vec(LINE, 0..12), tag in "[1t]") {
        let list = ImageList::parse(&lines.join("\n")).unwrap();
        for tag in [None, Some(tag.parse().unwrap())] {
            let rule = TagRule { every: tag, digest_only: None };
            match list.map(Some(&"site".parse().unwrap()), &rule) {
                Ok(mapped) => {
                    let spots: HashSet<_> = mapped.iter().map(|it| (&it.target, &it.tag)).collect();
                    prop_assert_eq!(spots.len(), mapped.len());
                    prop_assert_eq!(mapped.len(), list.images().len());
                }
                Err(errors) => for error in errors {
                    let TargetError::Collision { listed, .. } = error else { panic!("{error}") };
                    prop_assert!(listed.len() > 1);
                    let sources: HashSet<_> = listed.iter().map(|it| &it.reference).collect();
                    prop_assert_eq!(sources.len(), listed.len());
                }
            }
        }
    }
}
