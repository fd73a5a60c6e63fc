//! What stands in front of the names, at the source and in the private registry.

use std::collections::{BTreeMap, BTreeSet};

use sealift_oci::{Registry, RepositoryName};

use super::Mapping;

/// What stands in front of the names at the source, and what stands there in the private registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    registries: BTreeMap<Registry, Moved>,
}

/// How the names of one registry change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Repositories that keep their last part: what is in front of it, before and after.
    pub(super) spaces: BTreeMap<String, String>,
    /// Repositories that a rule for what is in front of them would not fit, one by one.
    pub(super) repositories: BTreeMap<String, String>,
    /// What is put in front of every name, where that is all that happens: `Some("")` is nothing.
    pub(super) prefix: Option<String>,
}

impl Rules {
    /// Finds the fewest rules that say where all images went and nothing else.
    #[must_use]
    pub fn of(images: &[Mapping]) -> Self {
        let mut registries: BTreeMap<Registry, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for Mapping { source, target, .. } in images {
            let moves = registries.entry(source.registry.clone()).or_default();
            moves.insert((source.repository.as_str(), target.as_str()));
        }
        let moved = registries.into_iter().map(|(registry, moves)| (registry, Moved::of(&moves)));
        Self { registries: moved.collect() }
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = (&Registry, &Moved)> {
        self.registries.iter()
    }
}

impl Moved {
    fn of(moves: &BTreeSet<(&str, &str)>) -> Self {
        let mut spaces: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
        for (from, to) in moves {
            spaces.entry(space(from).0).or_default().insert(space_moved(from, to));
        }
        let mut moved = Self { prefix: prefix(moves), ..Self::default() };
        for (from, to) in moves {
            let (outer, _) = space(from);
            // A space at the top of a registry would be the whole registry.
            let one = spaces.get(outer).filter(|targets| targets.len() == 1 && !outer.is_empty());
            match one.and_then(|targets| targets.iter().next().copied().flatten()) {
                Some(target) if !target.is_empty() => {
                    moved.spaces.insert(outer.to_owned(), target.to_owned());
                }
                _ => drop(moved.repositories.insert((*from).to_owned(), (*to).to_owned())),
            }
        }
        moved
    }

    /// Lists every rule: what is in front at the source, and what is there in the private registry.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &String)> {
        self.spaces.iter().chain(&self.repositories)
    }
}

/// Parts a name before its last part.
fn space(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn space_moved<'a>(from: &str, to: &'a str) -> Option<&'a str> {
    let (outer, last) = space(to);
    (space(from).1 == last).then_some(outer)
}

/// Finds what is put in front of every name, where it is the same for all.
fn prefix(moves: &BTreeSet<(&str, &str)>) -> Option<String> {
    let mut prefixes = moves.iter().map(|(from, to)| {
        let front = to.strip_suffix(from)?;
        if front.is_empty() { Some("") } else { front.strip_suffix('/') }
    });
    let first = prefixes.next()??;
    prefixes.all(|prefix| prefix == Some(first)).then(|| first.to_owned())
}

/// Names a rule's target in the private registry.
pub(super) fn location(place: &crate::Place, repository: &str) -> String {
    format!("{}/{repository}", place.registry)
}

impl Mapping {
    /// Names the repository in the private registry.
    pub(super) fn location(&self, place: &crate::Place) -> String {
        let repository: &RepositoryName = &self.target;
        location(place, repository.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(moves: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let moved = Moved::of(&moves.iter().copied().collect());
        (moved.all().map(|(from, to)| format!("{from}>{to}")).collect(), moved.prefix)
    }

    #[test]
    fn rules_say_what_happened_and_no_more() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], Option<&'a str>);
        let cases: [Case<'_>; 8] = [
            (&[("org/a", "site/org/a"), ("org/b", "site/org/b")], &["org>site/org"], Some("site")),
            (&[("org/a", "org/a")], &["org>org"], Some("")),
            (&[("arcdata/x", "a/b/x"), ("arcdata/y", "a/b/y")], &["arcdata>a/b"], None),
            (&[("a", "site/a")], &["a>site/a"], Some("site")),
            (&[("o/a", "s/o/a"), ("o/b", "t/o/b")], &["o/a>s/o/a", "o/b>t/o/b"], None),
            (&[("o/a", "s/o/c")], &["o/a>s/o/c"], None),
            (&[("o/a", "xo/a")], &["o>xo"], None),
            (&[("o/a", "a")], &["o/a>a"], None),
        ];
        for (moves, rules, prefix) in cases {
            let (found, found_prefix) = moved(moves);
            assert_eq!(
                (found, found_prefix.as_deref()),
                (rules.iter().map(|it| (*it).to_owned()).collect(), prefix)
            );
        }
    }
}
