//! Opening the two ends.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealift_catalog::{GATE_IMAGE, newest, newest_known};
use sealift_mirror::{ForeignLayers, Windows};
use sealift_oci::{Registry, RepositoryName, Tag};
use sealift_registry::client::{ClientConfig, Credentials, RegistryClient, RetryPolicy};
use sealift_store::{Operation, Pace, Side, Store, collect_pages};

use crate::args::ConnectionArgs;
use crate::certificates::{self, Certificates};
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::foreign::Publishers;
use crate::proxies;
use crate::settings::PlaceSettings;
use crate::ui::Ui;

type Result<T> = std::result::Result<T, CommandError>;

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    plain_http: Vec<Registry>,
    certificates: Certificates,
    /// Where certificates for single registries may be kept.
    directories: Vec<PathBuf>,
    /// What holds for every registry: proxies, addresses, patience.
    config: ClientConfig,
    /// How many blobs move at the same time at most.
    pub(crate) transfers: usize,
    /// How many of them each registry bears.
    pub(crate) windows: Arc<Windows>,
    /// How many requests were answered so far, by all registries.
    pub(crate) requests: Arc<AtomicU64>,
    /// How many requests a second each registry gets at most.
    requests_per_second: Option<u32>,
    /// The pace of each registry, which all of its clients share.
    paces: Arc<Mutex<HashMap<Registry, Arc<Pace>>>>,
}

/// How many blobs move at the same time where nothing is said.
const TRANSFERS: usize = 16;

impl Default for Connection {
    fn default() -> Self {
        Self {
            plain_http: Vec::new(),
            certificates: Certificates::default(),
            directories: Vec::new(),
            config: ClientConfig::default(),
            transfers: TRANSFERS,
            windows: Arc::new(Windows::new(TRANSFERS)),
            requests: Arc::default(),
            requests_per_second: None,
            paces: Arc::default(),
        }
    }
}

impl Connection {
    /// Reads the files that were named, and the variables that name proxies.
    pub(crate) fn read(args: &ConnectionArgs, environment: &Environment) -> Result<Self> {
        let client = args.client_cert.as_ref().zip(args.client_key.as_ref());
        let config = ClientConfig {
            proxies: proxies::read(&environment.variables)?,
            resolve: args.resolve.clone(),
            connect_timeout: Duration::from_secs(args.connect_timeout),
            stall_timeout: Duration::from_secs(args.stall_timeout),
            ..ClientConfig::default()
        };
        Ok(Self {
            plain_http: args.plain_http.clone(),
            certificates: Certificates::read(&args.ca_files, client)?,
            directories: certificates::directories(&environment.variables),
            config,
            transfers: args.max_connections.into(),
            windows: Arc::new(Windows::new(args.max_connections.into())),
            requests: Arc::default(),
            requests_per_second: args.requests_per_second,
            paces: Arc::default(),
        })
    }

    /// Sends every request once: who looks for what is wrong wants to know it at once.
    pub(crate) fn without_repeating(mut self) -> Self {
        self.config.retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        self
    }

    /// Opens one end. No request is made before something is asked of it.
    pub(crate) fn open(&self, place: &PlaceSettings, side: Side) -> Result<Arc<dyn Store>> {
        let credentials = place.identity.credentials.clone();
        Ok(Arc::new(self.client(&place.registry, credentials, Some(side))?))
    }

    /// Makes a client for a registry; `side` is which end it is, where it is one.
    pub(crate) fn client(
        &self,
        registry: &Registry,
        credentials: Credentials,
        side: Option<Side>,
    ) -> Result<RegistryClient> {
        let certificates = self.certificates.clone().with_kept(&self.directories, registry)?;
        let config = ClientConfig {
            credentials,
            ca_files: certificates.authorities,
            identity: certificates.identity,
            plain_http: self.is_plain(registry),
            pace: self.pace(registry),
            requests: Arc::clone(&self.requests),
            pushback: side.map(|side| self.windows.pushback(registry.as_str(), side)),
            ..self.config.clone()
        };
        RegistryClient::new(registry.clone(), config).map_err(|error| match side {
            Some(side) => error.on(side).into(),
            None => error.into(),
        })
    }

