//! What makes no sense is refused before anything is asked or written.

use std::fs;

use super::scene::{Gap, files};

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anything_moves() {
    let gap = Gap::new().await;
    for (to, more, words) in [
        ("-", &["--output", "json"][..], "the bundle and the report cannot both go to standard output"),
        ("-", &["--sign", "some.key"], "a signature has no place in a pipe"),
        ("-", &["--volume-size", "2MiB"], "one file has no volumes"),
        ("a.tar", &["--volume-size", "2MiB"], "one file has no volumes"),
        ("oci-archive:x.tar", &[], "does not write to oci-archive:\n  Hint: Name a file that ends in .tar: "),
        ("docker-archive:q", &["--dry-run"], "does not write to docker-archive:\n  Hint: Name a directory, "),
        ("docker://host/name", &[], "does not write to docker:\n"),
        ("a.tar.gz", &[], "--to a.tar.gz: a bundle is not compressed, since layers are\n"),
        ("a\nb.tar", &[], "its name cannot stand in a list of checksums"),
        ("oci:", &[], "--to oci: names no directory\n"),
        ("oci:", &["--dry-run"], "--to oci: names no directory\n"),
        ("a", &["--volume-size", "1MB"], "a volume has at least 1 MiB"),
        ("a", &["--volume-size", "large"], "a size reads 20GB"),
        (
            "a",
            &["--encrypt-passphrase", "--encrypt-to", super::trust::CAPTAIN.recipient],
            "cannot be used with",
        ),
        ("a", &["--encrypt-to", "age1nobody", "--dry-run"], "--encrypt-to"),
        ("a", &["--sign", "none.key", "--dry-run"], "none.key"),
        ("a", &["--assume-delivered"], "--since"),
        ("a", &["--target-registry", "reg.lan"], "unexpected argument"),
        ("a", &["--images-file", "x", "--tag", "v1"], "cannot be used with"),
    ] {
        let run = gap.pack(to, more).await.expect(2);
        assert!(run.stderr.contains(words), "{more:?}: {}", run.stderr);
    }
    assert_eq!((gap.source.count(|_| true), files(&gap.path(""))), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bundle_is_told() {
    let gap = Gap::new().await;
    fs::create_dir(gap.path("empty")).unwrap();
    fs::write(gap.path("text"), "no bundle").unwrap();
    for (path, code, words) in [
        ("nowhere", 2, "error: nowhere: there is no such file or directory"),
        ("empty", 2, "error: empty: it has no SHA256SUMS: the bundle is unfinished, or this is none"),
        ("text", 2, "error: text: "),
        (
            "/dev/null",
            2,
            "error: /dev/null: it is no regular file but a device\n  Hint: Name the file itself: ",
        ),
    ] {
        for run in [gap.inspect(path, &[]).await, gap.load(path, &[]).await] {
            assert!(run.stderr.contains(words), "{}", run.stderr);
            run.expect(code);
        }
    }
    gap.assert_untouched();
}

/// Places of other kinds are told with what reads them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_kind_of_place_is_told() {
    let gap = Gap::packed(&[]).await;
    gap.run(&["load", "release", "--into", "store"]).await.expect(0);
    for (path, words) in [
        ("docker://host/name", "error: docker://host/name: sealift does not read docker: here\n"),
        ("oci:", "error: the path behind the colon is missing\n  Hint: Write oci:DIRECTORY.\n"),
        ("oci-archive:", "error: the path behind the colon is missing\n"),
        (
            "store",
            "error: store: it is the directory of a registry, and no bundle\n  Hint: `sealift verify store` checks it.",
        ),
    ] {
        for run in [gap.inspect(path, &[]).await, gap.load(path, &[]).await] {
            assert!(run.stderr.contains(words), "{}", run.stderr);
            run.expect(2);
        }
    }
    gap.run(&["verify", "docker://host/name"]).await.expect(2);
    gap.assert_untouched();
}

/// Parts of a bundle, and a pipe, in place of the bundle.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_a_part_of_a_bundle_is_told() {
    let gap = Gap::packed(&[]).await;
    let all = super::scene::volumes(&gap.path("release"));
    let names: Vec<&str> = all.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
    fs::create_dir(gap.path("stick")).unwrap();
    for name in &names[1..] {
        fs::rename(gap.path("release").join(name), gap.path("stick").join(name)).unwrap();
    }
    let first = format!("release/{}", names[0]);
    let second = format!("stick/{}", names[1]);
    let beside = format!("{} to {} lie beside it", names[2], names[names.len() - 1]);
    for (path, words) in [
        (
            first.as_str(),
            "it is one file of the bundle release\n  Hint: Name the directory that has SHA256SUMS in it",
        ),
        (&second, &format!("it is one file of a bundle, and SHA256SUMS is not beside it; {beside}\n")),
        ("release/catalogue.json", "it is one file of the bundle release\n"),
        (
            "-",
            "error: a bundle cannot be read from a pipe: what lies where stands at its end\n  Hint: Write it to a file first",
        ),
    ] {
        for run in [gap.inspect(path, &[]).await, gap.run(&["verify", path]).await, gap.load(path, &[]).await]
        {
            assert!(run.stderr.contains(words), "{}", run.stderr);
            run.expect(2);
        }
    }
    gap.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_written_over() {
    let gap = Gap::new().await;
    gap.pack("release", &[]).await.expect(0);
    gap.pack("release.tar", &[]).await.expect(0);
    let before = |name: &str| fs::read(gap.path(name)).unwrap();
    let [directory, file] = ["release/SHA256SUMS", "release.tar"].map(before);
    fs::write(gap.path("notes"), "precious").unwrap();
    for more in [&[][..], &["--dry-run"]] {
        let run = gap.pack("notes", more).await.expect(2);
        let words = "error: notes: it is a file; a bundle is a directory, or a file that ends in .tar\n";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    for (to, more) in [("release", &[][..]), ("release.tar", &[]), ("release", &["--dry-run"])] {
        gap.source.clear();
        let run = gap.pack(to, more).await.expect(2);
        assert!(
            run.stderr.contains(&format!("error: {to}: a finished bundle is there already")),
            "{}",
            run.stderr
        );
        assert_eq!(gap.source.count(|it| it.head.path.contains("/blobs/")), 0);
    }
    assert_eq!(["release/SHA256SUMS", "release.tar"].map(before), [directory, file]);
}

/// Documents and directories that are not what they should be are told with what to do about them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_document_and_no_directory_is_told() {
    let gap = Gap::new().await;
    gap.pack("release", &[]).await.expect(0);
    fs::write(gap.path("broken.json"), "{\"format\":").unwrap();
    fs::write(gap.path("other.json"), "{\"format\":\"other\",\"version\":1}").unwrap();
    fs::write(gap.path("list.txt"), "127.0.0.1:5000/team/app:1\n").unwrap();
    let run = gap.pack("next", &["--since", "list.txt"]).await.expect(5);
    assert!(
        run.stderr.contains("error: list.txt: it is no receipt: it does not say what it is\n"),
        "{}",
        run.stderr
    );
    for name in ["broken.json", "other.json"] {
        let run = gap.pack("next", &["--since", name]).await.expect(5);
        let words = "\n  Hint: Name the receipt that `sealift load` wrote, and copy it again";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        let repair = ["pack", "--repair", name, "--source-anonymous", "--to", "next"];
        let run = gap.run(&repair).await.expect(5);
        let words = "\n  Hint: Name the repair request that `sealift load` wrote";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let more = ["--volume-dir", "nowhere"];
    for run in [
        gap.load("release", &more).await,
        gap.inspect("release", &more).await,
        gap.run(&[&["verify", "release"][..], &more].concat()).await,
    ] {
        let words = "error: --volume-dir nowhere: there is no such directory\n";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        run.expect(2);
    }
    assert!(!gap.path("next").exists());
    gap.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_no_receipt() {
    let gap = Gap::new().await;
    gap.pack("release", &[]).await.expect(0);
    let run = gap.pack("next", &["--since", "release"]).await.expect(2);
    assert!(run.stderr.contains("--assume-delivered"), "{}", run.stderr);
}
