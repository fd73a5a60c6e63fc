use std::fs;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use sealift_oci::Algorithm;
use sealift_store::Store;
use sealift_store::conformance::fixture::{Image as Built, image_of, index, noise};
use tempfile::TempDir;

use super::*;
use crate::catalogue::Catalogue;
use crate::entry::BLOCK;
use crate::error::BundleError;
use crate::fixture::Builder;
use crate::held::Held;
use crate::reader::Unlock;
use crate::seal::{BundleKey, Lock};
use crate::sign::SecretKey;
use crate::store::BundleStore;
use crate::writer::{BundleWriter, Contents, Destination, WriterOptions};

mod claims;

/// How many bits an ordinary test run flips in each bundle; `SEALIFT_SOAK=1` flips [`SOAK`].
const SAMPLE: usize = 60;
const SOAK: usize = 2500;

/// A bundle, its path, and how to open it.
struct World {
    root: TempDir,
    path: PathBuf,
    options: OpenOptions,
    catalogue: Catalogue,
}

/// What goes wrong with a bundle.
type Spoil<'a> = &'a dyn Fn(&World);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Directory,
    File,
    Pipe,
}

impl World {
    fn new(form: Form, is_sealed: bool, is_signed: bool) -> Self {
        let (shared, large) = (noise("shared", 1300), noise("large", 9_000));
        let mut builder = Builder::default();
        builder.image("one", "1", &image_of("one", &[shared.clone(), noise("one", 512)]));
        builder.image("two", "2", &image_of("two", &[shared]).named_by(Algorithm::Sha512));
        builder.image("three", "3", &index(&[image_of("three", &[large])]));
        builder.unlisted = vec![noise("left behind", 600)];
        builder.volume_size = (form == Form::Directory).then_some(4096);
        let mut options = OpenOptions::default();
        if is_sealed {
            let key = BundleKey::generate();
            builder.lock = Some(Lock::Recipients(vec![key.recipient()]));
            builder.key = Some(key.clone());
            let unlock: Arc<Unlock> = Arc::new(move |sealed| {
                // What was altered is not opened with a key that the file does not hold.
                let identities = key.identities();
                sealed.open(&identities, || panic!("nobody is asked"))?;
                Ok(key.clone())
            });
            options.unlock = Some(unlock);
        }
        if is_signed {
            let signer = SecretKey::generate().unwrap();
            options.trust = Some(signer.public());
            builder.signer = Some(signer);
        }
        let root = tempfile::tempdir().unwrap();
        let path = if form == Form::Directory { root.path().to_owned() } else { root.path().join("x.tar") };
        let catalogue = match form {
            Form::Directory => builder.write(&path),
            Form::File | Form::Pipe => builder.write_file(&path, form == Form::File),
        };
        Self { root, path, options, catalogue }
    }

    fn verify(&self) -> Result<Verified> {
        verify_blocking(&self.path, &self.options, 4, &|_, _| {})
    }

    fn findings(&self) -> Vec<Finding> {
        self.verify().unwrap().findings
    }

    /// Where a volume lies.
    fn volume(&self, number: usize) -> PathBuf {
        match self.path.is_dir() {
            true => self.path.join(&self.catalogue.volumes[number - 1].name),
            false => self.path.clone(),
        }
    }

    /// Puts another catalogue into a directory, with its checksum.
    fn replace(&self, catalogue: &Catalogue) {
        let (path, list) = (self.path.join("catalogue.json"), self.path.join("SHA256SUMS"));
        let (old, new) = (fs::read(&path).unwrap(), catalogue.to_bytes());
        fs::write(&path, &new).unwrap();
        let sums = fs::read_to_string(&list).unwrap();
        fs::write(&list, sums.replace(&Digest::sha256(&old).hex(), &Digest::sha256(&new).hex())).unwrap();
    }

