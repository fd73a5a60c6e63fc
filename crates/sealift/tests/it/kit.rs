//! Locks and kits: from a mirror to what a cluster needs, without asking more than has to be asked.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::site::{KNOWN, Run, Site, image, names, sealift};

const PASSWORD: &str = "p4ss: 'w\u{f6}rd'";

async fn kit(to: &Path, more: &[&str], variables: &[(&str, &str)], stdin: Option<&str>) -> Run {
    let to = to.display().to_string();
    sealift(&[&["kit", "--to", &to][..], more].concat(), variables, stdin).await
}

const SHIP: [&str; 4] = ["--target-registry", "registry.ship.lan:5000", "--target-repository", "arcdata"];

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_for_azure_arc_holds_the_password_where_only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        [&["--for", "azure-arc", "--tag", KNOWN, "--target-username", "captain"][..], &SHIP].concat();
    for (place, variables, stdin, more) in [
        ("by-variable", &[("TARGET_DOCKER_PASSWORD", PASSWORD)][..], None, &[][..]),
        ("by-stdin", &[], Some(PASSWORD), &["--target-password-stdin"]),
    ] {
        let to = directory.path().join(place);
        let run = kit(&to, &[&arguments[..], more].concat(), variables, stdin).await.expect(0);
        assert!(!run.stdout.contains("p4ss") && !run.stderr.contains("p4ss"), "{run:?}");
        let secret = to.join("arc-private-registry.yaml");
        assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(secret).unwrap().contains("\ndata:\n"));
        assert_eq!(
            std::fs::metadata(to.join("create-secret.sh")).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }
    let run = kit(&directory.path().join("none"), &arguments, &[], None).await.expect(0);
    assert!(run.stderr.contains("No password is given"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_something_in_it_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("arc-private-registry.yaml");
    std::fs::write(&secret, "mine").unwrap();
    let arguments = [&["--for", "azure-arc", "--tag", KNOWN][..], &SHIP].concat();
    let run = kit(directory.path(), &arguments, &[], None).await.expect(2);
    assert!(run.stderr.contains("it is not empty") && run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "mine");
    kit(directory.path(), &[&arguments[..], &["--force"]].concat(), &[], None).await.expect(0);
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("kit");
    let list = directory.path().join("list.txt");
    std::fs::write(&list, "nginx:1\n").unwrap();
    let list = list.to_str().unwrap();
    for (arguments, words) in [
        (&["--for", "azure-arc"][..], "the target registry is not given"),
        (&["--for", "nomad"], "invalid value 'nomad'"),
        (&["--for", "azure-arc", "--namespace", "Arc"], "--namespace `Arc` is no name to Kubernetes"),
        (&["--for", "azure-arc", "--controller", "x_y"], "--controller `x_y` is no name"),
        (&["--for", "azure-arc", "--images-file", list], "--images-file says nothing to a data controller"),
        (&["--for", "azure-arc", "--tag", "a", "--tag", "b"], "several releases are named"),
        (&["--for", "kubernetes", "--lock", list], "--lock"),
        (&["--for", "kubernetes", "--lock", "/nowhere"], "--lock /nowhere"),
        (&["--for", "kubernetes", "--lock", list, "--images-file", list], "cannot be used with"),
        (&["--for", "kubernetes", "--images-file", "/nowhere"], "--images-file /nowhere"),
    ] {
        let ship: &[&str] = if words.contains("is not given") { &[] } else { &SHIP };
        let run = kit(&to, &[arguments, ship].concat(), &[], None).await.expect(2);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert!(!to.exists(), "{arguments:?}");
    }
}

/// The files of a kit by their names, with what they hold.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// What a profile says makes the same files as what is typed, and what is typed beside it counts more.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_makes_the_kit_that_its_answers_make() {
    let directory = tempfile::tempdir().unwrap();
    let to = |name: &str| directory.path().join(name);
    let write = |name: &str, products: &str| {
        let text = format!(
            "schema: sealift.profile/1\ntarget:\n  registry: registry.ship.lan:5000\n  repository: arcdata\n{products}"
        );
        std::fs::write(to(name), text).unwrap();
        to(name).display().to_string()
    };
    let release = write("release.yaml", &format!("products:\n  - azure-arc:\n      tags: [{KNOWN}]\n"));
    let range = write(
        "range.yaml",
        "products:\n  - azure-arc:\n      from: v1.41.0_2025-09-09\n      to: v1.42.0_2025-10-14\n      images: [arc-sqlmi]\n",
    );
    let images = write(
        "images.yaml",
        "products:\n  - images: ['quay.io/org/app:1']\nrewrite:\n  - from: quay.io/org\n    to: ours\n",
    );
    std::fs::write(to("list.txt"), "quay.io/org/app:1\n").unwrap();
    let list = to("list.txt").display().to_string();
    let named = |profile: &str, tag: &str, more: &[&str]| -> Vec<String> {
        let given = [&["--profile", profile][..], more].concat();
        let tag = if tag.is_empty() { Vec::new() } else { vec!["--tag", tag] };
        given.into_iter().chain(tag).map(str::to_owned).collect()
    };
    let typed = |more: &[&str]| -> Vec<String> {
        [&SHIP[..], more].concat().iter().map(|it| (*it).to_owned()).collect()
    };
    let other = "v1.41.0_2025-09-09";
    for (consumer, by_profile, by_hand) in [
        ("azure-arc", named(&release, "", &[]), typed(&["--tag", KNOWN])),
        ("azure-arc", named(&release, other, &[]), typed(&["--tag", other])),
        ("azure-arc", named(&range, other, &[]), typed(&["--tag", other])),
        ("kubernetes", named(&release, "", &[]), typed(&["--tag", KNOWN])),
        ("kubernetes", named(&images, "", &["--images-file", &list]), named(&images, "", &[])),
    ] {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (to, given) in [(&one, &by_profile), (&two, &by_hand)] {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            kit(to.path(), &[&["--for", consumer][..], &given].concat(), &[], None).await.expect(0);
        }
        assert_eq!(files(one.path()), files(two.path()), "{consumer} {by_profile:?}");
    }
    // Two releases, one image of each, under the names of the rule.
    kit(&to("two"), &["--for", "kubernetes", "--profile", &range], &[], None).await.expect(0);
    let text = std::fs::read_to_string(to("two/kustomize/kustomization.yaml")).unwrap();
    assert!(text.contains("arc-sqlmi") && !text.contains("arc-controller"), "{text}");
    kit(&to("ours"), &["--for", "kubernetes", "--profile", &images], &[], None).await.expect(0);
    let text = std::fs::read_to_string(to("ours/kustomize/kustomization.yaml")).unwrap();
    assert!(text.contains("registry.ship.lan:5000/arcdata/ours/app"), "{text}");
    let open = write("open.yaml", "products:\n  - repository: quay.io/org/app\n    tags:\n      newest: 1\n");
    for (arguments, words) in [
        (
            &["--for", "kubernetes", "--profile", &open][..],
            "`sealift lock --profile FILE --output json` asks",
        ),
        (&["--for", "azure-arc", "--profile", &images], "Name a profile with the product azure-arc"),
        (&["--for", "azure-arc", "--profile", &range], "several releases are named"),
        (&["--for", "kubernetes", "--profile", "/nowhere"], "/nowhere: there is no such file"),
    ] {
        let run = kit(&to("none"), arguments, &[], None).await.expect(2);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert!(!to("none").exists(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_pins_what_was_mirrored_and_makes_a_kit() {
    let site = Site::new().await;
    let run = site.run("lock", &["--tag", KNOWN]).await.expect(3);
    assert!(run.stderr.contains("20 images are not at the target"), "{}", run.stderr);
    site.run("mirror", &["--tag", KNOWN]).await.expect(0);
    let run = site.run("lock", &["--tag", KNOWN]).await.expect(0);
    assert_eq!(run.stdout.lines().count(), names().len());
    let line = format!(
        "SOURCE/arcdata/arc-sqlmi:{KNOWN}@{digest}  # TARGET/site/arcdata/arc-sqlmi:{KNOWN}",
        digest = image(KNOWN, "arc-sqlmi").digest()
    );
    assert!(run.stdout.lines().any(|it| it == line), "{}", run.stdout);
    let target = ["--target-registry", &site.target.address, "--target-repository", "site/arcdata"];
    let ask = ["lock", "--tag", KNOWN, "--output", "json", "--source-registry", &site.source.address];
    let documents = [sealift(&[&ask[..], &target].concat(), &[], None).await.expect(0).stdout, {
        let source = [&ask[..], &["--at", "source"]].concat();
        sealift(&source, &[], None).await.expect(0).stdout
    }];
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock.json");
    std::fs::write(&lock, &documents[0]).unwrap();
    let to = directory.path().join("kit");
    kit(&to, &["--for", "kubernetes", "--lock", lock.to_str().unwrap()], &[], None).await.expect(0);
    let text = std::fs::read_to_string(to.join("kustomize/kustomization.yaml")).unwrap();
    assert_eq!(text.matches("digest: sha256:").count(), names().len());
    let other = ["--for", "kubernetes", "--lock", lock.to_str().unwrap(), "--target-registry", "x.lan"];
    let run =
        kit(&to, &[&other[..], &["--target-repository", "a", "--force"]].concat(), &[], None).await.expect(2);
    assert!(run.stderr.contains("its images are in"), "{}", run.stderr);
    // What the source alone was asked for does not say where the images went.
    std::fs::write(&lock, &documents[1]).unwrap();
    let run =
        kit(&to, &["--for", "kubernetes", "--lock", lock.to_str().unwrap(), "--force"], &[], None).await;
    assert!(run.expect(2).stderr.contains("it does not say where images went"));
}

/// The text of a lock is a list, which brings the same bytes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_a_list() {
    let site = Site::new().await;
    let ask = ["lock", "--tag", KNOWN, "--at", "source", "--image", "arc-sqlmi", "--image", "arc-controller"];
    let ask = [&ask[..], &["--source-registry", &site.source.address]].concat();
    let list = sealift(&ask, &[], None).await.expect(0).stdout;
    assert!(list.lines().count() == 2 && list.contains(&format!("arc-sqlmi:{KNOWN}@sha256:")), "{list}");
    let to = ["--target-registry", &site.target.address, "--target-repository", "site"];
    sealift(&[&["mirror", "--images-file", "-"][..], &to].concat(), &[], Some(&list)).await.expect(0);
    assert_eq!(site.tagged("arc-sqlmi", KNOWN).await, Some(image(KNOWN, "arc-sqlmi").digest()));
}
