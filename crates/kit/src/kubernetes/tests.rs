use super::*;
use crate::testing;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn mapping(source: &str, target: &str, tag: Option<&str>, digest: bool) -> Mapping {
    let source = Reference::parse_familiar(source).unwrap();
    let tag = tag.map(|tag| tag.parse().unwrap()).or(source.tag.clone());
    Mapping { source, target: target.parse().unwrap(), tag, digest: digest.then(|| DIGEST.parse().unwrap()) }
}

fn place(is_plain_http: bool, ca: Option<&str>) -> Place {
    Place { registry: "ship.lan:5000".parse().unwrap(), is_plain_http, ca: ca.map(str::to_owned) }
}

fn images() -> Vec<Mapping> {
    let mut images = vec![
        mapping("nginx:1.25", "site/library/nginx", None, true),
        mapping("quay.io/org/app:1", "site/org/app", None, true),
        mapping("quay.io/org/app:2", "site/org/app", None, true),
        mapping("quay.io/org/tool:1", "site/org/tool", Some("v9"), false),
        mapping("mcr.microsoft.com/arcdata/arc-sqlmi:v1", "offline/arc-sqlmi", None, false),
        mapping("mcr.microsoft.com/arcdata/arc-controller:v1", "offline/arc-controller", None, false),
    ];
    images[2].digest = Some(Digest::sha256(b"another"));
    images
}

fn content<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|file| file.path == path).unwrap().content
}

#[test]
fn the_kit_is_the_published_one() {
    testing::check("kubernetes", &files(&place(false, Some("/etc/ship/ca.crt")), &images()).unwrap());
    testing::check("kubernetes-plain-http", &files(&place(true, None), &images()[..1]).unwrap());
}

#[test]
fn containerd_gets_a_file_for_what_it_can_say_and_the_rest_is_told() {
    let files = files(&place(false, None), &images()).unwrap();
    let paths: Vec<&str> =
        files.iter().map(|file| file.path.as_str()).filter(|path| path.starts_with("containerd")).collect();
    let expected = ["docker.io", "quay.io", "ship.lan:5000"];
    assert_eq!(paths, expected.map(|host| format!("containerd/certs.d/{host}/hosts.toml")));
    let readme = content(&files, "README.txt");
    assert!(readme.contains("changed of those from mcr.microsoft.com:"), "{readme}");
    assert!(readme.contains("the new tag, or use kustomize/, for: quay.io/org/tool:1\n"), "{readme}");
}

#[test]
fn kustomize_pins_what_is_one_image_and_leaves_the_tags_of_several() {
    let files = files(&place(false, None), &images()).unwrap();
    let text = content(&files, "kustomize/kustomization.yaml");
    let document: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let entry = |name: &str| {
        let images = document["images"].as_array().unwrap();
        images.iter().find(|image| image["name"] == name).cloned().unwrap_or_default()
    };
    for name in ["nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx"] {
        assert_eq!(entry(name)["digest"], DIGEST, "{name}");
        assert_eq!(entry(name)["newName"], "ship.lan:5000/site/library/nginx");
    }
    assert!(entry("quay.io/org/app")["digest"].is_null() && !entry("quay.io/org/app").is_null());
    assert_eq!(entry("quay.io/org/tool")["newTag"], "v9");
    assert!(entry("mcr.microsoft.com/arcdata/arc-sqlmi")["newTag"].is_null());
}

/// The schema of the mirror sets wants names without a scheme and a tag, and knows two policies.
#[test]
fn openshift_gets_names_and_a_policy_that_it_knows() {
    let files = files(&place(false, None), &images()).unwrap();
    for (path, list) in [("digest", "imageDigestMirrors"), ("tag", "imageTagMirrors")] {
        let text = content(&files, &format!("openshift/image-{path}-mirror-set.yaml"));
        let document: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        let entries = document["spec"][list].as_array().unwrap();
        assert!(!entries.is_empty());
        for entry in entries {
            let policy = entry["mirrorSourcePolicy"].as_str().unwrap();
            assert!(matches!(policy, "NeverContactSource" | "AllowContactingSource"), "{policy}");
            for name in entry["mirrors"].as_array().unwrap().iter().chain([&entry["source"]]) {
                let name = name.as_str().unwrap();
                let (host, path) = name.split_once('/').unwrap();
                let is_name = host.parse::<sealift_oci::Registry>().is_ok()
                    && path.parse::<sealift_oci::RepositoryName>().is_ok();
                assert!(is_name, "{name}");
            }
        }
    }
}

#[test]
fn nothing_is_said_of_nothing() {
    let files = files(&place(false, None), &[]).unwrap();
    assert!(content(&files, "k3s/registries.yaml").ends_with("mirrors: {}\n"));
    assert!(content(&files, "crio/registries.conf.d/50-sealift.conf").contains("registry = []"));
}
