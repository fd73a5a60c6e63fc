use std::fs;
use std::io::Write;

use super::*;

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const CHART: &[(&str, &str)] = &[
    ("Chart.yaml", "name: c\nannotations:\n  artifacthub.io/images: |\n    - image: a/listed:1\n"),
    ("values.yaml", "image: {repository: a/value, tag: '1'}\n"),
    ("templates/web.yaml", "image: {{ .Values.image }}\n"),
    ("charts/sub/Chart.yaml", "name: sub\n"),
    ("charts/sub/values.yaml", "image: {repository: a/sub, tag: '1'}\n"),
    ("ci/values.yaml", "image: {repository: a/ci, tag: '1'}\n"),
];

fn package(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("c/{path}"), bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

async fn gathered(place: &Path) -> Harvest {
    let mut harvest = Harvest::default();
    let charts = Charts { values: &[], may_run_helm: true };
    for item in walk::walk(place).unwrap().items {
        match item {
            Item::File(path) => harvest.file(&path),
            Item::Chart(path) => harvest.chart(&path, &charts, None).await,
        }
    }
    harvest
}

fn names(harvest: &Harvest) -> Vec<String> {
    harvest.images.keys().map(ToString::to_string).collect()
}

const OF_CHART: [&str; 3] = ["docker.io/a/listed:1", "docker.io/a/sub:1", "docker.io/a/value:1"];

#[tokio::test]
async fn a_chart_without_helm_is_read_from_directories_and_packages_alike() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("c"), CHART);
    let files: Vec<(&str, Vec<u8>)> =
        CHART.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect();
    fs::write(directory.path().join("c.tgz"), package(&files)).unwrap();
    let nested = [("Chart.yaml", b"name: n".to_vec()), ("charts/c-1.tgz", package(&files))];
    fs::write(directory.path().join("nested.tar.gz"), package(&nested)).unwrap();
    for place in ["c", "c.tgz", "nested.tar.gz"] {
        let harvest = gathered(&directory.path().join(place)).await;
        assert_eq!(names(&harvest), OF_CHART, "{place}");
        assert_eq!(harvest.unresolved.len(), 1, "{place}");
        assert!(harvest.notes[0].contains("helm is not on PATH"), "{:?}", harvest.notes);
    }
    assert_eq!(names(&gathered(directory.path()).await), OF_CHART);
}

#[tokio::test]
async fn directories_are_walked_without_what_is_hidden_or_linked() {
    let directory = tempfile::tempdir().unwrap();
    let pod = "spec: {containers: [{image: 'a/b:1'}]}";
    write(
        directory.path(),
        &[("x/a.yaml", pod), ("x/b.txt", pod), (".git/c.yaml", pod), ("x/bad.json", "{")],
    );
    std::os::unix::fs::symlink(directory.path(), directory.path().join("x/loop")).unwrap();
    let harvest = gathered(directory.path()).await;
    let [place] = harvest.images.values().next().unwrap().as_slice() else { panic!("{harvest:?}") };
    assert!(place.file.ends_with("x/a.yaml") && place.line == 1 && place.is_certain);
    assert_eq!(harvest.unread.len(), 1, "{:?}", harvest.unread);
    assert_eq!(walk::walk(directory.path()).unwrap().links, 1);
    // What is named itself is read, whatever it is called.
    assert_eq!(names(&gathered(&directory.path().join("x/b.txt")).await), ["docker.io/a/b:1"]);
}

#[tokio::test]
async fn what_is_no_chart_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![0; 100_000]).unwrap();
    for (name, bytes, words) in [
        ("no.tgz", b"no gzip".to_vec(), "it cannot be unpacked"),
        ("other.tgz", package(&[("a.yaml", b"a: b".to_vec())]), "it has no Chart.yaml"),
        ("empty.tgz", bomb.finish().unwrap(), "it has no Chart.yaml"),
    ] {
        fs::write(directory.path().join(name), bytes).unwrap();
        let harvest = gathered(&directory.path().join(name)).await;
        assert!(harvest.unread[0].1.contains(words), "{name}: {:?}", harvest.unread);
    }
}

#[tokio::test]
async fn files_without_bounds_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large.yaml");
    File::create(&large).unwrap().set_len(TEXT_LIMIT as u64 + 1).unwrap();
    let harvest = gathered(&large).await;
    assert!(harvest.unread[0].1.contains("more than"), "{:?}", harvest.unread);
    let deep = directory.path().join("d/".repeat(40));
    fs::create_dir_all(deep).unwrap();
    let error = walk::walk(directory.path()).unwrap_err();
    assert!(error.to_string().contains("in each other"), "{error}");
}
