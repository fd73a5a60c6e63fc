//! `--create-repositories`, through the whole binary: what is made, when, and what is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sealift_testbed::http_proxy::{Action, HttpProxy};

use crate::site::{KNOWN, Run, Site, sealift};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const THREE: [&str; 6] = ["--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sqlmi"];

pub(crate) fn json(status: u16, body: &str) -> Action {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Action::Respond { status, headers, body: body.to_owned().into() }
}

/// A site whose target goes by the name of a registry of Amazon, and Amazon's API.
struct Cloud {
    site: Site,
    api: HttpProxy,
}

impl Cloud {
    async fn new(answer: Action) -> Self {
        let site = Site::new().await;
        let api = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        api.set_rule(move |_| answer.clone());
        Self { site, api }
    }

    async fn run(&self, more: &[&str], keys: bool) -> Run {
        let port = self.site.target.address.parse::<SocketAddr>().unwrap().port();
        let (target, resolve) = (format!("{ECR}:{port}"), format!("{ECR}:127.0.0.1"));
        let given = [
            &["mirror", "--source-registry", &self.site.source.address, "--target-registry", &target][..],
            &["--target-repository", "site/arcdata", "--resolve", &resolve, "--plain-http", &target],
            &["--tag", KNOWN, "--create-repositories"],
            &THREE,
            more,
        ];
        let endpoint = self.api.url();
        let variables = [
            ("AWS_ENDPOINT_URL_ECR", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        let run = sealift(&given.concat(), if keys { &variables } else { &[] }, None).await;
        assert!(!run.stderr.contains(SECRET) && !run.stdout.contains(SECRET));
        run
    }

    /// How many repositories were asked for.
    fn asked(&self) -> usize {
        let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
        let is_signed = |value: &str| value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
        self.api.count(|record| {
            let header = |name: &str| record.head.headers.get(name).map_or("", |it| it.to_str().unwrap());
            header("x-amz-target") == target && is_signed(header("authorization"))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_ecr_each_repository_is_made_that_an_image_is_copied_to() {
    let cloud = Cloud::new(json(200, "{}")).await;
    // Nothing is made that a limit forbids, or of a release with a hole.
    let run = cloud.run(&["--max-bytes", "10"], true).await.expect(6);
    assert_eq!(cloud.asked(), 0, "{}", run.stderr);
    let run = cloud.run(&["--image", "arc-ghost"], true).await.expect(2);
    assert_eq!(cloud.asked(), 0, "{}", run.stderr);
    let run = cloud.run(&["--max-bytes", "1MB"], true).await.expect(0);
    assert_eq!(cloud.asked(), 3, "{}", run.stderr);
    assert!(run.stderr.contains("Made site/arcdata/arc-dns at the target."), "{}", run.stderr);
    // What is there needs nothing.
    cloud.run(&[], true).await.expect(0);
    assert_eq!(cloud.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_at_ecr_counts_as_made_and_a_refusal_ends_the_run() {
    let there = r#"{"__type":"RepositoryAlreadyExistsException","message":"it exists"}"#;
    let cloud = Cloud::new(json(400, there)).await;
    let run = cloud.run(&[], true).await.expect(0);
    assert_eq!((cloud.asked(), run.stderr.contains("Made ")), (3, false));
    for (answer, code, hint) in [
        (r#"{"__type":"AccessDeniedException"}"#, 4, "the right ecr:CreateRepository"),
        (r#"{"__type":"ExpiredTokenException"}"#, 4, "AWS_SESSION_TOKEN, and this machine's clock"),
    ] {
        let cloud = Cloud::new(json(400, answer)).await;
        let run = cloud.run(&[], true).await.expect(code);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
        assert_eq!(cloud.site.tagged("arc-dns", KNOWN).await, None);
    }
    let cloud = Cloud::new(json(200, "{}")).await;
    let run = cloud.run(&[], false).await.expect(4);
    assert!(
        run.stderr.contains("by hand: aws ecr create-repository --registry-id 123456789012"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("Hint: Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{}", run.stderr);
}

/// Harbor hides a project that is not there behind 401, also from who may push.
pub(crate) async fn harbor(site: &Site) -> (HttpProxy, Arc<AtomicBool>) {
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let (is_there, address) = (Arc::new(AtomicBool::new(false)), proxy.address());
    let made = Arc::clone(&is_there);
    proxy.set_rule(move |head| match head.path.as_str() {
        "/service/token" => json(200, r#"{"token":"0123456789"}"#),
        "/api/v2.0/projects" => {
            made.store(true, Ordering::SeqCst);
            Action::status(201)
        }
        "/v2/" | "/v2" => unauthorized(address),
        _ if made.load(Ordering::SeqCst) => Action::Pass,
        _ => unauthorized(address),
    });
    (proxy, is_there)
}

fn unauthorized(address: SocketAddr) -> Action {
    let realm = format!(r#"Bearer realm="http://{address}/service/token",service="harbor-registry""#);
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized to access repository"}]}"#;
    Action::Respond { status: 401, headers: vec![("www-authenticate".to_owned(), realm)], body: body.into() }
}

async fn run_at_harbor(site: &Site, proxy: &HttpProxy, more: &[&str]) -> Run {
    let target = proxy.address().to_string();
    let given = [
        &["mirror", "--source-registry", &site.source.address, "--target-registry", &target][..],
        &["--target-repository", "site/arcdata", "--plain-http", &target, "--tag", KNOWN],
        &THREE,
        more,
    ];
    let variables = [("TARGET_DOCKER_USERNAME", "user"), ("TARGET_DOCKER_PASSWORD", "tr0ub4dor&3")];
    sealift(&given.concat(), &variables, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_harbor_hides_is_told_and_made() {
    let site = Site::new().await;
    let (proxy, is_there) = harbor(&site).await;
    let run = run_at_harbor(&site, &proxy, &[]).await.expect(4);
    assert!(
        run.stderr.contains("(Harbor answers so, too, where the project is not there)"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("Check user and password for the target"), "{}", run.stderr);
    assert!(run.stderr.contains("make it first: --create-repositories"), "{}", run.stderr);
    let create = "--create-repositories";
    run_at_harbor(&site, &proxy, &[create, "--max-bytes", "10"]).await.expect(6);
    run_at_harbor(&site, &proxy, &[create, "--dry-run"]).await.expect(4);
    assert!(!is_there.load(Ordering::SeqCst), "a limit forbids it");
    let run = run_at_harbor(&site, &proxy, &[create, "--max-bytes", "1MB"]).await.expect(0);
    assert_eq!(run.stderr.matches("Made site at the target.").count(), 1, "{}", run.stderr);
    assert_eq!(proxy.count(|record| record.head.path == "/api/v2.0/projects"), 1);
    assert!(site.tagged("arc-controller", KNOWN).await.is_some());
}
