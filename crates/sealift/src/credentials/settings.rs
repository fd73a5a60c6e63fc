//! What a file says about credentials: entries, helpers for some registries, a helper for all others.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sealift_oci::{Registry, RepositoryName};
use serde::Deserialize;

use super::document::Document;
use super::file::AuthFile;
use super::helper::Helper;
use super::{CredentialsError, Found, Result, entry, keys};

/// What a file says about credentials. It has no `Debug` form.
#[derive(Default, Deserialize)]
pub(super) struct Settings<'a> {
    #[serde(borrow)]
    auths: Option<Document<'a>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

impl Settings<'_> {
    /// Returns the helper for a registry. One for this registry counts before the one for all; where that is
    /// set to nothing, there is none, which is how a registry is taken out.
    pub(super) fn helper(&self, file: &AuthFile, registry: &Registry) -> Result<Option<Helper>> {
        let own = self.helpers.iter().flatten();
        let own = own.filter_map(|(key, name)| Some((keys::fit(key, registry, None)?, key, name)));
        let (member, name, is_for_all) = match (own.max(), &self.store) {
            (Some((_, key, name)), _) => (key.as_str(), name, false),
            (None, Some(name)) => ("credsStore", name, true),
            (None, None) => return Ok(None),
        };
        if name.is_empty() {
            return Ok(None);
        }
        let helper = Helper::new(name, is_for_all, file.path());
        let malformed = || CredentialsError::member(file.path(), member, "does not name a helper");
        helper.ok_or_else(malformed).map(Some)
    }

    /// Finds the entry that fits best and holds something.
    pub(super) fn find(
        &self,
        file: &AuthFile,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Result<Found> {
        let entries = self.auths.iter().flat_map(Document::iter);
        let fits = entries.filter_map(|(key, text)| Some((keys::fit(key, registry, repository)?, key, text)));
        let mut fits: Vec<_> = fits.collect();
        // Of two with one name the last counts, as it does for Docker.
        fits.reverse();
        fits.sort_by_key(|(fit, ..)| Reverse(*fit));
        for (_, key, text) in fits {
            let found =
                entry::read(text).map_err(|expected| CredentialsError::member(file.path(), key, expected))?;
            if !found.is_none() {
                return Ok(found);
            }
        }
        Ok(Found::None)
    }

    /// Lists the paths within a registry that have entries of their own.
    pub(super) fn paths(&self, registry: &Registry) -> Vec<RepositoryName> {
        let entries = self.auths.iter().flat_map(Document::iter);
        entries.filter_map(|(key, _)| keys::path_within(key, registry)).collect()
    }

    /// Tells whether the file is where a registry's credentials are kept, or would be.
    pub(super) fn speaks_for(&self, file: &AuthFile, registry: &Registry) -> Result<bool> {
        Ok(self.helper(file, registry)?.is_some() || self.holds(registry))
    }

    /// Tells whether there is an entry with something in it for the whole registry.
    pub(super) fn holds(&self, registry: &Registry) -> bool {
        let mut entries = self.auths.iter().flat_map(Document::iter);
        entries.any(|(key, text)| {
            // An entry that makes no sense is something, too.
            keys::is_registry(key, registry) && !entry::read(text).is_ok_and(|found| found.is_none())
        })
    }
}
