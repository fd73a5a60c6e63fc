//! The layers of a product in two months, and the images that stand on them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sealift_oci::Digest;
use sealift_testbed::images::ImageSet;
use serde_json::{Value, json};

/// The images, and their layers from the bottom up.
const IMAGES: [(&str, &[&str]); 15] = [
    ("base", &["base"]),
    ("java", &["base", "java"]),
    ("spark", &["base", "java", "jars"]),
    ("postgres", &["base", "pg"]),
    ("redis", &["base", "redis"]),
    ("nginx", &["base", "nginx"]),
    ("node", &["base", "node"]),
    ("shop", &["base", "node", "npm"]),
    ("jupyter", &["base", "python", "jlab"]),
    ("airflow", &["base", "python", "airflow"]),
    ("science", &["base", "python", "ds"]),
    ("analytics", &["base", "python", "analytics"]),
    ("ansible", &["base", "python", "ansible"]),
    ("buf", &["base", "go1"]),
    ("lefthook", &["base", "go2"]),
];

/// A layer in both months.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    /// Uncompressed.
    pub(crate) tars: [PathBuf; 2],
    /// As registries have it.
    pub(crate) blobs: [PathBuf; 2],
    pub(crate) digests: [Digest; 2],
}

impl Layer {
    /// How many bytes a file of the second month has.
    pub(crate) fn size(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.blobs[1])?.len())
    }
}

/// Makes the layers, if no earlier run left them in `directory`, which takes its time and the network.
pub(crate) async fn layers(directory: &Path) -> io::Result<Vec<Layer>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-months");
    let mut build = tokio::process::Command::new(script);
    let status = build.arg(directory).stdin(Stdio::null()).kill_on_drop(true).status().await?;
    if !status.success() {
        return Err(io::Error::other(format!("scripts/build-months: {status}")));
    }
    let mut names: Vec<&str> = IMAGES.iter().flat_map(|(_, layers)| layers.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| layer(directory, name)).collect()
}

fn layer(directory: &Path, name: &str) -> io::Result<Layer> {
    let both = |ending: &str| [1, 2].map(|month| directory.join(format!("{month}/{name}.{ending}")));
    let blobs = both("gz");
    let digest = |path: &Path| Ok::<_, io::Error>(Digest::sha256(&fs::read(path)?));
    let digests = [digest(&blobs[0])?, digest(&blobs[1])?];
    Ok(Layer { name: name.to_owned(), tars: both("tar"), blobs, digests })
}

/// Makes the images of a month, counted from 0, in `directory`; their tag is `v1` or `v2`.
pub(crate) fn images(layers: &[Layer], month: usize, directory: &Path) -> io::Result<ImageSet> {
    let pool = directory.join("blobs/sha256");
    fs::create_dir_all(&pool)?;
    for layer in layers {
        fs::hard_link(&layer.blobs[month], pool.join(layer.digests[month].hex()))?;
    }
    let mut manifests = Vec::new();
    for (name, stack) in IMAGES {
        let stack: Vec<&Layer> =
            stack.iter().filter_map(|wanted| layers.iter().find(|it| it.name == *wanted)).collect();
        let mut manifest = image(&pool, &stack, month)?;
        let reference = format!("{name}:v{}", month + 1);
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    fs::write(directory.join("index.json"), index.to_string())?;
    ImageSet::load(directory)
}

fn image(pool: &Path, stack: &[&Layer], month: usize) -> io::Result<Value> {
    let diff_ids: Vec<String> = stack.iter().map(|layer| layer.digests[month].to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = keep(pool, "application/vnd.oci.image.config.v1+json", &config)?;
    let mut layers = Vec::new();
    for layer in stack {
        let size = fs::metadata(&layer.blobs[month])?.len();
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        let digest = layer.digests[month].to_string();
        layers.push(json!({"mediaType": media_type, "digest": digest, "size": size}));
    }
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
    keep(pool, media_type, &manifest)
}

fn keep(pool: &Path, media_type: &str, document: &Value) -> io::Result<Value> {
    let bytes = document.to_string().into_bytes();
    let digest = Digest::sha256(&bytes);
    fs::write(pool.join(digest.hex()), &bytes)?;
    Ok(json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()}))
}
