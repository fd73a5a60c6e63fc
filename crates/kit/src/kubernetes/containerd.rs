//! containerd: a directory for each registry, with its `hosts.toml`. It can put something in front of names, and
//! nothing else.

use super::Rules;
use crate::hosts_toml::{Hosts, render};
use crate::{File, Place, WriteError};

/// One file for each registry whose names only got something in front, and one for the private registry itself.
pub(super) fn files(place: &Place, rules: &Rules) -> Result<Vec<File>, WriteError> {
    let (own, url) = (place.registry.as_str(), place.url());
    let hosts = |prefix| Hosts { server: &url, prefix, takes_pushes: false, ca: place.ca.as_deref() };
    let mut files = Vec::new();
    for (registry, moved) in rules.registries().filter(|(registry, _)| registry.as_str() != own) {
        let Some(prefix) = &moved.prefix else { continue };
        let comment = format!(
            "/etc/containerd/certs.d/{registry}/hosts.toml on each node: images of {registry} come from {own}."
        );
        let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
        files.push(file(registry.as_str(), render(&comment, &hosts(prefix))?));
    }
    let comment = format!("/etc/containerd/certs.d/{own}/hosts.toml on each node.");
    files.push(file(own, render(&comment, &hosts(None))?));
    Ok(files)
}

fn file(registry: &str, text: String) -> File {
    File::plain(format!("containerd/certs.d/{registry}/hosts.toml"), text)
}
