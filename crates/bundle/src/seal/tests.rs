use std::io::{Cursor, Read, Write};
use std::path::Path;

use futures_util::StreamExt;
use proptest::prelude::*;
use sealift_store::{ErrorKind, Operation};

use super::payload::Payload;
use super::*;
use crate::error::BundleError;
use crate::passphrase::Passphrase;

const KIB: usize = 1024;
const LIMIT: u64 = 64 * 1024 * 1024;
/// Around every bound there is: nothing, a chunk of age, a piece of the reader, and several of them.
const SIZES: [usize; 13] = [
    0,
    1,
    1000,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    128 * KIB,
    256 * KIB - 1,
    256 * KIB,
    256 * KIB + 1,
    1024 * KIB - 1,
    1024 * KIB,
    1024 * KIB + 1,
];

fn path() -> &'static Path {
    Path::new("key.age")
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn nobody_asked() -> Result<Passphrase, BundleError> {
    panic!("nobody should be asked")
}

fn identities(key: &BundleKey) -> Identities {
    Identities(vec![key.0.clone()])
}

fn seal_in_pieces(recipient: &Recipient, plain: &[u8], piece: usize) -> Vec<u8> {
    let (mut sealer, size) = Sealer::new(recipient, plain.len() as u64).unwrap();
    let mut sealed = Vec::new();
    for piece in plain.chunks(piece) {
        sealed.extend_from_slice(&sealer.update(piece).unwrap());
    }
    sealed.extend_from_slice(&sealer.finish().unwrap());
    assert_eq!(sealed.len() as u64, size, "of {} bytes", plain.len());
    sealed
}

async fn read(key: &BundleKey, sealed: &[u8], offset: u64) -> sealift_store::Result<Vec<u8>> {
    read_by(&Opener::new(key.clone(), 1), sealed, offset).await
}

async fn read_by(opener: &Opener, sealed: &[u8], offset: u64) -> sealift_store::Result<Vec<u8>> {
    let body = opener.open(Cursor::new(sealed.to_vec()), offset).await?;
    let length = body.length();
    let plain = body.collect(LIMIT as usize).await?;
    assert_eq!(length, Some(plain.len() as u64));
    Ok(plain.to_vec())
}

#[tokio::test]
async fn every_size_comes_back_from_every_offset() {
    let key = BundleKey::generate();
    for size in SIZES {
        let plain = content(size);
        for piece in [1000, 64 * KIB, 300 * KIB] {
            let sealed = seal_in_pieces(&key.recipient(), &plain, piece);
            assert_eq!(key.open(path(), &sealed, LIMIT).unwrap(), plain);
        }
        let sealed = key.recipient().seal(&plain).unwrap();
        for offset in SIZES.into_iter().chain([size / 2, size.saturating_sub(1), size]) {
            let opened = read(&key, &sealed, offset as u64).await;
            match plain.get(offset..) {
                Some(rest) => assert_eq!(opened.unwrap(), rest, "{size} from {offset}"),
                None => assert_eq!(opened.unwrap_err().kind(), ErrorKind::Invalid, "{size} from {offset}"),
            }
        }
    }
}

