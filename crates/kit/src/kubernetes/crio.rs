//! CRI-O, Podman and everything that reads `registries.conf`, version 2.

use serde::Serialize;

use super::Rules;
use super::rules::location;
use crate::write::toml;
use crate::{File, Place, WriteError};

const COMMENT: &str = "/etc/containers/registries.conf.d/50-sealift.conf on each node; then reload CRI-O.\n\
                       What begins with a prefix is taken from the location, and from nowhere else.";

#[derive(Serialize)]
struct Document {
    registry: Vec<Registry>,
}

#[derive(Serialize)]
struct Registry {
    prefix: String,
    location: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
}

pub(super) fn file(place: &Place, rules: &Rules) -> Result<File, WriteError> {
    let mut registries = Vec::new();
    for (registry, moved) in rules.registries() {
        registries.extend(moved.all().map(|(from, to)| Registry {
            prefix: format!("{registry}/{from}"),
            location: location(place, to),
            insecure: place.is_plain_http,
        }));
    }
    if place.is_plain_http {
        let own = place.registry.to_string();
        registries.push(Registry { prefix: own.clone(), location: own, insecure: true });
    }
    let text = toml(COMMENT, &Document { registry: registries })?;
    Ok(File::plain("crio/registries.conf.d/50-sealift.conf", text))
}
