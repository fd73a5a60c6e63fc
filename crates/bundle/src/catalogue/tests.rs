use super::*;
use proptest::prelude::*;
use serde_json::json;

const HASH: &str = "ab";

fn digest(content: &str) -> Digest {
    Digest::sha256(content.as_bytes())
}

/// A catalogue in which everything fits.
fn catalogue() -> Value {
    json!({
        "format": "sealift-bundle", "version": 1, "id": "0".repeat(32), "created": "2026-11-21T00:00:00Z",
        "tool": "sealift 0.1.0",
        "volumes": [{"name": "volume-1-of-1.tar", "size": 10240, "sha256": HASH.repeat(32)}],
        "content": [
            {"digest": digest("m"), "size": 10, "at": [{"volume": 1, "offset": 512, "size": 10}]},
            {"digest": digest("b"), "size": 20, "at": [{"volume": 1, "offset": 1536, "size": 20}]},
            {"digest": digest("old"), "size": 7},
        ],
        "repositories": [{
            "name": "app", "source": "quay.io/org/app", "tags": {"1": digest("m")}, "blobs": [digest("b"), digest("old")],
            "manifests": [{"digest": digest("m"), "media_type": "application/vnd.oci.image.manifest.v1+json"}],
        }],
        "images": [{"name": "app", "repository": "app", "tag": "1", "digest": digest("m"), "source": "quay.io/org/app:1"}],
    })
}

fn parse(value: &Value) -> Result<Catalogue> {
    Catalogue::parse(Path::new("catalogue.json"), value.to_string().as_bytes())
}

#[test]
fn what_is_written_is_read() {
    let mut value = catalogue();
    value["unknown"] = json!(["later members are ignored"]);
    let read = parse(&value).unwrap();
    assert_eq!(Catalogue::parse(Path::new("x"), &read.to_bytes()).unwrap(), read);
}

#[test]
fn a_catalogue_that_lies_is_refused() {
    let cases: &[(&str, Value, &str)] = &[
        ("/format", json!("other"), "no catalogue"),
        ("/version", json!(2), "version 2"),
        ("/version", json!(0), "version 0"),
        ("/version", json!(-1), "does not say what it is"),
        ("/id", json!("../../x"), "id is malformed"),
        ("/volumes/0/name", json!("../x"), "no plain file name"),
        ("/volumes/0/name", json!("a/b"), "no plain file name"),
        ("/volumes/0/name", json!(".hidden"), "no plain file name"),
        ("/volumes/0/sha256", json!("xyz"), "checksum"),
        ("/content/0/at/0/volume", json!(0), "volume 0"),
        ("/content/0/at/0/volume", json!(2), "volume 2"),
        ("/content/0/at/0/offset", json!(10_240), "behind the end"),
        ("/content/0/at/0/offset", json!(u64::MAX), "behind the end"),
        ("/content/0/at/0/size", json!(9), "has 9 bytes and should have 10"),
        ("/content/0/at/0/offset", json!(1530), "overlap"),
        ("/content/0/size", json!(11), "has 10 bytes and should have 11"),
        ("/content/0/sealed", json!(10), "encrypted"),
        ("/content/1/digest", json!(digest("m")), "listed twice"),
        ("/content/0/digest", json!("sha256:zz"), "digest"),
        ("/repositories/0/name", json!("../x"), "repository"),
        ("/repositories/0/blobs/0", json!(digest("other")), "not listed"),
        ("/repositories/0/tags", json!({"1": digest("b")}), "does not hold"),
        ("/content/0/at", json!(vec![json!({"volume": 1, "offset": 0, "size": 0}); 10_000]), "9999 pieces"),
        ("/images/0/repository", json!("other"), "is not in other"),
        ("/images/0/digest", json!(digest("b")), "is not in app"),
    ];
    for (pointer, wrong, expected) in cases {
        let mut value = catalogue();
        match value.pointer_mut(pointer) {
            Some(member) => *member = wrong.clone(),
            None => value["content"][0]["sealed"] = wrong.clone(),
        }
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.starts_with("catalogue.json: ") && error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let mut value = catalogue();
    let volume = value["volumes"][0].clone();
    let mut other = volume.clone();
    other["name"] = json!("Volume-1-of-1.tar");
    value["volumes"] = json!([volume, other]);
    assert!(parse(&value).unwrap_err().to_string().contains("listed twice"));
}

/// Many repositories and images. Nothing is looked for among all of them once for each: that
/// would take a minute.
#[test]
fn a_long_catalogue_is_checked_and_laid_out_in_one_go() {
    const MANY: usize = 40_000;
    let digests: Vec<Digest> = (0..MANY).map(|number| digest(&number.to_string())).collect();
    let held = |digest: &Digest| HeldManifest { digest: *digest, media_type: String::new() };
    let repository = |name: String, digests: &[Digest]| Repository {
        name: name.parse().unwrap(),
        source: format!("quay.io/{name}"),
        manifests: digests.iter().map(held).collect(),
        blobs: Vec::new(),
        tags: (0..).zip(digests).map(|(at, it)| (format!("v{at}").parse().unwrap(), *it)).collect(),
    };
    let mut long = Catalogue { content: Vec::new(), ..parse(&catalogue()).unwrap() };
    long.content.extend(digests.iter().map(|digest| Content::elsewhere(*digest, 1)));
    long.repositories = (0..).zip(&digests).map(|(at, it)| repository(format!("r{at}"), &[*it])).collect();
    long.repositories.push(repository("all".to_owned(), &digests));
    let image = |(at, digest): (usize, &Digest)| Image {
        repository: format!("r{at}").parse().unwrap(),
        digest: *digest,
        ..long.images[0].clone()
    };
    long.images = digests.iter().enumerate().map(image).collect();
    long.check().unwrap();
    let index: Value = serde_json::from_slice(&crate::writer::layout(&long)[1].1).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2 * MANY);
    long.images[MANY - 1].digest = digests[0];
    assert!(long.check().unwrap_err().contains(&format!("is not in r{}", MANY - 1)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Catalogue::parse(Path::new("x"), &bytes);
    }

    /// Whatever one member becomes, the catalogue is refused or is consistent.
    #[test]
    fn what_is_accepted_is_consistent(volume in 0_usize..4, offset: u64, size: u64) {
        let mut value = catalogue();
        value["content"][1]["at"][0] = json!({"volume": volume, "offset": offset, "size": size});
        if let Ok(read) = parse(&value) {
            let at = read.content[1].at[0];
            prop_assert!(at.volume == 1 && at.size == 20 && at.offset <= 10_220);
        }
    }
}
