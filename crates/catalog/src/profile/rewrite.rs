//! What names become at the target: the beginning of a name is put in place of another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts one beginning of a name in place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rewrite {
    /// The beginning, in whole parts, with the registry: `docker.io/library`.
    pub from: String,
    /// What stands there instead; nothing is nothing.
    #[serde(default)]
    pub to: String,
}

impl Rewrite {
    /// Returns what a name becomes, where it begins like this.
    fn apply(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.from.trim_end_matches('/'))?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => "",
            None => return None,
        };
        let parts = [self.to.trim_end_matches('/'), rest];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
    }
}

/// Applies the first rule that fits `REGISTRY/PATH`; `None` where none does.
#[must_use]
pub fn rewritten(rules: &[Rewrite], name: &str) -> Option<String> {
    rules.iter().find_map(|rule| rule.apply(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(from: &str, to: &str) -> Rewrite {
        Rewrite { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = [rule("docker.io/library", "hub"), rule("docker.io/", "hub/org/"), rule("quay.io", "")];
        for (name, expected) in [
            ("docker.io/library/nginx", Some("hub/nginx")),
            ("docker.io/grafana/loki", Some("hub/org/grafana/loki")),
            ("docker.io/librarything/a", Some("hub/org/librarything/a")),
            ("quay.io/a/b", Some("a/b")),
            ("quay.io:443/a", None),
            ("ghcr.io/a", None),
            ("docker.io/library", Some("hub")),
        ] {
            assert_eq!(rewritten(&rules, name).as_deref(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_follows_the_beginning_stays(from in "[a-z]{1,5}", rest in "[a-z]{1,5}(/[a-z]{1,5}){0,2}", to in "[a-z]{0,5}") {
            let name = rewritten(&[rule(&from, &to)], &format!("{from}/{rest}")).unwrap();
            prop_assert!(name.ends_with(&rest) && name.starts_with(&to));
            prop_assert_eq!(name.len(), rest.len() + to.len() + usize::from(!to.is_empty()));
        }
    }
}
