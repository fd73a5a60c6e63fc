//! Reading: "Pull", and the lists.

use bytes::Bytes;
use sealift_oci::Digest;
use sealift_store::conformance::fixture::{self, Image};

use super::{Fixture, name};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async fn with_image() -> (Fixture, Image) {
    let (fixture, image) = (Fixture::new().await, fixture::image("x"));
    image.push(fixture.store.as_ref(), &name("a/b"), Some("t")).await;
    (fixture, image)
}

#[tokio::test]
async fn the_ping_says_what_this_is() {
    let fixture = Fixture::new().await;
    for target in ["/v2", "/v2/"] {
        let reply = fixture.get(target).await;
        assert_eq!((reply.status, reply.header("docker-distribution-api-version")), (200, "registry/2.0"));
        assert_eq!(reply.body, "{}");
    }
}

#[tokio::test]
async fn manifests_by_tag_and_digest() {
    let (fixture, image) = with_image().await;
    let digest = image.digest().to_string();
    for reference in ["t", &digest] {
        for method in ["GET", "HEAD"] {
            let reply = fixture.ask(method, &format!("/v2/a/b/manifests/{reference}"), "", b"").await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.header("docker-content-digest"), digest);
            assert_eq!(reply.header("content-type"), image.manifest.descriptor.media_type);
            assert_eq!(reply.header("content-length"), image.manifest.bytes.len().to_string());
            let body = if method == "GET" { &image.manifest.bytes[..] } else { b"" };
            assert_eq!(reply.body, body);
        }
    }
}