fn sealed_by_age(key: &BundleKey, plain: &[u8]) -> Vec<u8> {
    let recipient = key.0.to_public();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn opened_by_age(key: &BundleKey, sealed: &[u8]) -> std::io::Result<Vec<u8>> {
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(std::io::Error::other)?;
    let mut plain = Vec::new();
    let reader = decryptor.decrypt(std::iter::once(&key.0 as _));
    reader.map_err(std::io::Error::other)?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn streamed(key: &BundleKey, sealed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut opened = key.stream(sealed, sealed.len() as u64)?;
    let mut plain = Vec::new();
    while let Some(piece) = opened.next()? {
        plain.extend_from_slice(piece);
    }
    assert_eq!(opened.size(), plain.len() as u64);
    Ok(plain)
}

/// What age's own writer seals is opened here, in each way, and the other way round.
#[tokio::test]
async fn age_seals_and_opens_the_same() {
    let key = BundleKey::generate();
    for size in SIZES {
        let plain = content(size);
        let ours = seal_in_pieces(&key.recipient(), &plain, 70_001);
        assert!(opened_by_age(&key, &ours).unwrap() == plain, "{size}");
        let theirs = sealed_by_age(&key, &plain);
        assert!(key.open(path(), &theirs, LIMIT).unwrap() == plain, "{size}");
        assert!(streamed(&key, &theirs).unwrap() == plain, "{size}");
        for offset in [0, size / 2, size] {
            assert!(
                read(&key, &theirs, offset as u64).await.unwrap() == plain[offset..],
                "{size} from {offset}"
            );
        }
    }
}

/// A file that ends where a chunk does, or is begun anew behind its last chunk, has whole chunks, and is refused as age
/// refuses it.
#[tokio::test]
async fn chunks_that_are_sealed_by_the_key_and_stand_wrongly_are_refused() {
    let key = BundleKey::generate();
    let (payload, head) = Payload::draw(&key.0.to_public()).unwrap();
    let chunk = |number, is_last, size| {
        let mut chunk = content(size);
        let tag = payload.seal(number, is_last, &mut chunk).unwrap();
        chunk.extend_from_slice(tag.as_ref());
        chunk
    };
    let (whole, part) = (64 * KIB, 1000);
    for (what, chunks, is_right) in [
        ("empty", vec![chunk(0, true, 0)], true),
        ("one", vec![chunk(0, true, whole)], true),
        ("two", vec![chunk(0, false, whole), chunk(1, true, part)], true),
        ("nothing", vec![], false),
        ("an empty one that is not the last", vec![chunk(0, false, 0)], false),
        ("a last one that is empty", vec![chunk(0, false, whole), chunk(1, true, 0)], false),
        ("no last one", vec![chunk(0, false, whole), chunk(1, false, part)], false),
        ("no last one, whole", vec![chunk(0, false, whole), chunk(1, false, whole)], false),
        ("one behind the last", vec![chunk(0, true, whole), chunk(1, true, part)], false),
        (
            "two that changed places",
            vec![chunk(1, false, whole), chunk(0, false, whole), chunk(2, true, 1)],
            false,
        ),
        ("one twice", vec![chunk(0, false, whole), chunk(0, false, whole), chunk(1, true, part)], false),
        ("one left out", vec![chunk(0, false, whole), chunk(2, true, part)], false),
        ("a short one inside", vec![chunk(0, false, part), chunk(1, true, part)], false),
    ] {
        let sealed = [head.clone(), chunks.concat()].concat();
        assert_eq!(opened_by_age(&key, &sealed).is_ok(), is_right, "{what}");
        assert_eq!(key.open(path(), &sealed, LIMIT).is_ok(), is_right, "{what}");
        assert_eq!(streamed(&key, &sealed).is_ok(), is_right, "{what}");
        assert_eq!(read(&key, &sealed, 0).await.is_ok(), is_right, "{what}");
    }
}

/// Seals what is large enough for several lanes.
fn seal_large(key: &BundleKey, size: usize) -> (Vec<u8>, Vec<u8>) {
    let plain = content(size);
    let sealed = key.recipient().seal(&plain).unwrap();
    (plain, sealed)
}

#[tokio::test]
async fn several_lanes_give_the_same_bytes() {
    let (key, large) = (BundleKey::generate(), 4 * 1024 * KIB);
    for (size, threads) in [(large, 2), (large + 64 * KIB, 3), (large + 128 * KIB + 1, 4), (large + 77, 9)] {
        let opener = Opener::new(key.clone(), threads);
        let (plain, sealed) = seal_large(&key, size);
        for offset in [0, 1, 64 * KIB, 100_000, size - large, size - 1, size] {
            let opened = read_by(&opener, &sealed, offset as u64).await.unwrap();
            assert!(opened == plain[offset..], "{size} from {offset} by {threads}");
        }
    }
}

/// Whoever has all pieces has them in order, also where two read the same at once and share the lanes.
#[tokio::test]
async fn lanes_are_shared_and_given_back() {
    let key = BundleKey::generate();
    let opener = Opener::new(key.clone(), 3);
    let (plain, sealed) = seal_large(&key, 5 * 1024 * KIB);
    for _ in 0..3 {
        let [one, two, three] = [0, 1, 2].map(|offset| read_by(&opener, &sealed, offset));
        let (one, two, three) = tokio::join!(one, two, three);
        assert!(one.unwrap() == plain && two.unwrap() == plain[1..] && three.unwrap() == plain[2..]);
    }
    assert_eq!(opener.spare_lanes(), 2, "nobody reads any more");
}

/// In whichever lane it lies: what is altered or cut is found, and what comes before it came in order.
#[tokio::test]
async fn damage_is_found_in_every_lane() {
    let key = BundleKey::generate();
    let (plain, sealed) = seal_large(&key, 5 * 1024 * KIB);
    let opener = Opener::new(key, 4);
    let end = sealed.len();
    for at in [end / 2, end / 2 + 128 * KIB, end / 2 + 256 * KIB, end / 2 + 384 * KIB] {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        let body = opener.open(Cursor::new(altered), 0).await.unwrap();
        let (mut stream, mut read) = (body.into_stream(), Vec::new());
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(piece) => read.extend_from_slice(&piece),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{at}");
        assert!(plain.starts_with(&read) && read.len() + 256 * KIB > at.min(plain.len()), "{at}");
        drop(stream);
    }
    let mut altered = sealed.clone();
    altered[end - 1] ^= 1;
    assert_eq!(read_by(&opener, &altered, 0).await.unwrap_err().kind(), ErrorKind::Mismatch);
    for cut in [1, 16, 64 * KIB + 16, 64 * KIB + 17, 1024 * KIB] {
        let opened = read_by(&opener, &sealed[..end - cut], 0).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Mismatch, "{cut}");
    }
}

#[test]
fn content_of_another_size_than_announced_is_refused() {
    let recipient = BundleKey::generate().recipient();
    let (mut sealer, _) = Sealer::new(&recipient, 4).unwrap();
    assert!(sealer.update(b"12345").is_err());
    let (mut sealer, _) = Sealer::new(&recipient, 4).unwrap();
    sealer.update(b"123").unwrap();
    assert!(sealer.finish().is_err());
}

#[tokio::test]
async fn every_flipped_bit_is_found() {
    let key = BundleKey::generate();
    let sealed = key.recipient().seal(b"what it is about").unwrap();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(key.open(path(), &altered, LIMIT).is_err(), "byte {at}");
        assert!(streamed(&key, &altered).is_err(), "byte {at}");
        let error = read(&key, &altered, 0).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Invalid), "byte {at}: {error}");
    }
}

