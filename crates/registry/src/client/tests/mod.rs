//! The client against servers: sealift's own, Docker's, and scripted ones that do what real registries do.

mod attachments;
mod authentication;
mod blobs;
mod certificates;
mod conformance;
mod creation;
mod endpoints;
mod faults;
mod foreign;
mod leading;
mod lists;
mod manifests;
mod parsing;
mod peer;
mod proxies;
mod quirks;
mod repeating;
mod secrets;
mod tokens;
mod uploads;

use std::sync::Arc;

use sealift_oci::{Digest, RepositoryName};
use sealift_store::{Source, Store, Target};

use super::RegistryClient;

/// The repository of all scripts.
fn name() -> RepositoryName {
    "a/b".parse().unwrap()
}

fn source(client: &RegistryClient) -> Arc<dyn Source> {
    client.source(&name())
}

fn target(client: &RegistryClient) -> Arc<dyn Target> {
    client.target(&name()).unwrap()
}

/// The blob of all scripts.
const CONTENT: &[u8] = b"0123456789";

fn digest() -> Digest {
    Digest::sha256(CONTENT)
}

/// The request for the blob of all scripts.
fn blob(method: &str) -> String {
    format!("{method} /v2/a/b/blobs/{}", digest())
}
