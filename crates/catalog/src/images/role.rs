//! What a file is, by its name: where images stand in it follows from that.

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// YAML or JSON documents of any kind: manifests, Compose files, kustomizations, `control.json`.
    Documents,
    /// The values of a Helm chart.
    Values,
    /// A template of a Helm chart, which becomes YAML only when it is rendered.
    Template,
    /// `Chart.yaml`: what the chart says of itself.
    Chart,
}

impl Role {
    /// Tells what a file is that belongs to no chart; `None` where nothing is to be found in it.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        matches!(extension.as_deref(), Some("yaml" | "yml" | "json")).then_some(Self::Documents)
    }

    /// Tells what a file of a chart is, by its path below `Chart.yaml`'s directory; `None` where nothing is to be found
    /// in it. Charts within the chart are told apart.
    #[must_use]
    pub fn in_chart(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
            return Self::in_chart(rest.1);
        }
        let is_yaml = Self::of_file(path).is_some();
        match path.split_once('/') {
            Some(("templates", _)) => (is_yaml || path.ends_with(".tpl")).then_some(Self::Template),
            Some(("crds", _)) if is_yaml => Some(Self::Documents),
            Some(_) => None,
            None if path == "Chart.yaml" => Some(Self::Chart),
            None if matches!(path, "values.yaml" | "values.yml") => Some(Self::Values),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for (name, expected) in [
            ("a/web.yaml", true),
            ("WEB.YML", true),
            ("control.json", true),
            ("Dockerfile", false),
            ("yaml", false),
            ("a.txt", false),
        ] {
            assert_eq!(Role::of_file(name).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn files_of_a_chart_are_known_by_their_paths() {
        for (path, expected) in [
            ("Chart.yaml", Some(Role::Chart)),
            ("values.yaml", Some(Role::Values)),
            ("values-production.yaml", None),
            ("templates/a/web.yaml", Some(Role::Template)),
            ("templates/_helpers.tpl", Some(Role::Template)),
            ("templates/NOTES.txt", None),
            ("crds/a.yaml", Some(Role::Documents)),
            ("ci/values.yaml", None),
            ("charts/sub/values.yaml", Some(Role::Values)),
            ("charts/sub/charts/deep/Chart.yaml", Some(Role::Chart)),
            ("charts/values.yaml", None),
        ] {
            assert_eq!(Role::in_chart(path), expected, "{path}");
        }
    }
}