#[tokio::test]
async fn a_flip_far_inside_is_found_where_it_is() {
    let key = BundleKey::generate();
    let plain = content(700 * KIB);
    let mut sealed = key.recipient().seal(&plain).unwrap();
    let at = sealed.len() - 150 * KIB;
    sealed[at] ^= 4;
    let error = read(&key, &sealed, 0).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Mismatch, Operation::FetchBlob));
    assert!(error.to_string().contains("behind byte 524288"), "{error}");
    // What is behind it is whole.
    assert_eq!(read(&key, &sealed, 640 * KIB as u64).await.unwrap(), &plain[640 * KIB..]);
}

#[tokio::test]
async fn entries_that_were_cut_or_lengthened_are_refused() {
    let key = BundleKey::generate();
    let sealed = key.recipient().seal(&content(192 * KIB)).unwrap();
    let chunk = 64 * KIB + 16;
    let cuts = [0, 1, 100, 200, sealed.len() - 3 * chunk, sealed.len() - 2 * chunk, sealed.len() - chunk];
    for length in cuts.into_iter().chain(sealed.len() - 20..sealed.len()) {
        for offset in [0, 64 * KIB as u64] {
            assert!(read(&key, &sealed[..length], offset).await.is_err(), "{length} from {offset}");
        }
        assert!(key.open(path(), &sealed[..length], LIMIT).is_err(), "{length}");
        assert!(streamed(&key, &sealed[..length]).is_err(), "{length}");
    }
    for more in [1, 16, 17, chunk] {
        let longer = [&sealed[..], &vec![0; more]].concat();
        for offset in [0, 64 * KIB as u64, 192 * KIB as u64] {
            assert!(read(&key, &longer, offset).await.is_err(), "{more} more, from {offset}");
        }
        assert!(streamed(&key, &longer).is_err(), "{more} more");
    }
}

