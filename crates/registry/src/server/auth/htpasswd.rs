//! The file of users: a line each, the name, a colon, and the bcrypt hash of the password, as
//! `htpasswd -B` writes it. Other hashes are refused: all of them can be guessed too fast.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr as _;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bcrypt::HashParts;
use sealift_store::lock;
use tokio::time::Instant;

/// The most users of a file.
const USERS_LIMIT: usize = 10_000;

/// The costs of bcrypt that are taken: 2 to that many rounds. The lowest is the algorithm's own; the highest
/// takes seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// How long a success is remembered after it was last made use of.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// The salt of passwords that are of nobody.
const NO_SALT: [u8; 16] = [0; 16];

/// The users of a file. Nothing of their passwords is printed.
pub(super) struct Users {
    users: HashMap<String, User>,
    /// The highest cost of any password; every check costs that much.
    cost: u32,
}

struct User {
    hash: String,
    cost: u32,
    known: Mutex<Option<Known>>,
}

/// A password that was right.
struct Known {
    seal: Vec<u8>,
    until: Instant,
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HtpasswdError {
    #[error("line {0}: a line reads USER:HASH")]
    Form(usize),
    #[error("line {0}: the password of {1} is not hashed with bcrypt; write it with htpasswd -B")]
    Kind(usize, String),
    #[error("line {0}: the password of {1} has a cost outside {first} to {last}", first = COSTS.start(), last = COSTS.end())]
    Cost(usize, String),
    #[error("line {0}: the user {1} is there twice")]
    Twice(usize, String),
    #[error("it has more than {USERS_LIMIT} users")]
    TooMany,
    #[error("it has no users")]
    Empty,
}

impl Users {
    /// Reads a file's content. Empty lines, and those that begin with `#`, are left out.
    pub(super) fn parse(text: &str) -> Result<Self, HtpasswdError> {
        let mut users = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, user) = User::parse(number, line)?;
            if users.insert(name.to_owned(), user).is_some() {
                return Err(HtpasswdError::Twice(number, name.to_owned()));
            }
            if users.len() > USERS_LIMIT {
                return Err(HtpasswdError::TooMany);
            }
        }
        let cost = users.values().map(|user| user.cost).max().ok_or(HtpasswdError::Empty)?;
        Ok(Self { users, cost })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Returns what changes with a user's password.
    pub(super) fn hash(&self, name: &str) -> Option<&str> {
        self.users.get(name).map(|user| user.hash.as_str())
    }

    /// Checks a password. It takes the same time whether the user is there or not, and whatever cost the
    /// user's own password has: what that lacks of the highest cost is spent on nothing.
    pub(super) fn verify(&self, name: &str, password: &str) -> bool {
        let user = self.users.get(name);
        let is_right = user.is_some_and(|user| bcrypt::verify(password, &user.hash).unwrap_or(false));
        match user {
            // 2^c + (2^c + … + 2^(max - 1)) = 2^max
            Some(user) => (user.cost..self.cost).for_each(|cost| waste(password, cost)),
            None => waste(password, self.cost),
        }
        is_right
    }

    /// Tells whether the password behind a seal was right a while ago, and keeps that in mind longer.
    pub(super) fn remembers(&self, name: &str, seal: &[u8], now: Instant) -> bool {
        let Some(user) = self.users.get(name) else { return false };
        let mut known = lock(&user.known);
        let Some(known) = known.as_mut().filter(|known| now < known.until) else { return false };
        let is_same = verify_slices_are_equal(&known.seal, seal).is_ok();
        if is_same {
            known.until = now + REMEMBERED;
        }
        is_same
    }

    pub(super) fn remember(&self, name: &str, seal: &[u8], now: Instant) {
        if let Some(user) = self.users.get(name) {
            *lock(&user.known) = Some(Known { seal: seal.to_vec(), until: now + REMEMBERED });
        }
    }
}

