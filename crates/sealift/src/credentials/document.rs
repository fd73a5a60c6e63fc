//! A JSON object that is changed member by member. What is not understood stays as it was written, digit by
//! digit and in its order: these files belong to Docker as much as to sealift.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The text of a value.
enum Text<'a> {
    /// As it stands in the file.
    Kept(&'a str),
    /// New; it may hold a password.
    New(Zeroizing<String>),
}

/// An object. It has no `Debug` form, since its texts hold passwords.
#[derive(Default)]
pub(super) struct Document<'a> {
    members: Vec<(String, Text<'a>)>,
}

impl<'a> Document<'a> {
    /// Takes an object apart; `null`, and nothing at all, are an empty one.
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        read(text)
    }

    /// Returns the text of a member. Of several with one name the last counts, as it does for Docker.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().rev().find(|(it, _)| it == name);
        member.map(|(_, text)| text.as_str())
    }

    /// Lists the members.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Sets a member, in its place where it is there.
    pub(super) fn set(&mut self, name: &str, text: Zeroizing<String>) {
        match self.members.iter_mut().rev().find(|(it, _)| it == name) {
            Some(member) => member.1 = Text::New(text),
            None => self.members.push((name.to_owned(), Text::New(text))),
        }
    }

    /// Takes out the members that are not wanted.
    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(&str) -> bool) {
        self.members.retain(|(name, _)| is_wanted(name));
    }

    /// Writes the object as Docker does, indented with tabs; `depth` is how deep it stands.
    pub(super) fn to_text(&self, depth: usize) -> Zeroizing<String> {
        if self.members.is_empty() {
            return Zeroizing::new("{}".to_owned());
        }
        // Made large enough at once: growing would leave copies of passwords behind.
        let size: usize = self.iter().map(|(name, text)| 6 * name.len() + text.len() + depth + 8).sum();
        let mut out = Zeroizing::new(String::with_capacity(size + depth + 8));
        for (index, (name, text)) in self.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            // Writing to a string cannot fail.
            let _ = write!(out, "{open}\n{:\t<1$}{2}: {text}", "", depth + 1, *quoted(name));
        }
        let _ = write!(out, "\n{:\t<1$}}}", "", depth);
        out
    }
}

/// Reads a whole text; `null`, and nothing at all, are the default.
pub(super) fn read<'a, T: Deserialize<'a> + Default>(text: &'a str) -> serde_json::Result<T> {
    if text.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    Ok(serde_json::from_str::<Option<T>>(text)?.unwrap_or_default())
}

/// Writes a string as JSON.
pub(super) fn quoted(text: &str) -> Zeroizing<String> {
    // Every string has a JSON form.
    Zeroizing::new(serde_json::to_string(text).unwrap_or_default())
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Kept(text) => text,
            Self::New(text) => text,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Text::Kept(value.get())));
                }
                Ok(Document { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let text = "{\"z\": 1.0e400, \"auths\" : {\n\t\t\"b\":{ } }, \"é\\n\": [1,\n2], \"a\": 12345678901234567890123}";
        let mut document = Document::parse(text).unwrap();
        document.set("new", quoted("x\"\n"));
        document.set("auths", Zeroizing::new("{}".to_owned()));
        document.retain(|name| name != "a");
        let expected =
            "{\n\t\"z\": 1.0e400,\n\t\"auths\": {},\n\t\"é\\n\": [1,\n2],\n\t\"new\": \"x\\\"\\n\"\n}";
        assert_eq!(*document.to_text(0), expected);
        assert_eq!(*Document::parse(expected).unwrap().to_text(0), expected);
    }

    #[test]
    fn nested_objects_are_indented() {
        let mut inner = Document::default();
        inner.set("b", quoted("c"));
        let mut outer = Document::default();
        outer.set("a", inner.to_text(1));
        assert_eq!(*outer.to_text(0), "{\n\t\"a\": {\n\t\t\"b\": \"c\"\n\t}\n}");
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let mut document = Document::parse(r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(document.get("a"), Some("2"));
        document.set("a", quoted("3"));
        assert_eq!(document.get("a"), Some("\"3\""));
        document.retain(|name| name != "a");
        assert_eq!(document.get("a"), None);
    }

    /// text → whether it is an object, or as good as an empty one.
    #[test]
    fn only_objects_are_taken() {
        let deep = "[".repeat(100_000);
        for (text, expected) in [
            ("", true),
            (" \n", true),
            ("null", true),
            ("{}", true),
            ("[]", false),
            ("3", false),
            ("{", false),
            ("{} {}", false),
            ("{\"a\":}", false),
            (&deep, false),
        ] {
            assert_eq!(Document::parse(text).is_ok(), expected, "{text:.10}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(members in prop::collection::btree_map(".{0,9}", ".{0,9}", 0..5)) {
            let mut document = Document::default();
            for (name, value) in &members { document.set(name, quoted(value)); }
            let text = document.to_text(0);
            let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read, members);
        }
    }
}
