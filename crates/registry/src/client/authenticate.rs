//! Asking whether the credentials are right, as a login does: for the base of the API and for no repository,
//! since whoever may do little is known all the same.

use http::Method;
use sealift_store::Operation;

use super::auth::Scopes;
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::request::Request;
use crate::wire::Route;

impl Connection {
    /// Has the registry, or its token service, look at the credentials.
    pub(super) async fn authenticate(&self) -> Result<(), Fault> {
        let purpose = Purpose::of(Operation::Authenticate);
        let url = self.url(&Route::Ping, &purpose).await?;
        let request = Request::new(Method::GET, url, &purpose).scopes(&Scopes::default());
        self.expect(&request, &[200]).await.map(drop)
    }
}
