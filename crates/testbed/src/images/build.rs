//! From a plan to a set: layers on two threads, then configurations and manifests, the index file last.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sealift_oci::{Descriptor, Digest, media_type};
use serde_json::{Value, json};

use super::layer::{Layer, part_of_this_machine, write_blob};
use super::plan::{ImagePlan, PlatformPlan, SetPlan};
use super::set::{INDEX, ImageSet, NAME_ANNOTATION};

/// The number of threads that compress, each with files of its own.
const THREADS: usize = 2;
/// The time that configurations name; fixed, so that the same layers make the same image.
const CREATED: &str = "2020-09-23T00:00:00Z";

impl SetPlan {
    /// Returns the set from `cache`, where it is made first if no earlier run left it there. Other processes
    /// that want the same set wait for this one.
    ///
    /// # Errors
    /// When the directory cannot be written, or the disk is full.
    pub fn cached(&self, cache: &Path) -> io::Result<ImageSet> {
        self.cached_with(cache, Self::build_layers)
    }

    /// Does so with layers that `layers` puts into the pool.
    pub(super) fn cached_with(
        &self,
        cache: &Path,
        layers: impl FnOnce(&Self, &Path) -> io::Result<Vec<Layer>>,
    ) -> io::Result<ImageSet> {
        fs::create_dir_all(cache)?;
        let name = format!("{}-{}", self.name, self.version);
        let directory = cache.join(&name);
        let lock = File::create(cache.join(name + ".lock"))?;
        lock.lock()?;
        if !directory.join(INDEX).exists() {
            self.build_with(&directory, layers)?;
        }
        ImageSet::load(&directory)
    }

    /// Makes the set in `directory`, in place of what is there.
    ///
    /// # Errors
    /// When the directory cannot be written, or the disk is full.
    pub fn build(&self, directory: &Path) -> io::Result<ImageSet> {
        self.build_with(directory, Self::build_layers)
    }

    fn build_with(
        &self,
        directory: &Path,
        layers: impl FnOnce(&Self, &Path) -> io::Result<Vec<Layer>>,
    ) -> io::Result<ImageSet> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        let pool = directory.join("blobs/sha256");
        fs::create_dir_all(&pool)?;
        let layers = layers(self, &pool)?;
        let mut manifests = Vec::new();
        for image in &self.images {
            let mut descriptor = image.build(&pool, &layers)?;
            let name = format!("{}:{}", image.name, image.tag);
            descriptor.annotations.insert(NAME_ANNOTATION.to_owned(), name);
            manifests.push(descriptor);
        }
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
        let staged = directory.join("index.new");
        fs::write(&staged, serde_json::to_vec_pretty(&index)?)?;
        fs::rename(staged, directory.join(INDEX))?;
        ImageSet::load(directory)
    }

    fn build_layers(&self, pool: &Path) -> io::Result<Vec<Layer>> {
        let shares = share_out(&self.layers, THREADS);
        let mut layers: Vec<Option<Layer>> = vec![None; self.layers.len()];
        std::thread::scope(|scope| {
            let work = |(part, share): (usize, &Vec<usize>)| {
                let share = share.clone();
                scope.spawn(move || self.build_share(pool, part, &share))
            };
            let workers: Vec<_> = shares.iter().enumerate().map(work).collect();
            for worker in workers {
                let built = worker.join().map_err(|_| io::Error::other("a compressing thread panicked"))?;
                for (place, layer) in built? {
                    layers[place] = Some(layer);
                }
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(layers.into_iter().flatten().collect())
    }

    fn build_share(&self, pool: &Path, part: usize, share: &[usize]) -> io::Result<Vec<(usize, Layer)>> {
        let mut supply = part_of_this_machine(part, THREADS);
        let build = |&place: &usize| Ok((place, supply.layer(pool, self.layers[place], self.level)?));
        share.iter().map(build).collect()
    }
}

/// Deals the layers out, largest first to whoever has least: the same every time, and large layers get the
/// large files.
fn share_out(sizes: &[u64], threads: usize) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..sizes.len()).collect();
    places.sort_by_key(|&place| std::cmp::Reverse(sizes[place]));
    let mut shares = vec![(0, Vec::new()); threads];
    for place in places {
        if let Some((load, share)) = shares.iter_mut().min_by_key(|(load, _)| *load) {
            *load += sizes[place];
            share.push(place);
        }
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

impl ImagePlan {
    fn build(&self, pool: &Path, layers: &[Layer]) -> io::Result<Descriptor> {
        let mut children = Vec::new();
        for platform in &self.platforms {
            let mut child = self.build_platform(pool, platform, layers)?;
            child.platform = Some(platform.platform.clone());
            children.push(child);
        }
        if let [only] = children.as_mut_slice() {
            only.platform = None;
            return Ok(only.clone());
        }
        let media_type = self.style.index();
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
        write_json(pool, media_type, &index)
    }

    fn build_platform(&self, pool: &Path, plan: &PlatformPlan, layers: &[Layer]) -> io::Result<Descriptor> {
        let layers: Vec<Layer> = plan.layers.iter().map(|&place| layers[place]).collect();
        let config = write_json(pool, self.style.config(), &self.config(plan, &layers))?;
        let describe = |layer: &Layer| Descriptor::new(self.style.layer(), layer.digest, layer.size);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": self.style.manifest(),
            "config": config,
            "layers": layers.iter().map(describe).collect::<Vec<_>>(),
        });
        write_json(pool, self.style.manifest(), &manifest)
    }

    /// The image configuration: OCI image specification 1.1, `config.md`; Docker's has the same fields.
    fn config(&self, plan: &PlatformPlan, layers: &[Layer]) -> Value {
        let step = |number| json!({"created": CREATED, "created_by": format!("/bin/sh -c #(nop) ADD layer {number} in /")});
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        json!({
            "architecture": plan.platform.architecture,
            "os": plan.platform.os,
            "created": CREATED,
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["/usr/bin/sleep", "infinity"],
                "Labels": {"name": self.name, "version": self.tag},
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": (0..layers.len()).map(step).collect::<Vec<_>>(),
        })
    }
}

