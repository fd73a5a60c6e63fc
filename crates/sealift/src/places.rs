//! Opening the two ends.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use sealift_catalog::{GATE_IMAGE, newest, newest_known};
use sealift_mirror::ForeignLayers;
use sealift_oci::{Registry, Tag};
use sealift_registry::client::{ClientConfig, Credentials, RegistryClient};
use sealift_store::{Operation, Result, Side, Store, collect_pages};

use crate::args::ConnectionArgs;
use crate::errors::CommandError;
use crate::foreign::Publishers;
use crate::settings::PlaceSettings;
use crate::ui::Ui;

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    plain_http: Vec<Registry>,
    /// The content of each file of certificates.
    certificates: Vec<Vec<u8>>,
    /// How many blobs move at the same time.
    pub(crate) transfers: usize,
}

/// How many blobs move at the same time where nothing is said.
const TRANSFERS: usize = 8;

impl Default for Connection {
    fn default() -> Self {
        Self { plain_http: Vec::new(), certificates: Vec::new(), transfers: TRANSFERS }
    }
}

impl Connection {
    /// Reads the files that were named.
    pub(crate) fn read(args: &ConnectionArgs) -> std::result::Result<Self, CommandError> {
        let certificates = args.ca_files.iter().map(read_certificates);
        Ok(Self {
            plain_http: args.plain_http.clone(),
            certificates: certificates.collect::<std::result::Result<_, _>>()?,
            transfers: args.max_connections.into(),
        })
    }

    /// Opens one end. No request is made before something is asked of it.
    pub(crate) fn open(&self, place: &PlaceSettings, side: Side) -> Result<Arc<dyn Store>> {
        let client = self.client(&place.registry, place.identity.credentials.clone());
        Ok(Arc::new(client.map_err(|error| error.on(side))?))
    }

    /// Makes a client for a registry.
    pub(crate) fn client(&self, registry: &Registry, credentials: Credentials) -> Result<RegistryClient> {
        let config = ClientConfig {
            credentials,
            ca_files: self.certificates.clone(),
            plain_http: self.is_plain(registry),
            ..ClientConfig::default()
        };
        RegistryClient::new(registry.clone(), config)
    }

    /// Makes what fetches foreign layers.
    pub(crate) fn foreign_layers(&self) -> Result<Arc<dyn ForeignLayers>> {
        Ok(Arc::new(Publishers::new(&self.certificates)?))
    }

    /// `--plain-http HOST` without a port means every port there.
    fn is_plain(&self, registry: &Registry) -> bool {
        let fits = |allowed: &Registry| {
            allowed == registry || (allowed.port().is_none() && allowed.host() == registry.host())
        };
        self.plain_http.iter().any(fits)
    }
}

fn read_certificates(path: &PathBuf) -> std::result::Result<Vec<u8>, CommandError> {
    let refuse = |reason: &dyn Display| {
        CommandError::usage(
            format_args!("--ca-file {}: {reason}", path.display()),
            "Name a PEM file with the certificate of the authority that signed the registry's.",
        )
    };
    let content = std::fs::read(path).map_err(|error| refuse(&error))?;
    let begins = |part: &[u8]| part.starts_with(b"-----BEGIN CERTIFICATE-----");
    match content.split(|byte| *byte == b'\n').any(begins) {
        true => Ok(content),
        false => Err(refuse(&"it has no certificate in PEM form")),
    }
}

/// Lists the releases that a place has: the tags of the image that opens a release.
pub(crate) async fn release_tags(store: &dyn Store, place: &PlaceSettings) -> Result<Vec<Tag>> {
    let malformed = |error| {
        sealift_store::Error::new(sealift_store::ErrorKind::Invalid, Operation::ListTags)
            .at(store.place())
            .object(&place.repository)
            .because(error)
    };
    let repository = place.repository.join(GATE_IMAGE).map_err(malformed)?;
    let source = store.source(&repository);
    let tags = collect_pages(Operation::ListTags, |page| {
        let source = Arc::clone(&source);
        async move { source.tags(&page).await }
    })
    .await;
    tags.map_err(|error| error.on(Side::Source))
}

/// Finds the newest release at the source; the newest that is known where the source does not tell.
pub(crate) async fn newest_release(ui: &Ui, store: &dyn Store, place: &PlaceSettings) -> Option<Tag> {
    let known = newest_known().map(|release| release.tag.clone());
    let reason = match release_tags(store, place).await {
        Ok(tags) => match newest(&tags) {
            Some(tag) => return Some(tag),
            None => format!("{}: {GATE_IMAGE} has no release's tag", store.place()),
        },
        Err(error) => error.to_string(),
    };
    if let Some(tag) = &known {
        ui.warning(format_args!("{reason}\n  The newest release that sealift knows of is taken: {tag}"));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_allowed_for_a_host_or_one_port_of_it() {
        let connection = |allowed: &str| Connection {
            plain_http: vec![allowed.parse().unwrap()],
            certificates: Vec::new(),
            transfers: 1,
        };
        for (allowed, registry, expected) in [
            ("ship.lan:5000", "ship.lan:5000", true),
            ("ship.lan", "ship.lan:5000", true),
            ("Ship.LAN", "ship.lan", true),
            ("ship.lan:5000", "ship.lan", false),
            ("ship.lan", "evil.ship.lan", false),
        ] {
            let is_plain = connection(allowed).is_plain(&registry.parse().unwrap());
            assert_eq!(is_plain, expected, "{allowed} {registry}");
        }
    }
}
