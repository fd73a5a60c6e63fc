use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn nodes(text: &str) -> Vec<Node> {
    documents(text).unwrap()
}

/// Writes what was read on one line, with the lines it stood on behind `@`.
fn shown(node: &Node) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    let value = match &node.value {
        Value::Null => "~".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Fraction(number) => format!("f{number}"),
        Value::List(items) => return format!("[{}]", list(items.iter().map(shown).collect())),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(name, node)| format!("{name}: {}", shown(node)));
            return format!("{{{}}}", list(entries.collect()));
        }
    };
    format!("{value}@{}", node.line)
}

#[test]
fn every_form_is_read_with_its_line() {
    for (text, expected) in [
        ("a: x\nb: [1, yes, ~]\n", "{a: x@1, b: [1@2, yes@2, ~@2]}"),
        ("a: 1.10\nb: '1.10'\n", "{a: f1.1@1, b: 1.10@2}"),
        ("{\"a\": [\n1,\n\"x\\u0041\"]}", "{a: [1@2, xA@3]}"),
        ("a: &x {i: n}\nb: *x\nc:\n  <<: *x\n", "{a: {i: n@1}, b: {i: n@2}, c: {i: n@4}}"),
        ("a: 1\na: 2\n", "{a: 1@1, a: 2@2}"),
        ("a: !Ref x\nb: !!binary aGk=\n", "{a: x@1, b: hi@2}"),
        ("? [a]\n: b\nc: d\n", "{c: d@3}"),
        ("1: x\ntrue: y\n", "{1: x@1, true: y@2}"),
        ("\u{feff}a: 1\n", "{a: 1@1}"),
        ("a: |\n  image: x\n", "{a: image: x\n@2}"),
        ("a: .nan\n", "{a: fNaN@1}"),
    ] {
        let nodes = nodes(text);
        assert_eq!(nodes.iter().map(shown).collect::<Vec<_>>(), [expected], "{text}");
    }
}

#[test]
fn documents_are_told_apart_and_empty_ones_left_out() {
    let read = nodes("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
    assert_eq!(read.iter().map(shown).collect::<Vec<_>>(), ["{a: 1@2}", "{b: 2@6}"]);
    assert!(nodes("").is_empty() && nodes("# only a comment\n").is_empty());
}

#[test]
fn a_node_is_asked_for_its_parts() {
    let node = nodes("a: [x, y]\nb: z\nb: w\n").remove(0);
    assert_eq!(node.get("b").and_then(Node::text), Some("w"));
    assert_eq!(node.get("a").map(|it| it.items().len()), Some(2));
    assert!(node.get("c").is_none() && node.text().is_none() && node.items().is_empty());
    assert!(node.items().is_empty() && node.get("b").is_some_and(|it| it.entries().is_empty()));
}

#[test]
fn a_name_has_its_line_too() {
    let node = nodes("a:\n  b:\n  - c: 1\n\n    d:\n      x\n  - e\n").remove(0);
    let b = node.get("a").and_then(|a| a.get("b")).unwrap();
    assert_eq!((node.key_line, node.get("a").map(|it| it.key_line), b.key_line), (1, Some(1), 2));
    let [first, second] = b.items() else { panic!("{b:?}") };
    assert_eq!((first.key_line, second.key_line), (3, 7));
    assert_eq!(first.get("d").map(|it| (it.key_line, it.line)), Some((5, 6)));
}

#[test]
fn what_is_no_yaml_says_where() {
    for (text, line) in [("a: b: c\n", 1), ("a:\n  - b\n\t- c\n", 2), ("a: [\n", 1), ("a: *x\n", 1)] {
        let error = documents::<Node>(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.message.contains(&format!("line {line}")), "{error}");
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
}

#[test]
fn a_typed_document_is_strict() {
    assert_eq!(from_str::<Settings>("name: x").unwrap(), Settings { name: "x".to_owned() });
    for (text, word) in
        [("name: x\nname: y\n", "duplicate"), ("name: x\nnam: y\n", "nam"), ("name: x\n---\nname: y\n", "")]
    {
        let error = from_str::<Settings>(text).unwrap_err();
        assert!(error.message.contains(word), "{text}: {error}");
    }
}

#[test]
fn messages_carry_no_control_characters_and_are_short() {
    let error = from_str::<Settings>("\"a\\e[2Jb\": x\n").unwrap_err();
    assert!(!error.message.contains('\u{1b}'), "{error:?}");
    let long = format!("{}: x\n", "n".repeat(900));
    let error = from_str::<Settings>(&long).unwrap_err();
    assert!(error.message.len() <= MESSAGE_LIMIT + '…'.len_utf8(), "{}", error.message.len());
}

/// Each limit, from both sides, in a thread with hardly any stack.
#[test]
fn bombs_are_refused() {
    let doubling: String = (1..30).map(|it| format!("a{it}: &a{it} [*a{0}, *a{0}]\n", it - 1)).collect();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let texts = [
        (nested(DEPTH_LIMIT), true),
        (nested(DEPTH_LIMIT + 1), false),
        (nested(100_000), false),
        ((0..400).map(|it| format!("{}a:\n", " ".repeat(it))).collect(), false),
        (format!("a0: &a0 [x, x]\n{doubling}"), false),
        ("---\na\n".repeat(DOCUMENT_LIMIT), true),
        ("---\na\n".repeat(DOCUMENT_LIMIT + 1), false),
        (format!("a: {}", "x".repeat(TEXT_LIMIT)), false),
    ];
    let read = move || {
        for (text, is_fine) in texts {
            let read = documents::<Node>(&text);
            assert_eq!(read.is_ok(), is_fine, "{:.80} {:?}", text, read.err());
        }
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(read).unwrap().join().unwrap();
}

#[test]
fn words_that_look_like_something_else_are_quoted() {
    for word in
        ["yes", "null", "~", "1.10", "0x1f", "a: b", "# c", "", " lead", "*x", "{{ x }}", "2021-01-01"]
    {
        let written = to_string(&serde_json::json!({ "a": word })).unwrap();
        let read: serde_json::Value = from_str(&written).unwrap();
        assert_eq!(read["a"], word, "{written}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[-a-z:{}\\[\\]&*!|> \"'#\n]{0,60}") {
        let _ = documents::<Node>(&text);
    }

    #[test]
    fn any_word_comes_back(word in "\\PC{0,40}", name in "[a-z]{1,8}|\\PC{1,8}") {
        let value = serde_json::json!({ name: [word] });
        let written = to_string(&value).unwrap();
        prop_assert_eq!(from_str::<serde_json::Value>(&written).unwrap(), value, "{}", written);
    }
}
