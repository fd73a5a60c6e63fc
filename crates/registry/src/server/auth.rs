//! Who asks, and what they may do: the one place that decides, before any resource is touched.
//!
//! Users and their passwords are those of an `htpasswd` file, checked by HTTP's Basic scheme (RFC 7617). A
//! check costs tens of milliseconds on purpose, so few run at once, and a success is remembered for minutes.
//! What a user may do is in [`Rights`]; without a file everybody may do everything.

mod caller;
mod credentials;
mod htpasswd;
mod rights;
mod throttle;
mod visible;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use sealift_store::lock;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::WireError;
use super::reload::{self, FileError, Notices, Reloaded};
use crate::wire::ErrorCode;
use credentials::Given;
use htpasswd::Users;
use throttle::Throttle;

pub(super) use caller::{Caller, admit};
pub use rights::{Prefix, Right, Rights, Rule, RuleError};
pub(super) use visible::repositories;

/// How many passwords are checked at once; each keeps a processor busy.
const CHECKS: usize = 2;

/// What a client is asked for. It says nothing of who exists here.
const CHALLENGE: &str = "Basic realm=\"sealift\", charset=\"UTF-8\"";

/// The users of a server, and what they may do.
#[derive(Debug)]
pub struct Auth {
    users: Arc<Reloaded<Users>>,
    rights: Rights,
    throttle: Arc<Mutex<Throttle>>,
    checks: Arc<Semaphore>,
    key: hmac::Key,
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
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| FileError::new(htpasswd, "the system gives no random numbers"))?;
        let checks = Arc::new(Semaphore::new(CHECKS));
        Ok(Self { users: Arc::new(users), rights, throttle: Arc::default(), checks, key })
    }

    /// Finds out who asks; nobody in particular where nobody says so.
    async fn who(&self, headers: &HeaderMap, address: IpAddr) -> Result<Option<String>, WireError> {
        match Given::read(headers).map_err(|_| unauthorized())? {
            None => Ok(None),
            Some(given) => self.check(given, address).await.map(Some),
        }
    }

    async fn check(&self, given: Given, address: IpAddr) -> Result<String, WireError> {
        let seal = given.seal(&self.key);
        let users = self.users.get(Instant::now());
        if users.remembers(&given.user, seal.as_ref(), Instant::now()) {
            return Ok(given.user);
        }
        self.refuse_impatient(address)?;
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(WireError::internal)?;
        // While this one waited, others with the same password may have been let in, or the address may have
        // had its tries.
        if users.remembers(&given.user, seal.as_ref(), Instant::now()) {
            return Ok(given.user);
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
        checking.await.map_err(WireError::internal)?.ok_or_else(unauthorized)
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

/// The same words whether the user is unknown or the password wrong.
fn unauthorized() -> WireError {
    let error = WireError::new(ErrorCode::Unauthorized).because("user and password are wanted");
    error.header(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
}