    /// Every file and its size, in order.
    fn files(&self) -> Vec<(PathBuf, usize)> {
        let entries = fs::read_dir(self.root.path()).unwrap().map(|entry| entry.unwrap());
        let mut all: Vec<_> =
            entries.map(|entry| (entry.path(), entry.metadata().unwrap().len() as usize)).collect();
        all.sort();
        all
    }
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_bundle_has_no_findings() {
    for form in [Form::Directory, Form::File, Form::Pipe] {
        for is_sealed in [false, true] {
            let world = World::new(form, is_sealed, form != Form::Pipe);
            let (last, calls) = (AtomicU64::new(0), AtomicUsize::new(0));
            let progress = |done: u64, total: u64| {
                assert!(done <= total);
                last.fetch_max(done, Ordering::Relaxed);
                calls.fetch_add(1, Ordering::Relaxed);
            };
            for cores in [1, 2, 16] {
                let verified = verify_blocking(&world.path, &world.options, cores, &progress).unwrap();
                assert_eq!(verified.findings, [], "{form:?} {is_sealed}");
                assert_eq!(verified.scope, Scope::Everything);
                let volumes = 1..=world.catalogue.volumes.len();
                let size: u64 = volumes.map(|it| fs::metadata(world.volume(it)).unwrap().len()).sum();
                assert_eq!((verified.bytes, last.load(Ordering::Relaxed)), (size, size));
            }
            assert!(calls.into_inner() >= 3);
        }
    }
}

#[test]
fn a_closed_bundle_has_its_checksums_checked() {
    for (form, scope) in
        [(Form::Directory, Scope::Checksums), (Form::File, Scope::Checksums), (Form::Pipe, Scope::Nothing)]
    {
        let mut world = World::new(form, true, false);
        world.options.unlock = None;
        let verified = world.verify().unwrap();
        assert!(verified.findings.is_empty() && verified.bundle.is_none(), "{verified:?}");
        assert_eq!((verified.scope, verified.bytes > 0), (scope, scope == Scope::Checksums));
        flip(&world.volume(1), 5000);
        assert_eq!(world.findings().len(), usize::from(scope == Scope::Checksums), "{form:?}");
    }
    let mut world = World::new(Form::Directory, true, false);
    world.options.unlock = None;
    fs::remove_file(world.volume(2)).unwrap();
    let [finding] = &world.findings()[..] else { panic!("one volume is missing") };
    assert_eq!((&finding.path, finding.what.as_str()), (&world.volume(2), "the volume is missing"));
}

#[test]
fn a_finding_names_the_place_and_the_images() {
    for form in [Form::Directory, Form::Pipe] {
        for is_sealed in [false, true] {
            let world = World::new(form, is_sealed, false);
            for content in &world.catalogue.content {
                let first = content.at[0];
                let path = world.volume(first.volume);
                let spoilt = content.at[content.at.len() / 2];
                let file = world.volume(spoilt.volume);
                flip(&file, 8 * (spoilt.offset + spoilt.size / 2) as usize);
                let findings = world.findings();
                let hit = findings.iter().find(|it| it.what.contains(&content.digest.to_string()));
                let hit = hit.unwrap_or_else(|| panic!("{content:?}: {findings:?}"));
                assert_eq!((&hit.path, hit.position), (&path, Some(first.offset)));
                let is_needed = |at: &usize| {
                    verify_blocking(&world.path, &world.options, 1, &|_, _| {})
                        .unwrap()
                        .bundle
                        .unwrap()
                        .reach(&world.catalogue.images[*at])
                        .contains(&content.digest)
                };
                assert!(!hit.images.is_empty() && hit.images.iter().all(is_needed), "{hit:?}");
                let sums = findings.iter().filter(|it| it.what == crate::reader::DIFFERS);
                assert_eq!(sums.count(), usize::from(form == Form::Directory));
                assert_eq!(findings.len(), 1 + usize::from(form == Form::Directory), "{findings:?}");
                flip(&file, 8 * (spoilt.offset + spoilt.size / 2) as usize);
            }
        }
    }
}

#[test]
fn headers_padding_and_the_end_are_checked() {
    let world = World::new(Form::Pipe, false, false);
    let content = world.catalogue.content.iter().find(|it| it.size == 1300).unwrap();
    let at = content.at[0];
    let length = fs::metadata(&world.path).unwrap().len();
    let cases = [
        (at.offset - BLOCK, at.offset - BLOCK, "the header of an entry is damaged"),
        (at.offset - 20, at.offset - BLOCK, "the header of an entry is damaged"),
        (at.offset + at.size, at.offset + at.size, "the padding is damaged"),
        (0, 0, "the header of an entry is damaged"),
    ];
    for (byte, position, expected) in cases {
        flip(&world.path, 8 * byte as usize);
        let findings = world.findings();
        let [finding] = &findings[..] else { panic!("{byte}: {findings:?}") };
        assert_eq!((finding.position, finding.what.as_str()), (Some(position), expected));
        assert_eq!(finding.images, Vec::<usize>::new());
        flip(&world.path, 8 * byte as usize);
    }
    for byte in [length - 1, length - 600, length - 1024] {
        flip(&world.path, 8 * byte as usize);
        assert!(matches!(world.verify().unwrap_err(), BundleError::Damaged { .. }));
        flip(&world.path, 8 * byte as usize);
    }
}

#[test]
fn volumes_that_are_exchanged_are_found() {
    let spoils: &[(&str, Spoil)] = &[
        ("exchanged", &|world| {
            let (one, two) = (fs::read(world.volume(1)).unwrap(), fs::read(world.volume(2)).unwrap());
            fs::write(world.volume(1), two).unwrap();
            fs::write(world.volume(2), one).unwrap();
        }),
        ("doubled", &|world| _ = fs::copy(world.volume(1), world.volume(2)).unwrap()),
        ("missing", &|world| fs::remove_file(world.volume(2)).unwrap()),
        ("cut", &|world| {
            let bytes = fs::read(world.volume(2)).unwrap();
            fs::write(world.volume(2), &bytes[..bytes.len() - 512]).unwrap();
        }),
        ("longer", &|world| {
            let bytes = fs::read(world.volume(2)).unwrap();
            fs::write(world.volume(2), [bytes, vec![0; 512]].concat()).unwrap();
        }),
        ("zeros", &|world| {
            let bytes = fs::read(world.volume(2)).unwrap();
            fs::write(world.volume(2), vec![0; bytes.len()]).unwrap();
        }),
    ];
    for (name, spoil) in spoils {
        for is_sealed in [false, true] {
            let world = World::new(Form::Directory, is_sealed, false);
            spoil(&world);
            let findings = world.findings();
            assert!(findings.iter().any(|it| it.path == world.volume(2)), "{name}: {findings:?}");
            let others =
                findings.iter().filter(|it| it.path != world.volume(2) && it.path != world.volume(1));
            assert_eq!(others.count(), 0, "{name}: {findings:?}");
        }
    }
}

#[test]
fn a_catalogue_that_lies_is_found() {
    let moved = |catalogue: &mut Catalogue| {
        let at = &mut catalogue.content.iter_mut().find(|it| it.size == 1300).unwrap().at[0];
        at.offset += 1;
    };
    let inside_header = |catalogue: &mut Catalogue| {
        catalogue.content.iter_mut().find(|it| it.size == 512).unwrap().at[0].offset -= BLOCK;
    };
    let swapped = |catalogue: &mut Catalogue| {
        let one = catalogue.content.iter().position(|it| it.size == 1300).unwrap();
        catalogue.content[one].digest = Digest::sha256(b"other");
        for repository in &mut catalogue.repositories {
            repository.blobs.retain(|it| catalogue.content.iter().any(|content| content.digest == *it));
        }
    };
    let lies: [&dyn Fn(&mut Catalogue); 3] = [&moved, &inside_header, &swapped];
    for (lie, number) in lies.into_iter().zip(0..) {
        let world = World::new(Form::Directory, false, false);
        let mut catalogue = world.catalogue.clone();
        lie(&mut catalogue);
        world.replace(&catalogue);
        match world.verify() {
            Ok(verified) => assert!(!verified.findings.is_empty(), "lie {number}"),
            Err(error) => assert!(matches!(error, BundleError::Damaged { .. }), "lie {number}: {error}"),
        }
    }
}

/// Flips bits over all files in even steps, beginning at another bit each time.
fn flips(world: &World, count: usize, begin: usize) -> Vec<(PathBuf, usize)> {
    let files = world.files();
    let total: usize = files.iter().map(|(_, size)| size * 8).sum();
    let bit_of = |mut bit: usize| {
        let file = files.iter().find(|(_, size)| {
            let is_here = bit < size * 8;
            bit -= if is_here { 0 } else { size * 8 };
            is_here
        });
        (file.unwrap().0.clone(), bit)
    };
    // A step that is odd goes through all bits of a byte.
    let step = (total / count).max(1) | 1;
    (0..count).map(|number| bit_of((begin + number * step) % total)).collect()
}

/// What nobody promises anything of: the first line of a signature's file.
fn is_free(path: &Path, bit: usize) -> bool {
    let comment = fs::read(path).unwrap().iter().position(|byte| *byte == b'\n').unwrap_or_default();
    path.extension().is_some_and(|it| it == "minisig") && bit / 8 <= comment
}

fn count() -> usize {
    if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE }
}