#[tokio::test]
async fn what_is_not_there() {
    let (fixture, _) = with_image().await;
    let cases = [
        ("/v2/a/b/manifests/none".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/none/manifests/t".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/a/b/manifests/.INVALID_MANIFEST_NAME".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/a/b/manifests/{DIGEST}"), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/a/b/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/none/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN"),
        ("/v2/a/b/blobs/uploads/none".to_owned(), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/none/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("/v2/a/b/tags/list?n=x".to_owned(), 400, "UNSUPPORTED"),
        ("/v2/a/b/referrers/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
        ("/v1/".to_owned(), 404, "NAME_UNKNOWN"),
    ];
    for (target, status, code) in cases {
        let reply = fixture.get(&target).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{target}");
        assert_eq!(reply.header("content-type"), "application/json");
        let head = fixture.ask("HEAD", &target, "", b"").await;
        if !target.contains("/tags/") && !target.contains("/referrers/") && !target.contains("/uploads/") {
            assert_eq!((head.status, &head.body[..]), (status, &b""[..]), "{target}");
        }
    }
}

#[tokio::test]
async fn blobs_and_their_ranges() {
    let (fixture, image) = with_image().await;
    let blob = &image.blobs[1];
    let (digest, size) = (Digest::sha256(blob), blob.len());
    let target = format!("/v2/a/b/blobs/{digest}");
    let end = size - 1;
    let cases = [
        ("", 200, 0..size),
        ("Range: bytes=0-3\r\n", 206, 0..4),
        ("Range: bytes=4-\r\n", 206, 4..size),
        ("Range: bytes=-2\r\n", 206, size - 2..size),
        ("Range: bytes=2-9999\r\n", 206, 2..size),
        ("Range: bytes=0-1,3-4\r\n", 200, 0..size),
        ("Range: lines=0-1\r\n", 200, 0..size),
        ("Range: bytes=4-\r\nIf-Range: \"other\"\r\n", 200, 0..size),
    ];
    for (headers, status, range) in cases {
        let reply = fixture.ask("GET", &target, headers, b"").await;
        assert_eq!(reply.status, status, "{headers}");
        assert_eq!(reply.body, blob[range.clone()], "{headers}");
        assert_eq!(reply.header("content-length"), range.len().to_string());
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        let expected = if status == 206 {
            format!("bytes {}-{}/{size}", range.start, range.end - 1)
        } else {
            String::new()
        };
        assert_eq!(reply.header("content-range"), expected, "{headers}");
    }
    let own = format!("Range: bytes={end}-\r\nIf-Range: \"{digest}\"\r\n");
    assert_eq!(fixture.ask("GET", &target, &own, b"").await.status, 206);

    let behind = fixture.ask("GET", &target, &format!("Range: bytes={size}-\r\n"), b"").await;
    assert_eq!((behind.status, behind.code().as_str()), (416, "SIZE_INVALID"));
    assert_eq!(behind.header("content-range"), format!("bytes */{size}"));

    let head = fixture.ask("HEAD", &target, "", b"").await;
    assert_eq!((head.status, head.header("content-length")), (200, size.to_string().as_str()));
    assert_eq!(head.header("accept-ranges"), "bytes");
}

/// It has no first byte, and its last ones are all that it has (RFC 9110, section 14.1.2).
#[tokio::test]
async fn ranges_of_an_empty_blob() {
    let fixture = Fixture::new().await;
    let digest = fixture::push_blob(fixture.store.target(&name("a")).unwrap().as_ref(), &Bytes::new()).await;
    let target = format!("/v2/a/blobs/{digest}");
    for (range, status) in [("0-", 416), ("0-0", 416), ("1-2", 416), ("-0", 416), ("-1", 200), ("-99", 200)] {
        let reply = fixture.ask("GET", &target, &format!("Range: bytes={range}\r\n"), b"").await;
        assert_eq!(reply.status, status, "{range}");
        let (length, told) = if status == 416 { (false, "bytes */0") } else { (true, "") };
        assert_eq!((reply.header("content-length") == "0", reply.header("content-range")), (length, told));
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let (fixture, image) = with_image().await;
    let blob = image.manifest.links.blobs[1].digest;
    for (target, digest) in [
        ("/v2/a/b/manifests/t".to_owned(), image.digest()),
        (format!("/v2/a/b/manifests/{}", image.digest()), image.digest()),
        (format!("/v2/a/b/blobs/{blob}"), blob),
    ] {
        for (method, known, status) in [
            ("GET", format!("\"{digest}\""), 304),
            ("HEAD", format!("W/\"{digest}\""), 304),
            ("GET", format!("\"x\" , \"{digest}\"\r\nRange: bytes=0-1"), 304),
            ("GET", format!("\"x\"\r\nIf-None-Match: \"{digest}\""), 304),
            ("GET", "*".to_owned(), 304),
            ("GET", "\"x\"".to_owned(), 200),
            ("GET", digest.to_string(), 200),
            ("HEAD", String::new(), 200),
        ] {
            let reply = fixture.ask(method, &target, &format!("If-None-Match: {known}\r\n"), b"").await;
            assert_eq!(reply.status, status, "{method} {target} {known}");
            assert_eq!(reply.header("etag"), format!("\"{digest}\""), "{method} {target}");
            assert_eq!(reply.header("docker-content-digest"), digest.to_string());
            assert_eq!(reply.body.is_empty(), status == 304 || method == "HEAD", "{method} {target}");
        }
    }
    for target in [format!("/v2/a/b/blobs/{DIGEST}"), "/v2/a/b/manifests/none".to_owned()] {
        assert_eq!(fixture.ask("GET", &target, "If-None-Match: *\r\n", b"").await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn lists_are_asked_for_by_head_too() {
    let (fixture, image) = with_image().await;
    let referrers = format!("/v2/a/b/referrers/{}", image.digest());
    for target in ["/v2/_catalog", "/v2/a/b/tags/list", &referrers] {
        let (get, head) = (fixture.get(target).await, fixture.ask("HEAD", target, "", b"").await);
        assert_eq!((head.status, &head.body[..]), (200, &b""[..]), "{target}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{target}");
    }
}

#[tokio::test]
async fn tags_come_in_pages() {
    let fixture = Fixture::new().await;
    for tag in ["b", "a", "c"] {
        fixture::image("x").push(fixture.store.as_ref(), &name("a"), Some(tag)).await;
    }
    let cases = [
        ("", r#"["a","b","c"]"#, ""),
        ("?n=2", r#"["a","b"]"#, r#"</v2/a/tags/list?n=2&last=b>; rel="next""#),
        ("?n=2&last=b", r#"["c"]"#, ""),
        ("?n=3", r#"["a","b","c"]"#, ""),
        ("?n=0", "[]", ""),
        ("?n=99999999999999999999999", r#"["a","b","c"]"#, ""),
        ("?last=zzz", "[]", ""),
    ];
    for (query, tags, link) in cases {
        let reply = fixture.get(&format!("/v2/a/tags/list{query}")).await;
        assert_eq!(reply.body, format!(r#"{{"name":"a","tags":{tags}}}"#), "{query}");
        assert_eq!(reply.header("link"), link, "{query}");
    }
    assert_eq!(fixture.get("/v2/none/tags/list?n=0").await.status, 404);
}

#[tokio::test]
async fn the_catalog_comes_in_pages() {
    let fixture = Fixture::new().await;
    for repository in ["b/c", "a"] {
        fixture::image("x").push(fixture.store.as_ref(), &name(repository), Some("t")).await;
    }
    let reply = fixture.get("/v2/_catalog?n=1").await;
    assert_eq!(reply.body, r#"{"repositories":["a"]}"#);
    assert_eq!(reply.header("link"), r#"</v2/_catalog?n=1&last=a>; rel="next""#);
    let reply = fixture.get("/v2/_catalog?n=1&last=a").await;
    assert_eq!((&reply.body[..], reply.header("link")), (&br#"{"repositories":["b/c"]}"#[..], ""));
}

#[tokio::test]
async fn referrers_are_filtered_and_come_in_pages() {
    let (fixture, image) = with_image().await;
    for (seed, kind) in [("1", "application/one+json"), ("2", "application/two"), ("3", "application/two")] {
        let artifact = fixture::artifact(seed, &image.manifest, kind);
        artifact.push(fixture.store.as_ref(), &name("a/b"), None).await;
    }
    let target = format!("/v2/a/b/referrers/{}", image.digest());
    let cases = [
        ("", 3, ""),
        ("?artifactType=application/one%2Bjson", 1, "artifactType"),
        ("?artifactType=application/one+json", 1, "artifactType"),
        ("?artifactType=application/two", 2, "artifactType"),
        ("?artifactType=none", 0, "artifactType"),
        ("?n=0", 0, ""),
    ];
    for (query, count, filters) in cases {
        let reply = fixture.get(&format!("{target}{query}")).await;
        assert_eq!((reply.status, reply.header("oci-filters-applied")), (200, filters), "{query}");
        assert_eq!(reply.header("content-type"), "application/vnd.oci.image.index.v1+json");
        assert_eq!(reply.json()["schemaVersion"], 2);
        assert_eq!(reply.json()["manifests"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(reply.header("link"), "");
    }
    let first = fixture.get(&format!("{target}?artifactType=application/two&n=1")).await;
    let next = crate::wire::parse_next_link(first.header("link")).unwrap();
    let second = fixture.get(next).await;
    assert_ne!(first.json()["manifests"][0]["digest"], second.json()["manifests"][0]["digest"]);
    assert_eq!(second.json()["manifests"][0]["artifactType"], "application/two");
    assert_eq!(second.header("link"), "");
    let none = fixture.get(&format!("/v2/none/referrers/{}", image.digest())).await;
    assert_eq!((none.status, none.json()["manifests"].as_array().map(Vec::len)), (200, Some(0)));
}

/// No page is longer than what clients read of an index.
#[tokio::test]
async fn long_annotations_make_short_pages() {
    let (fixture, image) = with_image().await;
    let target = fixture.store.target(&name("a/b")).unwrap();
    for seed in ["1", "2", "3", "4", "5"] {
        let artifact = fixture::artifact(seed, &image.manifest, "application/x");
        artifact.push_content(target.as_ref()).await;
        let mut value: serde_json::Value = serde_json::from_slice(&artifact.manifest.bytes).unwrap();
        value["annotations"]["long"] = "x".repeat(1_500_000).into();
        let manifest = sealift_oci::Manifest::parse(None, value.to_string().into()).unwrap();
        target.put_manifest(&manifest, None).await.unwrap();
    }
    let (mut next, mut count) = (Some(format!("/v2/a/b/referrers/{}", image.digest())), 0);
    while let Some(target) = next {
        let reply = fixture.get(&target).await;
        assert!(reply.body.len() <= sealift_oci::MANIFEST_LIMIT);
        count += reply.json()["manifests"].as_array().unwrap().len();
        next = crate::wire::parse_next_link(reply.header("link")).map(str::to_owned);
    }
    assert_eq!(count, 5);
}
