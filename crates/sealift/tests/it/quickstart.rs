use crate::site::sealift;

#[tokio::test(flavor = "multi_thread")]
async fn it_works_and_the_second_run_moves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/target");
    let args = ["quickstart", "--dir", path.to_str().unwrap()];
    let run = sealift(&args, &[], None).await.expect(0);
    assert!(run.stdout.contains("20 images: 20 arrived."), "{}", run.stdout);
    assert!(run.stdout.contains("20 images: 20 right."), "{}", run.stdout);
    assert!(run.stdout.contains("amd64,arm64"), "{}", run.stdout);
    let layout = path.canonicalize().unwrap().join("arcdata/arc-sqlmi/_layout");
    assert!(
        run.stdout.contains(&format!("skopeo inspect oci:{}:v1.42.0", layout.display())),
        "{}",
        run.stdout
    );
    assert!(layout.join("index.json").exists());
    let again = sealift(&args, &[], None).await.expect(0);
    assert!(again.stdout.contains("20 images: 20 there already."), "{}", again.stdout);
    assert!(again.stdout.contains("Nothing moved; "), "{}", again.stdout);
}
