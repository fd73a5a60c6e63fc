//! Credentials that are kept on this machine: found, kept and removed the way Docker and containers/image do,
//! so that a `docker login`, a `podman login` and a `sealift login` serve each other.
//!
//! [`Keyring`] is the door. Its files are asked in the order of [`locations`]; within one file
//!
//! 1. the helper that `credHelpers` names for the registry is asked, and where it names none, the one of
//!    `credsStore` ([`helper`]);
//! 2. where that has nothing, the entry of `auths` that fits best counts ([`keys`], [`entry`]).
//!
//! The first file that has something ends the search. This is not about sending credentials: that is the
//! registry client's work. And nothing here asks the user or prints; warnings are returned.

mod document;
mod entry;
mod error;
mod file;
mod helper;
mod keep;
mod keys;
mod locations;
mod process;
mod settings;
#[cfg(test)]
mod tests;
mod traces;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sealift_oci::{Registry, RepositoryName};
use sealift_registry::client::Secret;

pub(crate) use error::CredentialsError;
pub(crate) use keep::check_username;
pub(crate) use keys::is_within;
pub(crate) use locations::Surroundings;

use file::AuthFile;
use helper::{Helper, HelperFailure};

type Result<T> = std::result::Result<T, CredentialsError>;

/// The user that stands for "what comes as password is a refresh token" at Azure Container Registry
/// (learn.microsoft.com, "Authenticate with an Azure container registry", `az acr login --expose-token`).
const ACR_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// How long a helper may take. One that asks the user for a passphrase needs time to be answered; one that
/// waits for a desktop which is not there would wait for ever.
const HELPER_TIME_LIMIT: Duration = Duration::from_secs(30);

/// What is kept for a registry. The [`Debug`] form shows no secret.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Nothing: ask as nobody in particular.
    None,
    /// A user and a password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, to be exchanged by the OAuth2 form (`grant_type=refresh_token`).
    IdentityToken {
        /// The user that it was given to, where that is known.
        username: Option<String>,
        /// The token.
        token: Secret,
    },
}

impl Found {
    /// Tells a refresh token that comes as somebody's password from a password; nothing at all is none.
    pub(crate) fn of_password(username: String, password: Secret) -> Self {
        match username.as_str() {
            _ if password.expose().is_empty() => Self::None,
            helper::TOKEN_USER => Self::IdentityToken { username: None, token: password },
            ACR_TOKEN_USER => Self::IdentityToken { username: Some(username), token: password },
            _ => Self::Basic { username, password },
        }
    }

    /// Tells whether there is nothing.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Where credentials are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a file, as plain text.
    File(PathBuf),
    /// By a helper.
    Helper {
        /// The program's name.
        program: String,
        /// The file that names it.
        file: PathBuf,
    },
}

impl Origin {
    /// Tells whether whoever can read the file can read the password.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Helper { program, file } => write!(f, "{program} (named in {})", file.display()),
        }
    }
}

/// Something that is not as it should be and does not stop anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// Others than the owner can read a file with passwords.
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The helper for all registries is not installed. Docker Desktop leaves such settings behind, and a
    /// registry that wants no credentials must stay in reach.
    HelperMissing {
        /// The program's name.
        program: String,
        /// The file that names it.
        file: PathBuf,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposed { file, mode } => {
                write!(f, "{} holds passwords, and others can read it (mode {mode:03o})", file.display())
            }
            Self::HelperMissing { program, file } => {
                write!(f, "{program}, which {} names, is not installed", file.display())
            }
        }
    }
}

/// What a search gave.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    /// The credentials.
    pub(crate) found: Found,
    /// Where they were; none where nothing was found.
    pub(crate) origin: Option<Origin>,
    /// What was noticed on the way.
    pub(crate) warnings: Vec<Warning>,
}

/// The files and helpers of one user.
#[derive(Debug)]
pub(crate) struct Keyring {
    surroundings: Surroundings,
    time_limit: Duration,
}

impl Keyring {
    /// Takes what surrounds the run; nothing is read yet.
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, time_limit: HELPER_TIME_LIMIT }
    }

    /// Finds what is kept for a registry, or for one of its repositories.
    ///
    /// # Errors
    /// When a file cannot be read or makes no sense, or a helper fails.
    pub(crate) async fn find(
        &self,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Result<Lookup> {
        let mut warnings = Vec::new();
        for path in self.surroundings.files() {
            let Some(file) = AuthFile::read(&path)? else { continue };
            if let Some((found, origin)) = self.find_in(&file, registry, repository, &mut warnings).await? {
                return Ok(Lookup { found, origin: Some(origin), warnings });
            }
        }
        Ok(Lookup { found: Found::None, origin: None, warnings })
    }

    /// Lists the paths within a registry that have entries of their own and that some of these repositories
    /// are at or below: the longest for each of them. What is found for such a path holds for everything
    /// that it is the longest for. A file that cannot be read has none: what is wrong with it is told by
    /// whoever has to read it.
    pub(crate) fn paths<'a>(
        &self,
        registry: &Registry,
        repositories: impl IntoIterator<Item = &'a RepositoryName>,
    ) -> BTreeSet<RepositoryName> {
        let mut keys = BTreeSet::new();
        for path in self.surroundings.files() {
            let Ok(Some(file)) = AuthFile::read(&path) else { continue };
            if let Ok(settings) = file.settings() {
                keys.extend(settings.paths(registry));
            }
        }
        let longest = |repository: &RepositoryName| {
            keys.iter().filter(|path| keys::is_within(repository, path)).max_by_key(|it| it.as_str().len())
        };
        repositories.into_iter().filter_map(longest).cloned().collect()
    }

    async fn find_in(
        &self,
        file: &AuthFile,
        registry: &Registry,
        repository: Option<&RepositoryName>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<(Found, Origin)>> {
        let settings = file.settings()?;
        if let Some(helper) = settings.helper(file, registry)? {
            let found = self.ask(&helper, registry, warnings).await?;
            if !found.is_none() {
                return Ok(Some((found, helper.origin())));
            }
        }
        let found = settings.find(file, registry, repository)?;
        if found.is_none() {
            return Ok(None);
        }
        warnings.extend(file.exposure());
        Ok(Some((found, Origin::File(file.path().to_owned()))))
    }

    /// Asks a helper under each name that the registry may be kept under.
    async fn ask(&self, helper: &Helper, registry: &Registry, warnings: &mut Vec<Warning>) -> Result<Found> {
        for server in keys::server_names(registry) {
            match helper.get(server, &self.surroundings, self.time_limit).await {
                Ok(Found::None) => {}
                Ok(found) => return Ok(found),
                Err(error) if helper.is_for_all() && matches!(error.failure, HelperFailure::Missing) => {
                    warnings.push(Warning::HelperMissing {
                        program: helper.program().to_owned(),
                        file: helper.file().to_owned(),
                    });
                    return Ok(Found::None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Found::None)
    }
}
