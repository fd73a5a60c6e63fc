//! Requests that nobody should send.

use std::time::Duration;

use sealift_oci::{Digest, MANIFEST_LIMIT};
use sealift_store::conformance::fixture;
use tokio::io::AsyncWriteExt;

use super::{Fixture, name};

#[tokio::test]
async fn hostile_paths() {
    let fixture = Fixture::new().await;
    let long = format!("/v2/{}/tags/list", "a/".repeat(200));
    let cases = [
        ("/v2/A/tags/list", 400, "NAME_INVALID"),
        ("/v2/a/../../etc/tags/list", 400, "NAME_INVALID"),
        ("/v2/%2e%2e/tags/list", 400, "NAME_INVALID"),
        ("/v2/a%2fb/tags/list", 400, "NAME_INVALID"),
        ("/v2/a%00/tags/list", 400, "NAME_INVALID"),
        ("/v2/%/tags/list", 400, "NAME_INVALID"),
        ("/v2/a/blobs/..%2f..%2fetc", 400, "NAME_INVALID"),
        ("/v2/a/blobs/etc", 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/uploads/..%2f..%2fetc", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/a/blobs/uploads/%00", 400, "NAME_INVALID"),
        ("/v2/a/blobs/uploads/a%20b", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("//v2/", 404, "NAME_UNKNOWN"),
        ("/else", 404, "NAME_UNKNOWN"),
        ("http://other/v2/a/tags/list", 404, "NAME_UNKNOWN"),
        (&long, 400, "NAME_INVALID"),
    ];
    for (target, status, code) in cases {
        let reply = fixture.get(target).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{target}");
    }
}

/// Who names no server, or two, means something else than was understood.
#[tokio::test]
async fn a_request_says_once_for_which_server_it_is() {
    let fixture = Fixture::new().await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "Host: a\r\nHost: b\r\n", 400),
        ("1.1", "Host: a\r\nHost: a\r\n", 400),
        ("1.1", "Host:\r\n", 200),
        ("1.1", "Host: a\r\n", 200),
        ("1.0", "", 200),
    ] {
        for path in ["/v2/", "/"] {
            let request = format!("GET {path} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
            let reply = fixture.raw(request.as_bytes()).await.unwrap();
            assert_eq!(reply.status, status, "{request}");
        }
    }
    let upload =
        "POST /v2/a/blobs/uploads/?digest=x HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    let reply = fixture.raw(upload.as_bytes()).await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (400, "UNSUPPORTED"), "{reply:?}");
}

#[tokio::test]
async fn methods_that_are_not_there() {
    let fixture = Fixture::new().await;
    let blob = format!("/v2/a/blobs/{}", Digest::sha256(b""));
    let cases = [
        ("POST", "/v2/", "GET, HEAD"),
        ("DELETE", "/v2/a/manifests/t", "GET, HEAD, PUT"),
        ("PATCH", "/v2/a/manifests/t", "GET, HEAD, PUT"),
        ("DELETE", &blob, "GET, HEAD"),
        ("PUT", &blob, "GET, HEAD"),
        ("GET", "/v2/a/blobs/uploads/", "POST"),
        ("POST", "/v2/a/blobs/uploads/x", "GET, PATCH, PUT, DELETE"),
        ("HEAD", "/v2/a/blobs/uploads/", "POST"),
        ("DELETE", "/v2/_catalog", "GET, HEAD"),
        ("BREW", "/v2/a/tags/list", "GET, HEAD"),
    ];
    for (method, target, allowed) in cases {
        let reply = fixture.ask(method, target, "", b"").await;
        assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{method} {target}");
        let code = if method == "HEAD" { "" } else { "UNSUPPORTED" };
        assert_eq!(reply.code(), code, "{method} {target}");
    }
}

#[tokio::test]
async fn manifests_that_are_none() {
    let fixture = Fixture::new().await;
    let html = r#"{"mediaType":"a\nb","layers":[]}"#;
    for body in ["", "{}", "[", "null", r#"{"schemaVersion":1,"fsLayers":[]}"#, html] {
        let reply = fixture.ask("PUT", "/v2/a/manifests/t", "", body.as_bytes()).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MANIFEST_INVALID"), "{body}");
    }
    let reply = fixture.ask("PUT", "/v2/a/manifests/.bad", "", b"{}").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MANIFEST_INVALID"));
}

