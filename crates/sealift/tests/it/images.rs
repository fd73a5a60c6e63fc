//! Finding images in files, and mirroring what was found.

use std::path::Path;

use crate::site::{KNOWN, Site, sealift};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - image: SOURCE/arcdata/arc-sqlmi:TAG\n";

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// No `helm` is there, whatever this machine has.
const NO_PATH: [(&str, &str); 1] = [("PATH", "/nowhere")];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_can_be_mirrored_as_it_is() {
    let (site, files) = (Site::new().await, tempfile::tempdir().unwrap());
    let pod = POD.replace("SOURCE", &site.source.address).replace("TAG", KNOWN);
    write(files.path(), "pod.yaml", &pod);
    let found = sealift(&["images", files.path().to_str().unwrap()], &NO_PATH, None).await.expect(0);
    let image = format!("{}/arcdata/arc-sqlmi:{KNOWN}", site.source.address);
    let expected =
        format!("{image}  # {}/pod.yaml:6 Pod/web spec.containers[0].image\n", files.path().display());
    assert_eq!(found.stdout, expected);
    let to = ["--target-registry", &site.target.address, "--target-repository", "site"];
    let mirror = [&["mirror", "--images-file", "-"][..], &to].concat();
    sealift(&mirror, &[], Some(&found.stdout)).await.expect(0);
    assert!(site.tagged("arc-sqlmi", KNOWN).await.is_some());
    let pods = sealift(&["images", "-"], &NO_PATH, Some(&pod)).await.expect(0);
    assert!(pods.stdout.starts_with(&image) && pods.stdout.contains("standard input:6"), "{}", pods.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_told_and_never_guessed() {
    let files = tempfile::tempdir().unwrap();
    let chart = files.path().join("chart").display().to_string();
    write(files.path(), "chart/Chart.yaml", "name: c\n");
    write(
        files.path(),
        "chart/values.yaml",
        "image: {repository: quay.io/a/b}\nother: {repository: a/c, tag: v1}\n",
    );
    write(files.path(), "chart/templates/a.yaml", "image: {{ .Values.image }}\n");
    let run = sealift(&["images", &chart], &NO_PATH, None).await.expect(0);
    assert_eq!(run.stdout.lines().filter(|line| !line.starts_with('#')).count(), 1);
    assert!(run.stdout.starts_with("docker.io/a/c:v1  # looks like an image: "), "{}", run.stdout);
    assert!(run.stdout.contains("# not resolved: quay.io/a/b: neither a tag nor a digest"), "{}", run.stdout);
    assert!(run.stdout.contains("# not resolved: {{ .Values.image }}: a template"), "{}", run.stdout);
    assert!(
        run.stderr.contains("helm is not on PATH: images are looked for in its values"),
        "{}",
        run.stderr
    );
    let run = sealift(&["images", &chart, "--strict", "--output", "json"], &NO_PATH, None).await.expect(1);
    let document = run.json();
    assert_eq!(
        (&document["schema"], &document["images"][0]["isCertain"]),
        (&"sealift.images/1".into(), &false.into())
    );
    assert_eq!(document["unresolved"].as_array().unwrap().len(), 2);
}

/// A stand-in for helm, which says what it was asked: what a chart renders to counts, and what it can say is wrong, too.
#[tokio::test(flavor = "multi_thread")]
async fn helm_renders_a_chart_where_it_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let files = tempfile::tempdir().unwrap();
    let chart = files.path().join("chart").display().to_string();
    write(files.path(), "chart/Chart.yaml", "annotations:\n  images: |\n    - image: a/annotated:1\n");
    write(files.path(), "chart/values.yaml", "image: {repository: a/unused, tag: v1}\n");
    let values = write(files.path(), "site.yaml", "a: b\n");
    let script = "#!/bin/sh\necho \"$@\" >&2\n[ \"$5\" = --values ] || { echo 'Error: no values'; exit 1; } >&2\n\
                  printf 'kind: Pod\\napiVersion: v1\\nspec: {containers: [{image: a/rendered:1}]}\\n'\n";
    let helm = write(files.path(), "bin/helm", script);
    std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}/bin:/usr/bin:/bin", files.path().display());
    let variables = [("PATH", path.as_str())];
    let references = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let run = sealift(&["images", &chart, "--values", &values], &variables, None).await.expect(0);
    assert_eq!(references(&run.stdout), ["docker.io/a/annotated:1", "docker.io/a/rendered:1"]);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let run = sealift(&["images", &chart], &variables, None).await.expect(0);
    assert_eq!(references(&run.stdout), ["docker.io/a/annotated:1", "docker.io/a/unused:v1"]);
    assert!(run.stderr.contains("helm cannot render it (Error: no values)"), "{}", run.stderr);
    let run = sealift(&["images", &chart, "--no-helm"], &variables, None).await.expect(0);
    assert!(run.stderr.contains("helm is not to be run"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_an_error_and_the_rest_is_listed() {
    let files = tempfile::tempdir().unwrap();
    let (good, bad) = (write(files.path(), "a.yaml", "spec: {containers: [{image: 'a/b:1'}]}"), "a: b: c\n");
    let bad = write(files.path(), "b.yaml", bad);
    let run = sealift(&["images", &good, &bad], &NO_PATH, None).await.expect(1);
    assert!(run.stdout.starts_with("docker.io/a/b:1"));
    assert!(
        run.stderr.contains("b.yaml: it is neither YAML nor JSON: ") && run.stderr.contains("line 1"),
        "{}",
        run.stderr
    );
    for (arguments, words) in [
        (&["images", "/nowhere"][..], "/nowhere: "),
        (&["images"], "required"),
        (&["images", "/dev/null"], "neither a file nor a directory"),
    ] {
        let run = sealift(arguments, &NO_PATH, None).await.expect(2);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
    }
}
