//! The forms of the texts in a profile: names in the schema, and what reads a text of each.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sealift_oci::{Platform, Reference, Registry, RepositoryName, Tag};

use super::pattern::{self, Pattern};
use super::{Source, images};
use crate::Group;

/// Declares a type for each form, which stands for its texts in the schema, and the check of a text by the form's name.
macro_rules! forms {
    ($($name:ident = $format:literal, $read:expr;)*) => {
        $(
            pub(super) struct $name;

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    $format.into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": "string", "format": $format})
                }
            }
        )*

        /// Says what is wrong with a text of that form; nothing where it is right, or where the form is none of these.
        pub(super) fn fault(format: &str, text: &str) -> Option<String> {
            let read: fn(&str) -> Result<(), String> = match format {
                $($format => $read,)*
                _ => return None,
            };
            read(text).err()
        }
    };
}

forms! {
    RegistryText = "registry", parse::<Registry>;
    RepositoryText = "repository-name", parse::<RepositoryName>;
    TagText = "tag", parse::<Tag>;
    PlatformText = "platform", parse::<Platform>;
    SourceText = "registry-with-repository", |text| Source::parse(text).map(drop).ok_or_else(|| images::no_source(text));
    ImageText = "image", |text| reason(Reference::parse_familiar(text), text);
    GlobText = "glob", |text| plain(Pattern::<pattern::Glob>::new(text));
    RegexText = "regular-expression", |text| plain(Pattern::<pattern::Regex>::new(text));
    RangeText = "version-range", |text| plain(Pattern::<pattern::Range>::new(text));
}

/// The name of a group, for the schema.
pub(super) struct GroupText;

impl JsonSchema for GroupText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "image-group".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": Group::ALL.map(Group::as_str)})
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    reason(text.parse::<T>(), text)
}

/// Says which text it is as well. One with an @ may be a name and a password before a host, and is not shown.
fn reason<T>(read: Result<T, impl Display>, text: &str) -> Result<(), String> {
    read.map(drop).map_err(|error| match text.contains('@') && text.contains("//") {
        true => error.to_string(),
        false => format!("`{}`: {error}", crate::image_list::shown(text)),
    })
}

fn plain<T>(read: Result<T, impl Display>) -> Result<(), String> {
    read.map(drop).map_err(|error| error.to_string())
}
