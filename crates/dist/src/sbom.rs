//! The list of contents of the binary, as SPDX 2.3 (<https://spdx.github.io/spdx-spec/v2.3/>): every crate that is linked in,
//! with its licence, its checksum and what it depends on, and the two libraries that no crate brings.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// What is the same for the whole release.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) created: String,
    pub(crate) rust: String,
    pub(crate) glibc: String,
    pub(crate) sha256: String,
}

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    depth: usize,
    name: String,
    version: String,
    license: String,
    repository: String,
}

/// Makes the document of what `cargo tree` printed.
pub(crate) fn document(
    tree: &str,
    checksums: &BTreeMap<(String, String), String>,
    release: &Release,
) -> Result<Value> {
    let lines: Vec<Line> =
        tree.lines().map(|line| Line::read(line).context(line.to_owned())).collect::<Result<_>>()?;
    ensure!(lines.first().is_some_and(|line| line.name == "sealift"), "the tree does not begin with sealift");
    let mut packages = BTreeMap::new();
    for line in &lines {
        packages.entry(line.id()).or_insert_with(|| line.package(checksums, release));
    }
    let root = lines[0].id();
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", &root)];
    relations.extend(edges(&lines).into_iter().map(|(from, to)| relation(&from, "DEPENDS_ON", &to)));
    for (name, version, license) in
        [("rust-std", &release.rust, "MIT OR Apache-2.0"), ("glibc", &release.glibc, "LGPL-2.1-or-later")]
    {
        let id = id(name, version);
        relations.push(relation(&root, "STATIC_LINK", &id));
        packages.insert(id.clone(), library(&id, name, version, license));
    }
    Ok(json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("sealift-{}", lines[0].version),
        "documentNamespace": format!("https://spdx.org/spdxdocs/sealift-{}-{}", lines[0].version, release.sha256),
        "creationInfo": {"created": release.created, "creators": ["Tool: sealift-dist"]},
        "packages": packages.into_values().collect::<Vec<_>>(),
        "relationships": relations,
    }))
}

impl Line {
    /// Reads `1clap v4.6.7 (/path)|MIT OR Apache-2.0|https://… (*)`.
    fn read(line: &str) -> Option<Self> {
        let line = line.trim_end().trim_end_matches(" (*)");
        let rest = line.trim_start_matches(|it: char| it.is_ascii_digit());
        let depth = line[..line.len() - rest.len()].parse().ok()?;
        let mut parts = rest.split('|');
        let mut package = parts.next()?.split(' ');
        let (name, version) = (package.next()?, package.next()?.strip_prefix('v')?);
        let (license, repository) = (parts.next()?, parts.next()?);
        Some(Self {
            depth,
            name: name.to_owned(),
            version: version.to_owned(),
            // Before SPDX expressions, crates wrote "or" as a slash.
            license: license.replace('/', " OR "),
            repository: repository.to_owned(),
        })
    }

    fn id(&self) -> String {
        id(&self.name, &self.version)
    }

    fn package(&self, checksums: &BTreeMap<(String, String), String>, release: &Release) -> Value {
        let known = checksums.get(&(self.name.clone(), self.version.clone()));
        let is_binary = self.name == "sealift";
        let checksum = if is_binary { Some(&release.sha256) } else { known };
        let mut package = json!({
            "SPDXID": self.id(),
            "name": self.name,
            "versionInfo": self.version,
            "downloadLocation": if known.is_some() {
                format!("pkg:cargo/{}@{}", self.name, self.version)
            } else if self.repository.is_empty() {
                "NOASSERTION".to_owned()
            } else {
                self.repository.clone()
            },
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": if self.license.is_empty() { "NOASSERTION" } else { &self.license },
            "copyrightText": "NOASSERTION",
        });
        if let Some(checksum) = checksum {
            package["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": checksum}]);
        }
        if known.is_some() {
            package["externalRefs"] = json!([{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:cargo/{}@{}", self.name, self.version),
            }]);
        }
        package
    }
}

