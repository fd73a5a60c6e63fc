use std::fs;
use std::os::unix::fs::symlink;

use sealift_oci::Digest;
use sealift_store::conformance::fixture::{artifact, image_of, index, noise};
use sealift_store::{ErrorKind, Operation, verified};

use super::*;
use crate::catalogue::Encoding;
use crate::fixture::Builder;
use crate::seal::{BundleKey, Identities, Lock};
use crate::sign::SecretKey;

/// What goes wrong with a file or directory.
type Spoil<'a> = &'a dyn Fn(&Path);

/// Three images: the first two share a layer, the last is an index with a layer that takes several volumes.
fn builder() -> Builder {
    let (shared, large) = (noise("shared", 3000), noise("large", 20_000));
    let mut builder = Builder { volume_size: Some(8192), ..Builder::default() };
    let first = image_of("one", &[shared.clone(), noise("one", 700)]);
    builder.image("one", "1", &first).add("one", &artifact("signature", &first.manifest, "application/x"));
    builder.image("two", "2", &image_of("two", &[shared]));
    builder.image("deep/three", "3", &index(&[image_of("three", &[large])]));
    builder
}

async fn open(path: &Path) -> Result<Bundle> {
    Bundle::open(path, &OpenOptions::default()).await
}

/// Reads everything from every offset that matters and compares it with its digest.
async fn assert_whole(bundle: &Bundle) {
    for content in &bundle.catalogue().content {
        let whole = bundle.read(content, 0).await.unwrap();
        assert_eq!(whole.length(), Some(content.size));
        let whole = verified(whole, content.digest, content.size).collect(100_000).await.unwrap();
        for offset in [1, content.size / 2, content.size] {
            let offset = offset.min(content.size);
            let rest = bundle.read(content, offset).await.unwrap().collect(100_000).await.unwrap();
            assert_eq!(rest, whole[offset as usize..]);
        }
        let error = bundle.read(content, content.size + 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_directory_is_read() {
    let root = tempfile::tempdir().unwrap();
    let written = builder().write(root.path());
    assert!(written.volumes.len() > 4 && written.content.iter().any(|it| it.at.len() > 2), "{written:?}");
    let bundle = open(root.path()).await.unwrap();
    assert_eq!(bundle.catalogue(), &written);
    assert!(!bundle.is_trusted() && bundle.damage().await.unwrap().is_empty());
    assert_whole(&bundle).await;
}

#[tokio::test]
async fn one_file_is_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("all.tar");
    for has_checksum in [true, false] {
        Builder { volume_size: None, ..builder() }.write_file(&path, has_checksum);
        assert_whole(&open(&path).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_sealed_bundle_needs_its_key() {
    let root = tempfile::tempdir().unwrap();
    let key = BundleKey::generate();
    let person = BundleKey::generate();
    let lock = Lock::Recipients(vec![person.recipient()]);
    let signer = SecretKey::generate().unwrap();
    let public = signer.public();
    let sealed = Builder { key: Some(key.clone()), lock: Some(lock), signer: Some(signer), ..builder() };
    sealed.write(root.path());
    let file = root.path().join("all.tar");
    Builder { volume_size: None, ..sealed }.write_file(&file, true);
    for path in [root.path(), &file] {
        let error = open(path).await.unwrap_err();
        assert!(matches!(error, BundleError::WrongKey { .. }), "{error}");
        let opened = key.clone();
        let unlock: Arc<Unlock> = Arc::new(move |_| Ok(opened.clone()));
        let options =
            OpenOptions { unlock: Some(unlock), trust: Some(public.clone()), ..OpenOptions::default() };
        assert_whole(&Bundle::open(path, &options).await.unwrap()).await;
        let nobody: Arc<Unlock> =
            Arc::new(|sealed| sealed.open(&Identities::parse(Path::new("x"), "")?, || unreachable!()));
        let options = OpenOptions { unlock: Some(nobody), ..OpenOptions::default() };
        let error = Bundle::open(path, &options).await.unwrap_err();
        assert!(matches!(error, BundleError::WrongKey { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_altered_sealed_volume_is_not_decrypted_where_trust_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let (key, signer) = (BundleKey::generate(), SecretKey::generate().unwrap());
    let (lock, public) = (Lock::Recipients(vec![key.recipient()]), signer.public());
    let written = Builder { key: Some(key.clone()), lock: Some(lock), signer: Some(signer), ..builder() }
        .write(root.path());
    // A header: no content is hit.
    flip(&root.path().join(&written.volumes[0].name), 5);
    let unlock: Arc<Unlock> = Arc::new(move |_| Ok(key.clone()));
    let plain = OpenOptions { unlock: Some(unlock), ..OpenOptions::default() };
    let trusting = OpenOptions { trust: Some(public), ..plain.clone() };
    let content = written.content.iter().find(|it| it.at[0].volume == 1).unwrap();
    assert!(Bundle::open(root.path(), &plain).await.unwrap().read(content, 0).await.is_ok());
    let error = Bundle::open(root.path(), &trusting).await.unwrap().read(content, 0).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Mismatch && error.to_string().contains("differs from its checksum"),
        "{error}"
    );
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn trust_is_proven_first() {
    let root = tempfile::tempdir().unwrap();
    let (signer, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let (trusted, stranger) = (signer.public(), other.public());
    let signed = Builder { signer: Some(signer), ..builder() };
    signed.write(root.path());
    let file = root.path().join("all.tar");
    Builder { volume_size: None, ..signed }.write_file(&file, true);
    let with = |key: &PublicKey| OpenOptions { trust: Some(key.clone()), ..OpenOptions::default() };
    for path in [root.path(), &file] {
        assert!(Bundle::open(path, &with(&trusted)).await.unwrap().is_trusted());
        let error = Bundle::open(path, &with(&stranger)).await.unwrap_err();
        assert!(matches!(error, BundleError::Untrusted { .. }), "{error}");
    }
    // What is not signed is not even parsed.
    fs::write(root.path().join("SHA256SUMS"), "nonsense").unwrap();
    let error = Bundle::open(root.path(), &with(&trusted)).await.unwrap_err();
    assert!(matches!(error, BundleError::Untrusted { .. }), "{error}");
    flip(&file, 700);
    let error = Bundle::open(&file, &with(&trusted)).await.unwrap_err();
    assert!(error.to_string().ends_with("it differs from its checksum"), "{error}");
    fs::remove_file(root.path().join("all.tar.sha256.minisig")).unwrap();
    let error = Bundle::open(&file, &with(&trusted)).await.unwrap_err();
    assert!(error.to_string().contains("it is not signed"), "{error}");
}

#[tokio::test]
async fn what_is_no_bundle_is_refused() {
    let cases: &[(&str, Spoil, &str)] = &[
        ("unfinished", &|root| fs::remove_file(root.join("SHA256SUMS")).unwrap(), "unfinished"),
        (
            "no catalogue",
            &|root| fs::remove_file(root.join("catalogue.json")).unwrap(),
            "catalogue.json: the file is missing",
        ),
        ("altered catalogue", &|root| flip(&root.join("catalogue.json"), 40), "catalogue.json: it differs"),
        ("altered list", &|root| flip(&root.join("SHA256SUMS"), 3), "SHA256SUMS: "),
        ("cut list", &|root| fs::write(root.join("SHA256SUMS"), "").unwrap(), "SHA256SUMS: its last line"),
        (
            "linked catalogue",
            &|root| {
                fs::rename(root.join("catalogue.json"), root.join("elsewhere")).unwrap();
                symlink(root.join("elsewhere"), root.join("catalogue.json")).unwrap();
            },
            "catalogue.json: it is no regular file but a symbolic link",
        ),
        (
            "one more file",
            &|root| {
                let list = fs::read_to_string(root.join("SHA256SUMS")).unwrap();
                fs::write(root.join("SHA256SUMS"), format!("{list}{}  x\n", "0".repeat(64))).unwrap();
            },
            "\"x\" is no file of the bundle",
        ),
    ];
    for (name, spoil, expected) in cases {
        let root = tempfile::tempdir().unwrap();
        builder().write(root.path());
        spoil(root.path());
        let error = open(root.path()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("x.tar");
    assert!(matches!(open(&file).await.unwrap_err(), BundleError::Io { .. }));
    for content in [vec![], vec![0; 4096], noise("x", 10_000).to_vec()] {
        fs::write(&file, content).unwrap();
        let error = open(&file).await.unwrap_err();
        assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
    }
    Builder { volume_size: None, ..builder() }.write_file(&file, false);
    let whole = fs::read(&file).unwrap();
    for length in [whole.len() / 2, 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(matches!(open(&file).await.unwrap_err(), BundleError::NotABundle { .. }), "{length}");
    }
    for length in [whole.len() - 1, whole.len() - 512, whole.len() - 2048] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(matches!(open(&file).await.unwrap_err(), BundleError::Damaged { .. }), "{length}");
    }
}

#[tokio::test]
async fn volumes_lie_in_several_directories() {
    let (root, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let written = builder().write(root.path());
    for volume in written.volumes.iter().skip(1) {
        fs::rename(root.path().join(&volume.name), second.path().join(&volume.name)).unwrap();
    }
    // A bad copy does not hide a good one.
    fs::write(root.path().join(&written.volumes[1].name), "cut").unwrap();
    let options = OpenOptions { volume_dirs: vec![second.path().to_owned()], ..OpenOptions::default() };
    assert_whole(&Bundle::open(root.path(), &options).await.unwrap()).await;
    assert_eq!(open(root.path()).await.unwrap().damage().await.unwrap().len(), written.volumes.len() - 1);
}

/// Of copies of a volume that have its size the one with its checksum is taken, and what is wrong with others is known.
#[tokio::test]
async fn of_several_copies_the_whole_one_is_taken() {
    let (root, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let written = builder().write(root.path());
    let [first, other] = [root.path(), second.path()].map(|it| it.join(&written.volumes[1].name));
    fs::copy(&first, &other).unwrap();
    flip(&first, 600);
    let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&calls);
    let options = OpenOptions {
        volume_dirs: vec![root.path().to_owned(), second.path().to_owned()],
        progress: Some(Arc::new(move |done, total| told.lock().unwrap().push((done, total)))),
        ..OpenOptions::default()
    };
    let bundle = Bundle::open(root.path(), &options).await.unwrap();
    assert_eq!(bundle.volumes()[1].path(), other);
    assert_eq!(bundle.volumes()[1].passed_over(), [(first.clone(), volumes::DIFFERS.to_owned())]);
    let size = written.volumes[1].size.unwrap();
    assert_eq!(
        *calls.lock().unwrap(),
        [(size, size), (size, size)],
        "the directory of the bundle counts once"
    );
    assert_whole(&bundle).await;
    // Where none is whole, the first is taken for what is whole in it.
    flip(&other, 600);
    let bundle = Bundle::open(root.path(), &options).await.unwrap();
    assert_eq!((bundle.volumes()[1].path(), bundle.volumes()[1].problem()), (first.as_path(), None));
    assert_eq!(bundle.volumes()[1].passed_over(), [(other.clone(), volumes::DIFFERS.to_owned())]);
    // One that has another size is passed over, too.
    fs::write(&other, "short").unwrap();
    let bundle = Bundle::open(root.path(), &options).await.unwrap();
    assert_eq!(
        (bundle.volumes()[1].path(), bundle.volumes()[1].passed_over()[0].0.as_path()),
        (first.as_path(), other.as_path())
    );
    assert!(bundle.volumes()[1].passed_over()[0].1.starts_with("the volume has 5 bytes"));
}

/// A link that a person names leads to the bundle; what lies in one is never followed.
#[tokio::test]
async fn a_link_to_one_file_is_followed() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().canonicalize().unwrap();
    Builder { volume_size: None, ..builder() }.write_file(&whole.join("all.tar"), true);
    symlink("all.tar", whole.join("latest.tar")).unwrap();
    let bundle = open(&whole.join("latest.tar")).await.unwrap();
    assert_eq!(bundle.path(), whole.join("all.tar"));
    assert_whole(&bundle).await;
}

#[tokio::test]
async fn damage_names_the_file_and_the_images() {
    let shorter = |path: &Path| fs::write(path, "short").unwrap();
    let linked = |path: &Path| {
        fs::rename(path, path.with_extension("kept")).unwrap();
        symlink(path.with_extension("kept"), path).unwrap();
    };
    let directory = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    let spoils: &[(Spoil, &str)] = &[
        (&|path| fs::remove_file(path).unwrap(), "the volume is missing"),
        (&shorter, "the volume has 5 bytes and should have"),
        (&linked, "it is no regular file but a symbolic link"),
        (&directory, "it is no regular file but a directory"),
    ];
    for (spoil, expected) in spoils {
        for number in 1..=4 {
            let root = tempfile::tempdir().unwrap();
            let written = builder().write(root.path());
            let path = root.path().join(&written.volumes[number - 1].name);
            spoil(&path);
            let bundle = open(root.path()).await.unwrap();
            let damage = bundle.damage().await.unwrap();
            assert_eq!(damage.len(), 1, "{damage:?}");
            assert_eq!(damage[0].path, path);
            assert!(damage[0].reason.starts_with(expected), "{damage:?}");
            assert_eq!(damage[0].images, users(&written, number), "volume {number}");
            assert_reads_around(&bundle, number).await;
        }
    }
}

/// Which images have content in a volume, found by asking each digest who lists it: no image shares a repository here.
fn users(catalogue: &Catalogue, number: usize) -> Vec<usize> {
    let lies = |digest: &Digest| {
        let content = catalogue.content.iter().find(|it| it.digest == *digest).unwrap();
        content.at.iter().any(|at| at.volume == number)
    };
    let holds = |name: &sealift_oci::RepositoryName| {
        let held = catalogue.repositories.iter().find(|it| it.name == *name).unwrap();
        held.blobs.iter().any(lies) || held.manifests.iter().any(|it| lies(&it.digest))
    };
    let images = catalogue.images.iter().enumerate();
    images.filter(|(_, image)| holds(&image.repository)).map(|(at, _)| at).collect()
}

async fn assert_reads_around(bundle: &Bundle, broken: usize) {
    for content in &bundle.catalogue().content {
        let is_hit = content.at.iter().any(|at| at.volume == broken);
        assert_eq!(bundle.is_readable(content), !is_hit);
        match bundle.read(content, 0).await {
            Ok(body) => assert!(!is_hit && body.collect(100_000).await.is_ok()),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    is_hit && error.operation() == Operation::FetchBlob && text.contains("volume-"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_volume_that_shrinks_while_it_is_read_is_named() {
    let root = tempfile::tempdir().unwrap();
    let written = builder().write(root.path());
    let bundle = open(root.path()).await.unwrap();
    let content = written.content.iter().find(|it| it.at.len() > 1).unwrap();
    let body = bundle.read(content, 0).await.unwrap();
    let second = content.at[1];
    let name = &written.volumes[second.volume - 1].name;
    fs::write(root.path().join(name), "short").unwrap();
    let error = body.collect(100_000).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains(&format!("{name} at byte 5: the file ends there")), "{source}");
}

#[tokio::test]
async fn the_listing_counts_bytes() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = builder();
    builder.leave_out(Digest::sha256(&noise("one", 700)));
    builder.write(root.path());
    let listing = open(root.path()).await.unwrap().listing().await.unwrap();
    let names: Vec<_> = listing.images.iter().map(|it| it.image.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!((listing.left_out, listing.shared), (700, 3000));
    let [one, two, three] = &listing.images[..] else { panic!("{listing:?}") };
    assert_eq!((one.size - one.carried, one.shared), (700, 3000));
    assert_eq!((two.size - two.carried, two.shared, three.shared), (0, 3000, 0));
    assert!(three.size > 20_000 && listing.images.iter().all(|it| it.is_readable));
    assert_eq!(listing.carried, one.carried + two.carried + three.carried - 3000);
}

#[tokio::test]
async fn an_encoding_that_is_not_known_is_refused_by_its_id() {
    let root = tempfile::tempdir().unwrap();
    let written = builder().write(root.path());
    let bundle = open(root.path()).await.unwrap();
    let encoding = Encoding { id: "other-1".to_owned(), parameters: serde_json::Value::Null };
    let content = Content { encoding: Some(encoding), ..written.content[0].clone() };
    let error = bundle.read(&content, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("its encoding \"other-1\" is not known"), "{error}");
}