    /// Makes what fetches foreign layers that manifests of this registry name.
    pub(crate) fn foreign_layers(&self, source: &Registry) -> Result<Arc<dyn ForeignLayers>> {
        Ok(Arc::new(Publishers::of(self.client(source, Credentials::Anonymous, Some(Side::Source))?)))
    }

    fn pace(&self, registry: &Registry) -> Option<Arc<Pace>> {
        let count = self.requests_per_second?;
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(registry.clone()).or_insert_with(|| Arc::new(Pace::new(f64::from(count))));
        Some(Arc::clone(pace))
    }

    fn is_plain(&self, registry: &Registry) -> bool {
        is_plain(&self.plain_http, registry)
    }
}

/// Tells whether a registry is one of those to speak plain HTTP with: `--plain-http HOST` without a port means every
/// port there.
pub(crate) fn is_plain(plain_http: &[Registry], registry: &Registry) -> bool {
    let fits = |allowed: &Registry| {
        allowed == registry || (allowed.port().is_none() && allowed.host() == registry.host())
    };
    plain_http.iter().any(fits)
}

/// Lists the releases that a place has: the tags of the image that opens a release.
pub(crate) async fn release_tags(
    store: &dyn Store,
    place: &PlaceSettings,
) -> sealift_store::Result<Vec<Tag>> {
    let malformed = |error| {
        sealift_store::Error::new(sealift_store::ErrorKind::Invalid, Operation::ListTags)
            .at(store.place())
            .object(&place.repository)
            .because(error)
    };
    let repository = place.repository.join(GATE_IMAGE).map_err(malformed)?;
    all_tags(store, &repository).await
}

/// Lists every tag of a repository of the source.
pub(crate) async fn all_tags(
    store: &dyn Store,
    repository: &RepositoryName,
) -> sealift_store::Result<Vec<Tag>> {
    let source = store.source(repository);
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
    use bytes::Bytes;
    use sealift_oci::Digest;
    use sealift_store::ErrorKind;
    use sealift_testbed::http_proxy::{Action, HttpProxy};

    use super::*;

    #[test]
    fn plain_http_is_allowed_for_a_host_or_one_port_of_it() {
        let connection = |allowed: &str| Connection {
            plain_http: vec![allowed.parse().unwrap()],
            ..Connection::default()
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

    #[test]
    fn all_clients_of_a_registry_share_one_pace() {
        let connection = Connection { requests_per_second: Some(5), ..Connection::default() };
        let pace = |registry: &str| connection.clone().pace(&registry.parse().unwrap()).unwrap();
        assert!(Arc::ptr_eq(&pace("ship.lan"), &pace("ship.lan")));
        assert!(!Arc::ptr_eq(&pace("ship.lan"), &pace("ship.lan:5000")));
        assert!(Connection::default().pace(&"ship.lan".parse().unwrap()).is_none());
    }

    /// The engine finds windows by the name of a place, and so must what the transport tells them.
    #[tokio::test]
    async fn a_registry_that_wants_less_is_heard_by_its_own_window() {
        let nobody = std::net::Ipv4Addr::LOCALHOST;
        let line = HttpProxy::start((nobody, 9).into()).await.unwrap();
        line.set_rule(|request| Action::Respond {
            status: if request.earlier == 0 { 429 } else { 404 },
            headers: vec![("retry-after".to_owned(), "0".to_owned())],
            body: Bytes::new(),
        });
        let registry: Registry = line.address().to_string().parse().unwrap();
        let connection = Connection { plain_http: vec![registry.clone()], ..Connection::default() };
        for side in [Side::Source, Side::Target] {
            let client = connection.client(&registry, Credentials::Anonymous, Some(side)).unwrap();
            let limit = |side| connection.windows.limit(client.place(), side);
            let before = limit(side);
            let repository = format!("site/{side:?}").to_lowercase().parse().unwrap();
            let asked = client.source(&repository).stat_blob(&Digest::sha256(b"blob")).await;
            assert_eq!(asked.unwrap_err().kind(), ErrorKind::NotFound);
            assert_eq!(limit(side), before / 2, "{side:?}");
        }
    }
}
