//! One place to fetch from, what its repositories are called here, and in which order such places are asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_oci::RepositoryName;
use tokio::time::Instant;

use super::Shared;
use crate::sync::lock;
use crate::{Error, ErrorKind, Operation, Result, Source, Store};

/// One place to fetch from.
#[derive(Debug)]
pub struct Upstream {
    store: Arc<dyn Store>,
    local: Option<RepositoryName>,
    remote: Option<RepositoryName>,
    /// Until when it is left alone where it need not be asked.
    rests_until: Mutex<Option<Instant>>,
}

impl Upstream {
    /// Takes `remote` and what is below it as `local` and what is below that; without either, everything by its own
    /// name.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, local: Option<RepositoryName>, remote: Option<RepositoryName>) -> Self {
        Self { store, local, remote, rests_until: Mutex::default() }
    }

    /// Returns what a repository is called there; `None` where it is not to be had there.
    fn name_of(&self, repository: &RepositoryName) -> Option<RepositoryName> {
        let rest = match &self.local {
            None => repository.as_str(),
            Some(local) if local == repository => "",
            Some(local) => repository.as_str().strip_prefix(local.as_str())?.strip_prefix('/')?,
        };
        match &self.remote {
            None => rest.parse().ok(),
            Some(remote) if rest.is_empty() => Some(remote.clone()),
            Some(remote) => remote.join(rest).ok(),
        }
    }

    /// Opens what is called so here.
    fn source(&self, repository: &RepositoryName) -> Option<Arc<dyn Source>> {
        self.name_of(repository).map(|name| self.store.source(&name))
    }

    fn is_resting(&self) -> bool {
        lock(&self.rests_until).is_some_and(|until| Instant::now() < until)
    }

    /// Whoever gave an answer, if only a refusal, can be reached.
    fn note<T>(&self, answer: &Result<T>, rest: Duration) {
        let is_silent = matches!(answer, Err(error) if error.kind() == ErrorKind::Unavailable);
        *lock(&self.rests_until) = is_silent.then(|| Instant::now() + rest);
    }
}

impl Shared {
    /// Tells whether any upstream may have a repository.
    pub(super) fn is_served(&self, repository: &RepositoryName) -> bool {
        self.upstreams.iter().any(|upstream| upstream.name_of(repository).is_some())
    }

    /// Tells whether there is nobody to be asked at the moment.
    pub(super) fn is_cut_off(&self, repository: &RepositoryName) -> bool {
        self.upstreams.iter().filter(|it| it.name_of(repository).is_some()).all(Upstream::is_resting)
    }

    /// Asks one upstream after the other until one has it; those that could not be reached just now come last. Where none
    /// has it, one that could not say so counts more than one that lacks it.
    pub(super) async fn ask<T, F: Future<Output = Result<T>>>(
        &self,
        repository: &RepositoryName,
        operation: Operation,
        ask: impl Fn(Arc<dyn Source>) -> F,
    ) -> Result<T> {
        let mut refused: Option<Error> = None;
        let sources = self.upstreams.iter().filter_map(|it| Some((it, it.source(repository)?)));
        let (resting, awake): (Vec<_>, Vec<_>) = sources.partition(|(upstream, _)| upstream.is_resting());
        for (upstream, source) in awake.into_iter().chain(resting) {
            let began = Instant::now();
            let answer = ask(source).await;
            // One that takes long to find out of does not cost that more than half of the time.
            upstream.note(&answer, self.terms.rest.max(began.elapsed()));
            match answer {
                Ok(found) => return Ok(found),
                Err(error) if is_about_here(&error) => return Err(error),
                Err(error) if refused.as_ref().is_none_or(|it| it.kind() == ErrorKind::NotFound) => {
                    refused = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(refused.unwrap_or_else(|| Error::new(ErrorKind::NotFound, operation).object(repository)))
    }
}

/// Where this machine cannot write, another upstream does not help.
fn is_about_here(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::ReadOnly | ErrorKind::Io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[test]
    fn names_are_mapped() {
        let name = |text: &str| text.parse::<RepositoryName>().ok();
        let cases = [
            ("", "", "a/b", Some("a/b")),
            ("", "team", "a/b", Some("team/a/b")),
            ("hub", "", "hub/library/x", Some("library/x")),
            ("hub", "", "hub", None),
            ("hub", "", "hubs/x", None),
            ("hub", "", "other", None),
            ("hub/a", "team/b", "hub/a", Some("team/b")),
            ("hub/a", "team/b", "hub/a/c/d", Some("team/b/c/d")),
            ("hub/a", "team/b", "hub", None),
        ];
        for (local, remote, asked, expected) in cases {
            let store = Arc::new(MemoryStore::new("memory"));
            let upstream = Upstream::new(store, name(local), name(remote));
            let found = name(asked).and_then(|asked| upstream.name_of(&asked));
            assert_eq!(found.as_ref().map(RepositoryName::as_str), expected, "{local}={remote}: {asked}");
        }
    }
}
