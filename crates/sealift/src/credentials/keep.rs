//! Keeping credentials, and forgetting them.
//!
//! New credentials go to the first file that already speaks for the registry, by an entry or a helper, since
//! whatever they were written behind would be found before them; where none does, to Docker's file. A
//! `$REGISTRY_AUTH_FILE` is asked before all others and so takes them always. In that file, a helper gets
//! them where one is set; else they stand there for whoever can read it.
//!
//! Forgetting looks everywhere, so that nothing is found afterwards. Entries for paths below the registry
//! are left: they were not made by a login to the registry.

use std::path::{Path, PathBuf};

use sealift_oci::Registry;
use sealift_registry::client::Secret;
use zeroize::Zeroizing;

use super::document::Document;
use super::file::AuthFile;
use super::helper::{Helper, HelperFailure};
use super::{CredentialsError, Keyring, Origin, Result, entry, keys};

impl Keyring {
    /// Keeps credentials, in place of those that were there, and says where. If that is
    /// [plain](Origin::is_plain), the user should know.
    ///
    /// # Errors
    /// When a file cannot be read or written or makes no sense, or the helper fails. A helper that is set and
    /// missing is an error, too: the password does not go to a file instead.
    pub(crate) async fn store(
        &self,
        registry: &Registry,
        username: &str,
        password: &Secret,
    ) -> Result<Origin> {
        check_username(username)?;
        let path = self.place(registry)?;
        let file = read(&path)?;
        let Some(helper) = file.settings()?.helper(&file, registry)? else {
            replace(&file, registry, Some(entry::write(username, password, 2)))?;
            return Ok(Origin::File(path));
        };
        let server = keys::own_key(registry);
        helper.store(server, username, password, &self.surroundings, self.time_limit).await?;
        // Read again, since helpers take their time, and some write there.
        let file = read(&path)?;
        if file.settings()?.holds(registry) {
            replace(&file, registry, Some(Zeroizing::new("{}".to_owned())))?;
        }
        Ok(helper.origin())
    }

    /// Forgets what is kept for a registry, and says where it was; nowhere is no error.
    ///
    /// # Errors
    /// When a file cannot be read or written or makes no sense, or a helper fails. What comes before in the
    /// order of the files is forgotten then.
    pub(crate) async fn erase(&self, registry: &Registry) -> Result<Vec<Origin>> {
        let mut erased = Vec::new();
        for path in self.surroundings.files() {
            let Some(file) = AuthFile::read(&path)? else { continue };
            if file.settings()?.holds(registry) {
                replace(&file, registry, None)?;
                erased.push(Origin::File(path));
            }
            if let Some(helper) = file.settings()?.helper(&file, registry)?
                && self.erase_from(&helper, registry).await?
            {
                erased.push(helper.origin());
            }
        }
        Ok(erased)
    }

    /// Has a helper forget; tells whether it knew anything. Not all of them can be told to forget what they
    /// do not have, so they are asked first.
    async fn erase_from(&self, helper: &Helper, registry: &Registry) -> Result<bool> {
        let mut was_there = false;
        for server in keys::server_names(registry) {
            match helper.get(server, &self.surroundings, self.time_limit).await {
                Ok(found) if found.is_none() => continue,
                Ok(_) => helper.erase(server, &self.surroundings, self.time_limit).await?,
                Err(error) if helper.is_for_all() && matches!(error.failure, HelperFailure::Missing) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            was_there = true;
        }
        Ok(was_there)
    }

    /// Finds the file that new credentials go to.
    fn place(&self, registry: &Registry) -> Result<PathBuf> {
        if let Some(path) = self.surroundings.override_file() {
            return Ok(path);
        }
        for path in self.surroundings.files() {
            let Some(file) = AuthFile::read(&path)? else { continue };
            if file.settings()?.speaks_for(&file, registry)? {
                return Ok(path);
            }
        }
        self.surroundings.docker_file().ok_or(CredentialsError::NoFile)
    }
}

/// Refuses a user that no entry can hold: it ends at the first colon.
///
/// # Errors
/// [`CredentialsError::Username`].
pub(crate) fn check_username(username: &str) -> Result<()> {
    let is_fine = !username.is_empty() && !username.contains(':');
    if is_fine { Ok(()) } else { Err(CredentialsError::Username) }
}

/// Reads a file that need not be there yet.
fn read(path: &Path) -> Result<AuthFile> {
    Ok(AuthFile::read(path)?.unwrap_or_else(|| AuthFile::empty(path)))
}

/// Puts an entry in place of all that a file has for the whole registry, under whatever name.
fn replace(file: &AuthFile, registry: &Registry, entry: Option<Zeroizing<String>>) -> Result<()> {
    let mut document = file.document()?;
    let auths = Zeroizing::new(document.get("auths").unwrap_or_default().to_owned());
    let mut auths = Document::parse(&auths)
        .map_err(|_| CredentialsError::member(file.path(), "auths", "is no object"))?;
    let own = keys::own_key(registry);
    match entry {
        Some(entry) => {
            auths.retain(|key| key == own || !keys::is_registry(key, registry));
            auths.set(own, entry);
        }
        None => auths.retain(|key| !keys::is_registry(key, registry)),
    }
    document.set("auths", auths.to_text(1));
    file.write(&document)
}
