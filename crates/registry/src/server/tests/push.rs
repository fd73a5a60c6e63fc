//! Writing: "Push".

use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Algorithm, Digest, media_type};
use sealift_store::conformance::fixture;
use sealift_store::{DirectoryStore, MemoryStore, Store};

use super::super::ServerConfig;
use super::{Fixture, Reply, chunked, name};

async fn assert_blob(fixture: &Fixture, repository: &str, content: &[u8]) {
    let reply = fixture.get(&format!("/v2/{repository}/blobs/{}", Digest::sha256(content))).await;
    assert_eq!((reply.status, &reply.body[..]), (200, content));
}

fn assert_created(reply: &Reply, content: &[u8]) {
    let digest = Digest::sha256(content).to_string();
    assert_eq!((reply.status, reply.header("docker-content-digest")), (201, digest.as_str()), "{reply:?}");
    assert_eq!(reply.header("location"), format!("/v2/a/blobs/{digest}"));
}

#[tokio::test]
async fn blobs_in_one_request_or_two() {
    let fixture = Fixture::new().await;
    for content in [&b""[..], b"0123456789"] {
        let digest = Digest::sha256(content);
        let single = format!("/v2/a/blobs/uploads/?digest={digest}");
        assert_created(&fixture.ask("POST", &single, "", content).await, content);
        assert_blob(&fixture, "a", content).await;
        let location = fixture.begin().await;
        let reply = fixture.ask("PUT", &format!("{location}?digest={digest}"), "", content).await;
        assert_created(&reply, content);
        assert_eq!(fixture.get(&location).await.code(), "BLOB_UPLOAD_UNKNOWN");
    }
    let sha512 = Digest::of(Algorithm::Sha512, b"x");
    let target = format!("/v2/a/blobs/uploads/?digest={}", sha512.to_string().replace(':', "%3A"));
    assert_eq!(fixture.ask("POST", &target, "", b"x").await.status, 201);
}

#[tokio::test]
async fn blobs_streamed() {
    let fixture = Fixture::new().await;
    let content = b"0123456789";
    let location = fixture.begin().await;
    let reply = fixture.ask("PATCH", &location, "Transfer-Encoding: chunked\r\n", &chunked(content)).await;
    assert_eq!((reply.status, reply.header("range")), (202, "0-9"), "{reply:?}");
    assert_eq!(reply.header("location"), location);
    let reply = fixture.ask("PATCH", &location, "", b"ab").await;
    assert_eq!((reply.status, reply.header("range")), (202, "0-11"));
    let digest = Digest::sha256(b"0123456789ab");
    let reply = fixture.ask("PUT", &format!("{location}?digest={digest}"), "", b"").await;
    assert_created(&reply, b"0123456789ab");
}

#[tokio::test]
async fn blobs_in_chunks() {
    let fixture = Fixture::new().await;
    let location = fixture.begin().await;
    let cases = [
        ("Content-Range: 0-3\r\n", &b"0123"[..], 202, "", "0-3"),
        ("Content-Range: 0-3\r\n", b"0123", 416, "BLOB_UPLOAD_INVALID", "0-3"),
        ("Content-Range: 6-7\r\n", b"67", 416, "BLOB_UPLOAD_INVALID", "0-3"),
        ("Content-Range: 4-7\r\n", b"456", 400, "SIZE_INVALID", "0-3"),
        ("Content-Range: 4-3\r\n", b"", 400, "BLOB_UPLOAD_INVALID", ""),
        ("Content-Range: bytes 4-5/9\r\n", b"45", 400, "BLOB_UPLOAD_INVALID", ""),
        ("Content-Range: 4-18446744073709551615\r\n", b"45", 400, "SIZE_INVALID", "0-3"),
        ("Content-Range: 4-5\r\n", b"45", 202, "", "0-5"),
    ];
    for (header, body, status, code, range) in cases {
        let reply = fixture.ask("PATCH", &location, header, body).await;
        let found = (reply.status, reply.code(), reply.header("range"));
        assert_eq!(found, (status, code.to_owned(), range), "{header}");
        assert!(status == 400 || reply.header("location") == location, "{header}");
    }
    let digest = Digest::sha256(b"01234567");
    let put = format!("{location}?digest={digest}");
    assert_eq!(fixture.ask("PUT", &put, "Content-Range: 5-7\r\n", b"567").await.status, 416);
    assert_created(&fixture.ask("PUT", &put, "Content-Range: 6-7\r\n", b"67").await, b"01234567");
}