impl User {
    fn parse(number: usize, line: &str) -> Result<(&str, Self), HtpasswdError> {
        let (name, hash) = line.split_once(':').ok_or(HtpasswdError::Form(number))?;
        if name.is_empty() || name == "*" {
            return Err(HtpasswdError::Form(number));
        }
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|start| hash.starts_with(start));
        let parts = HashParts::from_str(hash).ok().filter(|_| is_bcrypt);
        let cost = parts.ok_or_else(|| HtpasswdError::Kind(number, name.to_owned()))?.get_cost();
        if !COSTS.contains(&cost) {
            return Err(HtpasswdError::Cost(number, name.to_owned()));
        }
        Ok((name, Self { hash: hash.to_owned(), cost, known: Mutex::default() }))
    }
}

fn waste(password: &str, cost: u32) {
    // What comes of it is wanted by nobody; that it is computed is the point.
    let _ = std::hint::black_box(bcrypt::hash_with_salt(password, cost, NO_SALT));
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.users.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The password `x` at cost 4.
    fn line(user: &str) -> String {
        let parts = bcrypt::hash_with_salt("x", 4, [7; 16]).unwrap();
        format!("{user}:{}\n", parts.format_for_version(bcrypt::Version::TwoY))
    }

    #[test]
    fn only_bcrypt_is_taken() {
        let md5 = "me:$apr1$abcdefgh$0123456789012345678901\n";
        let costly = line("me").replace("$2y$04$", "$2y$17$");
        let kind = |number| Err(HtpasswdError::Kind(number, "me".to_owned()));
        let cases = [
            (format!("# users\n\n  {}", line("me")), Ok(())),
            (line("me").replace("$2y$", "$2b$"), Ok(())),
            (format!("{}{}", line("a"), line("me")), Ok(())),
            (format!("{}{md5}", line("a")), kind(2)),
            ("me:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=".to_owned(), kind(1)),
            ("me:plain".to_owned(), kind(1)),
            (line("me").replace("$2y$", "$2x$"), kind(1)),
            (costly, Err(HtpasswdError::Cost(1, "me".to_owned()))),
            (format!("{}{}", line("me"), line("me")), Err(HtpasswdError::Twice(2, "me".to_owned()))),
            ("me".to_owned(), Err(HtpasswdError::Form(1))),
            (line(""), Err(HtpasswdError::Form(1))),
            (line("*"), Err(HtpasswdError::Form(1))),
            ("# nobody\n".to_owned(), Err(HtpasswdError::Empty)),
        ];
        for (text, expected) in cases {
            assert_eq!(Users::parse(&text).map(drop), expected, "{text}");
        }
        let user = line("");
        let many: String = (0..=USERS_LIMIT).map(|number| format!("u{number}{user}")).collect();
        assert_eq!(Users::parse(&many).map(drop), Err(HtpasswdError::TooMany));
    }

    #[test]
    fn passwords_are_checked() {
        let users = Users::parse(&line("me")).unwrap();
        for (name, password, expected) in
            [("me", "x", true), ("me", "y", false), ("me", "", false), ("you", "x", false), ("", "", false)]
        {
            assert_eq!(users.verify(name, password), expected, "{name} {password}");
        }
        assert!(users.has("me") && !users.has("you"));
        assert_eq!(format!("{users:?}"), "Users { count: 1, .. }");
    }

    #[test]
    fn a_success_is_remembered_for_a_while() {
        let users = Users::parse(&line("me")).unwrap();
        let start = Instant::now();
        let minutes = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert!(!users.remembers("me", b"seal", start));
        users.remember("me", b"seal", start);
        users.remember("you", b"seal", start);
        for (name, seal, at, expected) in [
            ("me", &b"seal"[..], minutes(9), true),
            ("me", b"another", minutes(9), false),
            ("you", b"seal", minutes(9), false),
            ("me", b"seal", minutes(18), true),
            ("me", b"seal", minutes(29), false),
        ] {
            assert_eq!(users.remembers(name, seal, at), expected, "{name} {seal:?}");
        }
    }
}
