//! Credentials that nobody types: as Docker keeps them.

use std::os::unix::fs::PermissionsExt as _;

use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use tempfile::TempDir;

use crate::site::{KNOWN, Run, Site, image, sealift, write_program};

pub(crate) const PASSWORD: &str = "hunter2-p&ss";
/// base64 of "captain:hunter2-p&ss".
const ENCODED: &str = "Y2FwdGFpbjpodW50ZXIyLXAmc3M=";

/// Both registries behind doors that want something of whoever comes.
struct Guarded {
    site: Site,
    source: HttpProxy,
    target: HttpProxy,
    home: TempDir,
}

/// Lets in who is the captain.
pub(crate) fn captain(request: &RequestHead) -> Action {
    let sent = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    match sent == Some(&format!("Basic {ENCODED}")) {
        true => Action::Pass,
        false => unauthorized("Basic realm=\"harbour\"".to_owned()),
    }
}

fn unauthorized(challenge: String) -> Action {
    let headers = vec![("www-authenticate".to_owned(), challenge)];
    Action::Respond { status: 401, headers, body: bytes::Bytes::new() }
}

impl Guarded {
    async fn new() -> Self {
        let site = Site::new().await;
        let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        source.set_rule(captain);
        target.set_rule(captain);
        Self { site, source, target, home: tempfile::tempdir().unwrap() }
    }

    fn keep(&self, config: &str) {
        let config = config
            .replace("SOURCE", &self.source.address().to_string())
            .replace("TARGET", &self.target.address().to_string());
        std::fs::create_dir_all(self.home.path().join(".docker")).unwrap();
        let file = self.home.path().join(".docker/config.json");
        std::fs::write(&file, config).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    async fn run(&self, command: &str, more: &[&str]) -> Run {
        let (source, target) = (self.source.address().to_string(), self.target.address().to_string());
        let home = self.home.path().to_str().unwrap();
        let args = [command, "--source-registry", &source];
        let to = ["--target-registry", &target, "--target-repository", "site/arcdata", "--tag", KNOWN];
        let to = if command == "releases" { &[][..] } else { &to };
        let path = format!("{home}:/usr/bin:/bin");
        let run = sealift(&[&args[..], to, more].concat(), &[("HOME", home), ("PATH", &path)], None).await;
        let redact =
            |text: &str| text.replace(&source, "SOURCE").replace(&target, "TARGET").replace(home, "~");
        let run = Run { stdout: redact(&run.stdout), stderr: redact(&run.stderr), ..run };
        for secret in [PASSWORD, "aHVudGVyMi1wJnNz", "Y2FwdGFpbjpodW50ZXIyLXAmc3M"] {
            assert!(!format!("{run:?}").contains(secret), "{run:?}");
        }
        run
    }
}

const DNS: [&str; 2] = ["--image", "arc-dns"];

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_asks_where_nobody_is_typed() {
    let guarded = Guarded::new().await;
    let entry = format!("{{\"auth\": \"{ENCODED}\"}}");
    // By the whole registry, and by a path in it.
    guarded.keep(&format!("{{\"auths\": {{\"SOURCE\": {entry}, \"TARGET/site\": {entry}}}}}"));
    let run = guarded.run("mirror", &[&DNS[..], &["-v"]].concat()).await.expect(0);
    assert!(run.stderr.contains("credentials for SOURCE come from ~/.docker/config.json"), "{}", run.stderr);
    assert_eq!(guarded.site.tagged("arc-dns", KNOWN).await, Some(image(KNOWN, "arc-dns").digest()));
    guarded.run("verify", &DNS).await.expect(0);
    guarded.run("releases", &[]).await.expect(0);
    for (flag, side) in [("--source-anonymous", "source"), ("--target-anonymous", "target")] {
        let run = guarded.run("verify", &[&DNS[..], &[flag]].concat()).await.expect(4);
        assert!(run.stderr.contains(&format!("At the {side}, for 1 image")), "{}", run.stderr);
        assert!(!run.stderr.contains("config.json"), "{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_is_asked() {
    let guarded = Guarded::new().await;
    guarded.keep("{\"credsStore\": \"chest\"}");
    let helper = guarded.home.path().join("docker-credential-chest");
    write_program(&helper, &format!("echo '{{\"Username\":\"captain\",\"Secret\":\"{PASSWORD}\"}}'"));
    guarded.run("mirror", &DNS).await.expect(0);
    write_program(&helper, "echo '{\"Username\":\"pirate\",\"Secret\":\"rum\"}'");
    let run = guarded.run("mirror", &DNS).await.expect(4);
    let words = "Hint: The credentials came from docker-credential-chest (named in ~/.docker/config.json); \
                 `sealift login SOURCE` renews them.";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    write_program(&helper, "echo broken >&2; exit 1");
    let run = guarded.run("mirror", &DNS).await.expect(2);
    assert!(run.stderr.contains("--source-anonymous and --target-anonymous go on"), "{}", run.stderr);
    guarded
        .run("mirror", &[&DNS[..], &["--source-anonymous", "--target-anonymous"]].concat())
        .await
        .expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_where_the_credentials_came_from() {
    let guarded = Guarded::new().await;
    let run = guarded.run("mirror", &DNS).await.expect(4);
    let words = "Hint: No credentials are kept for SOURCE; `sealift login SOURCE` keeps some. Check user";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let run = guarded.run("releases", &[]).await.expect(4);
    assert!(run.stderr.contains(words), "{}", run.stderr);
    // "captain:wrong"
    guarded.keep("{\"auths\": {\"SOURCE\": {\"auth\": \"Y2FwdGFpbjp3cm9uZw==\"}}}");
    let run = guarded.run("mirror", &[&DNS[..], &["--output", "json"]].concat()).await.expect(4);
    let hint = run.json()["failures"][0]["hint"].as_str().unwrap().to_owned();
    assert!(hint.starts_with("The credentials came from ~/.docker/config.json;"), "{hint}");
    let run = guarded.run("mirror", &["--source-anonymous", "--source-username", "me"]).await.expect(2);
    assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
}

/// What `az acr login` leaves behind.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_is_exchanged() {
    let guarded = Guarded::new().await;
    let realm = format!("http://{}/oauth2/token", guarded.source.address());
    guarded.source.set_rule(move |request| {
        if request.path == "/oauth2/token" {
            let body = "{\"access_token\": \"day-pass\", \"expires_in\": 300}".into();
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            return Action::Respond { status: 200, headers, body };
        }
        match request.headers.get("authorization").is_some_and(|value| value == "Bearer day-pass") {
            true => Action::Pass,
            false => unauthorized(format!("Bearer realm=\"{realm}\",service=\"reg\"")),
        }
    });
    guarded.target.set_rule(|_| Action::Pass);
    guarded.keep("{\"auths\": {\"SOURCE\": {\"identitytoken\": \"hunter2-p&ss\"}}}");
    guarded.run("mirror", &DNS).await.expect(0);
    let exchanged = guarded.source.count(|it| it.head.path == "/oauth2/token" && it.head.method == "POST");
    assert!(exchanged > 0);
}
