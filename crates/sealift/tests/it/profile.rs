//! Profiles: rules about tags, what is left out and what is called otherwise, the files of other tools, and answers that are
//! kept.

use std::path::PathBuf;
use std::sync::Arc;

use sealift_oci::{Digest, ManifestRef};
use sealift_store::MemoryStore;
use sealift_store::conformance::fixture;
use sealift_testbed::http_proxy::HttpProxy;
use serde_json::json;
use tempfile::TempDir;

use crate::credentials::{PASSWORD, captain};
use crate::list::{digest, published};
use crate::site::{KNOWN, Run, Served, Site, UNKNOWN, sealift};

/// Two registries that publish, one that takes, and a directory for files.
struct Yard {
    one: Served,
    other: Served,
    target: Served,
    home: TempDir,
}

const APP: [&str; 6] = ["1.0", "1.1", "1.2", "1.10", "2.0-rc1", "latest"];

impl Yard {
    async fn new() -> Self {
        let app = APP.map(|tag| ("org/app", tag));
        let one = published(&[&app[..], &[("tool", "v1"), ("tool", "edge")]].concat()).await;
        Self {
            one,
            other: published(&[("org/debug", "1"), ("db", "16")]).await,
            target: Served::new(Arc::new(MemoryStore::new("target"))).await,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file in which the registries have their names.
    fn write(&self, name: &str, text: &str) -> String {
        let text = text.replace("ONE", &self.one.address).replace("OTHER", &self.other.address);
        std::fs::write(self.path(name), text.replace("TARGET", &self.target.address)).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a profile whose target is there, and uses it.
    async fn run(&self, command: &str, profile: &str, more: &[&str]) -> Run {
        let head = "schema: sealift.profile/1\ntarget: {registry: TARGET, repository: site}\n";
        let file = self.write("site.yaml", &format!("{head}{profile}"));
        self.call(&[&[command, "--profile", &file][..], more].concat(), &[], None).await
    }

    async fn call(&self, args: &[&str], variables: &[(&str, &str)], stdin: Option<&str>) -> Run {
        let run = sealift(args, variables, stdin).await;
        let redact = |text: &str| {
            let text = text.replace(&self.one.address, "ONE").replace(&self.other.address, "OTHER");
            let text = text.replace(&self.target.address, "TARGET");
            text.replace(&format!("{}/", self.home.path().display()), "")
        };
        Run { stdout: redact(&run.stdout), stderr: redact(&run.stderr), ..run }
    }

    async fn there(&self, repository: &str, reference: &str) -> Option<Digest> {
        let target = self.target.store.target(&repository.parse().unwrap()).unwrap();
        let reference: ManifestRef = reference.parse().unwrap();
        target.stat_manifest(&reference).await.unwrap().map(|there| there.digest)
    }

    /// The tags of `APP` that the target has.
    async fn tags(&self, repository: &str) -> Vec<&'static str> {
        let mut there = Vec::new();
        for tag in APP {
            there.extend(self.there(repository, tag).await.map(|_| tag));
        }
        there
    }
}

const PRODUCTS: &str = "\
products:
- repository: ONE/org/app
  tags: {glob: ['1.*'], newest: 3}
- repository: ONE/tool
  tags: {semver: ['>=1, <2'], regex: ['ed.*'], without: {glob: ['e*']}}
- repository: OTHER/org/debug
  tags: {glob: ['*']}
- images: ['OTHER/db:16']
  target: databases/postgres
rewrite: [{from: ONE/org, to: fleet}]
leave-out: ['*/debug', '*/app:1.2']
";

#[tokio::test(flavor = "multi_thread")]
async fn products_arrive_by_their_rules_and_under_their_names() {
    let yard = Yard::new().await;
    let run = yard.run("mirror", PRODUCTS, &["--dry-run", "--output", "json"]).await.expect(0);
    assert_eq!(run.json()["images"].as_array().map(Vec::len), Some(4), "{}", run.stdout);
    let run = yard.run("mirror", PRODUCTS, &[]).await.expect(0);
    assert!(run.stderr.contains("4 images from "), "{}", run.stderr);
    assert_eq!(yard.tags("site/fleet/app").await, ["1.1", "1.10"], "1.2 is the third, and is left out");
    assert_eq!(yard.there("site/tool", "v1").await, Some(digest("tool", "v1")));
    assert_eq!(yard.there("site/tool", "edge").await, None);
    assert_eq!(yard.there("site/databases/postgres", "16").await, Some(digest("db", "16")));
    assert_eq!(yard.there("site/org/debug", "1").await, None);
    yard.run("verify", PRODUCTS, &["--deep"]).await.expect(0);
    let run = yard.run("lock", PRODUCTS, &[]).await.expect(0);
    assert!(run.stdout.contains("  # TARGET/site/fleet/app:1.10"), "{}", run.stdout);
    let (bundle, directory) = (yard.path("bundle"), yard.home.path().to_str().unwrap());
    yard.run("pack", PRODUCTS, &["--to", bundle.to_str().unwrap()]).await.expect(0);
    let run = yard.call(&["inspect", bundle.to_str().unwrap()], &[], None).await.expect(0);
    assert!(
        run.stdout.contains("fleet/app           1.10") && !run.stdout.contains("debug"),
        "{}",
        run.stdout
    );
    yard.run("doctor", PRODUCTS, &[]).await.expect(0);
    // On the other side the profile says where to.
    let receipt = yard.path("receipt.json");
    let moved = ["--target-repository", "moved", "--receipt", receipt.to_str().unwrap()];
    yard.run("load", PRODUCTS, &[&[bundle.to_str().unwrap()][..], &moved].concat()).await.expect(0);
    assert_eq!(yard.tags("moved/fleet/app").await, ["1.1", "1.10"]);
    yard.run("load", PRODUCTS, &[bundle.to_str().unwrap(), "--into", directory]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_taken_and_attachments_stay_behind() {
    let children = [fixture::image("amd64"), fixture::image("arm64")];
    let (store, repository) = (MemoryStore::new("memory"), "app".parse().unwrap());
    fixture::index(&children).push(&store, &repository, Some("1")).await;
    let signature = fixture::artifact("signature", &children[1].manifest, "application/x-signature");
    signature.push(&store, &repository, None).await;
    let (source, yard) = (Served::new(Arc::new(store)).await, Yard::new().await);
    let products = format!("products: [{{images: ['{}/app:1']}}]\nplatform: linux/arm64\n", source.address);
    yard.run("mirror", &format!("{products}attachments: false\n"), &[]).await.expect(0);
    assert_eq!(yard.there("site/app", "1").await, Some(children[1].digest()));
    assert_eq!(yard.there("site/app", &signature.digest().to_string()).await, None);
    yard.run("mirror", &products, &[]).await.expect(0);
    assert!(yard.there("site/app", &signature.digest().to_string()).await.is_some());
    // What is typed counts more.
    yard.run("mirror", &products, &["--platform", "linux/amd64"]).await.expect(0);
    assert_eq!(yard.there("site/app", "1").await, Some(children[0].digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_variables_stand_above_a_profile() {
    let yard = Yard::new().await;
    let image = "products: [{images: ['ONE/tool:v1']}]\n";
    yard.run("mirror", image, &["--target-repository", "typed"]).await.expect(0);
    assert!(yard.there("typed/tool", "v1").await.is_some());
    let file = yard.path("site.yaml").to_str().unwrap().to_owned();
    let variables = [("TARGET_DOCKER_REPOSITORY", "set"), ("TARGET_DOCKER_TAG", "approved")];
    yard.call(&["mirror", "--profile", &file], &variables, None).await.expect(0);
    assert!(yard.there("set/tool", "approved").await.is_some());
    assert_eq!(yard.there("site/tool", "v1").await, None);
    // A list takes the place of the products, and what is left out is left out of it.
    let list = yard.write("images.txt", "ONE/org/app:1.0\nOTHER/org/debug:1\n");
    let profile = format!("{image}leave-out: ['*/debug']\n");
    yard.run("mirror", &profile, &["--images-file", &list]).await.expect(0);
    assert_eq!(yard.tags("site/org/app").await, ["1.0"]);
    assert_eq!(yard.there("site/org/debug", "1").await, None);
    // Another of them may come from standard input.
    let text = std::fs::read_to_string(&file).unwrap();
    yard.call(&["verify", "--profile", "-", "--images-file", &list], &[], Some(&text)).await.expect(0);
}

const IMAGE: &str = "products: [{images: ['ONE/tool:v1']}]\n";

/// A profile, arguments, variables; the exit code, and words.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    i32,
    &'static [&'static str],
);

const REFUSED: [Case; 13] = [
    (
        "produts: []\nplatform: x\n",
        &[],
        &[],
        2,
        &[
            "error: --profile site.yaml: 2 mistakes in it\n  line 3: produts: there is no such key; did you mean products?\n  line 4: platform: `x`: ",
            "Hint: docs/PROFILE.md explains each key. Nothing was done.",
        ],
    ),
    (
        "source: {password: hunter2}\n",
        &[],
        &[],
        2,
        &["line 3: source.password: a profile never holds a secret"],
    ),
    (
        "products: [{repository: ONE/org/app, tags: {glob: ['3.*']}}]\n",
        &[],
        &[],
        3,
        &["ONE/org/app: none of its 6 tags is taken by the rules of the profile", "Hint: Check these rules"],
    ),
    (
        "products: [{repository: ONE/org/nothing, tags: {glob: ['*']}}]\n",
        &[],
        &[],
        3,
        &["cannot list the tags of org/nothing", "Hint: Check its name: ONE lacks it, or hides it"],
    ),
    (
        "products: [{images: ['ONE/tool:v1']}]\nleave-out: ['*']\n",
        &[],
        &[],
        2,
        &["the profile leaves out every image"],
    ),
    (
        "products: [{images: ['ONE/tool:v1']}]\nrewrite: [{from: ONE, to: UP}]\n",
        &[],
        &[],
        2,
        &["the rewrite rules make `UP/tool` of it, which is no repository name"],
    ),
    (
        "products:\n- {images: ['ONE/tool:v1'], target: x}\n- {images: ['OTHER/db:16'], target: x}\n",
        &["--target-tag", "same"],
        &[],
        2,
        &["site/x:same would be the copy of ONE/tool:v1 (line 4) and of OTHER/db:16 (line 5)"],
    ),
    (
        "products: [{repository: ONE/org/app, tags: {newest: 2}}]\n",
        &["--target-tag", "same"],
        &[],
        2,
        &["site/org/app:same would be the copy of ONE/org/app:1.10 and of ONE/org/app:2.0-rc1\n"],
    ),
    (IMAGE, &["--source-registry", "a.b"], &[], 2, &["--source-registry is for releases, and the profile"]),
    (IMAGE, &["--image", "arc-dns"], &[], 2, &["Hint: Leave out --image or --profile."]),
    (
        IMAGE,
        &[],
        &[("SOURCE_DOCKER_TAG", "v1")],
        2,
        &["SOURCE_DOCKER_TAG is set, and the profile says where"],
    ),
    (
        "source: {username: me}\nproducts: [{images: ['ONE/tool:v1', 'OTHER/db:16']}]\n",
        &[],
        &[],
        2,
        &["a source user is given, and the images are of several registries: "],
    ),
    (IMAGE, &["--foreign-urls", "--tag", "a", "--tag", "b"], &[], 2, &["--tag is given several times"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_before_anything_moves() {
    let yard = Yard::new().await;
    for (profile, args, variables, code, words) in REFUSED {
        let head = "schema: sealift.profile/1\ntarget: {registry: TARGET, repository: site}\n";
        let file = yard.write("site.yaml", &format!("{head}{profile}"));
        let args = [&["mirror", "--profile", &file][..], args].concat();
        let run = yard.call(&args, variables, None).await.expect(code);
        for words in words {
            assert!(run.stderr.contains(words), "{profile}: {}", run.stderr);
        }
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
    assert_eq!(yard.there("site/tool", "v1").await, None);
    let run = yard.run("mirror", &format!("{IMAGE}{IMAGE}"), &["--output", "json"]).await.expect(2);
    assert_eq!(run.json()["failures"][0]["kind"], "usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_none_are_refused() {
    let yard = Yard::new().await;
    let words = yard.write("words.txt", "just some words\nnginx\n");
    let empty = yard.write("empty.yaml", "# nothing\n");
    let site = yard.write("site.yaml", "schema: sealift.profile/1\nproducts: [{images: ['ONE/tool:v1']}]\n");
    let skopeo = yard.write("sync.yaml", "ONE:\n  images:\n    tool: [v1]\n");
    for (args, words) in [
        (&["--profile", "/nowhere.yaml"][..], "--profile /nowhere.yaml: there is no such file"),
        (&["--profile", "/tmp"], "--profile /tmp: it is a directory"),
        (&["--profile", &empty], "it is empty; a profile begins with `schema: sealift.profile/1`"),
        (&["--profile", &words], "2 mistakes in it\n  line 1: just some words: a line has one reference"),
        (&["--profile", "-", "--images-file", "-"], "both the list and the profile are to be read"),
        (&["--profile", "-", "--target-username", "me", "--target-password-stdin"], "both the profile and"),
        (&["--profile", &site], "the target registry is not given"),
        (&["--images-file", &site], "it is a profile\n  Hint: --profile reads it."),
        (&["--images-file", &skopeo], "it is the YAML of skopeo sync\n  Hint: --profile reads it."),
    ] {
        let run = yard.call(&[&["mirror"], args].concat(), &[], Some("")).await.expect(2);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_other_tools_are_taken() {
    let yard = Yard::new().await;
    let to = ["--target-registry", &yard.target.address, "--target-repository", "site"];
    let sync = yard.write(
        "sync.yaml",
        "\
ONE:
  images:
    tool: [v1]
  images-by-tag-regex:
    org/app: ^1\\.[01]$
  credentials: {username: me, password: hunter2}
  tls-verify: false
",
    );
    let run = yard.call(&[&["mirror", "--profile", &sync][..], &to].concat(), &[], None).await.expect(0);
    assert!(
        run.stderr.contains("warning: sync.yaml: of the YAML of skopeo sync this is not taken over:\n  line 6: ONE: credentials; `sealift login ONE`"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("line 7: ONE: tls-verify;") && !run.stderr.contains("hunter2"),
        "{}",
        run.stderr
    );
    assert_eq!(yard.tags("site/org/app").await, ["1.0", "1.1"]);
    assert!(yard.there("site/tool", "v1").await.is_some());

    let regsync = yard.write(
        "regsync.yaml",
        "\
version: 1
creds: [{registry: ONE, user: me, pass: hunter2}]
sync:
- {source: ONE/org/app, target: TARGET/fleet/application, type: repository, tags: {semverRange: ['>=1.2 <2.0']}}
- {source: 'OTHER/db:16', target: 'TARGET/fleet/db:16', type: image}
",
    );
    let run = yard.call(&["mirror", "--profile", &regsync], &[], None).await.expect(0);
    assert!(run.stderr.contains("line 2: creds") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    assert_eq!(yard.tags("fleet/application").await, ["1.2", "1.10"]);
    assert!(yard.there("fleet/db", "16").await.is_some());

    let list = yard.write("images.txt", "# the tools\nONE/tool:edge  # one of them\n");
    yard.call(&[&["mirror", "--profile", &list][..], &to].concat(), &[], None).await.expect(0);
    assert!(yard.there("site/tool", "edge").await.is_some());

    // They become profiles in passing.
    let saved = yard.path("saved.yaml").to_str().unwrap().to_owned();
    yard.call(&["mirror", "--profile", &regsync, "--save", &saved], &[], None).await.expect(0);
    let run = yard.call(&["verify", "--profile", &saved, "--output", "json"], &[], None).await.expect(0);
    assert!(!run.stderr.contains("not taken over"), "{}", run.stderr);
    assert_eq!(run.json()["images"].as_array().map(Vec::len), Some(3));
}

/// What a run with these ends keeps.
fn kept_profile(source: &str, door: &str) -> String {
    format!(
        "\
# Written by sealift mirror --save, for sealift mirror --profile. It never holds a password.
schema: sealift.profile/1
source:
  registry: {source}
  repository: arcdata
target:
  registry: {door}
  repository: site/arcdata
  username: captain
products:
- azure-arc:
    tags:
    - {KNOWN}
    images:
    - arc-dns
    skip-groups:
    - postgres
attachments: false
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_and_make_the_same_run() {
    let site = Site::with(&[(KNOWN, &["arc-dns", "arc-controller"]), (UNKNOWN, &["arc-dns"])]).await;
    let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    target.set_rule(captain);
    let (home, door) = (tempfile::tempdir().unwrap(), target.address().to_string());
    let profile = home.path().join("site.yaml").to_str().unwrap().to_owned();
    let password = [("TARGET_DOCKER_PASSWORD", PASSWORD), ("HOME", home.path().to_str().unwrap())];
    let typed = [
        "mirror",
        "--source-registry",
        &site.source.address,
        "--target-registry",
        &door,
        "--target-repository",
        "site/arcdata",
        "--target-username",
        "captain",
        "--tag",
        KNOWN,
        "--image",
        "arc-dns",
        "--skip-group",
        "postgres",
        "--no-attachments",
        "--save",
        &profile,
    ];
    let run = sealift(&typed, &password, None).await.expect(0);
    let told = format!("{profile}: the answers of this run, without passwords\n");
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    let text = std::fs::read_to_string(&profile).unwrap();
    assert_eq!(text, kept_profile(&site.source.address, &door));
    let run =
        sealift(&["mirror", "--profile", &profile, "--output", "json"], &password, None).await.expect(0);
    assert_eq!(run.outcomes(), [("arc-dns".to_owned(), "already-there".to_owned())]);
    // Another tag for once; and answers that are the same are kept as the same.
    let args = ["mirror", "--profile", &profile, "--tag", UNKNOWN, "--allow-missing", "--output", "json"];
    let run = sealift(&args, &password, None).await;
    assert_eq!(run.outcome("arc-dns"), "arrived", "{}", run.stderr);
    let run =
        sealift(&["mirror", "--profile", &profile, "--save", &profile], &password, None).await.expect(0);
    assert!(run.stderr.contains("passwords, in place of those that were there\n"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), text);
    let newest = home.path().join("newest.yaml").to_str().unwrap().to_owned();
    let args = [&typed[..9], &["--allow-missing", "--dry-run", "--save", &newest]].concat();
    let run = sealift(&args, &password, None).await;
    assert!(
        run.stderr.contains("\nIt names no release, so each run with it takes the newest.\n"),
        "{}",
        run.stderr
    );
    assert!(std::fs::read_to_string(&newest).unwrap().ends_with("- azure-arc: {}\n"));
    // The user is the profile's, and the password has to come from somewhere.
    let nowhere = [("HOME", home.path().to_str().unwrap())];
    let run = sealift(&["mirror", "--profile", &profile], &nowhere, None).await.expect(4);
    assert!(run.stderr.contains("The profile names captain, and no password is there;"), "{}", run.stderr);
    let config = json!({"auths": {&door: {"username": "captain", "password": PASSWORD}}});
    std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
    let kept = [("DOCKER_CONFIG", home.path().to_str().unwrap())];
    sealift(&["mirror", "--profile", &profile], &kept, None).await.expect(0);
    std::fs::write(&profile, text.replace("username: captain", "username: pilot")).unwrap();
    let run = sealift(&["mirror", "--profile", &profile], &kept, None).await.expect(0);
    assert!(run.stderr.contains("names pilot for ") && run.stderr.contains("captain asks"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_kept_with_its_images_and_another_file_is_not_overwritten() {
    let yard = Yard::new().await;
    let pinned = digest("tool", "v1");
    let list = yard.write("images.txt", &format!("ONE/org/app:1.0\nONE/tool@{pinned}\n"));
    let saved = yard.path("saved.yaml").to_str().unwrap().to_owned();
    let to = ["--target-registry", &yard.target.address, "--target-repository", "site", "--tag", "pinned"];
    let args = [&["mirror", "--images-file", &list, "--save", &saved, "--dry-run"][..], &to].concat();
    let run = yard.call(&[&args[..], &["--plain-http", "a.b"]].concat(), &[], None).await.expect(0);
    assert!(run.stderr.contains("Flags about the connection are not in it;"), "{}", run.stderr);
    assert_eq!(yard.there("site/tool", "pinned").await, None);
    std::fs::remove_file(&list).unwrap();
    yard.call(&["mirror", "--profile", &saved], &[], None).await.expect(0);
    assert_eq!(yard.there("site/tool", "pinned").await, Some(pinned));
    assert_eq!(yard.tags("site/org/app").await, ["1.0"]);

    let image = "products: [{images: ['ONE/tool:v1']}]\n";
    let text = yard.write("words.txt", "nginx:1.25\n");
    let wrong = yard.write("wrong.yaml", "schema: sealift.profile/1\nmine: true\n");
    let directory = yard.home.path().to_str().unwrap();
    let nowhere = yard.path("nowhere/site.yaml").to_str().unwrap().to_owned();
    for (file, words) in [
        (text.as_str(), "words.txt: a file is there that is no profile, and is not overwritten"),
        (&wrong, "wrong.yaml: a file is there that is no profile"),
        ("-", "--save -: standard output is for the report"),
        (directory, "s a directory"),
        (&nowhere, "nowhere/site.yaml: there is no such file"),
    ] {
        let run = yard.run("mirror", image, &["--save", file]).await.expect(2);
        assert!(run.stderr.contains(words) && run.stderr.contains("Hint: "), "{file}: {}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(text).unwrap(), "nginx:1.25\n");
    assert_eq!(yard.there("site/tool", "v1").await, None, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_printed_and_files_are_checked() {
    let yard = Yard::new().await;
    let run = yard.call(&["schema"], &[], None).await.expect(0);
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/profile.schema.json");
    assert_eq!(run.stdout, std::fs::read_to_string(published).unwrap());
    let right = yard.write("right.yaml", &format!("schema: sealift.profile/1\n{PRODUCTS}"));
    let newest = yard.write("newest.yaml", "schema: sealift.profile/1\n");
    let sync = yard.write("sync.yaml", "ONE:\n  images:\n    tool: [v1]\n  tls-verify: false\n");
    let args = ["schema", "--check", &right, &newest, "--check", &sync];
    let run = yard.call(&args, &[], None).await.expect(0);
    let told = "\
right.yaml: a profile: 4 products, 1 rewrite rule, 2 patterns to leave out
newest.yaml: a profile: the newest release
sync.yaml: the YAML of skopeo sync: 1 product
";
    assert_eq!(run.stdout, told);
    assert!(run.stderr.contains("line 4: ONE: tls-verify"), "{}", run.stderr);
    let wrong = yard.write("wrong.yaml", "schema: sealift.profile/1\nplatform: x\nmine: true\n");
    let run = yard.call(&["schema", "--check", &wrong, "--check", &newest], &[], None).await.expect(2);
    assert!(run.stderr.contains("error: --check wrong.yaml: 2 mistakes in it\n  line 2: "), "{}", run.stderr);
    assert_eq!(run.stdout, "newest.yaml: a profile: the newest release\n");
    let run = yard.call(&["schema", "--check", "-"], &[], Some("schema: sealift.profile/1")).await.expect(0);
    assert_eq!(run.stdout, "-: a profile: the newest release\n");
}
