//! Authentication: what the registry asks for, and what is sent to it.
//!
//! 1. A `401` names the ways that the registry accepts ([`challenge`]). Bearer is chosen before Basic.
//! 2. Basic sends the user and password with every request.
//! 3. Bearer sends a token, which its service gives for scopes ([`scope`]); the address of the service, the
//!    realm, is the registry's word and is checked before credentials go there.
//! 4. The service is asked in one of two ways ([`grant`]).
//! 5. Tokens are kept until shortly before they end, or until the registry refuses one ([`token`]).
//! 6. What a server says is passed on without the secrets that it repeats ([`veil`]).
//!
//! Nothing in here sends anything: requests are made and answers are read.

mod challenge;
mod grant;
mod scope;
mod timestamp;
mod token;
mod veil;

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use sealift_store::ErrorKind;
use url::{Position, Url};
use zeroize::Zeroizing;

use super::fault::{Fault, Purpose};
use super::redirect::is_web;
use super::{Credentials, Secret};

pub(super) use challenge::{Challenge, challenges};
pub(super) use grant::{Grants, Way};
pub(super) use scope::Scopes;
pub(super) use token::{Granted, TOKEN_ANSWER_LIMIT, Token, TokenSlot, Tokens};
pub(super) use veil::Veil;

/// How the registry wants to be spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Scheme {
    /// It has not asked for anything.
    #[default]
    Open,
    /// User and password.
    Basic,
    /// A token of a service.
    Bearer(TokenService),
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenService {
    realm: Url,
    service: Option<String>,
}

/// What was sent to prove who asks.
#[derive(Clone, Debug)]
pub(super) enum Authorization {
    /// Nothing.
    None,
    /// User and password.
    Basic(HeaderValue),
    /// A token.
    Bearer(Token),
    /// A signature of the request itself.
    Signed(HeaderValue),
}

impl Authorization {
    /// Returns the value of the header.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        match self {
            Self::None => None,
            Self::Basic(header) | Self::Signed(header) => Some(header),
            Self::Bearer(token) => Some(token.header()),
        }
    }

    /// Returns the number of the token; zero is none.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Bearer(token) => token.generation(),
            Self::None | Self::Basic(_) | Self::Signed(_) => 0,
        }
    }
}

/// What is known of how to authenticate at one registry.
#[derive(Debug)]
pub(super) struct Authenticator {
    scheme: Mutex<Scheme>,
    basic: Option<HeaderValue>,
    pub(super) grants: Grants,
    pub(super) tokens: Tokens,
}

impl Authenticator {
    /// Takes the credentials; `None` where no header can carry them.
    pub(super) fn new(credentials: &Credentials) -> Option<Self> {
        let basic = match credentials {
            Credentials::Anonymous | Credentials::IdentityToken { username: None, .. } => None,
            Credentials::Basic { username, password: secret }
            | Credentials::IdentityToken { username: Some(username), token: secret } => {
                Some(basic_header(username, secret)?)
            }
        };
        let (scheme, tokens) = (Mutex::default(), Tokens::default());
        Some(Self { scheme, basic, grants: Grants::new(credentials), tokens })
    }

    /// Returns the header with user and password, for the registry's own origin and its checked realm.
    pub(super) fn basic(&self) -> Option<&HeaderValue> {
        self.basic.as_ref()
    }

    /// Returns what the registry asked for last.
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the form that asks a token service.
    pub(super) fn form(&self, service: &TokenService, scopes: &Scopes) -> Bytes {
        self.grants.form(service, scopes)
    }

    /// Puts the credentials under a veil, and what proves who asks in a request.
    pub(super) fn hide(&self, veil: &mut Veil, sent: Option<&HeaderValue>) {
        self.grants.hide(veil);
        let proofs = self.basic.iter().chain(sent).filter_map(|header| header.to_str().ok()?.split_once(' '));
        // Of what proves an Amazon key, only the last part says anything that is secret.
        let proofs = proofs.map(|(_, proof)| proof.rsplit_once(" Signature=").map_or(proof, |it| it.1));
        proofs.for_each(|proof| veil.add_encoded(proof));
    }

    /// Learns from the challenges of the registry at `base`.
    pub(super) fn learn(&self, offered: &[Challenge], base: &Url, purpose: &Purpose) -> Result<(), Fault> {
        let scheme = choose(offered, base, purpose)?;
        if scheme != Scheme::Open {
            *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = scheme;
        }
        Ok(())
    }
}

/// Finds the scopes that the challenge for a token names.
pub(super) fn offered_scopes(offered: &[Challenge]) -> Scopes {
    let bearer = offered.iter().find(|it| it.is("bearer"));
    bearer.and_then(|it| it.get("scope")).map(Scopes::parse).unwrap_or_default()
}

/// Chooses Bearer before Basic: whoever offers both wants its passwords sent to the token service only.
fn choose(offered: &[Challenge], base: &Url, purpose: &Purpose) -> Result<Scheme, Fault> {
    let bearer = offered.iter().filter(|it| it.is("bearer")).find_map(|it| Some((it, it.get("realm")?)));
    if let Some((challenge, realm)) = bearer {
        let realm = check_realm(realm, base, purpose)?;
        let service = challenge.get("service").map(str::to_owned);
        return Ok(Scheme::Bearer(TokenService { realm, service }));
    }
    let is_basic = offered.iter().any(|it| it.is("basic"));
    Ok(if is_basic { Scheme::Basic } else { Scheme::Open })
}

