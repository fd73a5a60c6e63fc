//! The sets of data of the suite.

use sealift_oci::{Algorithm, Digest, media_type};
use sealift_store::conformance::fixture;
use serde_json::{Value, json};

use crate::data::{Data, EMPTY_JSON, EXAMPLE, IMAGE, INDEX};

/// Adds an image to a set; `more` has further fields.
fn add_image(set: &mut Data, seed: &str, more: Value, tag: Option<&str>) -> Value {
    let seed = format!("{} {seed}", set.name);
    let layers: Vec<Value> = (0..2)
        .map(|number| set.blob(media_type::OCI_LAYER_GZIP, fixture::noise(&format!("{seed} {number}"), 300)))
        .collect();
    let config = set.blob(media_type::OCI_CONFIG, json!({"os": "linux", "seed": seed}).to_string());
    let mut fields = json!({"config": config, "layers": layers});
    merge(&mut fields, more);
    set.manifest(IMAGE, &fields, tag)
}

fn add_artifact(set: &mut Data, kind: &str, more: Value, tag: Option<&str>) -> Value {
    let config = set.blob(EMPTY_JSON, "{}");
    let layer = set.blob(kind, fixture::noise(&format!("{} {kind}", set.name), 2048));
    let mut fields = json!({"artifactType": kind, "config": config, "layers": [layer]});
    merge(&mut fields, more);
    set.manifest(IMAGE, &fields, tag)
}

fn add_index(set: &mut Data, seed: &str, more: Value, tag: Option<&str>) -> Value {
    let platform = |processor: &str| json!({"os": "linux", "architecture": processor});
    let children: Vec<Value> = ["amd64", "arm64"]
        .into_iter()
        .map(|processor| {
            let mut child = add_image(set, &format!("{seed} {processor}"), json!({}), None);
            child["platform"] = platform(processor);
            child
        })
        .collect();
    let mut fields = json!({"manifests": children});
    merge(&mut fields, more);
    set.manifest(INDEX, &fields, tag)
}

fn merge(fields: &mut Value, more: Value) {
    for (field, value) in more.as_object().unwrap() {
        fields[field] = value.clone();
    }
}

/// One set with one tag, made by `fill`.
fn set(name: &str, fill: impl FnOnce(&mut Data, Option<&str>)) -> Data {
    let mut set = Data::new(name);
    fill(&mut set, Some(name));
    set
}

pub(crate) fn image(name: &str) -> Data {
    set(name, |set, tag| drop(add_image(set, "", json!({}), tag)))
}

pub(crate) fn all() -> Vec<Data> {
    let mut all = plain();
    all.extend(attached());
    all.extend(odd());
    all.extend(algorithms());
    all
}

fn plain() -> Vec<Data> {
    let annotations: serde_json::Map<String, Value> =
        (0..390).map(|number| (format!("large-annotation-{number}"), json!("A".repeat(10_000)))).collect();
    vec![
        image("image"),
        set("image-uncompressed", |set, tag| {
            let layer = set.blob("application/vnd.oci.image.layer.v1.tar", "not compressed");
            let config = set.blob(media_type::OCI_CONFIG, "{\"os\":\"linux\"}");
            set.manifest(IMAGE, &json!({"config": config, "layers": [layer]}), tag);
        }),
        set("large-manifest", |set, tag| {
            add_image(set, "", json!({"annotations": annotations}), tag);
        }),
        set("index", |set, tag| drop(add_index(set, "", json!({}), tag))),
        set("nested-index", |set, tag| {
            let children = ["one", "two"].map(|seed| add_index(set, seed, json!({}), None));
            set.manifest(INDEX, &json!({"manifests": children}), tag);
        }),
        set("empty-index", |set, tag| drop(set.manifest(INDEX, &json!({"manifests": []}), tag))),
        set("artifact", |set, tag| drop(add_artifact(set, EXAMPLE[0], json!({}), tag))),
        set("artifact-index", |set, tag| {
            let child = add_artifact(set, EXAMPLE[0], json!({}), None);
            set.manifest(INDEX, &json!({"artifactType": EXAMPLE[0], "manifests": [child]}), tag);
        }),
        set("artifact-without-layers", |set, tag| {
            let empty = set.blob(EMPTY_JSON, "{}");
            let fields = json!({"artifactType": EXAMPLE[0], "config": empty, "layers": [empty]});
            set.manifest(IMAGE, &fields, tag);
        }),
    ]
}

