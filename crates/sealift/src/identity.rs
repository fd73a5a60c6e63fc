//! Who asks at a registry, and how that is known: typed, else kept where Docker keeps it, else nobody.

use std::fmt;

use sealift_oci::{Registry, RepositoryName};
use sealift_registry::client::Credentials;

use crate::credentials::{Found, Keyring, Origin, Surroundings};
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::ui::Ui;

/// Who asks at one registry. The [`Debug`] form shows no secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// What is sent.
    pub(crate) credentials: Credentials,
    /// How that is known.
    pub(crate) known_from: KnownFrom,
}

/// How it is known who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum KnownFrom {
    /// An answer says so.
    #[default]
    Answer,
    /// Nobody was named; somebody is kept there.
    Kept(Origin),
    /// Nobody was named, and nobody is kept.
    Nowhere,
}

impl Identity {
    /// Somebody who was typed.
    pub(crate) fn typed(credentials: Credentials) -> Self {
        Self { credentials, known_from: KnownFrom::Answer }
    }

    /// Nobody, for whom somebody can be looked up.
    pub(crate) fn unknown() -> Self {
        Self { credentials: Credentials::Anonymous, known_from: KnownFrom::Nowhere }
    }

    /// Says what to know of credentials that a registry does not take; nothing where they were typed.
    pub(crate) fn note(&self, registry: &impl fmt::Display) -> Option<String> {
        match &self.known_from {
            KnownFrom::Answer => None,
            KnownFrom::Kept(origin) => {
                Some(format!("The credentials came from {origin}; `sealift login {registry}` renews them."))
            }
            KnownFrom::Nowhere => Some(format!(
                "No credentials are kept for {registry}; `sealift login {registry}` keeps some."
            )),
        }
    }
}

/// Looks up who is kept for a registry.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    keyring: Keyring,
    ui: &'a Ui,
}

impl<'a> Lookup<'a> {
    /// Takes what surrounds the run; nothing is read yet.
    pub(crate) fn new(environment: &Environment, ui: &'a Ui) -> Self {
        Self { keyring: Keyring::new(Surroundings::new(environment.variables.clone())), ui }
    }

    /// Puts somebody in the place of nobody, where nobody was named and somebody is kept.
    pub(crate) async fn fill_in(
        &self,
        identity: &mut Identity,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Result<(), CommandError> {
        if identity.known_from != KnownFrom::Nowhere {
            return Ok(());
        }
        let lookup = self.keyring.find(registry, repository).await?;
        for warning in &lookup.warnings {
            self.ui.warning(warning);
        }
        let credentials = match lookup.found {
            Found::None => return Ok(()),
            Found::Basic { username, password } => Credentials::Basic { username, password },
            Found::IdentityToken { username, token } => Credentials::IdentityToken { username, token },
        };
        let Some(origin) = lookup.origin else { return Ok(()) };
        self.ui.detail(format_args!("credentials for {registry} come from {origin}"));
        *identity = Identity { credentials, known_from: KnownFrom::Kept(origin) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_where_credentials_come_from_and_never_what_they_are() {
        let credentials = Credentials::Basic {
            username: "captain".to_owned(),
            password: sealift_registry::client::Secret::new("hunter2"),
        };
        let kept = KnownFrom::Kept(Origin::File("/home/me/.docker/config.json".into()));
        let cases = [
            (KnownFrom::Answer, None),
            (kept, Some("came from /home/me/.docker/config.json; `sealift login reg.lan`")),
            (KnownFrom::Nowhere, Some("No credentials are kept for reg.lan;")),
        ];
        for (known_from, words) in cases {
            let identity = Identity { credentials: credentials.clone(), known_from };
            let note = identity.note(&"reg.lan");
            assert_eq!(note.is_some(), words.is_some());
            assert!(note.unwrap_or_default().contains(words.unwrap_or_default()));
            assert!(!format!("{identity:?}").contains("hunter2"));
        }
    }
}