/// Writes the three-space JSON that Docker itself writes: a manifest's bytes are more than its meaning.
fn write_json(pool: &Path, media_type: &str, value: &Value) -> io::Result<Descriptor> {
    let mut bytes = Vec::new();
    let spaces = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, spaces);
    serde::Serialize::serialize(value, &mut serializer)?;
    let digest = write_blob(pool, &bytes)?;
    Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::super::tiny_plan;
    use super::*;

    #[test]
    fn shares_are_even_and_begin_with_the_largest() {
        assert_eq!(share_out(&[1, 9, 3, 4], 2), [vec![1], vec![3, 2, 0]]);
        assert_eq!(share_out(&[5], 2), [vec![0], vec![]]);
    }

    #[test]
    fn a_set_is_made_once_and_read_the_next_time() {
        let cache = tempfile::tempdir().unwrap();
        let first = tiny_plan().cached(cache.path()).unwrap();
        let written = fs::metadata(first.directory().join(INDEX)).unwrap().modified().unwrap();
        let second = tiny_plan().cached(cache.path()).unwrap();
        assert_eq!(fs::metadata(second.directory().join(INDEX)).unwrap().modified().unwrap(), written);
        assert_eq!(first.images(), second.images());
        // What an interrupted run left behind is made anew.
        fs::remove_file(first.directory().join(INDEX)).unwrap();
        assert_eq!(tiny_plan().cached(cache.path()).unwrap().images(), first.images());
    }

    #[test]
    fn the_configuration_names_the_uncompressed_layers() {
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_plan().build(directory.path()).unwrap();
        let image = set.image("one").unwrap();
        let config: Value =
            serde_json::from_slice(&set.read(&image.manifest.links.blobs[0].digest).unwrap()).unwrap();
        assert_eq!(config["architecture"], "amd64");
        for (diff_id, layer) in
            config["rootfs"]["diff_ids"].as_array().unwrap().iter().zip(&image.manifest.links.blobs[1..])
        {
            let blob = set.read(&layer.digest).unwrap();
            let mut archive = Vec::new();
            io::copy(&mut flate2::read::GzDecoder::new(blob.as_slice()), &mut archive).unwrap();
            assert_eq!(diff_id.as_str().unwrap(), Digest::sha256(&archive).to_string());
        }
    }
}