#[test]
fn every_flipped_bit_is_found() {
    for (form, is_sealed, is_signed) in [
        (Form::Directory, false, true),
        (Form::Directory, true, true),
        (Form::Directory, false, false),
        (Form::File, false, true),
        (Form::File, false, false),
        (Form::Pipe, false, false),
        (Form::Pipe, true, false),
    ] {
        let world = World::new(form, is_sealed, is_signed);
        for (path, bit) in flips(&world, count(), 3) {
            if is_free(&path, bit) {
                continue;
            }
            flip(&path, bit);
            // What is said to be no bundle would be taken for something else, and found good.
            let is_found = match world.verify() {
                // A file may be renamed, so that is told and no more.
                Ok(verified) => {
                    let renamed = verified.bundle.as_ref().and_then(Bundle::other_name);
                    !verified.findings.is_empty() || renamed.is_some()
                }
                Err(error) => !matches!(error, BundleError::NotABundle { .. } | BundleError::Part { .. }),
            };
            assert!(is_found, "{form:?} {is_sealed}: bit {bit} of {}", path.display());
            flip(&path, bit);
        }
        assert!(world.findings().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever takes the place of some bytes, nothing panics and it is found.
    #[test]
    fn overwritten_bytes_are_found(at: proptest::sample::Index, bytes in proptest::collection::vec(any::<u8>(), 1..700)) {
        let world = World::new(Form::Pipe, false, false);
        let mut whole = fs::read(&world.path).unwrap();
        let at = at.index(whole.len());
        let end = (at + bytes.len()).min(whole.len());
        let before = whole[at..end].to_vec();
        whole[at..end].copy_from_slice(&bytes[..end - at]);
        fs::write(&world.path, &whole).unwrap();
        let is_found = world.verify().map_or(true, |verified| !verified.findings.is_empty());
        prop_assert_eq!(is_found, before != whole[at..end]);
    }
}

/// Writes a bundle as `pack` does, with a blob that is larger than a volume.
async fn pack(destination: Destination, volume_size: Option<u64>, lock: Option<Lock>) -> Vec<Built> {
    let options = WriterOptions {
        id: "a".repeat(32),
        volume_size,
        writers: 3,
        base: Held::default(),
        lock,
        deltas: None,
    };
    let writer = BundleWriter::open(destination, options).await.unwrap();
    let images = vec![
        image_of("small", &[noise("small", 900), noise("more", 30_000)]),
        image_of("large", &[noise("large", 400_000)]).named_by(Algorithm::Sha512),
    ];
    for (image, name) in images.iter().zip(["small", "large"]) {
        image.push(&writer, &name.parse().unwrap(), Some("1")).await;
    }
    writer.finish(Contents::default(), None).await.unwrap();
    images
}

#[tokio::test]
async fn what_the_writer_writes_is_whole_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    let key = BundleKey::generate();
    let opened = key.clone();
    let unlock: Arc<Unlock> =
        Arc::new(move |sealed| sealed.open(&opened.identities(), || panic!("nobody is asked")));
    let options = OpenOptions { unlock: Some(unlock), ..OpenOptions::default() };
    for (number, is_sealed) in (0..6).zip([false, true].into_iter().cycle()) {
        let path = root.path().join(number.to_string());
        let (destination, volume_size) = match number / 2 {
            0 => (Destination::Directory(path.clone()), Some(64 * 1024)),
            1 => (Destination::File(path.clone()), None),
            _ => (Destination::Pipe(fs::File::create(&path).unwrap()), None),
        };
        let lock = is_sealed.then(|| Lock::Recipients(vec![key.recipient()]));
        let images = pack(destination, volume_size, lock).await;
        let verified = verify(&path, &options, 2, Arc::new(|_, _| {})).await.unwrap();
        assert_eq!(verified.findings, [], "{number}");
        let store = BundleStore::new(vec![verified.bundle.unwrap()]);
        for (image, name) in images.iter().zip(["small", "large"]) {
            let source = store.source(&name.parse().unwrap());
            assert_eq!(source.manifest(&image.digest().into()).await.unwrap(), image.manifest);
            for blob in &image.blobs {
                let body = source.open_blob(&Digest::sha256(blob), 7.min(blob.len() as u64)).await.unwrap();
                assert_eq!(body.collect(blob.len()).await.unwrap(), blob[7.min(blob.len())..]);
            }
        }
    }
}
