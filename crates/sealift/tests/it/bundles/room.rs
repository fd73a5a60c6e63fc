//! Room: limits, dry runs, and disks that are full. Small disks are mounted, which needs the rights of root:
//! those tests fail without, unless `SEALIFT_NO_INTEROP=1` is set.

use std::fs;
use std::sync::Arc;

use sealift_testbed::http_proxy::Action;
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::small_disk::SmallDisk;

use super::interrupted::half_packed;
use super::scene::{Gap, LARGE, NAMES, VOLUMES, files, own_layer};

/// The bytes of all distinct blobs, without the manifests.
const ALL: u64 = 300_000 + 2 * 600_000 + 1_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_counts() {
    let gap = Gap::new().await;
    let dry = [&VOLUMES[..], &["--dry-run"]].concat();
    let run = gap.pack("release", &dry).await.expect(0);
    assert!(run.stdout.contains("3 images: 3 to copy.\n"), "{}", run.stdout);
    assert!(run.stdout.contains("Nothing was written.\n"), "{}", run.stdout);
    assert_eq!(files(&gap.path("")), [""; 0]);
    gap.pack("release", &VOLUMES).await.expect(0);
    let count = super::scene::volumes(&gap.path("release")).len();
    let told = run.stdout.split("7 blobs, in ").nth(1).expect("a number of volumes");
    let told: usize = told.split(' ').next().unwrap().parse().unwrap();
    assert!((told..=told + 3).contains(&count), "{told} volumes told, {count} written");
    let run = gap.load("release", &["--dry-run"]).await.expect(0);
    assert!(run.stdout.contains("3 images: 3 to copy.\n"), "{}", run.stdout);
    assert_eq!(gap.target.count(|it| it.head.method != "HEAD" && it.head.method != "GET"), 0);
    let run = gap.load("release", &["--dry-run", "--output", "json"]).await.expect(0);
    assert_eq!(run.json()["schema"], "sealift.plan/1");
    assert!(run.json()["totals"]["bytesToFetch"].as_u64().unwrap() > ALL);
    assert_eq!(gap.tagged().await, [""; 0]);
    assert_eq!(files(&gap.path("")), ["release"]);
}

/// What an unfinished bundle holds is not fetched again, and a dry run says so and leaves it as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_what_is_there_from_before() {
    let gap = half_packed("release", "release/pack.journal", &VOLUMES).await;
    let before = files(&gap.path("release"));
    let run =
        gap.pack("release", &[&VOLUMES[..], &["--dry-run", "--output", "json"]].concat()).await.expect(0);
    let totals = |name: &str| run.json()["totals"][name].as_u64().unwrap();
    // Manifests are counted with what is fetched.
    let (large, fetched) = (LARGE as u64, totals("bytesToFetch"));
    assert!(
        (large..large + 5_000).contains(&fetched) && totals("bytesPresent") >= ALL - large,
        "{}",
        run.stdout
    );
    assert_eq!(files(&gap.path("release")), before);
}

/// A dry run refuses to go on with what the run would not go on with.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_over_another_unfinished_bundle_is_refused_as_the_run_is() {
    let gap = half_packed("release", "release/pack.journal", &VOLUMES).await;
    let before = files(&gap.path("release"));
    let captain = super::trust::CAPTAIN.recipient;
    gap.source.clear();
    for (more, words) in [
        (&["--volume-size", "2MiB"][..], "in volumes of 2097152 bytes; "),
        (
            &["--volume-size", "1MiB", "--encrypt-to", captain],
            "is not encrypted, and what is asked for is encrypted to age1",
        ),
        (&["--volume-size", "1MiB", "--encrypt-passphrase"], "is encrypted under a passphrase; "),
        (&[], "in volumes of no set size; "),
    ] {
        let dry = gap.pack("release", &[more, &["--dry-run"]].concat()).await.expect(2);
        let real = gap.pack("release", more).await.expect(2);
        assert!(
            dry.stderr.contains("the unfinished bundle there is ") && dry.stderr.contains(words),
            "{}",
            dry.stderr
        );
        assert_eq!(dry.stderr, real.stderr);
    }
    assert_eq!((gap.source.count(|_| true), files(&gap.path("release"))), (0, before));
    gap.pack("release", &VOLUMES).await.expect(0);
}

