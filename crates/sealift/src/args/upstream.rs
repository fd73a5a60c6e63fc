//! What is typed about where a registry fetches what it lacks.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args as Group;
use sealift_oci::{NameError, Registry, RepositoryName};

use super::ConnectionArgs;
use crate::age::Age;

#[derive(Debug, Group)]
pub(crate) struct UpstreamArgs {
    /// Fetch what is missing from this registry, and keep it; repeatable, the first
    /// is asked first. PATH stands in front of every name there; with PREFIX it is
    /// asked for what is below PREFIX, without that
    #[arg(
        long,
        value_name = "[PREFIX=]HOST[:PORT][/PATH]",
        conflicts_with = "read_only",
        help_heading = "Where the missing comes from"
    )]
    pub(crate) upstream: Vec<UpstreamName>,
    /// Ask again what a tag points at when that was asked longer ago
    #[arg(
        long,
        value_name = "AGE",
        default_value = "5m",
        requires = "upstream",
        help_heading = "Where the missing comes from"
    )]
    pub(crate) tag_ttl: Age,
    /// Speak plain HTTP with this upstream; repeatable
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        requires = "upstream",
        help_heading = "Where the missing comes from"
    )]
    pub(crate) plain_http: Vec<Registry>,
    /// Trust the certificates in this PEM file, too; repeatable
    #[arg(
        long = "ca-file",
        value_name = "FILE",
        requires = "upstream",
        help_heading = "Where the missing comes from"
    )]
    pub(crate) ca_files: Vec<PathBuf>,
    /// Show this certificate to upstreams that ask for one
    #[arg(long, value_name = "FILE", requires_all = ["client_key", "upstream"], help_heading = "Where the missing comes from")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of that certificate, unencrypted
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_cert",
        help_heading = "Where the missing comes from"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

impl UpstreamArgs {
    /// Returns how to connect; a server has no word of its own for the rest.
    pub(crate) fn connection(&self) -> ConnectionArgs {
        ConnectionArgs {
            plain_http: self.plain_http.clone(),
            ca_files: self.ca_files.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            ..ConnectionArgs::usual()
        }
    }
}

/// A registry to fetch from, and what its repositories are called here and there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamName {
    /// What stands in front of them here.
    pub(crate) prefix: Option<RepositoryName>,
    /// Where they are.
    pub(crate) registry: Registry,
    /// What stands in front of them there.
    pub(crate) path: Option<RepositoryName>,
}

impl FromStr for UpstreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (prefix, place) = match text.split_once('=') {
            Some((prefix, place)) => (Some(prefix.parse()?), place),
            None => (None, text),
        };
        let (registry, path) = match place.split_once('/') {
            Some((registry, path)) => (registry, Some(path.strip_suffix('/').unwrap_or(path))),
            None => (place, None),
        };
        let registry = registry.parse()?;
        let path = path.filter(|path| !path.is_empty()).map(str::parse).transpose()?;
        Ok(Self { prefix, registry, path })
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(prefix) = &self.prefix {
            write!(f, "{prefix}=")?;
        }
        write!(f, "{}", self.registry)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, "/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read() {
        for (text, expected) in [
            ("ship.lan", Some("ship.lan")),
            ("ship.lan:5000/", Some("ship.lan:5000")),
            ("ship.lan/a/b/", Some("ship.lan/a/b")),
            ("hub=docker.io", Some("hub=docker.io")),
            ("hub/x=[::1]:5000/a", Some("hub/x=[::1]:5000/a")),
            ("", None),
            ("=ship.lan", None),
            ("hub=", None),
            ("Hub=ship.lan", None),
            ("https://ship.lan", None),
            ("ship.lan//a", None),
            ("a=b=c", None),
        ] {
            let read = text.parse::<UpstreamName>().ok();
            assert_eq!(read.map(|it| it.to_string()).as_deref(), expected, "{text}");
        }
    }
}
