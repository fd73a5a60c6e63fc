//! Which entry of a file is meant for a registry.
//!
//! A key of `auths` is, in today's form, a host with or without a path: `quay.io`, `quay.io/team`
//! (containers-auth.json(5)). Docker once wrote addresses of its version 1 API and still does for its own
//! registry: `https://index.docker.io/v1/`, `https://host`, `host/v1/`. All of these are understood; a URL
//! counts for its whole host, whatever its path is.

use sealift_oci::{Registry, RepositoryName};

/// What Docker calls its registry in files and when it asks helpers.
pub(super) const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The names of that registry; the first is the one that image references have.
const DOCKER_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// How well a key fits; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// The longest path wins, so that one team's account is used in that team's repositories.
    path: usize,
    /// Today's form wins over Docker's old ones.
    is_bare: bool,
}

/// A key, taken apart.
struct Key<'a> {
    host: String,
    path: &'a str,
    is_bare: bool,
}

impl<'a> Key<'a> {
    fn of(text: &'a str) -> Self {
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let scheme = ["https://", "http://"].iter().find(|scheme| lower.starts_with(**scheme));
        let rest = &text[scheme.map_or(0, |scheme| scheme.len())..];
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_api = scheme.is_some() || ["v1/", "v2/"].contains(&path);
        let path = if is_api { "" } else { path };
        Self { host: canonical(host), path, is_bare: !is_api }
    }
}

fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if DOCKER_HOSTS.contains(&host.as_str()) { DOCKER_HOSTS[0].to_owned() } else { host }
}

/// Tells how well a key fits a repository; without one, only keys for the whole registry fit.
pub(super) fn fit(key: &str, registry: &Registry, repository: Option<&RepositoryName>) -> Option<Fit> {
    let key = Key::of(key);
    if key.host != canonical(registry.as_str()) {
        return None;
    }
    let is_within = key.path.is_empty()
        || repository.is_some_and(|repository| is_at_or_below(repository.as_str(), key.path));
    is_within.then_some(Fit { path: key.path.len(), is_bare: key.is_bare })
}

/// Tells whether a repository is the one of that name, or below it.
pub(crate) fn is_within(repository: &RepositoryName, path: &RepositoryName) -> bool {
    is_at_or_below(repository.as_str(), path.as_str())
}

fn is_at_or_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the path within a registry that a key is for; `None` where it is for all of it, or for another.
pub(super) fn path_within(key: &str, registry: &Registry) -> Option<RepositoryName> {
    let key = Key::of(key);
    // What is no name fits no repository.
    if key.host == canonical(registry.as_str()) { key.path.parse().ok() } else { None }
}

/// Tells whether a key is for the whole registry.
pub(super) fn is_registry(key: &str, registry: &Registry) -> bool {
    fit(key, registry, None).is_some()
}

/// Returns the key that new credentials are kept under, which is also the first name that helpers know the
/// registry by.
pub(super) fn own_key(registry: &Registry) -> &str {
    if canonical(registry.as_str()) == DOCKER_HOSTS[0] { DOCKER_HUB } else { registry.as_str() }
}