/// The answer arrives although the client has not sent everything, whether or not it says how much comes.
#[tokio::test]
async fn manifests_that_are_too_long() {
    let fixture = Fixture::new().await;
    let long = vec![b' '; MANIFEST_LIMIT + 1];
    let chunks = [format!("{:x}\r\n", long.len()).as_bytes(), &long[..], b"\r\n0\r\n\r\n"].concat();
    for (headers, body) in [("", &long), ("Transfer-Encoding: chunked\r\n", &chunks)] {
        let reply = fixture.ask("PUT", "/v2/a/manifests/t", headers, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "MANIFEST_INVALID"), "{headers}");
    }
    let asking = "Content-Length: 9999999999\r\nExpect: 100-continue\r\n";
    let reply = fixture.ask("PUT", "/v2/a/manifests/t", asking, b"").await;
    assert_eq!(reply.status, 413, "nothing is asked for that will not be taken");
}

#[tokio::test]
async fn broken_heads_are_answered_or_closed() {
    let fixture = Fixture::new().await;
    let many = format!("GET /v2/ HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let long = format!("GET /v2/ HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(70_000));
    let path = format!("GET /v2/{} HTTP/1.1\r\n\r\n", "y".repeat(70_000));
    let cases = [
        ("\r\n\r\n\0\0", 400),
        ("GET\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (&many, 431),
        (&long, 431),
    ];
    for (request, status) in cases {
        let reply = fixture.raw(request.as_bytes()).await;
        assert_eq!(reply.map(|it| it.status), Some(status), "{:.60}", request);
    }
    let status = fixture.raw(path.as_bytes()).await.map(|it| it.status);
    assert!(matches!(status, Some(414 | 431)), "{status:?}");
    assert_eq!(fixture.get("/v2/").await.status, 200);
}

/// What arrived before a connection broke stays, and the client can go on behind it.
#[tokio::test]
async fn an_upload_that_breaks_off_can_be_resumed() {
    let fixture = Fixture::new().await;
    let content = fixture::noise("x", 300_000);
    for end_with in ["close", "half-close"] {
        let location = fixture.begin().await;
        let mut stream = fixture.connect().await;
        let head =
            format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&content[..200_000]).await.unwrap();
        if end_with == "close" {
            drop(stream);
        } else {
            stream.shutdown().await.unwrap();
        }
        let held = wait_until_idle(&fixture, &location).await;
        assert_eq!(held, 200_000, "{end_with}");
        let range = format!("Content-Range: {held}-{}\r\n", content.len() - 1);
        let put = format!("{location}?digest={}", Digest::sha256(&content));
        assert_eq!(fixture.ask("PUT", &put, &range, &content[held..]).await.status, 201);
    }
}

/// An upload is occupied while somebody appends; the status then says so. Returns what it holds.
async fn wait_until_idle(fixture: &Fixture, location: &str) -> usize {
    for _ in 0..200 {
        let reply = fixture.get(location).await;
        if reply.status == 204 && reply.header("range") != "0-0" {
            return reply.header("range")[2..].parse::<usize>().unwrap() + 1;
        }
        assert!(reply.status == 204 || reply.header("retry-after") == "1", "{reply:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the upload stays occupied");
}

/// A manifest whose sender breaks off is not there, not even where its beginning could be one.
#[tokio::test]
async fn a_manifest_that_breaks_off_is_not_there() {
    let fixture = Fixture::new().await;
    let image = fixture::image("x");
    image.push_content(fixture.store.target(&name("a")).unwrap().as_ref()).await;
    let length = image.manifest.bytes.len() + 1;
    let head = format!("PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let mut stream = fixture.connect().await;
    stream.write_all(&[head.as_bytes(), &image.manifest.bytes].concat()).await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.get("/v2/a/manifests/t").await.status, 404);
}
