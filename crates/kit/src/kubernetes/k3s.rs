//! k3s and RKE2: one `registries.yaml`, which can rewrite names by regular expressions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Rules;
use crate::write::yaml;
use crate::{File, Place, WriteError};

const COMMENT: &str = "/etc/rancher/k3s/registries.yaml on each node of k3s, /etc/rancher/rke2/registries.yaml of RKE2;\n\
                       then restart it. Without --disable-default-registry-endpoint a node asks the source for what is\n\
                       missing here.";

#[derive(Serialize)]
struct Document {
    mirrors: BTreeMap<String, Mirror>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    configs: BTreeMap<String, Config>,
}

#[derive(Serialize)]
struct Mirror {
    endpoint: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rewrite: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Config {
    tls: Tls,
}

#[derive(Serialize)]
struct Tls {
    ca_file: String,
}

pub(super) fn file(place: &Place, rules: &Rules) -> Result<File, WriteError> {
    let mut mirrors = BTreeMap::new();
    for (registry, moved) in rules.registries() {
        let spaces = moved.spaces.iter().filter(|(from, to)| from != to);
        // Each expression fits one repository or one space alone, since nobody says in which order they are tried.
        let spaces = spaces.map(|(from, to)| (format!("^{}/([^/]+)$", escaped(from)), format!("{to}/$1")));
        let single = moved.repositories.iter().filter(|(from, to)| from != to);
        let single = single.map(|(from, to)| (format!("^{}$", escaped(from)), to.clone()));
        let rewrite = spaces.chain(single).collect();
        mirrors.insert(registry.to_string(), Mirror { endpoint: vec![place.url()], rewrite });
    }
    let own = place.registry.to_string();
    if place.is_plain_http {
        let own = own.clone();
        mirrors
            .entry(own)
            .or_insert_with(|| Mirror { endpoint: vec![place.url()], rewrite: BTreeMap::new() });
    }
    let config = place.ca.clone().map(|ca_file| (own, Config { tls: Tls { ca_file } }));
    let document = Document { mirrors, configs: config.into_iter().collect() };
    Ok(File::plain("k3s/registries.yaml", yaml(COMMENT, &[document])?))
}

/// Of what names are made of only the dot means something in an expression.
fn escaped(name: &str) -> String {
    name.replace('.', r"\.")
}
