//! What users may do: rights to read or to write, for the repositories below a prefix.

use std::fmt;
use std::str::FromStr;

use sealift_oci::RepositoryName;

/// What can be done with a repository. Who may write may also read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Pull, and list.
    Read,
    /// Push and delete.
    Write,
}

/// A repository with everything below it, or all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Option<RepositoryName>);

impl Prefix {
    /// Every repository.
    pub const ALL: Self = Self(None);

    fn covers(&self, repository: &RepositoryName) -> bool {
        let Some(prefix) = &self.0 else { return true };
        let rest = repository.as_str().strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Prefix {
    type Err = RuleError;

    /// Reads `*`, or the name of a repository; a slash behind it changes nothing.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        let name = text.strip_suffix('/').unwrap_or(text);
        name.parse().map(|name| Self(Some(name))).map_err(|_| RuleError::Prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref().map_or("*", RepositoryName::as_str))
    }
}

/// One right of one user, or of every user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None` is every user.
    user: Option<String>,
    prefix: Prefix,
    right: Right,
}

/// A text that is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It has not three parts.
    #[error("a right reads USER:PREFIX:read or USER:PREFIX:write, such as ci:team/app:write or *:*:read")]
    Form,
    /// The prefix is no repository's name.
    #[error("a prefix is * for all repositories, or the name of one, which stands for what is below it too")]
    Prefix,
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let parts: Vec<&str> = text.split(':').collect();
        let &[user, prefix, right] = parts.as_slice() else { return Err(RuleError::Form) };
        let right = match right {
            "read" => Right::Read,
            "write" => Right::Write,
            _ => return Err(RuleError::Form),
        };
        let user = match user {
            "" => return Err(RuleError::Form),
            "*" => None,
            name => Some(name.to_owned()),
        };
        Ok(Self { user, prefix: prefix.parse()?, right })
    }
}

/// The rights of everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// What users may do. Without a rule every user may do everything.
    pub rules: Vec<Rule>,
    /// What can be read by anybody, users or not.
    pub anonymous_pull: Vec<Prefix>,
}

impl Rights {
    /// Tells whether somebody has a right; `None` is who is no user.
    #[must_use]
    pub fn allow(&self, user: Option<&str>, right: Right, repository: &RepositoryName) -> bool {
        let by_anybody = right == Right::Read && self.anonymous_pull.iter().any(|it| it.covers(repository));
        by_anybody || user.is_some_and(|user| self.allow_user(user, right, repository))
    }

    fn allow_user(&self, user: &str, right: Right, repository: &RepositoryName) -> bool {
        let fits = |rule: &Rule| {
            rule.user.as_deref().is_none_or(|name| name == user)
                && rule.right >= right
                && rule.prefix.covers(repository)
        };
        self.rules.is_empty() || self.rules.iter().any(fits)
    }

    /// Tells whether there is anything for somebody who is no user.
    pub(super) fn welcome_anybody(&self) -> bool {
        !self.anonymous_pull.is_empty()
    }

    /// Lists the users that are named, each once.
    pub(super) fn users(&self) -> impl Iterator<Item = &str> {
        let names: std::collections::BTreeSet<&str> =
            self.rules.iter().filter_map(|rule| rule.user.as_deref()).collect();
        names.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(rules: &[&str], anonymous: &[&str]) -> Rights {
        Rights {
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            anonymous_pull: anonymous.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn rights_go_by_user_prefix_and_kind() {
        use Right::{Read, Write};
        let open = rights(&[], &[]);
        let some = rights(&["ci:team/app:write", "*:team:read", "ops:*:write"], &["public/"]);
        let cases = [
            (&open, Some("me"), Write, "a", true),
            (&open, None, Read, "a", false),
            (&some, Some("ci"), Write, "team/app", true),
            (&some, Some("ci"), Write, "team/app/more", true),
            (&some, Some("ci"), Read, "team/app", true),
            (&some, Some("ci"), Write, "team/apple", false),
            (&some, Some("ci"), Write, "team", false),
            (&some, Some("ci"), Read, "team/other", true),
            (&some, Some("me"), Read, "team/x", true),
            (&some, Some("me"), Write, "team/app", false),
            (&some, Some("me"), Read, "else", false),
            (&some, Some("ops"), Write, "else", true),
            (&some, None, Read, "public", true),
            (&some, None, Read, "public/x", true),
            (&some, None, Read, "publicity", false),
            (&some, None, Write, "public", false),
            (&some, None, Read, "team/app", false),
            (&some, Some("me"), Read, "public/x", true),
        ];
        for (rights, user, right, repository, expected) in cases {
            let allowed = rights.allow(user, right, &repository.parse().unwrap());
            assert_eq!(allowed, expected, "{user:?} {right:?} {repository}");
        }
        assert_eq!(some.users().collect::<Vec<_>>(), ["ci", "ops"]);
        assert!(some.welcome_anybody() && !open.welcome_anybody());
    }

    #[test]
    fn malformed_rules_are_refused() {
        let cases = [
            ("", RuleError::Form),
            ("me", RuleError::Form),
            ("me:team", RuleError::Form),
            ("me:team:pull", RuleError::Form),
            ("me:team:read:more", RuleError::Form),
            (":team:read", RuleError::Form),
            ("me:Team:read", RuleError::Prefix),
            ("me::read", RuleError::Prefix),
            ("me:team/*:read", RuleError::Prefix),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Rule>(), Err(expected), "{text}");
        }
        for text in ["*", "team/app"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }
}