/// Returns the names that helpers may know the registry by: Docker keeps its own under a URL, podman does not.
pub(super) fn server_names(registry: &Registry) -> Vec<&str> {
    match own_key(registry) {
        DOCKER_HUB => vec![DOCKER_HUB, DOCKER_HOSTS[0]],
        host => vec![host],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// key, registry, repository → the length of the path that fits.
    #[test]
    fn keys_fit_their_registry_and_what_is_below_their_path() {
        let cases = [
            ("reg.lan", "reg.lan", None, Some(0)),
            ("Reg.LAN", "reg.lan", None, Some(0)),
            ("reg.lan:5000", "reg.lan:5000", None, Some(0)),
            ("reg.lan:5000", "reg.lan", None, None),
            ("reg.lan", "reg.lan:5000", None, None),
            ("reg.lan/team", "reg.lan", None, None),
            ("reg.lan/team", "reg.lan", Some("team"), Some(4)),
            ("reg.lan/team", "reg.lan", Some("team/app"), Some(4)),
            ("reg.lan/team/app", "reg.lan", Some("team/app"), Some(8)),
            ("reg.lan/team", "reg.lan", Some("teams"), None),
            ("reg.lan/team/app", "reg.lan", Some("team"), None),
            ("reg.lan/v1", "reg.lan", Some("v1/app"), Some(2)),
            ("reg.lan/v1", "reg.lan", Some("app"), None),
            ("reg.lan/v1/", "reg.lan", Some("app"), Some(0)),
            ("reg.lan/", "reg.lan", None, Some(0)),
            ("https://reg.lan", "reg.lan", Some("a"), Some(0)),
            ("HTTPS://reg.lan/v2/", "reg.lan", None, Some(0)),
            ("http://reg.lan:5000/any/thing", "reg.lan:5000", None, Some(0)),
            ("https://index.docker.io/v1/", "docker.io", None, Some(0)),
            ("docker.io", "registry-1.docker.io", None, Some(0)),
            ("index.docker.io/v1/", "index.docker.io", None, Some(0)),
            ("docker.io/library", "index.docker.io", Some("library/x"), Some(7)),
            ("hub.docker.com", "docker.io", None, None),
            ("https://user@reg.lan", "reg.lan", None, None),
            ("[::1]:5000", "[::1]:5000", None, Some(0)),
            ("", "reg.lan", None, None),
        ];
        for (key, registry, repository, expected) in cases {
            let repository: Option<RepositoryName> = repository.map(|name| name.parse().unwrap());
            let fit = fit(key, &registry.parse().unwrap(), repository.as_ref());
            assert_eq!(fit.map(|it| it.path), expected, "{key} {registry} {repository:?}");
        }
    }

    /// A repository that is named like the path of a key is within what the key is for.
    #[test]
    fn the_path_of_a_key_is_a_repository_that_it_fits() {
        for (key, expected) in [
            ("reg.lan/team", Some("team")),
            ("Reg.lan/team/app", Some("team/app")),
            ("reg.lan", None),
            ("reg.lan/v1/", None),
            ("https://reg.lan/team", None),
            ("reg.lan/Team", None),
            ("reg.lan/team/", None),
            ("other.lan/team", None),
        ] {
            let registry = "reg.lan".parse().unwrap();
            let path = path_within(key, &registry);
            assert_eq!(path.as_ref().map(RepositoryName::as_str), expected, "{key}");
            if let Some(path) = path {
                assert_eq!(fit(key, &registry, Some(&path)).unwrap().path, path.as_str().len());
            }
        }
    }

    #[test]
    fn the_longest_path_wins_and_then_todays_form() {
        let repository = "team/app".parse().unwrap();
        let fit = |key| fit(key, &"reg.lan".parse().unwrap(), Some(&repository)).unwrap();
        let order = ["https://reg.lan/v1/", "reg.lan", "reg.lan/team", "reg.lan/team/app"];
        for pair in order.windows(2) {
            assert!(fit(pair[0]) < fit(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn dockers_own_registry_is_kept_where_docker_looks() {
        for (registry, expected) in
            [("docker.io", vec![DOCKER_HUB, "docker.io"]), ("reg.lan:5000", vec!["reg.lan:5000"])]
        {
            let registry = registry.parse().unwrap();
            assert_eq!(server_names(&registry), expected);
            assert!(server_names(&registry).iter().all(|name| is_registry(name, &registry)));
        }
    }

    proptest! {
        #[test]
        fn any_key_is_taken_apart(key in ".{0,20}|(HTTP|https?)?:?/{0,3}[a-zé.:/]{0,12}") {
            fit(&key, &"a".parse().unwrap(), Some(&"a".parse().unwrap()));
        }
    }
}