/// Who does not say how much comes may say it wrong in the range; the upload is then where it was.
#[tokio::test]
async fn a_range_that_lies_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let directory = Arc::new(DirectoryStore::open(root.path()).unwrap());
    for store in [Arc::new(MemoryStore::new("memory")) as Arc<dyn Store>, directory] {
        let fixture = Fixture::over(store, ServerConfig::default()).await;
        let (location, digest) = (fixture.begin().await, Digest::sha256(b"0123456789"));
        let last = format!("{location}?digest={digest}");
        for (method, target, range, body, status, held) in [
            ("PATCH", &location, "0-3", &b"012"[..], 400, "0-0"),
            ("PATCH", &location, "0-3", b"01234567890123456789", 400, "0-0"),
            ("PATCH", &location, "0-18446744073709551614", b"0123", 413, ""),
            ("PATCH", &location, "0-3", b"0123", 202, "0-3"),
            ("PATCH", &location, "4-5", b"456", 400, "0-3"),
            ("PUT", &last, "4-9", b"4567", 400, "0-3"),
            ("PUT", &last, "5-9", b"56789", 416, "0-3"),
            ("PUT", &last, "4-9", b"456789", 201, ""),
        ] {
            let head = format!("Content-Range: {range}\r\nTransfer-Encoding: chunked\r\n");
            let reply = fixture.ask(method, target, &head, &chunked(body)).await;
            assert_eq!((reply.status, reply.header("range")), (status, held), "{range}");
            assert_eq!(reply.code() == "SIZE_INVALID", status == 400, "{range}");
            if status != 201 {
                let now = fixture.get(&location).await;
                let held = if held.is_empty() { "0-0" } else { held };
                assert_eq!((now.status, now.header("range")), (204, held), "{range}");
            }
        }
        assert_blob(&fixture, "a", b"0123456789").await;
    }
}

#[tokio::test]
async fn uploads_have_a_status_and_an_end() {
    let fixture = Fixture::new().await;
    let location = fixture.begin().await;
    for (content, range) in [(&b""[..], "0-0"), (b"0", "0-0"), (b"1", "0-1")] {
        fixture.ask("PATCH", &location, "", content).await;
        let reply = fixture.get(&location).await;
        assert_eq!((reply.status, reply.header("range")), (204, range));
        assert_eq!(reply.header("location"), location);
        assert!(!reply.header("docker-upload-uuid").is_empty());
    }
    // The same session in another repository is another one.
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(fixture.get(&elsewhere).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(fixture.ask("DELETE", &location, "", b"").await.status, 204);
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(fixture.ask(method, &location, "", b"").await.status, 404, "{method}");
    }
}

#[tokio::test]
async fn wrong_digests_are_refused() {
    let fixture = Fixture::new().await;
    let wrong = Digest::sha256(b"other");
    let location = fixture.begin().await;
    let cases = [
        ("POST", format!("/v2/a/blobs/uploads/?digest={wrong}"), "DIGEST_INVALID"),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:12".to_owned(), "DIGEST_INVALID"),
        ("PUT", location.clone(), "DIGEST_INVALID"),
        ("PUT", format!("{location}?digest=md5:12"), "DIGEST_INVALID"),
        ("PUT", format!("{location}?digest={wrong}"), "DIGEST_INVALID"),
    ];
    for (method, target, code) in cases {
        let reply = fixture.ask(method, &target, "", b"content").await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{method} {target}");
    }
    for content in [&b"other"[..], b"content"] {
        let target = format!("/v2/a/blobs/{}", Digest::sha256(content));
        assert_eq!(fixture.get(&target).await.status, 404);
    }
}