/// The realm gets the user's password, so it must be HTTPS; or the registry's own host, at whatever port,
/// where that is spoken to in plain HTTP with the user's consent.
fn check_realm(realm: &str, base: &Url, purpose: &Purpose) -> Result<Url, Fault> {
    let refuse = |why: &str| purpose.fault(ErrorKind::Invalid).because(why);
    let realm = base.join(realm).map_err(|_| refuse("it names no usable address for tokens"))?;
    if !is_web(&realm) {
        return Err(refuse("it names no usable address for tokens"));
    }
    let is_own_host = base.scheme() == "http" && realm.host() == base.host();
    if realm.scheme() != "https" && !is_own_host {
        let host = &realm[Position::BeforeHost..Position::AfterPort];
        return Err(refuse(&format!("it sends its clients to {host} for tokens, by plain HTTP")));
    }
    Ok(realm)
}

impl TokenService {
    /// Returns the host, for messages.
    pub(super) fn host(&self) -> &str {
        self.realm.host_str().unwrap_or_default()
    }

    /// Returns the address that takes a form.
    pub(super) fn address(&self) -> Url {
        let mut url = self.realm.clone();
        url.set_fragment(None);
        url
    }

    /// Makes the address that gives a token for the scopes; several scopes are several parameters.
    pub(super) fn request(&self, scopes: &Scopes) -> Url {
        let mut url = self.address();
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = &self.service {
                pairs.append_pair("service", service);
            }
            for scope in scopes.iter() {
                pairs.append_pair("scope", scope);
            }
        }
        url
    }
}

/// The user's name ends at the first colon (RFC 7617, section 2), so it cannot have one.
fn basic_header(username: &str, password: &Secret) -> Option<HeaderValue> {
    if username.contains(':') {
        return None;
    }
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    sensitive(&text)
}

/// Makes a header that nothing prints.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
impl TokenService {
    fn at(realm: &str, service: Option<&str>) -> Self {
        Self { realm: realm.parse().unwrap(), service: service.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::WWW_AUTHENTICATE;
    use sealift_store::Operation;

    fn learn(base: &str, header: &'static str) -> Result<Scheme, Fault> {
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static(header))]);
        let authenticator = Authenticator::new(&Credentials::Anonymous).unwrap();
        let purpose = Purpose::of(Operation::Authenticate);
        authenticator.learn(&challenges(&headers), &base.parse().unwrap(), &purpose)?;
        Ok(authenticator.scheme())
    }

    #[test]
    fn bearer_is_chosen_before_basic() {
        for header in [
            r#"Basic realm="x", Bearer realm="https://t/token",service="s""#,
            r#"Bearer realm="https://t/token",service="s", Basic realm="x""#,
        ] {
            let Scheme::Bearer(service) = learn("https://r/", header).unwrap() else { panic!("{header}") };
            assert_eq!(
                service.request(&Scopes::parse("a:b:c d:e:f")).as_str(),
                "https://t/token?service=s&scope=a%3Ab%3Ac&scope=d%3Ae%3Af"
            );
        }
        assert_eq!(learn("https://r/", "Basic").unwrap(), Scheme::Basic);
        assert_eq!(learn("https://r/", "Negotiate").unwrap(), Scheme::Open);
        assert_eq!(learn("https://r/", "Bearer, Basic").unwrap(), Scheme::Basic);
    }

    #[test]
    fn a_realm_is_checked() {
        let cases = [
            ("https://r/", r#"Bearer realm="https://elsewhere/token""#, true),
            ("https://r/", r#"Bearer realm="/token?x=y""#, true),
            ("https://r/", r#"Bearer realm="http://r/token""#, false),
            ("http://127.0.0.1:5000/", r#"Bearer realm="http://127.0.0.1:5000/token""#, true),
            ("http://127.0.0.1:5000/", r#"Bearer realm="http://127.0.0.1:5001/token""#, true),
            ("https://127.0.0.1:5000/", r#"Bearer realm="http://127.0.0.1:5001/token""#, false),
            ("http://127.0.0.1:5000/", r#"Bearer realm="http://127.0.0.2:5000/token""#, false),
            ("http://127.0.0.1:5000/", r#"Bearer realm="http://elsewhere/token""#, false),
            ("http://127.0.0.1:5000/", r#"Bearer realm="https://elsewhere/token""#, true),
            ("https://r/", r#"Bearer realm="https://user:word@elsewhere/token""#, false),
            ("https://r/", r#"Bearer realm="ftp://r/token""#, false),
            ("https://r/", r#"Bearer realm="https://""#, false),
        ];
        for (base, header, is_fine) in cases {
            assert_eq!(learn(base, header).is_ok(), is_fine, "{base} {header}");
        }
    }

    #[test]
    fn basic_is_what_the_standard_shows() {
        let header = basic_header("Aladdin", &Secret::new("open sesame")).unwrap();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{header:?}").contains("QWx"));
        assert_eq!(basic_header("a:b", &Secret::new("x")), None);
    }
}
