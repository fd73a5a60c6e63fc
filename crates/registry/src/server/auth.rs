//! Who asks, and what they may do: the one place that decides, before any resource is touched.
//!
//! Users and their passwords are those of an `htpasswd` file, checked by HTTP's Basic scheme (RFC 7617). A
//! check costs tens of milliseconds on purpose, so few run at once, and a success is remembered for minutes.
//! Where something is for everybody, there are tokens beside it (`token`). What a user may do is in [`Rights`];
//! without a file everybody may do everything.

mod caller;
mod challenge;
mod credentials;
mod htpasswd;
mod rights;
mod throttle;
mod token;
mod visible;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use sealift_store::lock;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::WireError;
use super::reload::{self, FileError, Notices, Reloaded};
use crate::wire::ErrorCode;
use challenge::unauthorized;
use credentials::{Credentials, Given};
use htpasswd::Users;
use throttle::Throttle;
use token::{Bearer, LIFETIME, Tokens};

pub(super) use caller::{Caller, admit};
pub(super) use challenge::Door;
pub use rights::{Prefix, Right, Rights, Rule, RuleError};
pub(super) use visible::repositories;

/// How many passwords are checked at once; each keeps a processor busy.
const CHECKS: usize = 2;

/// The users of a server, and what they may do.
#[derive(Debug)]
pub struct Auth {
    users: Arc<Reloaded<Users>>,
    rights: Rights,
    throttle: Arc<Mutex<Throttle>>,
    checks: Arc<Semaphore>,
    key: hmac::Key,
    tokens: Tokens,
}

/// A token, as it is handed out.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) seconds: u64,
}

impl Auth {
    /// Reads the file of users, which is read again when it changes.
    ///
    /// # Errors
    /// The line that cannot be used, and why: passwords must be hashed with bcrypt.
    pub fn open(htpasswd: &Path, rights: Rights, notices: Notices) -> Result<Self, FileError> {
        let path = htpasswd.to_owned();
        let users = Reloaded::open(vec![path.clone()], Arc::clone(&notices), move || load(&path))?;
        let strangers = rights.users().filter(|name| !users.get(Instant::now()).has(name));
        for stranger in strangers {
            notices(&format!("{}: it has no user {stranger}, who is given rights", htpasswd.display()));
        }
        let no_random = |_| FileError::new(htpasswd, "the system gives no random numbers");
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(no_random)?;
        let tokens = Tokens::new(Instant::now()).map_err(no_random)?;
        let checks = Arc::new(Semaphore::new(CHECKS));
        Ok(Self { users: Arc::new(users), rights, throttle: Arc::default(), checks, key, tokens })
    }

    /// Tells whether a part of what is here is for everybody, and tokens are handed out for that.
    pub(super) fn has_tokens(&self) -> bool {
        self.rights.welcome_anybody()
    }

    /// Makes a token for a user, or for nobody in particular.
    pub(super) fn issue(&self, user: Option<&str>) -> Issued {
        let now = Instant::now();
        let token = self.tokens.issue(user, &self.users.get(now), now);
        Issued { token, seconds: LIFETIME.as_secs() }
    }

    /// Finds out who asks; nothing where nobody says so.
    async fn who(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        challenge: &HeaderValue,
    ) -> Result<Option<Bearer>, WireError> {
        let unauthorized = || unauthorized(challenge.clone());
        match Credentials::read(headers).map_err(|_| unauthorized())? {
            Credentials::None => Ok(None),
            Credentials::Password(given) => {
                let user = self.check(given, address).await?.ok_or_else(unauthorized)?;
                Ok(Some(Bearer(Some(user))))
            }
            Credentials::Token(token) => {
                let now = Instant::now();
                self.tokens.read(&token, &self.users.get(now), now).map(Some).ok_or_else(unauthorized)
            }
        }
    }

    /// Returns the user, if the password is right.
    async fn check(&self, given: Given, address: IpAddr) -> Result<Option<String>, WireError> {
        let seal = given.seal(&self.key);
        let users = self.users.get(Instant::now());
        if users.remembers(&given.user, seal.as_ref(), Instant::now()) {
            return Ok(Some(given.user));
        }
        self.refuse_impatient(address)?;
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(WireError::internal)?;
        // While this one waited, others with the same password may have been let in, or the address may have
        // had its tries.
        if users.remembers(&given.user, seal.as_ref(), Instant::now()) {
            return Ok(Some(given.user));
        }
        self.refuse_impatient(address)?;
        let throttle = Arc::clone(&self.throttle);
        // A client that leaves does not stop this, so nobody gets free tries by leaving.
        let checking = tokio::task::spawn_blocking(move || {
            let is_right = users.verify(&given.user, &given.password);
            if is_right {
                users.remember(&given.user, seal.as_ref(), Instant::now());
            } else {
                lock(&throttle).fail(address, Instant::now());
            }
            drop(permit);
            is_right.then_some(given.user)
        });
        checking.await.map_err(WireError::internal)
    }

    /// Tells an address that has failed too often when it may try again.
    fn refuse_impatient(&self, address: IpAddr) -> Result<(), WireError> {
        let Some(wait) = lock(&self.throttle).wait(address, Instant::now()) else { return Ok(()) };
        let reason = "too many wrong passwords from this address; wait and try again";
        let seconds = wait.as_secs().saturating_add(1);
        let error = WireError::new(ErrorCode::TooManyRequests).status(StatusCode::TOO_MANY_REQUESTS);
        Err(error.because(reason).header(RETRY_AFTER, seconds.into()))
    }
}

fn load(path: &Path) -> Result<Users, FileError> {
    Users::parse(&reload::read_text(path)?).map_err(|error| FileError::new(path, error))
}
