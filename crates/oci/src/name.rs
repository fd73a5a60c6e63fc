//! The names in front of content: registries, repositories and tags.
//!
//! Grammar: OCI distribution specification 1.1, "Pulling manifests"; the length of a repository name and
//! the form of a registry are those of distribution/reference, which all clients share.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest repository name. The specification advises host and name together not to exceed 255.
const REPOSITORY_LIMIT: usize = 255;
/// The longest tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
const TAG_LIMIT: usize = 128;
/// The longest DNS name.
const HOST_LIMIT: usize = 253;

/// Why a text is not the name it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is no registry.
    #[error("a registry reads HOST or HOST:PORT, without https:// and without a path")]
    Registry,
    /// The text is no repository name.
    #[error(
        "a repository is made of lower-case letters, digits and single . _ - between them, with / between its parts"
    )]
    Repository,
    /// The text is no tag.
    #[error(
        "a tag is made of letters, digits, _ . and -, begins with none of the last two, and has at most 128 characters"
    )]
    Tag,
}

/// A registry's address: `host` or `host:port`; the host in lower case, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(String);

impl Registry {
    /// Returns the host without the port; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let (host, _) = split_port(&self.0);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port, where one is given.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(&self.0).1.and_then(|port| port.parse().ok())
    }

    /// Returns the whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the address names this very machine: `localhost`, or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Splits `host:port`; a colon inside brackets belongs to the host.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

impl FromStr for Registry {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (host, port) = split_port(text);
        let port_is_fine = port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if port_is_fine && is_host(host) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NameError::Registry)
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= HOST_LIMIT && host.split('.').all(label)
}

/// The name of a repository within a registry, such as `arcdata/arc-sqlmi`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns this name with `child` behind a slash.
    ///
    /// # Errors
    /// When the two together are no repository name.
    pub fn join(&self, child: &str) -> Result<Self, NameError> {
        format!("{self}/{child}").parse()
    }

    /// Returns the part behind the last slash.
    #[must_use]
    pub fn last_component(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fine = text.len() <= REPOSITORY_LIMIT && text.split('/').all(is_component);
        if fine { Ok(Self(text.to_owned())) } else { Err(NameError::Repository) }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component.split(alphanumeric).all(separator)
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Returns the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fine = (1..=TAG_LIMIT).contains(&text.len())
            && word(text.as_bytes()[0])
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if fine { Ok(Self(text.to_owned())) } else { Err(NameError::Tag) }
    }
}

/// Gives a name its text form, and its serde form, which parses again.
macro_rules! textual {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

textual!(Registry, RepositoryName, Tag);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registries() {
        let cases = [
            ("mcr.microsoft.com", Some(("mcr.microsoft.com", None))),
            ("Registry.Local:5000", Some(("registry.local", Some(5000)))),
            ("127.0.0.1:5000", Some(("127.0.0.1", Some(5000)))),
            ("[::1]:5000", Some(("::1", Some(5000)))),
            ("[fd00::7]", Some(("fd00::7", None))),
            ("my_host", Some(("my_host", None))),
            ("", None),
            ("https://mcr.microsoft.com", None),
            ("mcr.microsoft.com/arcdata", None),
            ("host:", None),
            ("host:0", None),
            ("host:65536", None),
            ("host:+5", None),
            ("::1", None),
            ("[::1", None),
            ("user@host", None),
            ("-host", None),
            ("a..b", None),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<Registry>().ok();
            assert_eq!(parsed.as_ref().map(|it| (it.host(), it.port())), expected, "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (text, expected) in [
            ("localhost:5000", true),
            ("127.3.2.1", true),
            ("[::1]:1", true),
            ("10.0.0.1", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(text.parse::<Registry>().unwrap().is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn repositories() {
        for text in ["arcdata", "a/b/c", "a.b_c__d-e--f/0", "library/x9"] {
            assert!(text.parse::<RepositoryName>().is_ok(), "{text}");
        }
        let long = "a".repeat(256);
        for text in
            ["", "/", "a/", "/a", "a//b", "A", "a._b", "a___b", "-a", "a-", "a b", "..", "a/../b", &long]
        {
            assert_eq!(text.parse::<RepositoryName>(), Err(NameError::Repository), "{text}");
        }
    }

    #[test]
    fn tags() {
        for text in ["v1.46.0_2026-05-12", "latest", "_x", "A"] {
            assert!(text.parse::<Tag>().is_ok(), "{text}");
        }
        let long = "t".repeat(129);
        for text in ["", ".a", "-a", "a/b", "a:b", "ä", &long] {
            assert_eq!(text.parse::<Tag>(), Err(NameError::Tag), "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_parse_without_panic_and_print_back(text in ".{0,40}|[a-z0-9._/:\\[\\]-]{0,40}") {
            if let Ok(name) = text.parse::<RepositoryName>() { prop_assert_eq!(name.as_str(), &text); }
            if let Ok(tag) = text.parse::<Tag>() { prop_assert_eq!(tag.as_str(), &text); }
            if let Ok(registry) = text.parse::<Registry>() {
                prop_assert_eq!(registry.as_str().parse::<Registry>().unwrap(), registry);
            }
        }
    }
}
