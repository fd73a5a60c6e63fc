//! Who asks at a registry, and how that is known: typed, else kept where Docker keeps it, else nobody.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sealift_oci::{Registry, RepositoryName};
use sealift_registry::client::Credentials;

use crate::credentials::{Found, Keyring, Origin, Surroundings, is_within};
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
    /// A profile names this user, and no password is there.
    Named(String),
}

impl Identity {
    /// Somebody who was typed.
    pub(crate) fn typed(credentials: Credentials) -> Self {
        Self { credentials, known_from: KnownFrom::Answer }
    }

    /// Somebody whom a profile names, whose password can be looked up.
    pub(crate) fn named(username: String) -> Self {
        Self { credentials: Credentials::Anonymous, known_from: KnownFrom::Named(username) }
    }

    /// Tells whether somebody may be looked up.
    fn is_open(&self) -> bool {
        matches!(self.known_from, KnownFrom::Nowhere | KnownFrom::Named(_))
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
            KnownFrom::Named(user) => Some(format!(
                "The profile names {user}, and no password is there; `sealift login {registry}` keeps one."
            )),
        }
    }
}

/// Who asks at one registry: for some of its parts, those that credentials of their own are kept for, as
/// somebody else than for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    /// By path; without one for all the rest.
    parts: Vec<(Option<RepositoryName>, Identity)>,
}

impl Identities {
    /// Returns who asks for a repository: the longest path counts.
    pub(crate) fn get(&self, repository: &RepositoryName) -> Option<&Identity> {
        let fit = |path: &Option<RepositoryName>| match path {
            None => Some(0),
            Some(path) => is_within(repository, path).then_some(path.as_str().len()),
        };
        let fits = self.parts.iter().filter_map(|(path, identity)| Some((fit(path)?, identity)));
        fits.max_by_key(|(length, _)| *length).map(|(_, identity)| identity)
    }

    /// Says what to know of credentials that a registry does not take, whoever's they are.
    pub(crate) fn note(&self, registry: &impl fmt::Display) -> Option<String> {
        let notes: BTreeSet<String> =
            self.parts.iter().filter_map(|(_, identity)| identity.note(registry)).collect();
        (!notes.is_empty()).then(|| notes.into_iter().collect::<Vec<_>>().join(" "))
    }
}

/// Looks up who is kept for a registry.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    keyring: Keyring,
    ui: &'a Ui,
    /// What was told once is not told again.
    told: Mutex<BTreeSet<String>>,
}

impl<'a> Lookup<'a> {
    /// Takes what surrounds the run; nothing is read yet.
    pub(crate) fn new(environment: &Environment, ui: &'a Ui) -> Self {
        let keyring = Keyring::new(Surroundings::new(environment.variables.clone()));
        Self { keyring, ui, told: Mutex::default() }
    }

    /// Finds out who asks for each of these repositories of a registry. Files and helpers are asked once for
    /// each part of the registry that has an entry of its own, not for each repository.
    pub(crate) async fn fill_in_parts(
        &self,
        identity: &Identity,
        registry: &Registry,
        repositories: &BTreeSet<RepositoryName>,
    ) -> Result<Identities, CommandError> {
        let mut paths = BTreeSet::new();
        if identity.is_open() {
            paths = self.keyring.paths(registry, repositories);
        }
        let is_rest = |it: &RepositoryName| !paths.iter().any(|path| is_within(it, path));
        let rest = repositories.iter().any(is_rest).then_some(None);
        let mut identities = Identities::default();
        for path in rest.into_iter().chain(paths.into_iter().map(Some)) {
            let mut part = identity.clone();
            self.fill_in(&mut part, registry, path.as_ref()).await?;
            identities.parts.push((path, part));
        }
        Ok(identities)
    }

    /// Puts somebody in the place of nobody, where nobody was named and somebody is kept.
    pub(crate) async fn fill_in(
        &self,
        identity: &mut Identity,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Result<(), CommandError> {
        if !identity.is_open() {
            return Ok(());
        }
        let lookup = self.keyring.find(registry, repository).await?;
        for warning in &lookup.warnings {
            if self.is_new(warning) {
                self.ui.warning(warning);
            }
        }
        let credentials = match lookup.found {
            Found::None => return Ok(()),
            Found::Basic { username, password } => Credentials::Basic { username, password },
            Found::IdentityToken { username, token } => Credentials::IdentityToken { username, token },
        };
        let Some(origin) = lookup.origin else { return Ok(()) };
        let what = format!("credentials for {registry} come from {origin}");
        if self.is_new(&what) {
            self.ui.detail(what);
        }
        self.tell_other(identity, &credentials, registry, &origin);
        *identity = Identity { credentials, known_from: KnownFrom::Kept(origin) };
        Ok(())
    }

    /// Warns where somebody else is kept than a profile names.
    fn tell_other(
        &self,
        named: &Identity,
        found: &Credentials,
        registry: &Registry,
        origin: &impl fmt::Display,
    ) {
        let (KnownFrom::Named(user), Credentials::Basic { username, .. }) = (&named.known_from, found) else {
            return;
        };
        let what =
            format!("the profile names {user} for {registry}, and {username} asks, who is kept in {origin}");
        if user != username && self.is_new(&what) {
            self.ui.warning(what);
        }
    }

    fn is_new(&self, what: &impl fmt::Display) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_string())
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
            (
                KnownFrom::Named("me".to_owned()),
                Some("names me, and no password is there; `sealift login reg"),
            ),
        ];
        for (known_from, words) in cases {
            let identity = Identity { credentials: credentials.clone(), known_from };
            let note = identity.note(&"reg.lan");
            assert_eq!(note.is_some(), words.is_some());
            assert!(note.unwrap_or_default().contains(words.unwrap_or_default()));
            assert!(!format!("{identity:?}").contains("hunter2"));
        }
    }

    #[test]
    fn the_longest_path_says_who_asks() {
        let named = |username: &str| {
            let password = sealift_registry::client::Secret::new("x");
            Identity::typed(Credentials::Basic { username: username.to_owned(), password })
        };
        let part = |path: &str| (path.parse().ok(), named(path));
        let parts = vec![part(""), part("team"), part("team/app"), part("other")];
        let identities = Identities { parts };
        for (repository, expected) in
            [("team/app/part", "team/app"), ("team/apple", "team"), ("teams", ""), ("a", "")]
        {
            let identity = identities.get(&repository.parse().unwrap()).unwrap();
            assert_eq!(identity.credentials, named(expected).credentials, "{repository}");
        }
    }
}
