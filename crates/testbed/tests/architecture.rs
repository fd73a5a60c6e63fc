//! The arrows between the crates, as ARCHITECTURE.md draws them, are a test: a wall that nobody checks
//! falls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails shall say so")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which crates of the workspace each crate may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("regzip", &[]),
    ("sealift-oci", &[]),
    ("sealift-store", &["sealift-oci"]),
    ("sealift-registry", &["sealift-oci", "sealift-store"]),
    ("sealift-mirror", &["sealift-oci", "sealift-store"]),
    ("sealift-bundle", &["regzip", "sealift-oci", "sealift-store"]),
    ("sealift-catalog", &["sealift-oci"]),
    ("sealift-kit", &["sealift-oci"]),
    (
        "sealift",
        &[
            "sealift-bundle",
            "sealift-catalog",
            "sealift-kit",
            "sealift-mirror",
            "sealift-oci",
            "sealift-registry",
            "sealift-store",
        ],
    ),
    ("sealift-dist", &["sealift-bundle", "sealift-oci", "sealift-store"]),
    ("sealift-testbed", &["sealift-oci"]),
];

/// What stays out of a crate, directly and through its dependencies.
const WALLS: &[(&str, &[&str])] = &[
    ("regzip", &["tokio", "hyper", "reqwest", "rustls", "http", "clap", "serde"]),
    ("sealift-oci", &["tokio", "hyper", "reqwest", "rustls", "clap", "futures-util"]),
    ("sealift-store", &["hyper", "reqwest", "rustls", "http", "clap", "inquire"]),
    ("sealift-mirror", &["hyper", "reqwest", "rustls", "http", "clap", "inquire"]),
    ("sealift-bundle", &["hyper", "reqwest", "rustls", "http", "clap", "inquire"]),
    ("sealift-catalog", &["hyper", "reqwest", "rustls", "http", "clap", "inquire"]),
    ("sealift-kit", &["tokio", "hyper", "reqwest", "rustls", "http", "clap", "inquire"]),
    ("sealift-registry", &["clap", "inquire"]),
    // One TLS stack and one HTTP stack in the binary.
    ("sealift", &["openssl-sys", "native-tls", "ring", "ureq", "isahc"]),
];

struct Graph {
    names: BTreeMap<String, String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the normal and build dependencies, as resolved, from `cargo metadata`; what is for other systems may have to be
    /// fetched for it.
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked"])
            .arg(concat!("--manifest-path=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut graph = Self { names: BTreeMap::new(), edges: BTreeMap::new() };
        for package in metadata["packages"].as_array().unwrap() {
            graph.names.insert(text(&package["id"]), text(&package["name"]));
        }
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let used = node["deps"].as_array().unwrap().iter().filter(|it| !is_for_tests(it));
            graph.edges.insert(text(&node["id"]), used.map(|it| text(&it["pkg"])).collect());
        }
        graph
    }

    fn id(&self, name: &str) -> &str {
        self.names.iter().find(|(_, it)| *it == name).map(|(id, _)| id).unwrap()
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.edges[self.id(name)].iter().map(|id| self.names[id].as_str()).collect()
    }
}

/// Names everything below a crate, as it is really built: `cargo metadata` also lists edges of features that
/// are off.
fn all(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges=normal,build", "--prefix=none", "--format={p}"])
        .args(["--package", name])
        .arg(concat!("--manifest-path=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// One crate is of use to others, too, and so it has a name of its own.
fn is_ours(name: &str) -> bool {
    name == "regzip" || name.starts_with("sealift")
}

fn is_for_tests(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().unwrap().iter().all(|it| it["kind"] == "dev")
}

#[test]
fn crates_use_only_what_the_arrows_allow() {
    let graph = Graph::read();
    for (name, allowed) in ARROWS {
        let used = graph.direct(name);
        let ours = used.iter().filter(|it| is_ours(it));
        let forbidden: Vec<_> = ours.filter(|it| !allowed.contains(it)).collect();
        assert!(forbidden.is_empty(), "{name} must not use {forbidden:?}");
    }
}

#[test]
fn every_crate_has_its_arrows() {
    let graph = Graph::read();
    let ours: BTreeSet<_> = graph.names.values().filter(|it| is_ours(it)).collect();
    assert_eq!(ours.len(), ARROWS.len(), "{ours:?}");
}

#[test]
fn what_a_crate_must_not_know_is_not_below_it() {
    for (name, forbidden) in WALLS {
        let used = all(name);
        let found: Vec<_> = forbidden.iter().filter(|it| used.contains(**it)).collect();
        assert!(found.is_empty(), "{name} must not know {found:?}");
    }
}

/// What no dependency shows: words that a part of the sources must not have, and why.
const WORDS: &[(&str, &[&str])] = &[
    // Pure: no files, no environment.
    ("oci/src", &["std::fs", "std::env", "std::net::Tcp"]),
    // The two ends of the wire share nothing but the wire.
    ("registry/src/client", &["crate::server", "super::server"]),
    ("registry/src/server", &["crate::client", "super::client"]),
    // Only the binary knows the environment and the terminal.
    ("store/src", &["std::env::", "std::io::stdout", "std::io::stderr"]),
    ("registry/src", &["std::env::", "std::io::stdout", "std::io::stderr"]),
    ("mirror/src", &["std::env::", "std::fs", "std::io::stdout", "std::io::stderr"]),
    ("catalog/src", &["std::env::", "std::fs", "std::io::stdout", "std::io::stderr"]),
    // Values in, named files out.
    ("kit/src", &["std::env::", "std::fs", "std::io", "std::process", "std::net"]),
];

/// What tells one system from another stands in the modules that are called so, with another half for other systems. The testbed
/// runs on Debian alone.
#[test]
fn only_the_platform_modules_know_the_system() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![crates.to_owned()];
    let mut platforms = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name == "platform" {
                platforms += 1;
                for half in ["unix.rs", "other.rs"] {
                    assert!(path.join(half).exists(), "{} has no {half}", path.display());
                }
            } else if path.is_dir() && !["tests", "testbed", "benches"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && name != "tests" {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                for word in
                    ["std::os::", "nix::", "signal::unix", "cfg(unix)", "cfg(not(unix))", "cfg(windows)"]
                {
                    assert!(!code.contains(word), "{} has {word}", path.display());
                }
            }
        }
    }
    assert_eq!(platforms, 2, "one for files, one for processes and terminals");
}

#[test]
fn sources_have_no_words_that_are_not_theirs() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (folder, forbidden) in WORDS {
        let mut folders = vec![crates.join(folder)];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // Tests may use anything: client and server meet in them.
                let is_test = path.file_stem().is_some_and(|it| it == "tests" || it == "testing");
                if path.is_dir() && !is_test {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") && !is_test {
                    files += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    for word in *forbidden {
                        assert!(!code.contains(word), "{} has {word}", path.display());
                    }
                }
            }
        }
        assert!(files > 0, "{folder} is empty");
    }
}
