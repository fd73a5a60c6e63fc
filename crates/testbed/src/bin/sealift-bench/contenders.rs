//! The tools that are compared, each as a person would call it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift_testbed::images::{ImageSet, RELEASE_TAG};
use serde_json::json;

/// One tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// `curl | curl` of each distinct blob, four at a time: no digests, no manifests; the floor.
    Curl,
    /// `skopeo sync`.
    Skopeo,
    /// `sealift mirror`.
    Sealift,
    /// `sealift mirror` once more, with everything there.
    SealiftAgain,
}

/// What lies between the tool and the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Link {
    /// Nothing.
    Loopback,
    /// A long line: 15 ms each way, 800 Mbit/s.
    Wan,
}

impl Link {
    pub(crate) const ALL: [Self; 2] = [Self::Loopback, Self::Wan];
    /// Bytes a second of the long line.
    pub(crate) const WAN_RATE: u64 = 100_000_000;
    /// One way of the long line.
    pub(crate) const WAN_DELAY: Duration = Duration::from_millis(15);

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Wan => "WAN",
        }
    }
}

/// Both ends of a copy.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) source: String,
    pub(crate) target: String,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Curl, Self::Skopeo, Self::Sealift, Self::SealiftAgain];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl | curl, 4 at a time (the floor)",
            Self::Skopeo => "skopeo sync --all",
            Self::Sealift => "sealift mirror",
            Self::SealiftAgain => "sealift mirror, nothing to do",
        }
    }

    /// Tells whether the tool starts with an empty target.
    pub(crate) fn needs_empty_target(self) -> bool {
        self != Self::SealiftAgain
    }

    /// Returns the command line; what it reads is written below `directory`.
    pub(crate) fn command(self, set: &ImageSet, ends: &Ends, directory: &Path) -> io::Result<Vec<String>> {
        match self {
            Self::Curl => curl(set, ends, directory),
            Self::Skopeo => skopeo(set, ends, directory),
            Self::Sealift | Self::SealiftAgain => Ok(sealift(ends)),
        }
    }
}

fn curl(set: &ImageSet, ends: &Ends, directory: &Path) -> io::Result<Vec<String>> {
    let copy = format!(
        "location=$(curl -sf -o /dev/null -X POST -w '%header{{location}}' http://{target}/v2/floor/blobs/uploads/)\n\
         curl -sf http://{source}/v2/arcdata/$1/blobs/$2 | curl -sf -o /dev/null -T - \"$location&digest=$2\"\n",
        source = ends.source,
        target = ends.target,
    );
    let script = write(directory, "copy.sh", &copy)?;
    let list = write(directory, "blobs", &blob_list(set))?;
    let all = format!("xargs -P 4 -n 2 sh {} < {}", script.display(), list.display());
    Ok(["sh", "-c", &all].map(str::to_owned).to_vec())
}

/// Returns a line for each distinct blob: an image that has it, and its digest.
pub(crate) fn blob_list(set: &ImageSet) -> String {
    let mut list = String::new();
    for blob in set.blobs() {
        let holder = set.images().iter().find(|it| it.blobs().iter().any(|has| has.digest == blob.digest));
        // Every blob of a set is in one of its images; writing to a string cannot fail.
        let _ = writeln!(list, "{} {}", holder.map_or("", |it| it.name.as_str()), blob.digest);
    }
    list
}

fn skopeo(set: &ImageSet, ends: &Ends, directory: &Path) -> io::Result<Vec<String>> {
    let images: serde_json::Map<String, serde_json::Value> =
        set.images().iter().map(|it| (format!("arcdata/{}", it.name), json!([RELEASE_TAG]))).collect();
    let mut registries = serde_json::Map::new();
    registries.insert(ends.source.clone(), json!({"images": images, "tls-verify": false}));
    // JSON is YAML.
    let file = write(directory, "sync.yaml", &serde_json::Value::Object(registries).to_string())?;
    let (file, target) = (file.display().to_string(), format!("{}/site", ends.target));
    let arguments =
        ["sync", "--all", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false", &file, &target];
    Ok(std::iter::once("skopeo").chain(arguments).map(str::to_owned).collect())
}

/// `sealift mirror` of the whole release.
pub(crate) fn sealift(ends: &Ends) -> Vec<String> {
    let source = ["--source-registry", &ends.source, "--source-repository", "arcdata"];
    mirror(
        &ends.target,
        &[&source[..], &["--source-tag", RELEASE_TAG, "--plain-http", &ends.source]].concat(),
    )
}

/// `sealift mirror` of what `source` names. As the other tools, it is told what the registries speak.
pub(crate) fn mirror(target: &str, source: &[&str]) -> Vec<String> {
    let binary = binary().display().to_string();
    let to = ["--target-registry", target, "--target-repository", "site", "--plain-http", target];
    let all = [binary.as_str(), "mirror"].into_iter().chain(to).chain(source.iter().copied());
    all.map(str::to_owned).collect()
}

/// The release binary beside this one.
pub(crate) fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.with_file_name("sealift")
}

pub(crate) fn write(directory: &Path, name: &str, content: &str) -> io::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}
