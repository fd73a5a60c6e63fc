//! A set that is shaped like a release of Azure Arc data services: its images, what they share, its sizes.

use std::io;
use std::path::Path;

use sealift_oci::Platform;

use super::plan::{ImagePlan, PlatformPlan, SetPlan, Style};
use super::set::ImageSet;

/// The release that [`release_set`] looks like.
pub const RELEASE_TAG: &str = "public-preview-sep-2020";

/// The images of that release.
pub const RELEASE_NAMES: [&str; 15] = [
    "arc-bootstrapper",
    "arc-postgres-11",
    "arc-postgres-12",
    "arc-control-watchdog",
    "arc-controller",
    "arc-sqlmi",
    "arc-monitor-collectd",
    "arc-monitor-elasticsearch",
    "arc-monitor-fluentbit",
    "arc-monitor-grafana",
    "arc-monitor-influxdb",
    "arc-monitor-kibana",
    "arc-monitor-telegraf",
    "arc-server-controller",
    "arc-service-proxy",
];

/// The image that is an index of two platforms.
const TWO_PLATFORMS: &str = "arc-service-proxy";

/// Raised when the making of sets changes, so that no set of an older make is taken from a cache.
const MAKE: u32 = 1;

/// How many bytes a release has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// About 5 MB: for unit tests, made in less than a second.
    Small,
    /// Somewhat more than 150 MB: for tests against other programs.
    Interop,
    /// Over 1.2 GiB, with one layer of about 400 MB: for the bench.
    Bench,
}

impl Size {
    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Interop => "interop",
            Self::Bench => "bench",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Small => 5_000_000,
            Self::Interop => 170_000_000,
            Self::Bench => 1_300_000_000,
        }
    }
}

/// What a release shall be like.
#[derive(Clone, Debug)]
pub struct ReleaseOptions {
    /// The size of all its blobs.
    pub size: Size,
    /// The tag of all its images.
    pub tag: String,
    /// The gzip level of its layers.
    pub level: u32,
}

impl ReleaseOptions {
    /// Asks for a release of that size under its own tag, compressed quickly.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self { size, tag: RELEASE_TAG.to_owned(), level: 1 }
    }
}

/// Returns the release from `cache`, usually [`cache_directory`](super::cache_directory); it is made there
/// first if need be.
///
/// # Errors
/// When the cache cannot be written.
pub fn release_set(options: &ReleaseOptions, cache: &Path) -> io::Result<ImageSet> {
    release_plan(options).cached(cache)
}

/// Returns the plan of a release: one base under all images, a second one under all `arc-monitor-*`, a third
/// one under both Postgres, and one or two layers of each image's own.
#[must_use]
pub fn release_plan(options: &ReleaseOptions) -> SetPlan {
    let mut layers = Layers { total: options.size.bytes(), sizes: Vec::new() };
    let base = layers.add(50);
    let monitor = layers.add(60);
    let postgres = layers.add(90);
    let mut images = Vec::new();
    for name in RELEASE_NAMES {
        let shared = match name {
            _ if name.starts_with("arc-monitor-") => vec![base, monitor],
            _ if name.starts_with("arc-postgres-") => vec![base, postgres],
            _ => vec![base],
        };
        let architectures = if name == TWO_PLATFORMS { &["amd64", "arm64"][..] } else { &["amd64"] };
        let platform = |architecture: &&str| PlatformPlan {
            platform: Platform::new("linux", architecture),
            layers: [shared.clone(), own(name).iter().map(|&share| layers.add(share)).collect()].concat(),
        };
        let platforms = architectures.iter().map(platform).collect();
        let (name, tag) = (name.to_owned(), options.tag.clone());
        images.push(ImagePlan { style: style(&name), name, tag, platforms });
    }
    let name = format!("release-{}-{}-gzip{}", options.size.name(), options.tag, options.level);
    SetPlan { name, version: MAKE, level: options.level, layers: layers.sizes, images }
}

/// The layers of a plan, whose sizes are shares of its total.
struct Layers {
    total: u64,
    sizes: Vec<u64>,
}

impl Layers {
    /// Adds a layer with so many thousandths of the total, and returns its place.
    fn add(&mut self, share: u64) -> usize {
        self.sizes.push(self.total * share / 1000);
        self.sizes.len() - 1
    }
}

/// The layers that an image has for itself, in thousandths of the release. All of them and the 200 of the
/// shared layers make 1000; the largest is the database, as it is in truth.
fn own(name: &str) -> &'static [u64] {
    match name {
        "arc-sqlmi" => &[320, 40],
        "arc-monitor-elasticsearch" | "arc-monitor-kibana" => &[60],
        "arc-controller" => &[50],
        "arc-postgres-11" | "arc-postgres-12" => &[40],
        "arc-monitor-grafana" | "arc-server-controller" => &[30],
        "arc-bootstrapper" | "arc-control-watchdog" | "arc-monitor-collectd" => &[10],
        _ => &[20],
    }
}

/// Most of the release is Docker's, as Microsoft publishes it; some is OCI, so that both are always tried.
fn style(name: &str) -> Style {
    match name {
        TWO_PLATFORMS | "arc-controller" | "arc-postgres-12" | "arc-monitor-grafana" => Style::Oci,
        _ => Style::Docker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_oci::{Kind, media_type};

    #[test]
    fn a_bench_release_has_the_asked_shape() {
        let plan = release_plan(&ReleaseOptions::new(Size::Bench));
        assert_eq!(plan.layers.iter().sum::<u64>(), Size::Bench.bytes());
        assert_eq!(plan.layers.len(), 20);
        assert!(plan.layers.iter().max().is_some_and(|&largest| largest > 400_000_000));
        let used: std::collections::BTreeSet<usize> = plan
            .images
            .iter()
            .flat_map(|image| image.platforms.iter().flat_map(|it| it.layers.clone()))
            .collect();
        assert_eq!(used.len(), plan.layers.len(), "no layer is left out");
    }

    #[test]
    fn a_small_release_is_whole_and_shares_its_bases() {
        let set = release_set(&ReleaseOptions::new(Size::Small), &super::super::cache_directory()).unwrap();
        assert_eq!(set.images().len(), 15);
        // Twenty layers, and a configuration for each of sixteen platforms.
        assert_eq!(set.blobs().len(), 36);
        assert!((4_500_000..7_000_000).contains(&set.size()), "{}", set.size());
        let base = &set.images()[0].manifest.links.blobs[1].digest;
        assert!(set.images().iter().all(|image| image.blobs().iter().any(|it| it.digest == *base)));
        let proxy = set.image(TWO_PLATFORMS).unwrap();
        assert_eq!(proxy.manifest.kind, Kind::Index);
        assert_eq!(proxy.children.len(), 2);
        let types: Vec<&str> =
            set.images().iter().map(|it| it.manifest.descriptor.media_type.as_str()).collect();
        for expected in [media_type::DOCKER_MANIFEST, media_type::OCI_MANIFEST, media_type::OCI_INDEX] {
            assert!(types.contains(&expected), "{expected}");
        }
    }
}