/// Names a package: letters, digits, dots and hyphens are all that an identifier may have.
fn id(name: &str, version: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|it| if it.is_ascii_alphanumeric() || it == '.' { it } else { '-' }).collect()
    };
    format!("SPDXRef-Package-{}-{}", plain(name), plain(version))
}

fn library(id: &str, name: &str, version: &str, license: &str) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license,
        "copyrightText": "NOASSERTION",
    })
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// Lists who depends on whom: each line on the nearest one above that is less deep.
fn edges(lines: &[Line]) -> Vec<(String, String)> {
    let mut above: Vec<String> = Vec::new();
    let mut edges = Vec::new();
    for line in lines {
        above.truncate(line.depth);
        edges.extend(above.last().map(|parent| (parent.clone(), line.id())));
        above.push(line.id());
    }
    edges.sort();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails shall say so")]

    use super::*;

    const TREE: &str = "0sealift v0.1.0 (/somewhere/sealift)|Apache-2.0|https://github.com/sealift/sealift\n\
                        1clap v4.6.7|MIT OR Apache-2.0|https://github.com/clap-rs/clap\n\
                        2strsim v0.11.1|MIT/Apache-2.0|\n\
                        1sealift-oci v0.1.0 (/somewhere/oci)|Apache-2.0|https://github.com/sealift/sealift\n\
                        2clap v4.6.7|MIT OR Apache-2.0|https://github.com/clap-rs/clap (*)\n";

    fn made(tree: &str) -> Result<Value> {
        let checksums = BTreeMap::from([(("clap".to_owned(), "4.6.7".to_owned()), "c1".to_owned())]);
        let text = str::to_owned;
        let release = Release {
            created: text("2026-11-21T00:00:00Z"),
            rust: text("1.95.0"),
            glibc: text("2.36"),
            sha256: text("b1"),
        };
        document(tree, &checksums, &release)
    }

    #[test]
    fn every_crate_is_listed_once_with_licence_and_checksum() {
        let document = made(TREE).unwrap();
        let packages = document["packages"].as_array().unwrap();
        let names: Vec<&str> = packages.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["clap", "glibc", "rust-std", "sealift", "sealift-oci", "strsim"]);
        assert_eq!(packages[0]["checksums"][0]["checksumValue"], "c1");
        assert_eq!(packages[3]["checksums"][0]["checksumValue"], "b1", "the binary's own");
        assert_eq!(packages[5]["licenseDeclared"], "MIT OR Apache-2.0");
        assert!(!document.to_string().contains("/somewhere"), "no path of this machine");
    }

    #[test]
    fn who_depends_on_whom_is_told() {
        let document = made(TREE).unwrap();
        let relations = document["relationships"].as_array().unwrap();
        let text =
            |it: &Value, field: &str| it[field].as_str().unwrap().trim_start_matches("SPDXRef-").to_owned();
        let told: Vec<String> = relations
            .iter()
            .map(|it| {
                let (from, to) = (text(it, "spdxElementId"), text(it, "relatedSpdxElement"));
                format!("{from} {} {to}", it["relationshipType"].as_str().unwrap())
            })
            .collect();
        for expected in [
            "DOCUMENT DESCRIBES Package-sealift-0.1.0",
            "Package-sealift-0.1.0 DEPENDS_ON Package-clap-4.6.7",
            "Package-clap-4.6.7 DEPENDS_ON Package-strsim-0.11.1",
            "Package-sealift-oci-0.1.0 DEPENDS_ON Package-clap-4.6.7",
            "Package-sealift-0.1.0 STATIC_LINK Package-glibc-2.36",
        ] {
            assert!(told.iter().any(|it| it == expected), "{expected}: {told:?}");
        }
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for tree in ["", "no tree\n", "0clap v1.0.0|MIT|\n", "0sealift 0.1.0|Apache-2.0|\n"] {
            assert!(made(tree).is_err(), "{tree}");
        }
    }
}