fn attached() -> Vec<Data> {
    let annotations = json!({"org.opencontainers.conformance": "hello", "org.example.unique": "one"});
    vec![
        set("artifacts-with-subject", |set, tag| {
            let subject = add_image(set, "subject", json!({}), tag);
            add_image(set, "attached", json!({"subject": subject}), None);
            for (kind, tag) in EXAMPLE.iter().zip(["tagged-artifact1", "tagged-artifact2"]) {
                let more = json!({"subject": subject, "annotations": annotations});
                add_artifact(set, kind, more, Some(tag));
            }
        }),
        set("index-with-subject", |set, tag| {
            let subject = add_index(set, "subject", json!({}), tag);
            let more = json!({"artifactType": EXAMPLE[0], "annotations": annotations, "subject": subject});
            add_index(set, "attached", more, Some("tagged-artifact"));
            add_index(set, "attached too", json!({"subject": subject}), None);
        }),
        set("missing-subject", |set, tag| {
            let digest = Digest::sha256(b"missing content");
            let subject = json!({"mediaType": IMAGE, "size": 123, "digest": digest});
            add_artifact(set, EXAMPLE[0], json!({"subject": subject, "annotations": annotations}), tag);
        }),
    ]
}

fn odd() -> Vec<Data> {
    vec![
        set("data-field", |set, tag| {
            let mut config = set.blob(EMPTY_JSON, "{}");
            config["data"] = json!("e30=");
            let mut layer = set.blob("application/octet-stream", "inline");
            layer["data"] = json!("aW5saW5l");
            set.manifest(
                IMAGE,
                &json!({"artifactType": EXAMPLE[0], "config": config, "layers": [layer]}),
                tag,
            );
        }),
        set("non-distributable-layers", |set, tag| {
            let foreign = |kind: &str| {
                let digest = Digest::sha256(kind.as_bytes());
                let media_type = format!("application/vnd.oci.image.layer.nondistributable.v1.{kind}");
                let url = format!("https://store.example.com/blobs/sha256/{}", digest.hex());
                json!({"mediaType": media_type, "digest": digest, "size": 12345, "urls": [url]})
            };
            let own = set.blob(media_type::OCI_LAYER_GZIP, "own layer");
            let config = set.blob(media_type::OCI_CONFIG, "{\"os\":\"linux\",\"foreign\":1}");
            let layers = [foreign("tar+gzip"), foreign("tar"), own];
            set.manifest(IMAGE, &json!({"config": config, "layers": layers}), tag);
        }),
        set("custom-fields", |set, tag| {
            let config = set.blob(media_type::OCI_CONFIG, "{\"org.custom\":\"x\"}");
            let custom = json!({"config": config, "layers": [], "org.custom": {"deep": [1]}});
            let child = set.manifest(IMAGE, &custom, None);
            set.manifest(INDEX, &json!({"manifests": [child], "org.custom": "x"}), tag);
        }),
        set("no-layers", |set, tag| {
            let config = set.blob(media_type::OCI_CONFIG, "{\"os\":\"linux\",\"layers\":0}");
            set.manifest(IMAGE, &json!({"config": config, "layers": []}), tag);
        }),
        set("sparse", |set, tag| {
            let here = add_image(set, "here", json!({}), None);
            let digest = Digest::sha256(b"not pushed");
            let absent = json!({"mediaType": IMAGE, "digest": digest, "size": 1024});
            set.manifest(INDEX, &json!({"manifests": [here, absent]}), tag);
        }),
        {
            let mut set = image("bad-digest-image");
            set.tags.clear();
            set.is_wrong = true;
            for manifest in &mut set.manifests {
                manifest.bytes = [&manifest.bytes[..], b"  "].concat().into();
            }
            set
        },
    ]
}

fn algorithms() -> Vec<Data> {
    let named = |name: &str, algorithm, tags_as_parameters| {
        let mut set = Data::new(name);
        (set.algorithm, set.tags_as_parameters) = (algorithm, tags_as_parameters);
        add_index(&mut set, "", json!({}), None);
        if tags_as_parameters {
            let digests: Vec<Digest> = set.manifests.iter().map(|it| it.digest).collect();
            let tags =
                digests.iter().enumerate().map(|(number, digest)| (format!("{name}-{number}"), *digest));
            set.tags = tags.collect();
            set.tags.push((name.to_owned(), digests[digests.len() - 1]));
        }
        set
    };
    vec![
        named("sha512", Algorithm::Sha512, false),
        named("tag-param-sha256", Algorithm::Sha256, true),
        named("tag-param-sha512", Algorithm::Sha512, true),
        named("sha256", Algorithm::Sha256, false),
    ]
}
