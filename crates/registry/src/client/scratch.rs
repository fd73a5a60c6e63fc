//! Taking away what was pushed to see whether it can be. Nothing else is ever deleted in a registry.

use http::Method;
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{ErrorKind, Operation, Result};

use super::RegistryClient;
use super::auth::Scopes;
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::request::Request;
use crate::wire::Route;

impl RegistryClient {
    /// Deletes a manifest from a scratch repository, with the tags that point at it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the registry deletes nothing, [`ErrorKind::Denied`] or
    /// [`ErrorKind::Unauthenticated`] where the user may not.
    pub async fn remove_scratch_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let route = Route::Manifest { repository: repository.clone(), reference: (*digest).into() };
        let purpose = Purpose::new(Operation::DeleteManifest, format_args!("{repository}@{digest}"));
        self.connection
            .remove(&route, repository, &purpose)
            .await
            .map_err(|fault| fault.at(self.connection.place()))
    }

    /// Deletes a blob from a scratch repository.
    ///
    /// # Errors
    /// As of manifests.
    pub async fn remove_scratch_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let route = Route::Blob { repository: repository.clone(), digest: *digest };
        let purpose = Purpose::new(Operation::DeleteBlob, format_args!("{repository}@{digest}"));
        self.connection
            .remove(&route, repository, &purpose)
            .await
            .map_err(|fault| fault.at(self.connection.place()))
    }
}

impl Connection {
    /// Some token services give no token at all where deleting is among what is asked for (ko issue 641): then the right
    /// to push has to do.
    async fn remove(
        &self,
        route: &Route,
        repository: &RepositoryName,
        purpose: &Purpose,
    ) -> std::result::Result<(), Fault> {
        let url = self.url(route, purpose).await?;
        let request = |scopes: &Scopes| Request::new(Method::DELETE, url.clone(), purpose).scopes(scopes);
        match self.expect(&request(&Scopes::delete(repository)), &[200, 202, 204]).await {
            Err(fault) if matches!(fault.kind, ErrorKind::Unauthenticated | ErrorKind::Denied) => {
                self.expect(&request(&Scopes::push(repository)), &[200, 202, 204]).await.map(drop)
            }
            other => other.map(drop),
        }
    }
}
