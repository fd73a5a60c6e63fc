//! What a token is to allow (Docker token authentication, "Token scope").

use sealift_oci::RepositoryName;

/// The scopes that a request needs, as the token service reads them; in order, so that equal sets are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::client) struct Scopes(Vec<String>);

/// The longest scope that is taken from a challenge: a repository's name and some actions.
const SCOPE_LIMIT: usize = 512;

impl Scopes {
    /// Reading one repository.
    pub(in crate::client) fn pull(repository: &RepositoryName) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    /// Writing one repository. Registries want the right to read as well.
    pub(in crate::client) fn push(repository: &RepositoryName) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// Deleting from one repository.
    pub(in crate::client) fn delete(repository: &RepositoryName) -> Self {
        Self(vec![format!("repository:{repository}:delete,pull,push")])
    }

    /// Listing the repositories, which Docker's registry calls the catalog.
    pub(in crate::client) fn catalog() -> Self {
        Self(vec!["registry:catalog:*".to_owned()])
    }

    /// Adds others.
    pub(in crate::client) fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self.0.sort();
        self.0.dedup();
        self
    }

    /// Reads the scopes that a challenge names; they are the registry's word and are only ever sent to its
    /// token service.
    pub(super) fn parse(text: &str) -> Self {
        let is_scope = |word: &&str| word.len() <= SCOPE_LIMIT && word.split(':').count() >= 3;
        Self::default()
            .and(&Self(text.split_ascii_whitespace().filter(is_scope).map(str::to_owned).collect()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_whatever_their_order() {
        let [a, b] = ["a/x", "b"].map(|name| name.parse::<RepositoryName>().unwrap());
        let one = Scopes::push(&a).and(&Scopes::pull(&b));
        assert_eq!(one, Scopes::pull(&b).and(&Scopes::push(&a)).and(&one));
        assert_eq!(one.iter().collect::<Vec<_>>(), ["repository:a/x:pull,push", "repository:b:pull"]);
    }

    #[test]
    fn only_scopes_are_taken_from_a_challenge() {
        let long = format!("repository:{}:pull", "a".repeat(SCOPE_LIMIT));
        let cases = [
            ("repository:a:pull", vec!["repository:a:pull"]),
            ("repository:b:pull  registry:catalog:*", vec!["registry:catalog:*", "repository:b:pull"]),
            ("aws", vec![]),
            ("", vec![]),
            (&long, vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(Scopes::parse(text).iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
