//! What is wrong with a profile, all of it at once and each with its line and key: the file is held against the schema that
//! is published, so that both say the same.

use std::fmt;

use serde_json::Value as Json;

use super::forms;
use crate::image_list::shown;
use crate::near::nearest;
use crate::yaml::{Node, Value, YamlError};

/// How many mistakes are told of one file: a profile has not so many, but a file that is none can.
pub const FAULT_LIMIT: usize = 100;
/// What is part of the names of keys that people keep secrets under.
const SECRETS: [&str; 5] = ["pass", "secret", "token", "credential", "auth"];

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1, where one is to blame.
    pub line: Option<u64>,
    /// The key, with those that it is below: `products[].tags.regex[]`; empty where it is the whole file.
    pub key: String,
    /// What is wrong; fit to be shown.
    pub message: String,
}

/// Every mistake of a file, at least one and at most [`FAULT_LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl Fault {
    pub(super) fn new(line: Option<u64>, key: &str, message: impl Into<String>) -> Self {
        Self { line: line.filter(|line| *line > 0), key: key.to_owned(), message: message.into() }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<YamlError> for Faults {
    fn from(YamlError { line, message }: YamlError) -> Self {
        // The reader ends its words with the place, which stands before them here.
        let place = line.and_then(|line| message.find(&format!(" at line {line}")));
        Fault::new(line, "", &message[..place.unwrap_or(message.len())]).into()
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::new(None, "", message)
    }
}

/// Holds a file against the schema.
pub(super) fn of(file: &Node, schema: &Json) -> Vec<Fault> {
    let mut check = Check { definitions: &schema["$defs"], faults: Vec::new() };
    check.value("", file, schema);
    check.faults
}

struct Check<'a> {
    definitions: &'a Json,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    fn value(&mut self, key: &str, node: &Node, schema: &'a Json) {
        let (schema, is_nullable) = self.resolve(schema);
        match (&node.value, kind(schema)) {
            (Value::Null, _) if is_nullable => {}
            (Value::Map(entries), "object") => self.map(key, node, entries, schema),
            (Value::List(items), "array") => {
                let key = format!("{key}[]");
                items.iter().for_each(|item| self.value(&key, item, &schema["items"]));
            }
            (Value::Text(text), "string") => self.text(key, node, text, schema),
            (Value::Text(text), "boolean") if ["true", "false"].contains(&text.as_str()) => {}
            (Value::Text(text), "integer") => {
                let least = schema["minimum"].as_u64().unwrap_or_default();
                if text.parse::<u64>().is_ok_and(|number| number >= least) {
                    return;
                }
                self.add(key, node, format!("`{}` is no whole number from {least} on", shown(text)));
            }
            // How it was written is lost here; who reads the value itself has its text.
            (Value::Fraction(_), "string") => {}
            (_, kind) => self.add(key, node, wanted(kind).to_owned()),
        }
    }

    fn map(&mut self, key: &str, node: &Node, entries: &[(String, Node)], schema: &'a Json) {
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        let properties = &schema["properties"];
        for (name, value) in entries {
            match properties.get(name) {
                Some(part) => self.value(&below(name), value, part),
                None => self.add(&below(&shown(name)), value, unknown(name, properties)),
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        for name in required.filter(|name| !entries.iter().any(|(it, _)| it == name)) {
            let (part, _) = self.resolve(&properties[name]);
            let word = words(part).first().map(|word| format!("; it reads `{name}: {word}`"));
            self.add(&below(name), node, format!("it is missing{}", word.unwrap_or_default()));
        }
    }

    fn text(&mut self, key: &str, node: &Node, text: &str, schema: &Json) {
        let words = words(schema);
        if !words.is_empty() {
            if !words.contains(&text) {
                let message = format!("`{}` is not known here; what is: {}", shown(text), words.join(", "));
                self.add(key, node, message);
            }
            return;
        }
        if let Some(fault) = schema["format"].as_str().and_then(|format| forms::fault(format, text)) {
            self.add(key, node, fault);
        }
    }

    fn add(&mut self, key: &str, node: &Node, message: String) {
        if self.faults.len() < FAULT_LIMIT {
            self.faults.push(Fault::new(Some(node.key_line), key, message));
        }
    }

    /// Puts a definition in the place of what refers to it, and tells whether there may be nothing.
    fn resolve(&self, schema: &'a Json) -> (&'a Json, bool) {
        if let Some(choices) = schema["anyOf"].as_array() {
            let is_nullable = choices.iter().any(|it| it["type"] == "null");
            let choice = choices.iter().find(|it| it["type"] != "null").unwrap_or(schema);
            return (self.resolve(choice).0, is_nullable);
        }
        match schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
            Some(name) => (&self.definitions[name], false),
            None => {
                (schema, schema["type"].as_array().is_some_and(|types| types.iter().any(|it| it == "null")))
            }
        }
    }
}

/// Returns the type; what has words alone is a text.
fn kind(schema: &Json) -> &str {
    let named = match &schema["type"] {
        Json::Array(types) => types.iter().filter_map(Json::as_str).find(|it| *it != "null"),
        one => one.as_str(),
    };
    named.unwrap_or("string")
}

/// Returns the words that alone may stand there.
fn words(schema: &Json) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let choices = schema["oneOf"].as_array().into_iter().flatten().map(|it| &it["const"]);
    listed.chain(choices).filter_map(Json::as_str).collect()
}

fn wanted(kind: &str) -> &'static str {
    match kind {
        "object" => "keys with values belong below it",
        "array" => "a list belongs here: lines that begin with `- `, or [one, another]",
        "boolean" => "true or false belongs here",
        "integer" => "a whole number belongs here",
        _ => "one text belongs here",
    }
}

fn unknown(name: &str, properties: &Json) -> String {
    let known: Vec<String> = properties.as_object().into_iter().flatten().map(|(it, _)| it.clone()).collect();
    let near = nearest(name, &known);
    if near.is_empty() && SECRETS.iter().any(|it| name.to_lowercase().contains(it)) {
        return "a profile never holds a secret; a variable, standard input or `sealift login` gives it"
            .to_owned();
    }
    match near.is_empty() {
        true => format!("there is no such key; there are {}", known.join(", ")),
        false => format!("there is no such key; did you mean {}?", near.join(" or ")),
    }
}