#[tokio::test]
async fn mounting() {
    let fixture = Fixture::new().await;
    let target = fixture.store.target(&name("b/c")).unwrap();
    let content = Bytes::from_static(b"0123456789");
    let digest = fixture::push_blob(target.as_ref(), &content).await;
    let none = Digest::sha256(b"none");
    let cases = [
        (format!("mount={none}"), 202),
        (format!("mount={none}&from=b/c"), 202),
        (format!("mount={digest}&from=none"), 202),
        // What is no digest cannot be mounted either: an upload is opened all the same.
        ("mount=sha256:12&from=b/c".to_owned(), 202),
        ("mount=md5:d41d8cd98f00b204e9800998ecf8427e&from=b/c".to_owned(), 202),
        ("mount=%zz&from=..".to_owned(), 202),
        (format!("mount={digest}&from=b%2Fc"), 201),
        // What is here already need not come from anywhere.
        (format!("mount={digest}"), 201),
        (format!("mount={digest}&from=a"), 201),
    ];
    for (query, status) in cases {
        let reply = fixture.ask("POST", &format!("/v2/a/blobs/uploads/?{query}"), "", b"").await;
        assert_eq!(reply.status, status, "{query}");
        match status {
            201 => assert_created(&reply, &content),
            _ => assert_eq!(fixture.get(reply.header("location")).await.status, 204, "{query}"),
        }
    }
    assert_blob(&fixture, "a", &content).await;
    // From wherever it is.
    for number in 0..3 {
        let target = fixture.store.target(&name(&format!("0{number}"))).unwrap();
        fixture::push_blob(target.as_ref(), &fixture::noise(&number.to_string(), 10)).await;
    }
    let query = format!("/v2/d/blobs/uploads/?mount={digest}");
    assert_eq!(fixture.ask("POST", &query, "", b"").await.status, 201);
    assert_blob(&fixture, "d", &content).await;
}

#[tokio::test]
async fn a_manifest_gets_several_tags_in_one_step() {
    let fixture = Fixture::new().await;
    let image = fixture::image("x");
    image.push_content(fixture.store.target(&name("a")).unwrap().as_ref()).await;
    let bytes = &image.manifest.bytes;
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(algorithm, bytes);
        let target = format!("/v2/a/manifests/{digest}?tag=v1.2&tag=v1&tag=v1&other=x");
        let reply = fixture.ask("PUT", &target, "", bytes).await;
        assert_eq!((reply.status, reply.header("docker-content-digest")), (201, &*digest.to_string()));
        let tags: Vec<&str> = reply.head.lines().filter_map(|line| line.strip_prefix("oci-tag: ")).collect();
        assert_eq!(tags, ["v1.2", "v1"]);
        for tag in tags {
            let reply = fixture.ask("HEAD", &format!("/v2/a/manifests/{tag}"), "", b"").await;
            assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        }
        // The query says nothing to who reads.
        assert_eq!(fixture.get(&target).await.body, bytes);
    }
    let digest = Digest::sha256(bytes);
    let many: String = (0..101).map(|number| format!("&tag=t{number}")).collect();
    for (query, status) in [("tag=.bad".to_owned(), 400), (many, 414)] {
        let target = format!("/v2/a/manifests/{digest}?{query}");
        let reply = fixture.ask("PUT", &target, "", bytes).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, "MANIFEST_INVALID"));
    }
    // Beside a tag in the path they mean nothing.
    let reply = fixture.ask("PUT", "/v2/a/manifests/t?tag=other", "", bytes).await;
    assert_eq!((reply.status, reply.header("oci-tag")), (201, ""));
    assert_eq!(fixture.get("/v2/a/manifests/other").await.status, 404);
}

#[tokio::test]
async fn an_upload_is_told_what_chunks_are_fine() {
    let fixture = Fixture::new().await;
    for query in ["", "?digest-algorithm=sha512", "?mount=sha256:00"] {
        let reply = fixture.ask("POST", &format!("/v2/a/blobs/uploads/{query}"), "", b"").await;
        assert_eq!((reply.status, reply.header("oci-chunk-min-length")), (202, "65536"), "{query}");
    }
    let reply = fixture.ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", "", b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "DIGEST_INVALID"));
}

