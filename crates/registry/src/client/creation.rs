//! Making a repository before something is pushed into it. The protocol has no request for that: most
//! registries make a repository when it is first written, and those that do not have APIs of their own.
//!
//! | registry | what has to be there | how it is made |
//! |---|---|---|
//! | Harbor | the project, which is the first part of the name | `POST /api/v2.0/projects`, user and password |
//! | ECR | the repository | Amazon's API, with keys that are no registry credentials ([`super::ecr`]) |
//! | others | nothing | – |

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use sealift_oci::RepositoryName;
use sealift_store::{ErrorKind, Operation};
use serde_json::json;

use super::auth::Authorization;
use super::connection::Connection;
use super::ecr::Amazon;
use super::fault::{Fault, Purpose};
use super::quirks::is_ecr;
use super::request::Request;
use super::retry::Repeat;
use crate::wire::Route;

/// Harbor's API, version 2.0, "Create a new project".
const HARBOR_PROJECTS: &str = "/api/v2.0/projects";
/// The service that Harbor names where it asks for a token.
const HARBOR_SERVICE: &str = "harbor-registry";
/// What Harbor's own headers begin with.
const HARBOR_HEADER: &str = "x-harbor-";

/// What became of the wish to make a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    Made,
    /// It was there already.
    Existed,
    /// Nothing had to be done: the registry makes repositories when they are first written.
    OnPush,
}

impl Connection {
    /// Makes what has to be there before a push.
    pub(super) async fn create_repository(
        &self,
        name: &RepositoryName,
        amazon: Option<&Amazon>,
    ) -> Result<Created, Fault> {
        if is_ecr(self.registry.host()) {
            return self.create_at_amazon(name, amazon).await;
        }
        let purpose = Purpose::new(Operation::CreateRepository, name);
        if !self.is_harbor(&purpose).await? {
            return Ok(Created::OnPush);
        }
        self.create_project(self.made_for(name), &purpose).await
    }

    /// Returns what has to be there before a push.
    pub(super) fn made_for<'a>(&self, name: &'a RepositoryName) -> &'a str {
        let name = name.as_str();
        if is_ecr(self.registry.host()) { name } else { name.split('/').next().unwrap_or_default() }
    }

    /// Harbor shows itself in how it asks for a token.
    async fn is_harbor(&self, purpose: &Purpose) -> Result<bool, Fault> {
        let request = Request::new(Method::GET, self.url(&Route::Ping, purpose).await?, purpose);
        let answer = self.exchange(&request, &Authorization::None).await?;
        Ok(!answer.is_foreign && is_of_harbor(&answer.headers))
    }

    async fn create_project(&self, project: &str, purpose: &Purpose) -> Result<Created, Fault> {
        let address = self.endpoint().await?.base().join(HARBOR_PROJECTS).ok();
        let url = address.ok_or_else(|| purpose.fault(ErrorKind::Invalid).because("it has no address"))?;
        // Since version 2.0 the metadata decide; before, `public` did.
        let wish = json!({"project_name": project, "public": false, "metadata": {"public": "false"}});
        let request = Request::new(Method::POST, url, purpose)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(wish.to_string()))
            .repeat(Repeat::IfWithoutEffect);
        // Its API takes user and password, not the tokens of the registry.
        let basic = self.authenticator.basic().cloned().map_or(Authorization::None, Authorization::Basic);
        let answer = self.exchange(&request, &basic).await?;
        match answer.status.as_u16() {
            201 => Ok(Created::Made),
            409 => Ok(Created::Existed),
            _ => {
                let words = format_args!("the project {project} cannot be made: ");
                Err(self.refusal(&request, &answer).prefixed(words))
            }
        }
    }
}

/// Tells whether an answer is one of Harbor.
pub(super) fn is_of_harbor(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(header::WWW_AUTHENTICATE).iter();
    headers.keys().any(|name| name.as_str().starts_with(HARBOR_HEADER))
        || asked.any(|value| value.to_str().is_ok_and(|text| text.contains(HARBOR_SERVICE)))
}
