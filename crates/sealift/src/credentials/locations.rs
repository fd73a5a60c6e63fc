//! Where credentials lie, and what surrounds the run that looks for them.
//!
//! The order is that of containers-auth.json(5), "when searching for the credential for a registry":
//!
//! | | file | written by |
//! |---|---|---|
//! | 1 | `$REGISTRY_AUTH_FILE` | podman, skopeo and buildah, where it is set |
//! | 2 | `$XDG_RUNTIME_DIR/containers/auth.json` | podman, skopeo and buildah |
//! | 3 | `$XDG_CONFIG_HOME/containers/auth.json`, else `~/.config/containers/auth.json` | their users |
//! | 4 | `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json` | Docker |
//!
//! A file that is not there is passed over. Which of them new credentials go to is said in
//! [`keep`](super::keep).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use sealift_store::platform;

/// What surrounds a run. It comes in as a parameter, so that tests can make one up.
pub(crate) struct Surroundings {
    home: Option<PathBuf>,
    variables: HashMap<OsString, OsString>,
}

impl Surroundings {
    /// Takes the environment variables: these files are found by them, and helpers are run with them.
    pub(crate) fn new(variables: HashMap<OsString, OsString>) -> Self {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let home = variables.get(OsStr::new(name)).filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { home, variables }
    }

    /// Returns the variables.
    pub(super) fn variables(&self) -> &HashMap<OsString, OsString> {
        &self.variables
    }

    /// Finds a program on the search path. Entries that are not absolute are left out: what lies in the
    /// directory that the user happens to be in is not meant.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let directories = std::env::split_paths(self.variable("PATH")?);
        directories.filter(|it| it.is_absolute()).map(|it| it.join(&file)).find(|it| is_executable(it))
    }

    /// Lists the files that may hold credentials, in the order in which they are asked.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let runtime = self.directory("XDG_RUNTIME_DIR");
        let config = self.directory("XDG_CONFIG_HOME").or_else(|| self.at_home(".config"));
        let containers = |directory: PathBuf| directory.join("containers/auth.json");
        let files =
            [self.override_file(), runtime.map(containers), config.map(containers), self.docker_file()];
        let mut once: Vec<PathBuf> = Vec::new();
        for file in files.into_iter().flatten() {
            if !once.contains(&file) {
                once.push(file);
            }
        }
        once
    }

    /// Returns the file that is named for just this purpose.
    pub(super) fn override_file(&self) -> Option<PathBuf> {
        self.variable("REGISTRY_AUTH_FILE").map(PathBuf::from)
    }

    /// Returns Docker's file.
    pub(super) fn docker_file(&self) -> Option<PathBuf> {
        let directory = self.variable("DOCKER_CONFIG").map(PathBuf::from);
        Some(directory.or_else(|| self.at_home(".docker"))?.join("config.json"))
    }

    fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }

    /// An XDG directory must be absolute (XDG Base Directory Specification, "Basics").
    fn directory(&self, variable: &str) -> Option<PathBuf> {
        self.variable(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Set to nothing is not set.
    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| platform::is_executable(&metadata))
}

/// Variables can hold passwords, so none is printed.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("home", &self.home).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::new(variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// variables → files in their order.
    #[test]
    fn files_are_asked_in_the_order_of_the_manual() {
        type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
        const HOME: (&str, &str) = ("HOME", "/h");
        let cases: [Case; 8] = [
            (&[], &[]),
            (&[HOME], &["/h/.config/containers/auth.json", "/h/.docker/config.json"]),
            (&[("HOME", "")], &[]),
            (
                &[HOME, ("REGISTRY_AUTH_FILE", "here.json"), ("XDG_RUNTIME_DIR", "/run/user/1")],
                &[
                    "here.json",
                    "/run/user/1/containers/auth.json",
                    "/h/.config/containers/auth.json",
                    "/h/.docker/config.json",
                ],
            ),
            (
                &[HOME, ("XDG_CONFIG_HOME", "/c"), ("DOCKER_CONFIG", "/d")],
                &["/c/containers/auth.json", "/d/config.json"],
            ),
            (
                &[HOME, ("XDG_RUNTIME_DIR", "run"), ("XDG_CONFIG_HOME", ""), ("DOCKER_CONFIG", "")],
                &["/h/.config/containers/auth.json", "/h/.docker/config.json"],
            ),
            (&[("DOCKER_CONFIG", "relative")], &["relative/config.json"]),
            (&[("REGISTRY_AUTH_FILE", "/d/config.json"), ("DOCKER_CONFIG", "/d")], &["/d/config.json"]),
        ];
        for (variables, expected) in cases {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(surroundings(variables).files(), expected, "{variables:?}");
        }
    }

    #[test]
    fn programs_are_not_taken_from_the_working_directory() {
        assert!(surroundings(&[("PATH", "/nowhere:/bin")]).program("sh").is_some());
        for path in ["", ".", "../../../../../../../../bin", "/nowhere", "/etc"] {
            assert_eq!(surroundings(&[("PATH", path)]).program("sh"), None, "{path}");
        }
        // A file that cannot be executed, and a directory.
        assert_eq!(surroundings(&[("PATH", "/etc")]).program("passwd"), None);
        assert_eq!(surroundings(&[("PATH", "/")]).program("etc"), None);
    }

    #[test]
    fn no_variable_is_printed() {
        assert!(!format!("{:?}", surroundings(&[("TOKEN", "hunter2")])).contains("hunter2"));
    }
}
