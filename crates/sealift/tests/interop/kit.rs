//! What a kit is for: nodes that pull images by their old names from the new place, and a kubectl that takes the manifests.

use std::path::Path;

use sealift_testbed::containerd::Containerd;
use sealift_testbed::images::{RELEASE_TAG, Size};
use sealift_testbed::peers::{interop_wanted, require, run_well};
use sealift_testbed::podman::Podman;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::site::{Site, run};

/// The registry that the images are named after, which nobody here can reach.
const ELSEWHERE: &str = "mcr.invalid";

async fn kit(to: &Path, site: &Site, more: &[&str]) {
    let (to, target) = (to.display().to_string(), site.target.address().to_string());
    let place = ["--target-registry", &target, "--plain-http", &target, "--to", &to];
    run([&["kit"], &place[..], more].concat(), &[]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_pull_by_the_files_of_a_kit() {
    if !interop_wanted() {
        return;
    }
    let (site, directory) = (Site::new(Size::Small).await, tempfile::tempdir().unwrap());
    site.mirror(&[]).await.expect(0);
    let list = directory.path().join("images.txt");
    let image = format!("{ELSEWHERE}/arcdata/arc-sqlmi:{RELEASE_TAG}");
    std::fs::write(&list, &image).unwrap();
    let to = directory.path().join("kit");
    let images = ["--images-file", list.to_str().unwrap(), "--target-repository", "site"];
    kit(&to, &site, &[&["--for", "kubernetes"], &images[..]].concat()).await;

    let podman = Podman::new().unwrap();
    let conf = to.join("crio/registries.conf.d/50-sealift.conf").display().to_string();
    podman.podman(&["--registries-conf", &conf, "pull", "--quiet", &image]).await.unwrap();
    let hosts = to.join("containerd/certs.d").display().to_string();
    let containerd = Containerd::start().await.unwrap();
    containerd.pull(&image, &["--hosts-dir", &hosts]).await.unwrap();
    // Without the files the name leads nowhere.
    assert!(containerd.pull(&image, &[]).await.is_err());
    assert!(podman.podman(&["pull", "--quiet", &image.replace("sqlmi", "dns")]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_gives_images_their_new_names_and_digests() {
    if !interop_wanted() {
        return;
    }
    require("kubectl").unwrap();
    let (site, directory) = (Site::new(Size::Small).await, tempfile::tempdir().unwrap());
    site.mirror(&[]).await.expect(0);
    let (source, target) = (site.source.address().to_string(), site.target.address().to_string());
    let ask = ["lock", "--source-registry", &source, "--target-registry", &target, "--tag", RELEASE_TAG];
    let ask = [&ask[..], &["--target-repository", "site/arcdata", "--output", "json"]].concat();
    let document = run(ask, &[]).await.expect(0).stdout;
    let lock = directory.path().join("lock.json");
    std::fs::write(&lock, &document).unwrap();
    let to = directory.path().join("kit");
    let below = ["--target-repository", "site/arcdata", "--lock", lock.to_str().unwrap()];
    kit(&to, &site, &[&["--for", "kubernetes"], &below[..]].concat()).await;
    // Older releases of kubectl know no components, so the block itself is taken.
    let component = std::fs::read_to_string(to.join("kustomize/kustomization.yaml")).unwrap();
    let block = &component[component.find("images:").unwrap()..];
    std::fs::write(directory.path().join("kustomization.yaml"), format!("resources: [pod.yaml]\n{block}"))
        .unwrap();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" },
        "spec": { "containers": [{ "name": "a", "image": format!("{source}/arcdata/arc-sqlmi:{RELEASE_TAG}") }] },
    });
    std::fs::write(directory.path().join("pod.yaml"), pod.to_string()).unwrap();
    let built = run_well("kubectl", &["kustomize", directory.path().to_str().unwrap()]).await.unwrap();
    let built = String::from_utf8(built.stdout).unwrap();
    let locked: Value = serde_json::from_str(&document).unwrap();
    let locked = locked["images"].as_array().unwrap().iter();
    let digests = locked.filter(|image| image["source"].as_str().unwrap().contains("/arc-sqlmi:"));
    let digest = digests.map(|image| image["digest"].as_str().unwrap()).next().unwrap();
    assert!(built.contains(&format!("image: {target}/site/arcdata/arc-sqlmi@{digest}")), "{built}");
}

/// kubectl wants to know which kinds a cluster has before it looks at a manifest. It asks for their schemas only in a form of
/// its own, so the fields are checked against the published shapes in the crate of the kit.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_takes_every_manifest() {
    if !interop_wanted() {
        return;
    }
    require("kubectl").unwrap();
    let (site, directory) = (Site::new(Size::Small).await, tempfile::tempdir().unwrap());
    let (arc, any) = (directory.path().join("arc"), directory.path().join("any"));
    let place = ["--target-repository", "site/arcdata", "--tag", RELEASE_TAG];
    kit(&arc, &site, &[&["--for", "azure-arc"], &place[..]].concat()).await;
    kit(&any, &site, &[&["--for", "kubernetes"], &place[..]].concat()).await;
    let server = format!("http://{}", kinds_of_a_cluster().await);
    let cache = directory.path().join("cache").display().to_string();
    for (file, object) in [
        (arc.join("arc-private-registry.yaml"), "secret/arc-private-registry"),
        (arc.join("bootstrapper-job.yaml"), "job.batch/arc-bootstrapper-job"),
        (arc.join("bootstrapper-upgrade-job.yaml"), "job.batch/arc-bootstrapper-upgrade-job"),
        (arc.join("data-controller-upgrade.yaml"), "datacontroller.arcdata.microsoft.com/arc"),
        (
            any.join("openshift/image-digest-mirror-set.yaml"),
            "imagedigestmirrorset.config.openshift.io/sealift",
        ),
        (any.join("openshift/image-tag-mirror-set.yaml"), "imagetagmirrorset.config.openshift.io/sealift"),
    ] {
        let (file, server) = (file.display().to_string(), ["--server", &server, "--cache-dir", &cache]);
        let apply = ["apply", "--dry-run=client", "--validate=false", "-f", &file];
        let applied = run_well("kubectl", &[&server[..], &apply].concat()).await.unwrap();
        assert_eq!(String::from_utf8(applied.stdout).unwrap(), format!("{object} created (dry run)\n"));
    }
}

/// Which resources of which groups there are: their names, their kinds, and whether they are in namespaces.
const KINDS: [(&str, &str, &str, bool); 5] = [
    ("v1", "secrets", "Secret", true),
    ("batch/v1", "jobs", "Job", true),
    ("arcdata.microsoft.com/v5", "datacontrollers", "DataController", true),
    ("config.openshift.io/v1", "imagedigestmirrorsets", "ImageDigestMirrorSet", false),
    ("config.openshift.io/v1", "imagetagmirrorsets", "ImageTagMirrorSet", false),
];

/// Answers like a cluster that has these kinds and no objects.
async fn kinds_of_a_cluster() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    let (status, body) = match resources(path) {
        Some(body) => ("200 OK", body),
        None => (
            "404 Not Found",
            json!({ "kind": "Status", "apiVersion": "v1", "reason": "NotFound", "code": 404 }),
        ),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

fn resources(path: &str) -> Option<Value> {
    if path == "/api" {
        return Some(json!({ "kind": "APIVersions", "versions": ["v1"] }));
    }
    if path == "/apis" {
        let mut groups: Vec<&str> =
            KINDS.iter().map(|(group, ..)| *group).filter(|it| it.contains('/')).collect();
        groups.dedup();
        let groups = groups.iter().filter_map(|group| group.split_once('/')).map(|(name, version)| {
            let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
            json!({ "name": name, "versions": [version], "preferredVersion": version })
        });
        return Some(
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>() }),
        );
    }
    let group = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
    let kinds = KINDS.iter().filter(|(it, ..)| *it == group).map(|(_, name, kind, namespaced)| {
        json!({ "name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get", "create", "patch"] })
    });
    let kinds: Vec<Value> = kinds.collect();
    if kinds.is_empty() {
        return None;
    }
    Some(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": kinds }))
}
