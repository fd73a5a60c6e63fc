//! YAML, read and written; the one place that knows the library which does it.
//!
//! What is read comes from outside: size, depth, nodes, and what aliases may grow to are bounded here, whoever
//! calls. Values are written by the library as well, so that a word which YAML would take for something else gets
//! its quotes. JSON is read, too: it is YAML.

use std::fmt;
use std::thread;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

/// The most bytes of a text: the largest sets of custom resource definitions have five million.
pub const TEXT_LIMIT: usize = 16 * 1024 * 1024;
/// The most values in each other. Schemas of pods within custom resource definitions have about 40; each level takes
/// 40 KiB of stack where nothing is optimised.
const DEPTH_LIMIT: usize = 100;
/// The stack for that, whatever the caller has.
const STACK: usize = 8 * 1024 * 1024;
/// The most values, also of those that aliases repeat: a value takes some 100 bytes of memory.
const VALUE_LIMIT: usize = 1_000_000;
/// The most documents of one text: a rendered chart has a few hundred.
const DOCUMENT_LIMIT: usize = 5_000;
/// The most bytes of a message: one that quotes the text could quote all of it.
const MESSAGE_LIMIT: usize = 300;

/// Why a text is no YAML, or not that of what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// The line, counted from 1, where one is to blame.
    pub line: Option<u64>,
    /// What is wrong, and where; fit to be shown.
    pub message: String,
}

impl YamlError {
    fn new(line: Option<u64>, message: &str) -> Self {
        let mut shown = String::new();
        for character in message.chars() {
            if shown.len() >= MESSAGE_LIMIT {
                shown.push('…');
                break;
            }
            // Whoever wrote the file must not write to the terminal of who reads the message.
            match character.is_control() {
                true => shown.extend(character.escape_debug()),
                false => shown.push(character),
            }
        }
        Self { line, message: shown }
    }
}

impl From<serde_saphyr::Error> for YamlError {
    fn from(error: serde_saphyr::Error) -> Self {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        Self::new(line, &error.without_snippet().to_string())
    }
}

/// Reads the one document of a text. A key that is there twice is an error.
///
/// # Errors
/// When the text is no YAML, not that of a `T`, or beyond a limit.
pub fn from_str<T: DeserializeOwned + Send>(text: &str) -> Result<T, YamlError> {
    read(text, || serde_saphyr::from_str_with_options(text, options(DuplicateKeyPolicy::Error)))
}

/// Reads every document of a text; empty ones are left out. Of a key that is there twice both values count, because
/// what is read may have been written by a template.
///
/// # Errors
/// When the text is no YAML, not that of some `T`, or beyond a limit.
pub fn documents<T: DeserializeOwned + Send>(text: &str) -> Result<Vec<T>, YamlError> {
    read(text, || serde_saphyr::from_multiple_with_options(text, options(DuplicateKeyPolicy::PassThrough)))
}

/// Writes one document.
///
/// # Errors
/// When the value has something that YAML has no form for.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, YamlError> {
    serde_saphyr::to_string(value).map_err(|error| YamlError::new(None, &error.to_string()))
}

/// Reads on a stack that is large enough: how deep a text goes is for who wrote it to choose.
fn read<T: Send>(
    text: &str,
    parse: impl FnOnce() -> Result<T, serde_saphyr::Error> + Send,
) -> Result<T, YamlError> {
    if text.len() > TEXT_LIMIT {
        return Err(YamlError::new(None, &format!("it has more than {TEXT_LIMIT} bytes")));
    }
    let parsed = thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
        reader.map(|reader| reader.join())
    });
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed?),
        Ok(Err(_)) => Err(YamlError::new(None, "it cannot be read; report this")),
        Err(error) => Err(YamlError::new(None, &format!("no thread could be started to read it: {error}"))),
    }
}

fn options(repeated: DuplicateKeyPolicy) -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH_LIMIT,
        max_nodes: VALUE_LIMIT,
        // A value begins and ends.
        max_events: 2 * VALUE_LIMIT + 2 * DOCUMENT_LIMIT,
        max_documents: DOCUMENT_LIMIT,
        max_total_scalar_bytes: TEXT_LIMIT,
    };
    serde_saphyr::options! {
        budget: budget,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: VALUE_LIMIT },
        duplicate_keys: repeated,
        // `yes`, `on` and `n` are words: they are names and tags more often than truth values.
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// A value of whatever form, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line, counted from 1; 0 where that is not known. What an alias repeats stands where the alias does.
    pub line: u64,
    /// The line of its name, where it has one, else its own: what is in a map may begin below its name.
    pub key_line: u64,
    /// The value.
    pub value: Value,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, or what has no text: binary data.
    Null,
    /// A word, a truth value or a whole number, as text.
    Text(String),
    /// A number with a fraction. How it was written is lost: `1.10` is 1.1, to whoever else reads it, too.
    Fraction(f64),
    /// A list.
    List(Vec<Node>),
    /// Names and their values, in order. A name that is no word is left out, with its value.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Returns the last value of that name, where this is a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().rev().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// Returns the names and values; none where this is no map.
    #[must_use]
    pub fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items; none where this is no list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the text, where this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), key_line: referenced.line(), value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Node>()? {
            let value: Node = map.next_value()?;
            if let Value::Text(name) = key.value {
                entries.push((name, Node { key_line: key.line, ..value }));
            }
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests;
