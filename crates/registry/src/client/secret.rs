//! Credentials: who asks. A secret is wiped from memory when it is dropped, and nothing prints it.

use std::fmt;

use zeroize::Zeroizing;

/// A password or a token. Only this value is wiped; the header that is made of it belongs to the HTTP
/// library, which marks it as sensitive and prints it no more than this does. Two are compared as texts are:
/// who could measure how long that takes has both of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret in.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Returns the secret itself, to be sent and not to be printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who a client speaks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A user, or what stands for one: a robot, a token with the name that its registry wants.
    Basic {
        /// The name.
        username: String,
        /// The password, or a token in its place.
        password: Secret,
    },
    /// A refresh token, which token services exchange for tokens of a few minutes (Docker's
    /// `identitytoken`). It is never sent to a registry that asks for user and password, unless the user is
    /// known.
    IdentityToken {
        /// The user that it was given to, where that is known.
        username: Option<String>,
        /// The refresh token.
        token: Secret,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let password = Secret::new("hunter2");
        let credentials = Credentials::Basic { username: "me".to_owned(), password: password.clone() };
        for text in [format!("{password:?}"), format!("{credentials:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert_eq!(password.expose(), "hunter2");
    }
}
