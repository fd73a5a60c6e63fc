//! What a token service is shown, and in which way (Docker token authentication, "Requesting a token" and
//! "Token authentication using OAuth2"):
//!
//! - the **query**: GET, with user and password in the header or without any. All services know it.
//! - the **form**: POST, with the password or a refresh token in the body. It is the only way for a refresh
//!   token; a few services know only this one.
//!
//! A service that answers `404` or `405` does not know the way; then the other one is tried, and kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{Scopes, TokenService, Veil};
use crate::client::{Credentials, Secret};

/// Under this name the client introduces itself to token services.
const CLIENT_ID: &str = "sealift";

/// The user for whom Azure Container Registry takes a refresh token as the password.
const ACR_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// One way to ask a token service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Way {
    Query,
    Form,
}

/// What there is to show.
#[derive(Debug)]
enum Proof {
    Nothing,
    Password {
        username: String,
        password: Secret,
    },
    /// Services may put another one in its place; the number tells them apart.
    Refresh {
        username: Option<String>,
        token: Mutex<(u64, Secret)>,
    },
}

/// What is shown to token services, and what was learnt of how they take it.
#[derive(Debug)]
pub(in crate::client) struct Grants {
    proof: Proof,
    /// Whether the way that comes second by rights is the one that works.
    is_second: AtomicBool,
}

impl Grants {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let refresh = |username: Option<String>, token: &Secret| Proof::Refresh {
            username,
            token: Mutex::new((0, token.clone())),
        };
        let proof = match credentials {
            Credentials::Anonymous => Proof::Nothing,
            Credentials::Basic { username, password } if username == ACR_TOKEN_USER => {
                refresh(Some(username.clone()), password)
            }
            Credentials::Basic { username, password } => {
                Proof::Password { username: username.clone(), password: password.clone() }
            }
            Credentials::IdentityToken { username, token } => refresh(username.clone(), token),
        };
        Self { proof, is_second: AtomicBool::new(false) }
    }

    /// Returns the way to try, and the one for a service that does not know it.
    pub(in crate::client) fn ways(&self) -> (Way, Option<Way>) {
        let (first, second) = match &self.proof {
            Proof::Nothing => return (Way::Query, None),
            Proof::Refresh { username: None, .. } => return (Way::Form, None),
            Proof::Password { .. } => (Way::Query, Way::Form),
            Proof::Refresh { .. } => (Way::Form, Way::Query),
        };
        if self.is_second.load(Ordering::Relaxed) { (second, None) } else { (first, Some(second)) }
    }

    /// Remembers that the second way works.
    pub(in crate::client) fn prefer_second(&self) {
        self.is_second.store(true, Ordering::Relaxed);
    }

    /// Makes the form for a token.
    pub(super) fn form(&self, service: &TokenService, scopes: &Scopes) -> Bytes {
        let mut form = Serializer::new(String::new());
        if let Some(service) = &service.service {
            form.append_pair("service", service);
        }
        form.append_pair("client_id", CLIENT_ID);
        let joined = scopes.iter().collect::<Vec<_>>().join(" ");
        if !joined.is_empty() {
            form.append_pair("scope", &joined);
        }
        match &self.proof {
            Proof::Nothing => {}
            Proof::Password { username, password } => {
                form.append_pair("grant_type", "password");
                form.append_pair("username", username).append_pair("password", password.expose());
            }
            Proof::Refresh { .. } => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", self.refresh_token().unwrap_or_default().1.as_str());
            }
        }
        form.finish().into()
    }

    /// Takes the refresh token that a service gave in place of the last one.
    pub(in crate::client) fn rotate(&self, fresh: Option<Secret>) {
        let Proof::Refresh { token, .. } = &self.proof else { return };
        let mut token = token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fresh) = fresh.filter(|fresh| fresh.expose() != token.1.expose()) {
            *token = (token.0 + 1, fresh);
        }
    }

    /// Returns the number of the refresh token. One that was refused while another came in was only late.
    pub(in crate::client) fn generation(&self) -> u64 {
        self.refresh_token().unwrap_or_default().0
    }

    /// Puts the secrets under a veil.
    pub(super) fn hide(&self, veil: &mut Veil) {
        match &self.proof {
            Proof::Nothing => {}
            Proof::Password { password, .. } => veil.add(password.expose()),
            Proof::Refresh { .. } => veil.add(&self.refresh_token().unwrap_or_default().1),
        }
    }

    fn refresh_token(&self) -> Option<(u64, Zeroizing<String>)> {
        let Proof::Refresh { token, .. } = &self.proof else { return None };
        let token = token.lock().unwrap_or_else(PoisonError::into_inner);
        Some((token.0, Zeroizing::new(token.1.expose().to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str) -> Credentials {
        Credentials::Basic { username: username.to_owned(), password: Secret::new("p&=w") }
    }

    fn identity(username: Option<&str>) -> Credentials {
        Credentials::IdentityToken { username: username.map(str::to_owned), token: Secret::new("r+1") }
    }

    fn form(grants: &Grants, scopes: &str) -> String {
        let service = TokenService::at("https://t/token", Some("the service"));
        String::from_utf8(grants.form(&service, &Scopes::parse(scopes)).to_vec()).unwrap()
    }

    #[test]
    fn credentials_decide_the_way() {
        use Way::{Form, Query};
        for (credentials, ways, then) in [
            (Credentials::Anonymous, (Query, None), Query),
            (basic("me"), (Query, Some(Form)), Form),
            (basic(ACR_TOKEN_USER), (Form, Some(Query)), Query),
            (identity(Some("me")), (Form, Some(Query)), Query),
            (identity(None), (Form, None), Form),
        ] {
            let grants = Grants::new(&credentials);
            assert_eq!(grants.ways(), ways, "{credentials:?}");
            grants.prefer_second();
            assert_eq!(grants.ways(), (then, None), "{credentials:?}");
        }
    }

    #[test]
    fn forms_are_those_of_the_specification() {
        let scopes = "repository:b:pull repository:a:pull,push";
        assert_eq!(
            form(&Grants::new(&basic("me")), scopes),
            "service=the+service&client_id=sealift&scope=repository%3Aa%3Apull%2Cpush+repository%3Ab%3Apull\
             &grant_type=password&username=me&password=p%26%3Dw"
        );
        assert_eq!(
            form(&Grants::new(&identity(None)), ""),
            "service=the+service&client_id=sealift&grant_type=refresh_token&refresh_token=r%2B1"
        );
    }

    #[test]
    fn a_refresh_token_gives_way_to_the_next() {
        let grants = Grants::new(&identity(None));
        grants.rotate(None);
        grants.rotate(Some(Secret::new("r+1")));
        assert_eq!(grants.generation(), 0);
        grants.rotate(Some(Secret::new("r2-secret")));
        assert_eq!(grants.generation(), 1);
        assert!(form(&grants, "").ends_with("refresh_token=r2-secret"));
        assert!(!format!("{grants:?}").contains("r2-secret"));
        let mut veil = Veil::default();
        grants.hide(&mut veil);
        assert_eq!(veil.cover("bad token r2-secret!"), "bad token …!");
    }
}