/// Without a place for the bundle a dry run still tells what it would hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_needs_no_place() {
    let gap = Gap::new().await;
    let args: Vec<String> =
        gap.packing("", &["--dry-run"]).into_iter().filter(|it| !it.is_empty() && it != "--to").collect();
    let run = gap.run(&args).await.expect(0);
    assert!(run.stdout.contains("\n7 blobs, in 1 volume at least.\n"), "{}", run.stdout);
    let run = gap.run(&args[..args.len() - 1]).await.expect(2);
    assert!(run.stderr.contains("--to"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_allowed_is_refused_before_it_moves() {
    let gap = Gap::new().await;
    let run = gap.pack("release", &["--max-bytes", "2MB"]).await.expect(6);
    assert!(
        run.stderr.contains("would be fetched, and --max-bytes allows 2.00 MB; nothing was moved"),
        "{}",
        run.stderr
    );
    assert_eq!(files(&gap.path("")), [""; 0]);
    gap.pack("release", &["--max-bytes", "3MB"]).await.expect(0);
    gap.load("release", &["--max-bytes", "2MB"]).await.expect(6);
    assert_eq!(gap.tagged().await, [""; 0]);
    gap.load("release", &["--max-bytes", "3MB"]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_too_small_is_refused_before_anything_is_fetched() {
    if !interop_wanted() {
        return;
    }
    let (gap, disk) = (Gap::new().await, SmallDisk::new(3_000_000).await.unwrap());
    for name in ["release", "release.tar", "below/release"] {
        let to = disk.path().join(name).display().to_string();
        let run = gap.pack(&to, &[]).await.expect(6);
        let words = format!("error: {to}: 4.01 MB are needed, and ");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
        assert!(run.stderr.contains(" MB are free; nothing was fetched\n"), "{}", run.stderr);
        assert_eq!(files(disk.path()), [""; 0]);
    }
    assert_eq!(gap.source.count(|it| it.head.path.contains("/blobs/")), 0);
}

/// The directory of a registry is not even made, and a dry run says the same. What is there needs no room.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_in_a_directory_is_refused() {
    if !interop_wanted() {
        return;
    }
    let (gap, disk) = (Gap::packed(&[]).await, SmallDisk::new(3_000_000).await.unwrap());
    let into = disk.path().join("store").display().to_string();
    let args = ["load", "release", "--into", &into];
    for more in [&[][..], &["--dry-run"]] {
        let run = gap.run(&[&args[..], more].concat()).await.expect(6);
        assert!(run.stderr.contains("4.01 MB are needed, and "), "{}", run.stderr);
        assert_eq!(files(disk.path()), [""; 0]);
    }
    let to = disk.path().join("release").display().to_string();
    let run = gap.pack(&to, &["--dry-run"]).await.expect(6);
    assert!(run.stdout.contains("2.90 MB to fetch") && run.stderr.contains(" are free"), "{run:?}");
    assert_eq!(files(disk.path()), [""; 0]);
}

/// A layout that holds all is packed again on a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_written_needs_room() {
    if !interop_wanted() {
        return;
    }
    let (gap, disk) = (Gap::new().await, SmallDisk::new(6_000_000).await.unwrap());
    let layout = format!("oci:{}", disk.path().join("layout").display());
    for more in [&[][..], &[], &["--dry-run"]] {
        gap.pack(&layout, more).await.expect(0);
    }
}

/// The disk is filled by somebody else at the moment when the large layer is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_is_told_and_the_run_goes_on_when_there_is_room() {
    if !interop_wanted() {
        return;
    }
    for name in ["release", "release.tar"] {
        let (gap, disk) = (Gap::new().await, Arc::new(SmallDisk::new(8_000_000).await.unwrap()));
        let to = disk.path().join(name).display().to_string();
        let (large, full) = (own_layer("arc-sqlmi").digest.to_string(), Arc::clone(&disk));
        gap.source.set_rule(move |request| {
            if request.path.ends_with(&large) && request.earlier == 0 {
                full.fill().unwrap();
            }
            Action::Pass
        });
        let run = gap.pack(&to, &[]).await.expect(1);
        assert!(run.stderr.contains(&to) && run.stderr.contains("the disk is full"), "{}", run.stderr);
        assert!(run.stderr.contains("Make room"), "{}", run.stderr);
        let run = gap.inspect(&to, &[]).await;
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        disk.empty().unwrap();
        gap.pack(&to, &[]).await.expect(0);
        gap.load(&to, &[]).await.expect(0);
        gap.assert_arrived(&NAMES).await;
    }
}

/// FAT32 has such a bound at 4 GiB; here it is one of the process, in blocks of 512 bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_grow_is_told() {
    let gap = Gap::new().await;
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sealift")]);
    let output =
        command.args(gap.packing("release.tar", &[])).current_dir(gap.path("")).output().await.unwrap();
    let stderr = gap.redact(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("that disk takes no file of such a size") && stderr.contains("`--volume-size fat32`"),
        "{stderr}"
    );
    assert!(!stderr.contains("Make room"), "{stderr}");
    gap.pack("release.tar", &[]).await.expect(0);
}

/// A pipe whose reader goes away, and one that takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_takes_nothing_is_told() {
    let gap = Gap::new().await;
    let mut child = gap.start(&gap.packing("-", &[]));
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    let stderr = gap.redact(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("Caused by: nobody reads it any more"), "{stderr}");
    assert!(stderr.contains("error: -: the bundle is not finished"), "{stderr}");
}

/// Nothing can be made in a place that is no directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_named() {
    let gap = Gap::new().await;
    fs::write(gap.path("file"), "no directory").unwrap();
    for (to, code) in [("file", 2), ("file/release", 1), ("file/release.tar", 1)] {
        let run = gap.pack(to, &[]).await.expect(code);
        assert!(run.stderr.contains(&format!("error: {to}")), "{}", run.stderr);
    }
    assert_eq!(fs::read(gap.path("file")).unwrap(), b"no directory");
}