#[tokio::test]
async fn manifests() {
    let fixture = Fixture::new().await;
    let image = fixture::image("x");
    let manifest = &image.manifest;
    let headers = format!("Content-Type: {}\r\n", manifest.descriptor.media_type);
    let (by_tag, by_digest) = ("/v2/a/manifests/t", format!("/v2/a/manifests/{}", image.digest()));
    let early = fixture.ask("PUT", by_tag, &headers, &manifest.bytes).await;
    assert_eq!((early.status, early.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
    assert!(String::from_utf8_lossy(&early.body).contains("sha256:"), "{early:?}");

    image.push_content(fixture.store.target(&name("a")).unwrap().as_ref()).await;
    for target in [&by_digest, by_tag] {
        let reply = fixture.ask("PUT", target, &headers, &manifest.bytes).await;
        assert_eq!((reply.status, reply.header("location")), (201, by_digest.as_str()), "{reply:?}");
        assert_eq!(reply.header("docker-content-digest"), image.digest().to_string());
        assert_eq!(reply.header("oci-subject"), "");
        assert_eq!(fixture.get(target).await.body, manifest.bytes);
    }
    let wrong = format!("/v2/a/manifests/{}", Digest::sha256(b""));
    let reply = fixture.ask("PUT", &wrong, &headers, &manifest.bytes).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "DIGEST_INVALID"));

    let sha512 = Digest::of(Algorithm::Sha512, &manifest.bytes);
    let reply = fixture.ask("PUT", &format!("/v2/a/manifests/{sha512}"), &headers, &manifest.bytes).await;
    assert_eq!((reply.status, reply.header("docker-content-digest")), (201, sha512.to_string().as_str()));
}

#[tokio::test]
async fn a_subject_is_acknowledged() {
    let fixture = Fixture::new().await;
    let subject = fixture::image("not pushed");
    let artifact = fixture::artifact("x", &subject.manifest, "application/x");
    artifact.push_content(fixture.store.target(&name("a")).unwrap().as_ref()).await;
    let reply = fixture.ask("PUT", "/v2/a/manifests/t", "", &artifact.manifest.bytes).await;
    assert_eq!((reply.status, reply.header("oci-subject")), (201, subject.digest().to_string().as_str()));
}

/// What is pulled by one type must not have been pushed by another, nor be something else by its form.
#[tokio::test]
async fn a_manifest_is_what_it_is_called() {
    use media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
    let fixture = Fixture::new().await;
    let target = "/v2/a/manifests/t";
    let (image, index) = (r#""layers":[]"#, r#""manifests":[]"#);
    let artifact = "application/vnd.example.artifact+json";
    for (told, own, links, status) in [
        (OCI_MANIFEST, OCI_MANIFEST, image, 201),
        (OCI_MANIFEST, "", image, 201),
        (DOCKER_MANIFEST, "", image, 201),
        ("", "", image, 201),
        ("", OCI_INDEX, index, 201),
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", OCI_INDEX, index, 201),
        ("Application/vnd.OCI.image.index.v1+json", OCI_INDEX, index, 201),
        (artifact, artifact, image, 201),
        ("text/plain", "", image, 400),
        ("text/plain", OCI_MANIFEST, image, 400),
        ("application/json", OCI_MANIFEST, image, 400),
        (artifact, "", image, 400),
        (OCI_MANIFEST, DOCKER_MANIFEST, image, 400),
        (OCI_INDEX, OCI_INDEX, image, 400),
        (DOCKER_LIST, "", image, 400),
        (OCI_MANIFEST, "", index, 400),
        ("", OCI_MANIFEST, index, 400),
    ] {
        let line =
            |value: &str| if value.is_empty() { String::new() } else { format!("Content-Type: {value}\r\n") };
        let field = if own.is_empty() { String::new() } else { format!(r#""mediaType":"{own}","#) };
        let body = format!(r#"{{"schemaVersion":2,{field}{links}}}"#);
        let reply = fixture.ask("PUT", target, &line(told), body.as_bytes()).await;
        let code = if status == 400 { "MANIFEST_INVALID" } else { "" };
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{told} {own} {links}");
        if status == 201 && !told.is_empty() {
            let pulled = fixture.get(target).await;
            assert!(media_type::essence(told).eq_ignore_ascii_case(pulled.header("content-type")), "{told}");
        }
    }
}
