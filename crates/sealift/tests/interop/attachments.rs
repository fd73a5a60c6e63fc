//! What is attached to images, at a registry that keeps no referrers: Debian's real one.

use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Manifest, ManifestRef, RepositoryName, media_type};
use sealift_registry::client::{ClientConfig, RegistryClient};
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{MemoryStore, Source, Store};
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::images::RELEASE_TAG;
use sealift_testbed::peers::interop_wanted;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::site::{Run, SOURCE, TARGET, run, sealift};

const NAME: &str = "arc-sqlmi";
/// Where a list goes, so that its images come below [`TARGET`].
const BELOW: &str = "site";

/// A source with an index, of which the root has an SBOM that refers to it, and both root and child have what
/// cosign hangs on by tags.
struct Signed {
    store: Arc<dyn Store>,
    address: String,
    index: Image,
    _server: RunningServer,
}

fn repository(prefix: &str) -> RepositoryName {
    format!("{prefix}/{NAME}").parse().unwrap()
}

fn cosign(image: &Image, ending: &str) -> String {
    format!("sha256-{}.{ending}", image.digest().hex())
}

impl Signed {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new("source"));
        let index = fixture::index(&[fixture::image("one"), fixture::image("two")]);
        index.push(store.as_ref(), &repository(SOURCE), Some(RELEASE_TAG)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Server::new(Arc::clone(&store), ServerConfig::default()).serve(listener).unwrap();
        let signed = Self { store, address, index, _server: server };
        for tag in signed.tags() {
            fixture::image(&tag).push(signed.store.as_ref(), &repository(SOURCE), Some(&tag)).await;
        }
        signed
    }

    fn tags(&self) -> [String; 3] {
        let child = &self.index.children[1];
        [cosign(&self.index, "sig"), cosign(child, "att"), cosign(&self.index, "sbom")]
    }

    fn artifact(&self, name: &str) -> Image {
        fixture::artifact(name, &self.index.manifest, "application/spdx+json")
    }

    async fn attach(&self, name: &str) {
        self.artifact(name).push(self.store.as_ref(), &repository(SOURCE), None).await;
    }

    async fn mirror(&self, target: &DockerRegistry) {
        let target = target.address().to_string();
        sealift("mirror", &self.address, &target, &["--image", NAME], &[]).await.expect(0);
    }

    /// The tag under which clients list what refers to the root.
    fn list(&self) -> ManifestRef {
        format!("sha256-{}", self.index.digest().hex()).parse().unwrap()
    }
}

fn digests(list: &Manifest) -> Vec<String> {
    list.links.manifests.iter().map(|it| it.digest.to_string()).collect()
}

/// Another client adds what is its own, and a note beside it.
async fn annotate(client: &RegistryClient, signed: &Signed, source: &dyn Source) {
    let own = signed.artifact("of the site");
    own.push(client, &repository(TARGET), None).await;
    let list = source.manifest(&signed.list()).await.unwrap();
    let mut value: Value = serde_json::from_slice(&list.bytes).unwrap();
    let entries = value["manifests"].as_array_mut().unwrap();
    let entry = entries.iter_mut().find(|it| it["digest"] == own.digest().to_string()).unwrap();
    entry["annotations"] = json!({"site": "keep this"});
    let noted = Manifest::parse(Some(media_type::OCI_INDEX), Bytes::from(value.to_string())).unwrap();
    let target = client.target(&repository(TARGET)).unwrap();
    let ManifestRef::Tag(tag) = signed.list() else { panic!("a list has a tag") };
    target.put_manifest(&noted, Some(&tag)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_clients_keep_is_merged_and_nothing_of_it_is_lost() {
    if !interop_wanted() {
        return;
    }
    let signed = Signed::new().await;
    signed.attach("first").await;
    let target = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
    signed.mirror(&target).await;
    let registry = target.address().to_string().parse().unwrap();
    let client = RegistryClient::new(registry, ClientConfig::default()).unwrap();
    let source = client.source(&repository(TARGET));
    for tag in signed.tags() {
        let there = source.manifest(&tag.parse().unwrap()).await.unwrap();
        assert_eq!(there.digest(), fixture::image(&tag).digest(), "{tag}");
    }
    let first = signed.artifact("first").digest().to_string();
    assert_eq!(digests(&source.manifest(&signed.list()).await.unwrap()), std::slice::from_ref(&first));

    annotate(&client, &signed, source.as_ref()).await;
    signed.attach("second").await;
    signed.mirror(&target).await;
    let list = source.manifest(&signed.list()).await.unwrap();
    let [own, second] = ["of the site", "second"].map(|name| signed.artifact(name).digest().to_string());
    assert_eq!(digests(&list), [first, own, second]);
    let value: Value = serde_json::from_slice(&list.bytes).unwrap();
    assert_eq!(value["manifests"][1]["annotations"]["site"], "keep this");
}

/// A list file with one line that names the root by its digest alone.
fn line(signed: &Signed, directory: &tempfile::TempDir) -> String {
    let path = directory.path().join("images.txt");
    let text = format!("{}/{}@{}\n", signed.address, repository(SOURCE), signed.index.digest());
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn run_list(command: &str, file: &str, target: &DockerRegistry) -> Run {
    let target = target.address().to_string();
    let to = ["--target-registry", &target, "--target-repository", BELOW];
    run([&[command, "--images-file", file][..], &to].concat(), &[]).await
}

/// An image that is named by its digest alone, and the list of what is attached to it, want the same tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_clients_keep_keeps_its_tag() {
    if !interop_wanted() {
        return;
    }
    for (is_signed, is_listed) in [(true, false), (true, true), (false, true), (false, false)] {
        let signed = Signed::new().await;
        if is_signed {
            signed.attach("its own").await;
        }
        let target = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
        let client =
            RegistryClient::new(target.address().to_string().parse().unwrap(), ClientConfig::default());
        let client = client.unwrap();
        let theirs = signed.artifact("a third party's");
        if is_listed {
            signed.index.push(&client, &repository(TARGET), None).await;
            theirs.push(&client, &repository(TARGET), None).await;
        }
        let expected = [(is_listed, theirs), (is_signed, signed.artifact("its own"))].into_iter();
        let expected: Vec<String> =
            expected.filter(|(is_there, _)| *is_there).map(|(_, it)| it.digest().to_string()).collect();
        let directory = tempfile::tempdir().unwrap();
        let (file, source) = (line(&signed, &directory), client.source(&repository(TARGET)));
        let beside: ManifestRef = format!("{}.image", signed.list()).parse().unwrap();
        for round in 0..3 {
            let run = run_list("mirror", &file, &target).await.expect(0);
            let words = if round == 0 { "1 arrived." } else { "1 there already." };
            assert!(run.stdout.contains(words), "{}", run.stdout);
            let at_tag = source.manifest(&signed.list()).await.unwrap();
            if expected.is_empty() {
                assert_eq!(at_tag.digest(), signed.index.digest());
            } else {
                assert_eq!(digests(&at_tag), expected, "{is_signed} {is_listed} {round}");
                assert_eq!(source.resolve(&beside).await.unwrap().digest, signed.index.digest());
                let note = format!("tagged {}:{beside}; {} lists", repository(TARGET), signed.list());
                assert!(run.stdout.contains(&note), "{}", run.stdout);
            }
            run_list("verify", &file, &target).await.expect(0);
        }
    }
}
