//! A list of images of any product.

use std::sync::Arc;

use sealift_oci::{Digest, ManifestRef};
use sealift_store::MemoryStore;
use sealift_store::conformance::fixture;
use serde_json::json;

use crate::site::{Run, Served, sealift};

/// Two registries that publish, one that takes, and a file.
struct Fleet {
    one: Served,
    other: Served,
    target: Served,
    file: tempfile::NamedTempFile,
}

pub(crate) async fn published(images: &[(&str, &str)]) -> Served {
    let store = MemoryStore::new("memory");
    for (repository, tag) in images {
        let image = fixture::image(&format!("{repository} {tag}"));
        image.push(&store, &repository.parse().unwrap(), Some(tag)).await;
    }
    Served::new(Arc::new(store)).await
}

pub(crate) fn digest(repository: &str, tag: &str) -> Digest {
    fixture::image(&format!("{repository} {tag}")).digest()
}

impl Fleet {
    async fn new() -> Self {
        Self {
            one: published(&[("org/app", "1.2"), ("org/app", "1.3"), ("tool", "v1")]).await,
            other: published(&[("org/app", "1.2"), ("db", "16")]).await,
            target: Served::new(Arc::new(MemoryStore::new("target"))).await,
            file: tempfile::NamedTempFile::new().unwrap(),
        }
    }

    fn write(&self, text: &str) {
        let text = text.replace("ONE", &self.one.address).replace("OTHER", &self.other.address);
        std::fs::write(self.file.path(), text).unwrap();
    }

    async fn run(&self, command: &str, more: &[&str]) -> Run {
        self.run_with(command, self.file.path().to_str().unwrap(), more, &[], None).await
    }

    async fn run_with(
        &self,
        command: &str,
        file: &str,
        more: &[&str],
        variables: &[(&str, &str)],
        stdin: Option<&str>,
    ) -> Run {
        let to = ["--target-registry", &self.target.address, "--target-repository", "site"];
        let args = [&[command, "--images-file", file][..], &to, more].concat();
        let run = sealift(&args, variables, stdin).await;
        let redact = |text: &str| {
            let text = text.replace(&self.one.address, "ONE").replace(&self.other.address, "OTHER");
            let text = text.replace(&self.target.address, "TARGET");
            // Registries are told in the order of their ports.
            text.replace(self.file.path().to_str().unwrap(), "FILE").replace("OTHER, ONE", "ONE, OTHER")
        };
        Run { stdout: redact(&run.stdout), stderr: redact(&run.stderr), ..run }
    }

