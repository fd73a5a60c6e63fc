use std::sync::Arc;

use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, PageRequest, Store};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};

use crate::site::{KNOWN, Run, Served, Site, image, sealift};

const NAME: &str = "arc-dns";
const WANTED: [&str; 4] = ["--tag", KNOWN, "--image", NAME];

/// A source with one image: an SBOM refers to it, and a signature has the tag that cosign gives it.
async fn signed() -> Arc<dyn Store> {
    let store = MemoryStore::new("memory");
    let repository = format!("arcdata/{NAME}").parse().unwrap();
    let image = image(KNOWN, NAME);
    image.push(&store, &repository, Some(KNOWN)).await;
    let sbom = fixture::artifact("sbom", &image.manifest, "application/spdx+json");
    sbom.push(&store, &repository, None).await;
    let tag = format!("sha256-{}.sig", image.digest().hex());
    fixture::image("signature").push(&store, &repository, Some(&tag)).await;
    Arc::new(store)
}

async fn referrers(site: &Site) -> usize {
    let there = site.target.store.source(&format!("site/arcdata/{NAME}").parse().unwrap());
    let page = there.referrers(&image(KNOWN, NAME).digest(), None, &PageRequest::first()).await;
    page.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_comes_along_and_is_counted() {
    let site = Site::of(signed().await).await;
    let run = site.run("mirror", &WANTED).await.expect(0);
    assert!(run.stdout.contains("\n2 attachments came with the images.\n"), "{}", run.stdout);
    assert_eq!(referrers(&site).await, 1);
    let run = site.run("mirror", &WANTED).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    let other = Site::of(signed().await).await;
    let run = other.run("mirror", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["attachments"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_looks_for_what_is_attached() {
    let site = Site::of(signed().await).await;
    let without = [&WANTED[..], &["--no-attachments"]].concat();
    site.run("mirror", &without).await.expect(0);
    let run = site.run("verify", &without).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    let run = site.run("verify", &WANTED).await.expect(5);
    let subject = image(KNOWN, NAME).digest();
    assert!(run.stdout.contains(&format!(" is not attached to {subject} at the target\n")), "{}", run.stdout);
    let tag = format!("the target has no manifest sha256-{}.sig\n", subject.hex());
    assert!(run.stdout.contains(&tag), "{}", run.stdout);
    assert!(run.stdout.contains("\n2 attachments compared.\n"), "{}", run.stdout);
    // As the hint says: the image is there, and what is attached comes.
    site.run("mirror", &WANTED).await.expect(0);
    let run = site.run("verify", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["attachments"], 2);
    assert_eq!(run.json()["images"][0]["findings"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_can_be_left_behind() {
    let site = Site::of(signed().await).await;
    let without = [&WANTED[..], &["--no-attachments"]].concat();
    let run = site.run("mirror", &without).await.expect(0);
    assert!(!run.stdout.contains("attachment"), "{}", run.stdout);
    assert_eq!(referrers(&site).await, 0);
    // Who wants them later gets them, although the image is there.
    let run = site.run("mirror", &[&WANTED[..], &["--output", "json"]].concat()).await.expect(0);
    assert_eq!(run.json()["images"][0]["outcome"], "already-there");
    assert_eq!(run.json()["images"][0]["attachments"], 2);
    assert_eq!(referrers(&site).await, 1);
}

/// Puts a proxy with a rule before a registry, and returns it with its address.
async fn behind(
    served: &Served,
    rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static,
) -> (HttpProxy, String) {
    let proxy = HttpProxy::start(served.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(rule);
    let address = proxy.address().to_string();
    (proxy, address)
}

async fn mirror(source: &str, target: &str, more: &[&str]) -> Run {
    let from = ["--source-registry", source, "--source-repository", "arcdata"];
    let to = ["--target-registry", target, "--target-repository", "site/arcdata"];
    sealift(&[&["mirror"][..], &from, &to, &WANTED, more].concat(), &[], None).await
}

/// How the question for referrers is answered → the exit code.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_comes_without_a_list_of_what_is_attached_where_none_is_kept() {
    let page = |status| Action::Respond {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: bytes::Bytes::from_static(b"<html>"),
    };
    for (answer, code) in [
        (page(200), 0),
        (Action::status(303), 0),
        (page(400), 0),
        (Action::status(401), 4),
        (page(403), 4),
        (Action::status(405), 0),
        (Action::status(406), 0),
        (page(501), 0),
    ] {
        let site = Site::of(signed().await).await;
        let given = answer.clone();
        let (_proxy, source) = behind(&site.source, move |request| {
            if request.path.contains("/referrers/") { given.clone() } else { Action::Pass }
        })
        .await;
        let run = mirror(&source, &site.target.address, &[]).await;
        assert_eq!(run.code, Some(code), "{answer:?}: {}", run.stderr);
        if code != 0 {
            assert!(run.stderr.contains("--no-attachments goes on without"), "{}", run.stderr);
            mirror(&source, &site.target.address, &["--no-attachments"]).await.expect(0);
        }
    }
}

fn sbom() -> String {
    fixture::artifact("sbom", &image(KNOWN, NAME).manifest, "application/spdx+json").digest().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_and_gone_is_told_and_left_out() {
    let site = Site::of(signed().await).await;
    let (_proxy, source) = behind(&site.source, |request| {
        if request.path.ends_with(&sbom()) { Action::status(404) } else { Action::Pass }
    })
    .await;
    let run = mirror(&source, &site.target.address, &[]).await.expect(0);
    let words = format!("{} is listed as attached to {}, and is not at", sbom(), image(KNOWN, NAME).digest());
    assert!(run.stderr.contains("warning: ") && run.stderr.contains(&words), "{}", run.stderr);
    assert!(run.stdout.contains("\n1 attachment came with the images.\n"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_that_is_refused_is_named() {
    let site = Site::of(signed().await).await;
    let (_proxy, target) = behind(&site.target, |request| {
        let is_put = request.method.as_str() == "PUT" && request.path.ends_with(&sbom());
        if is_put { Action::status(400) } else { Action::Pass }
    })
    .await;
    let run = mirror(&site.source.address, &target, &[]).await.expect(1);
    let words = format!("{}: it is an attachment of {NAME} (application/spdx+json), and is refused", sbom());
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert!(run.stderr.contains("--no-attachments goes on without"), "{}", run.stderr);
    mirror(&site.source.address, &target, &["--no-attachments"]).await.expect(0);
}
