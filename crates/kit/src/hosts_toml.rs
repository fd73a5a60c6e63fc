//! containerd's `hosts.toml`: where to ask for the images of one registry.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::WriteError;
use crate::write::toml;

/// Where containerd asks.
#[derive(Clone, Debug)]
pub struct Hosts<'a> {
    /// The registry that is asked, as a URL, and nobody else where something is missing there.
    pub server: &'a str,
    /// What stands in front of every name there.
    pub prefix: Option<&'a str>,
    /// Whether it takes pushes.
    pub takes_pushes: bool,
    /// Where a node has the certificates of its authority.
    pub ca: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    server: &'a str,
    host: BTreeMap<String, Host<'a>>,
}

#[derive(Serialize)]
struct Host<'a> {
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    override_path: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a str>,
}

/// Writes the file, below a comment.
///
/// # Errors
/// When a value has no form in TOML, which none has that is a name or a path.
pub fn render(comment: &str, hosts: &Hosts<'_>) -> Result<String, WriteError> {
    let mut capabilities = vec!["pull", "resolve"];
    if hosts.takes_pushes {
        capabilities.push("push");
    }
    // With a path of its own containerd would put `/v2` behind it; so it is written out, and said to be whole.
    let url = match hosts.prefix {
        Some(prefix) => format!("{}/v2/{prefix}", hosts.server),
        None => hosts.server.to_owned(),
    };
    let host = Host { capabilities, override_path: hosts.prefix.map(|_| true), ca: hosts.ca };
    toml(comment, &Document { server: hosts.server, host: BTreeMap::from([(url, host)]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_where_and_whom_to_trust() {
        let plain = Hosts { server: "http://127.0.0.1:5000", prefix: None, takes_pushes: true, ca: None };
        assert_eq!(
            render("why\nand how", &plain).unwrap(),
            "# why\n# and how\nserver = \"http://127.0.0.1:5000\"\n\n[host.\"http://127.0.0.1:5000\"]\n\
             capabilities = [\"pull\", \"resolve\", \"push\"]\n"
        );
        let below = Hosts {
            server: "https://a:1",
            prefix: Some("site/x"),
            takes_pushes: false,
            ca: Some("/srv/a \"b\"/ca.crt"),
        };
        assert_eq!(
            render("", &below).unwrap(),
            "server = \"https://a:1\"\n\n[host.\"https://a:1/v2/site/x\"]\ncapabilities = [\"pull\", \"resolve\"]\n\
             override_path = true\nca = '/srv/a \"b\"/ca.crt'\n"
        );
    }
}