    async fn there(&self, repository: &str, reference: &str) -> Option<Digest> {
        let target = self.target.store.target(&repository.parse().unwrap()).unwrap();
        let reference: ManifestRef = reference.parse().unwrap();
        target.stat_manifest(&reference).await.unwrap().map(|there| there.digest)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_several_registries_arrive_and_verify() {
    let fleet = Fleet::new().await;
    let tool = digest("tool", "v1");
    fleet.write(&format!("# the fleet\nONE/org/app:1.2\n\nONE/tool@{tool}  # pinned\nOTHER/db:16\n"));
    let run = fleet.run("mirror", &[]).await.expect(0);
    assert!(run.stderr.contains(" from ONE, OTHER to TARGET/site\n"), "{}", run.stderr);
    assert!(run.stderr.contains("ONE/org/app:1.2 arrived"), "{}", run.stderr);
    assert!(
        run.stdout.contains("\nimages:\n") && run.stdout.contains("3 images: 3 arrived."),
        "{}",
        run.stdout
    );
    assert_eq!(fleet.there("site/org/app", "1.2").await, Some(digest("org/app", "1.2")));
    assert_eq!(fleet.there("site/db", "16").await, Some(digest("db", "16")));
    assert_eq!(fleet.there("site/tool", &format!("sha256-{}", tool.hex())).await, Some(tool));
    let run = fleet.run("verify", &["--deep", "--output", "json"]).await.expect(0);
    assert_eq!(run.json()["source"], json!(null));
    let image = run.json()["images"][1].clone();
    assert_eq!(image["source"], format!("ONE/tool@{tool}"));
    assert_eq!(image["target"], format!("site/tool:sha256-{}", tool.hex()));
    assert_eq!((&image["release"], &image["verdict"]), (&json!(null), &json!("right")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_from_standard_input_and_gets_one_tag() {
    let fleet = Fleet::new().await;
    let list =
        format!("{}/org/app:1.2\n{}/db@{}\n", fleet.one.address, fleet.other.address, digest("db", "16"));
    fleet.run_with("mirror", "-", &["--target-tag", "approved"], &[], Some(&list)).await.expect(0);
    assert_eq!(fleet.there("site/org/app", "approved").await, Some(digest("org/app", "1.2")));
    assert_eq!(fleet.there("site/db", "approved").await, Some(digest("db", "16")));
    let both = ["--target-username", "me", "--target-password-stdin"];
    let run = fleet.run_with("mirror", "-", &both, &[], Some(&list)).await.expect(2);
    assert!(run.stderr.contains("both the list and the target password"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_line_is_told_before_anything_is_asked() {
    let fleet = Fleet::new().await;
    fleet.write("ONE/org/app:1.2\nONE/org/app\nONE/Org:1 # upper case\none two\n");
    let run = fleet.run("mirror", &[]).await.expect(2);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines[0], "error: --images-file FILE: 3 lines cannot be read");
    assert!(lines[1].starts_with("  line 2: ONE/org/app: neither a tag nor a digest"), "{}", run.stderr);
    assert!(lines[2].starts_with("  line 3: ONE/Org:1: ") && lines[3].starts_with("  line 4: one two: "));
    fleet.write("ONE/org/app:1.2\nOTHER/org/app:1.2\nOTHER/db:16\n");
    let run = fleet.run("mirror", &["--output", "json"]).await.expect(2);
    let words =
        "site/org/app:1.2 would be the copy of ONE/org/app:1.2 (line 1) and of OTHER/org/app:1.2 (line 2)";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!(run.json()["failures"][0]["kind"], "usage");
    fleet.write("ONE/org/app:1.2\nONE/org/app:1.3\n");
    let run = fleet.run("verify", &["--target-tag", "x"]).await.expect(2);
    assert!(run.stderr.contains("site/org/app:x would be the copy of"), "{}", run.stderr);
    assert_eq!(fleet.there("site/db", "16").await, None);
}

/// arguments, variables → words of the error.
#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_beside_a_list_is_refused() {
    let fleet = Fleet::new().await;
    fleet.write("ONE/org/app:1.2\nOTHER/db:16\n");
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&[&str], Pairs<'_>, &str); 9] = [
        (&["--source-registry", "a.b"], &[], "cannot be used with"),
        (&["--tag", "v1", "--tag", "v2"], &[], "several times beside a list"),
        (&["--image", "arc-dns"], &[], "cannot be used with"),
        (&["--skip-group", "postgres"], &[], "cannot be used with"),
        (&[], &[("SOURCE_DOCKER_TAG", "v1")], "SOURCE_DOCKER_TAG is set, and the list says where"),
        (
            &["--foreign-urls"],
            &[],
            "--foreign-urls is for one registry, and the list has several: ONE, OTHER",
        ),
        (&["--source-username", "me"], &[], "the images are of several registries: ONE, OTHER"),
        (&[], &[("SOURCE_DOCKER_PASSWORD", "x")], "there is a source password and no source user"),
        (&[], &[("TARGET_DOCKER_TAG", "a/b")], "the target tag `a/b` is malformed"),
    ];
    for (args, variables, words) in cases {
        let file = fleet.file.path().to_str().unwrap();
        let run = fleet.run_with("mirror", file, args, variables, None).await.expect(2);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
    for (file, words) in [
        ("/nowhere.txt", "--images-file /nowhere.txt: there is no such file"),
        ("/tmp", "--images-file /tmp: it is a directory"),
        (env!("CARGO_BIN_EXE_sealift"), "UTF-8"),
        ("/dev/null", "it lists no image"),
    ] {
        let run = fleet.run_with("mirror", file, &[], &[], None).await.expect(2);
        assert!(
            run.stderr.contains(words) || run.stderr.contains("more than 16777216 bytes"),
            "{}",
            run.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_its_registry() {
    let fleet = Fleet::new().await;
    fleet.write("ONE/org/app:9\nOTHER/db:16\n");
    let run = fleet.run("mirror", &[]).await.expect(3);
    assert!(run.stderr.contains("1 image is missing at the source ONE, OTHER; nothing"), "{}", run.stderr);
    assert!(run.stderr.contains("\n  ONE/org/app:9\n  Hint: check their names;"), "{}", run.stderr);
    let run = fleet.run("mirror", &["--output", "json"]).await.expect(3);
    let failure = run.json()["failures"][0].clone();
    let message =
        format!("{}: cannot look up org/app:9: it is not there", failure["place"].as_str().unwrap());
    assert_eq!((failure["kind"].as_str(), failure["message"].as_str()), (Some("not-found"), Some(&*message)));
    let run = fleet.run("mirror", &["--allow-missing"]).await.expect(3);
    assert!(run.stdout.contains("2 images: 1 arrived, 1 missing."), "{}", run.stdout);
    fleet.run("verify", &[]).await.expect(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_fails_its_images_alone_and_once() {
    let fleet = Fleet::new().await;
    fleet.write("127.0.0.1:1/a/b:1\n127.0.0.1:1/c:2\nOTHER/db:16\n");
    let run = fleet.run("mirror", &["--output", "json"]).await.expect(1);
    assert_eq!(run.json()["failures"].as_array().unwrap().len(), 1, "{}", run.stderr);
    assert_eq!(run.json()["failures"][0]["images"], json!(["127.0.0.1:1/a/b:1", "127.0.0.1:1/c:2"]));
    assert_eq!(fleet.there("site/db", "16").await, Some(digest("db", "16")));
}

/// The registries of a list are asked as who is kept for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_registry_has_its_own_credentials() {
    use sealift_testbed::http_proxy::{Action, HttpProxy};
    let fleet = Fleet::new().await;
    let mut doors = Vec::new();
    // base64 of "a:x" and of "b:x".
    for (served, sent) in [(&fleet.one, "Basic YTp4"), (&fleet.other, "Basic Yjp4")] {
        let door = HttpProxy::start(served.address.parse().unwrap()).await.unwrap();
        door.set_rule(move |request| match request.headers.get("authorization") {
            Some(value) if value == sent => Action::Pass,
            _ => Action::Respond {
                status: 401,
                headers: vec![("www-authenticate".to_owned(), "Basic realm=\"x\"".to_owned())],
                body: bytes::Bytes::new(),
            },
        });
        doors.push(door);
    }
    let addresses: Vec<String> = doors.iter().map(|door| door.address().to_string()).collect();
    let (one, other) = (&addresses[0], &addresses[1]);
    fleet.write(&format!("{one}/org/app:1.2\n{other}/db:16\n"));
    let home = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {one.as_str(): {"auth": "YTp4"}, other.as_str(): {"auth": "Yjp4"}}});
    let config = home.path().join("config.json");
    std::fs::write(&config, auths.to_string()).unwrap();
    let variables = [("DOCKER_CONFIG", home.path().to_str().unwrap())];
    let file = fleet.file.path().to_str().unwrap();
    fleet.run_with("mirror", file, &[], &variables, None).await.expect(0);
    std::fs::remove_file(config).unwrap();
    let run = fleet.run_with("verify", file, &[], &variables, None).await.expect(4);
    assert!(
        run.stderr.contains(&format!("No credentials are kept for {one}; `sealift login {one}`")),
        "{}",
        run.stderr
    );
    // Who is typed is meant for the one registry of a list.
    fleet.write(&format!("{one}/org/app:1.2\n"));
    let typed = [("SOURCE_DOCKER_USERNAME", "a"), ("SOURCE_DOCKER_PASSWORD", "x")];
    fleet.run_with("verify", file, &[], &typed, None).await.expect(0);
}

/// Credentials are looked up for each repository, and the longest path that has some counts.
#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_registry_has_its_own_credentials() {
    use sealift_testbed::http_proxy::{Action, HttpProxy};
    let fleet = Fleet::new().await;
    let door = HttpProxy::start(fleet.one.address.parse().unwrap()).await.unwrap();
    // base64 of "a:x" and of "b:x".
    door.set_rule(|request| {
        let wanted = if request.path.starts_with("/v2/org/app/") { "Basic YTp4" } else { "Basic Yjp4" };
        match request.headers.get("authorization") {
            Some(value) if value == wanted => Action::Pass,
            _ => Action::Respond {
                status: 401,
                headers: vec![("www-authenticate".to_owned(), "Basic realm=\"x\"".to_owned())],
                body: bytes::Bytes::new(),
            },
        }
    });
    let address = door.address().to_string();
    fleet.write(&format!("{address}/org/app:1.2\n{address}/org/app:1.3\n{address}/tool:v1\n"));
    let home = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {
        address.as_str(): {"auth": "Yjp4"},
        format!("{address}/org"): {"auth": "Yjp4"},
        format!("{address}/org/app"): {"auth": "YTp4"},
    }});
    let config = home.path().join("config.json");
    std::fs::write(&config, auths.to_string()).unwrap();
    let variables = [("DOCKER_CONFIG", home.path().to_str().unwrap())];
    let file = fleet.file.path().to_str().unwrap();
    let run = fleet.run_with("mirror", file, &["-v"], &variables, None).await.expect(0);
    assert_eq!(run.stderr.matches("others can read it").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("come from").count(), 1, "{}", run.stderr);
    assert_eq!(fleet.there("site/org/app", "1.3").await, Some(digest("org/app", "1.3")));
    assert_eq!(fleet.there("site/tool", "v1").await, Some(digest("tool", "v1")));
    // Everybody asks what the registry wants once.
    assert_eq!(door.count(|it| it.head.path == "/v2/"), 2);
}
