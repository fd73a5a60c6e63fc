//! The release after: three of the fifteen images have another layer on top, everything else is as it was.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use sealift_oci::{Descriptor, Digest, Platform};
use sealift_testbed::images::{Image, ImagePlan, ImageSet, PlatformPlan, RELEASE_TAG, SetPlan, Style};
use serde_json::{Value, json};

/// The images that change, all of them OCI's, and the size of what is new in each.
const CHANGED: [(&str, u64); 3] =
    [("arc-controller", 65_000_000), ("arc-monitor-grafana", 39_000_000), ("arc-postgres-12", 52_000_000)];

/// The release after another.
pub(crate) struct Next {
    pub(crate) set: ImageSet,
    /// The layers and configurations that it has and the release before has not.
    pub(crate) fresh: BTreeSet<Digest>,
}

impl Next {
    /// Makes it in `directory`; what did not change is linked there.
    pub(crate) fn build(before: &ImageSet, cache: &Path, directory: &Path) -> io::Result<Self> {
        let layers = plan().cached(cache)?;
        let pool = directory.join("blobs/sha256");
        fs::create_dir_all(&pool)?;
        link(before, &pool)?;
        link(&layers, &pool)?;
        let mut manifests = Vec::new();
        for image in before.images() {
            let mut descriptor = match layers.image(&image.name) {
                Some(newer) => change(&pool, (before, image), (&layers, newer))?,
                None => json!(image.manifest.descriptor),
            };
            let name = format!("{}:{}", image.name, image.tag);
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            manifests.push(descriptor);
        }
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(directory.join("index.json"), index.to_string())?;
        let set = ImageSet::load(directory)?;
        let fresh = &blobs(&set) - &blobs(before);
        Ok(Self { set, fresh })
    }

    /// Returns the bytes of what is new.
    pub(crate) fn bytes(&self) -> u64 {
        self.fresh
            .iter()
            .filter_map(|digest| fs::metadata(self.set.path(digest)).ok())
            .map(|it| it.len())
            .sum()
    }
}

/// The new layers, each in an image of its own.
fn plan() -> SetPlan {
    let image = |(place, (name, _)): (usize, &(&str, u64))| ImagePlan {
        name: (*name).to_owned(),
        tag: RELEASE_TAG.to_owned(),
        style: Style::Oci,
        platforms: vec![PlatformPlan { platform: Platform::new("linux", "amd64"), layers: vec![place] }],
    };
    SetPlan {
        name: "release-bench-next".to_owned(),
        version: 1,
        level: 1,
        layers: CHANGED.iter().map(|(_, size)| *size).collect(),
        images: CHANGED.iter().enumerate().map(image).collect(),
    }
}

/// Puts the layer of `newer` in the place of an image's last one, and returns the descriptor of what comes of it.
fn change(pool: &Path, old: (&ImageSet, &Image), newer: (&ImageSet, &Image)) -> io::Result<Value> {
    let (mut manifest, mut config) = parts(old)?;
    let (from, config_of_it) = parts(newer)?;
    replace_last(&mut manifest["layers"], &from["layers"][0]);
    replace_last(&mut config["rootfs"]["diff_ids"], &config_of_it["rootfs"]["diff_ids"][0]);
    let config_type = manifest["config"]["mediaType"].as_str().unwrap_or_default().to_owned();
    manifest["config"] = write(pool, &config_type, &config)?;
    write(pool, &old.1.manifest.descriptor.media_type, &manifest)
}

/// Returns the manifest and the configuration of a plain image.
fn parts((set, image): (&ImageSet, &Image)) -> io::Result<(Value, Value)> {
    let config = image.manifest.links.blobs.first();
    let config = config.ok_or_else(|| io::Error::other("an image has no configuration"))?;
    let config = serde_json::from_slice(&set.read(&config.digest)?)?;
    Ok((serde_json::from_slice(&image.manifest.bytes)?, config))
}

fn replace_last(list: &mut Value, value: &Value) {
    if let Some(last) = list.as_array_mut().and_then(|list| list.last_mut()) {
        *last = value.clone();
    }
}

fn write(pool: &Path, media_type: &str, value: &Value) -> io::Result<Value> {
    let bytes = value.to_string();
    let descriptor = Descriptor::of(media_type, bytes.as_bytes());
    fs::write(pool.join(descriptor.digest.hex()), bytes)?;
    Ok(json!(descriptor))
}

fn link(set: &ImageSet, pool: &Path) -> io::Result<()> {
    for entry in fs::read_dir(set.directory().join("blobs/sha256"))? {
        let entry = entry?;
        fs::hard_link(entry.path(), pool.join(entry.file_name()))?;
    }
    Ok(())
}

fn blobs(set: &ImageSet) -> BTreeSet<Digest> {
    set.blobs().iter().map(|blob| blob.digest).collect()
}