#[tokio::test]
async fn another_key_does_not_open_it() {
    let (key, other) = (BundleKey::generate(), BundleKey::generate());
    let sealed = key.recipient().seal(b"content").unwrap();
    let error = read(&other, &sealed, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let error = other.open(path(), &sealed, LIMIT).unwrap_err();
    assert!(matches!(error, BundleError::Damaged { .. }));
    assert!(error.to_string().starts_with("key.age: it does not open with the bundle's key"), "{error}");
    let error = key.open(path(), &sealed, 6).unwrap_err().to_string();
    assert_eq!(error, "key.age: it has 7 bytes, and at most 6 are read");
}

#[tokio::test]
async fn a_header_without_an_end_is_not_read_to_the_end() {
    let key = BundleKey::generate();
    let endless = [b"age-encryption.org/v1\n".to_vec(), b"-> a b\n\n".repeat(1000)].concat();
    assert_eq!(read(&key, &endless, 0).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn each_recipient_opens_the_key_and_nobody_else() {
    let key = BundleKey::generate();
    let people: Vec<BundleKey> = (0..3).map(|_| BundleKey::generate()).collect();
    let lock = Lock::Recipients(people.iter().map(BundleKey::recipient).collect());
    let sealed = SealedKey::parse(path(), key.lock(&lock).unwrap()).unwrap();
    assert!(!sealed.wants_passphrase());
    for person in &people {
        let mut all = identities(&BundleKey::generate());
        all.extend(identities(person));
        assert_eq!(sealed.open(&all, nobody_asked).unwrap().recipient(), key.recipient());
    }
    for nobody in [Identities::default(), identities(&key)] {
        let error = sealed.open(&nobody, nobody_asked).unwrap_err();
        assert_eq!(error.to_string(), "key.age: none of the identities opens it");
        assert!(matches!(error, BundleError::WrongKey { .. }));
    }
    for count in [0, 257] {
        assert!(key.lock(&Lock::Recipients(vec![key.recipient(); count])).is_err());
    }
    let most = key.lock(&Lock::Recipients(vec![key.recipient(); 256])).unwrap();
    SealedKey::parse(path(), most).unwrap();
}

#[test]
fn a_passphrase_opens_the_key() {
    let key = BundleKey::generate();
    let lock = Lock::Passphrase(Passphrase::new("right"));
    let sealed = SealedKey::parse(path(), key.lock_at(&lock, 10).unwrap()).unwrap();
    assert!(sealed.wants_passphrase());
    let open = |passphrase: &str| sealed.open(&Identities::default(), || Ok(Passphrase::new(passphrase)));
    assert_eq!(open("right").unwrap().recipient(), key.recipient());
    let error = open("wrong").unwrap_err();
    assert!(matches!(error, BundleError::WrongKey { .. }));
    assert_eq!(error.to_string(), "key.age: the passphrase is wrong");
}

#[test]
fn work_beyond_sense_is_refused_before_it_is_done() {
    let lock = Lock::Passphrase(Passphrase::new("right"));
    let bytes = BundleKey::generate().lock_at(&lock, 10).unwrap();
    // The header says how much work; that it was altered would be found after it.
    let end = bytes.iter().skip(30).position(|byte| *byte == b'\n').unwrap() + 30;
    let bytes = [&bytes[..end - 2], b"21", &bytes[end..]].concat();
    let sealed = SealedKey::parse(path(), bytes).unwrap();
    let error = sealed.open(&Identities::default(), || Ok(Passphrase::new("right"))).unwrap_err();
    assert_eq!(error.to_string(), "key.age: its passphrase takes more work than is allowed");
}

#[test]
fn a_key_file_that_holds_something_else_is_damaged() {
    let person = BundleKey::generate();
    let seal = |plain: &[u8]| person.recipient().seal(plain).unwrap();
    let mut flipped = seal(person.to_line().as_bytes());
    *flipped.last_mut().unwrap() ^= 1;
    let two = [person.to_line().as_bytes(), BundleKey::generate().to_line().as_bytes()].concat();
    for bytes in [seal(b"hello"), seal(b""), seal(&[b'#'; 2000]), seal(&two), flipped] {
        let opened = SealedKey::parse(path(), bytes).unwrap().open(&identities(&person), nobody_asked);
        assert!(matches!(opened.unwrap_err(), BundleError::Damaged { .. }));
    }
    for bytes in [vec![], b"age-encryption.org/v1\n".to_vec(), vec![b'a'; SEALED_KEY_LIMIT as usize + 1]] {
        assert!(matches!(SealedKey::parse(path(), bytes).unwrap_err(), BundleError::Damaged { .. }));
    }
}

#[test]
fn identity_files_are_read_with_their_comments() {
    let (one, two) = (BundleKey::generate(), BundleKey::generate());
    let text =
        format!("# created: today\n# public key: age1\n{}\r\n\n  {}", &*one.to_line(), &*two.to_line());
    assert_eq!(Identities::parse(path(), &text).unwrap().0.len(), 2);
    for (text, expected) in [
        ("", "it holds no identity of age"),
        ("# nothing\n", "it holds no identity of age"),
        (&format!("{text}\nsecret stuff"), "line 8 is no identity of age"),
        (&one.recipient().to_string(), "line 1 is no identity of age"),
        ("age-encryption.org/v1\n", "it is encrypted itself: decrypt it with `age -d` first"),
    ] {
        let error = Identities::parse(path(), text).unwrap_err();
        assert_eq!(error.to_string(), format!("key.age: {expected}"));
        assert!(matches!(error, BundleError::WrongKey { .. }));
    }
}

#[test]
fn recipients_are_read_and_secrets_are_not_repeated() {
    let key = BundleKey::generate();
    let text = key.recipient().to_string();
    assert_eq!(Recipient::parse(&format!(" {text}\n")).unwrap(), key.recipient());
    for wrong in ["", "age1", "ssh-ed25519 AAAA", "age1yubikey1qqqq", &text[..text.len() - 1]] {
        let error = Recipient::parse(wrong).unwrap_err();
        assert_eq!(error.to_string(), format!("{wrong}: it is no recipient of age (age1…)"));
    }
    let secret = key.to_line();
    for secret in [secret.to_string(), secret.to_lowercase()] {
        let error = Recipient::parse(&secret).unwrap_err().to_string();
        assert_eq!(error, "AGE-SECRET-KEY-1…: it is an identity; its recipient begins with age1");
    }
    assert_eq!(format!("{key:?} {:?}", identities(&key)), "BundleKey(…) Identities(1)");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text: String) {
        let headed = [&b"age-encryption.org/v1\n-> X25519 "[..], &bytes].concat();
        let key = BundleKey::generate();
        for bytes in [bytes, headed] {
            prop_assert!(key.open(path(), &bytes, LIMIT).is_err());
            let _ = SealedKey::parse(path(), bytes);
        }
        prop_assert!(Recipient::parse(&text).is_err());
        prop_assert!(Identities::parse(path(), &text).is_err());
    }

    #[test]
    fn any_alteration_is_found(size in 0..200_000_usize, at: prop::sample::Index, flip in 1..=255_u8) {
        let key = BundleKey::generate();
        let mut sealed = key.recipient().seal(&content(size)).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= flip;
        prop_assert!(key.open(path(), &sealed, LIMIT).is_err());
    }
}
