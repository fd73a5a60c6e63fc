//! The client: a registry anywhere as a [`Store`]. It speaks OCI distribution 1.1 and Docker's protocol
//! version 2, and sees no more of the other side than these say.
//!
//! The modules are layers, each of which knows only those below it:
//!
//! | layer | modules |
//! |---|---|
//! | what a repository can do | `manifests`, `blobs`, `uploads`, `upload_session`, `lists`, `referrers`, `creation`, `ecr`, `foreign`, `examine`, `scratch` |
//! | one request on its way | `connection`, `streaming`, `ping`, `authorize`, `authenticate` |
//! | rules without I/O | `auth`, `redirect`, `endpoint`, `status`, `quirks`, `retry`, `silence`, `sigv4` |
//! | HTTP | `transport`, `tls`, `presented`, `proxy`, `guard`, `addresses`, `failure`, `answer`, `upload_body` |
//!
//! What a server says is checked before it is followed: `Location`, `Link` and `realm` are its word and
//! nothing more. Content is not: what reads a blob passes it through [`sealift_store::verified`].

mod addresses;
mod answer;
mod auth;
mod authenticate;
mod authorize;
mod blobs;
mod config;
mod connection;
mod creation;
mod ecr;
mod endpoint;
mod examine;
mod failure;
mod fault;
mod flight;
mod foreign;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod lists;
mod manifests;
mod ping;
mod presented;
mod proxy;
mod quirks;
mod redirect;
mod referrers;
mod repository;
mod request;
mod retry;
mod room;
mod scratch;
mod secret;
mod sigv4;
mod silence;
mod status;
mod streaming;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod upload_body;
mod upload_session;
mod uploads;

use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Digest, ManifestRef, Registry, RepositoryName};
use sealift_store::{
    Admin, BlobBody, Operation, Page, PageRequest, Result, Source, Store, Target, cannot_delete,
};

pub use config::ClientConfig;
pub use creation::Created;
pub use ecr::Amazon;
pub use examine::{Seen, Way};
pub use presented::Presented;
pub use proxy::{Proxy, ProxyConfig, ProxyError};
pub use retry::RetryPolicy;
pub use secret::{Credentials, Secret};
pub use sigv4::AmazonKeys;
pub use tls::{Identity, PemError, check_authorities};

use connection::Connection;
use guard::Network;
use repository::{Access, Repository};

/// A registry that is spoken to over the network. Clones and the handles made of it share connections,
/// tokens and what was learnt.
#[derive(Clone, Debug)]
pub struct RegistryClient {
    connection: Arc<Connection>,
}

impl RegistryClient {
    /// Makes a client. Nothing is sent before something is asked for.
    ///
    /// # Errors
    /// [`sealift_store::ErrorKind::Invalid`] where a certificate or the credentials cannot be used.
    pub fn new(registry: Registry, config: ClientConfig) -> Result<Self> {
        Ok(Self { connection: Arc::new(Connection::new(registry, config, Network::default())?) })
    }

    /// Finds out how the registry is spoken to, and whether it answers at all.
    ///
    /// # Errors
    /// Those of connecting.
    pub async fn connect(&self) -> Result<()> {
        self.connection.endpoint().await.map(drop).map_err(|fault| fault.at(self.place()))
    }

    /// Finds out whether the registry takes the credentials. One that asks nobody who they are takes all.
    ///
    /// # Errors
    /// [`sealift_store::ErrorKind::Unauthenticated`] or [`sealift_store::ErrorKind::Denied`] where it does
    /// not; those of connecting.
    pub async fn authenticate(&self) -> Result<()> {
        self.connection.authenticate().await.map_err(|fault| fault.at(self.place()))
    }

    /// Makes a repository where the registry does not do so by itself when something is pushed: at Harbor
    /// the project that it is in, at ECR the repository itself, with the keys of `amazon`.
    ///
    /// # Errors
    /// [`sealift_store::ErrorKind::Denied`] or [`sealift_store::ErrorKind::Unauthenticated`] where the
    /// credentials or keys do not allow it; [`sealift_store::ErrorKind::Unsupported`], with the command to
    /// run instead, at ECR without keys.
    pub async fn create_repository(&self, name: &RepositoryName, amazon: Option<&Amazon>) -> Result<Created> {
        self.connection.create_repository(name, amazon).await.map_err(|fault| fault.at(self.place()))
    }

    /// Returns what has to be there before a push into a repository, where the registry does not make it by
    /// itself: at ECR the repository, at Harbor the project that is the first part of its name.
    #[must_use]
    pub fn made_for<'a>(&self, name: &'a RepositoryName) -> &'a str {
        self.connection.made_for(name)
    }

    /// Opens a layer that its publisher keeps elsewhere, at an address that a manifest of this registry
    /// names, from byte `offset` on. Only `https` is followed, and `http` on this machine; never to a
    /// private address where the registry is a public one; and nobody's credentials go there.
    ///
    /// # Errors
    /// [`sealift_store::ErrorKind::Invalid`] where the address may not be followed; those of fetching a blob.
    pub async fn fetch_url(&self, url: &str, offset: u64) -> Result<BlobBody> {
        self.connection.fetch_url(url, offset).await
    }

    fn repository(&self, name: &RepositoryName, access: Access) -> Arc<Repository> {
        Arc::new(Repository::new(Arc::clone(&self.connection), name, access))
    }
}

impl Store for RegistryClient {
    fn place(&self) -> &str {
        self.connection.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        self.repository(repository, Access::Pull)
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        Ok(self.repository(repository, Access::Push))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Admin for RegistryClient {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        self.connection.list_repositories(page).await.map_err(|fault| fault.at(self.place()))
    }

    /// Nothing is ever deleted in a registry, but what was pushed there to try it (by `scratch`).
    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteBlob))
    }
}
