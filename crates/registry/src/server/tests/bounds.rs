//! How a server is bounded, watched and stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, ReadOnly};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Access, Server, ServerConfig};
use super::{Fixture, chunked, name};

#[tokio::test]
async fn a_place_that_is_read_only_refuses_writes() {
    let store = MemoryStore::new("memory");
    let image = fixture::image("x");
    image.push(&store, &name("a"), Some("t")).await;
    let fixture = Fixture::over(Arc::new(ReadOnly::new(Arc::new(store))), ServerConfig::default()).await;
    assert_eq!(fixture.get("/v2/a/manifests/t").await.status, 200);
    let digest = Digest::sha256(b"x");
    for (method, target, allowed) in [
        ("POST", "/v2/a/blobs/uploads/".to_owned(), ""),
        ("POST", format!("/v2/a/blobs/uploads/?mount={digest}&from=b"), ""),
        ("PATCH", "/v2/a/blobs/uploads/x".to_owned(), ""),
        ("PUT", format!("/v2/a/blobs/uploads/x?digest={digest}"), ""),
        ("PUT", "/v2/a/manifests/t".to_owned(), "GET, HEAD"),
        ("DELETE", "/v2/a/manifests/t".to_owned(), "GET, HEAD"),
        ("DELETE", format!("/v2/a/blobs/{digest}"), "GET, HEAD"),
    ] {
        let reply = fixture.ask(method, &target, "", &image.manifest.bytes).await;
        assert_eq!((reply.status, reply.code().as_str()), (405, "UNSUPPORTED"), "{method} {target}");
        // An empty list says that nothing can be done there (RFC 9110, section 10.2.1).
        assert!(reply.head.to_ascii_lowercase().contains("\r\nallow:"), "{reply:?}");
        assert_eq!(reply.header("allow"), allowed, "{method} {target}");
    }
}

#[tokio::test]
async fn every_request_is_heard_of() {
    let heard: Arc<Mutex<Vec<Access>>> = Arc::default();
    let log = Arc::clone(&heard);
    let access = move |access: &Access| log.lock().unwrap().push(access.clone());
    let config = ServerConfig { access: Some(Arc::new(access)), ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    fixture.get("/v2/?x=1").await;
    fixture.get("/v2/a/manifests/t").await;
    let mut stream = fixture.connect().await;
    let head = b"PUT /v2/a/manifests/gone HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";
    stream.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    for _ in 0..100 {
        if heard.lock().unwrap().len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heard = heard.lock().unwrap().clone();
    let lines: Vec<_> = heard
        .iter()
        .map(|it| (it.method.as_str(), it.path.as_str(), it.status.map(|it| it.as_u16()), it.bytes_out))
        .collect();
    assert_eq!(lines[0], ("GET", "/v2/", Some(200), 2));
    assert_eq!(lines[1].2, Some(404));
    assert_eq!(lines[2].1, "/v2/a/manifests/gone");
    // Whether the answer or the end of the connection comes first is a matter of luck.
    assert!(matches!(lines[2].2, None | Some(400)), "{heard:?}");
    let error = heard[1].error.as_deref().unwrap();
    assert_eq!(error, "MANIFEST_UNKNOWN: memory: cannot fetch manifest a:t: it is not there");
}

/// Waits for what comes a moment after the answer.
async fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come");
}

/// A head that is too long, by a little, is answered like everything else; what cannot be read has a line in the log.
#[tokio::test]
async fn heads_that_are_refused_are_heard_of() {
    let heard: Arc<Mutex<Vec<Access>>> = Arc::default();
    let log = Arc::clone(&heard);
    let access = move |access: &Access| log.lock().unwrap().push(access.clone());
    let config = ServerConfig { access: Some(Arc::new(access)), ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let lines = |count: usize| "X: y\r\n".repeat(count);
    let long = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    let head = |lines: String| format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    for (request, status, code, path) in [
        (head(lines(98)), 200, "", "/v2/"),
        (head(lines(99)), 431, "UNSUPPORTED", "/v2/"),
        (head(lines(199)), 431, "", "-"),
        (head(long(65_000)), 200, "", "/v2/"),
        (head(long(66_000)), 431, "UNSUPPORTED", "/v2/"),
        (head(long(132_000)), 431, "", "-"),
        ("GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n".to_owned(), 400, "", "-"),
    ] {
        let reply = fixture.raw(request.as_bytes()).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{:.80}", request);
        let line = wait_for(|| heard.lock().unwrap().pop()).await;
        assert_eq!((line.status.map(|it| it.as_u16()), line.path.as_str()), (Some(status), path));
        assert_eq!(line.error.is_some(), status != 200, "{line:?}");
    }
    let metrics = fixture.get("/metrics").await.body;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(metrics.contains(r#"method="other",resource="none",status="400"} 1"#), "{metrics}");
}

#[tokio::test]
async fn uploads_beyond_the_bound_are_refused() {
    let config = ServerConfig { uploads: 8, ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let open = [fixture.begin().await, fixture.begin().await];
    let (digest, target) = (Digest::sha256(b"x"), "/v2/a/blobs/uploads/");
    for query in [String::new(), format!("?mount={digest}"), format!("?mount={digest}&from=b")] {
        let reply = fixture.ask("POST", &format!("{target}{query}"), "", b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (429, "TOOMANYREQUESTS"), "{query}");
        assert!(!reply.header("retry-after").is_empty());
    }
    // What leaves nothing open is taken, and what is open goes on.
    assert_eq!(fixture.ask("POST", &format!("{target}?digest={digest}"), "", b"x").await.status, 201);
    assert_eq!(fixture.ask("PATCH", &open[0], "", b"x").await.status, 202);
    for (method, location) in [("PUT", format!("{}?digest={digest}", open[0])), ("DELETE", open[1].clone())] {
        assert!(fixture.ask(method, &location, "", b"").await.status < 300);
        fixture.begin().await;
    }
    // A wrong digest ends an upload, too.
    let config = ServerConfig { uploads: 4, ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let location = fixture.begin().await;
    assert_eq!(fixture.ask("PUT", &format!("{location}?digest={digest}"), "", b"y").await.status, 400);
    fixture.begin().await;
}

#[tokio::test]
async fn blobs_beyond_the_bound_are_refused() {
    let config = ServerConfig { blob_limit: 10, ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let (digest, chunks) = (Digest::sha256(b"0123456789"), "Transfer-Encoding: chunked\r\n");
    let whole = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(fixture.ask("POST", &whole, "", b"0123456789").await.status, 201);
    let location = fixture.begin().await;
    let last = format!("{location}?digest={digest}");
    for (method, target, headers, body, status) in [
        ("POST", &whole, "", &b"01234567890"[..], 413),
        ("POST", &whole, chunks, b"01234567890", 413),
        ("PATCH", &location, "", b"01234567890", 413),
        ("PATCH", &location, chunks, b"01234567890", 413),
        ("PATCH", &location, "Content-Range: 0-10\r\nTransfer-Encoding: chunked\r\n", b"01234567890", 413),
        ("PATCH", &location, chunks, b"01234", 202),
        ("PUT", &last, chunks, b"567890", 413),
        ("PUT", &last, chunks, b"56789", 201),
    ] {
        let body = if headers.is_empty() { body.to_vec() } else { chunked(body) };
        let reply = fixture.ask(method, target, headers, &body).await;
        let code = if status == 413 { "BLOB_UPLOAD_INVALID" } else { "" };
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{method} {headers}");
    }
}

#[tokio::test]
async fn all_listeners_share_the_bound_on_connections() {
    let config = ServerConfig { connections: 1, ..ServerConfig::default() };
    let server = Server::new(Arc::new(MemoryStore::new("memory")), config);
    let mut running = Vec::new();
    for _ in 0..2 {
        running.push(server.serve(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap());
    }
    let ask = |number: usize| {
        let address = running[number].local_addr();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut raw = Vec::new();
            stream.read_to_end(&mut raw).await.unwrap();
            raw.starts_with(b"HTTP/1.1 200")
        }
    };
    // One after the other at either, whoever waited last.
    for number in [0, 1, 1, 0] {
        assert!(ask(number).await);
    }
    let mut first = TcpStream::connect(running[0].local_addr()).await.unwrap();
    first.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut begin = [0; 12];
    first.read_exact(&mut begin).await.unwrap();
    let second = ask(1);
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut second).await.is_err());
    drop(first);
    assert!(second.await);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let config = ServerConfig { connections: 1, ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let first = fixture.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = fixture.get("/v2/");
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut second).await.is_err());
    drop(first);
    assert_eq!(second.await.status, 200);
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let short = Duration::from_millis(50);
    let config = ServerConfig { header_timeout: short, stall_timeout: short, ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let location = fixture.begin().await;
    for request in [
        String::new(),
        "GET /v2/ HTTP/1.1\r\n".to_owned(),
        format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n0123"),
    ] {
        let mut stream = fixture.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{request}");
    }
    assert_eq!(fixture.get(&location).await.header("range"), "0-3", "what arrived stays");
}

/// A byte now and then is no progress, however long each silence is.
#[tokio::test]
async fn trickling_clients_are_given_up() {
    let config = ServerConfig { stall_timeout: Duration::from_millis(200), ..ServerConfig::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new("memory")), config).await;
    let location = fixture.begin().await;
    let (mut reader, mut writer) = fixture.connect().await.into_split();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let trickling = tokio::spawn(async move {
        for _ in 0..900 {
            if writer.write_all(b"x").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut raw = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut raw)).await.unwrap();
    trickling.abort();
    let held = fixture.get(&location).await.header("range")[2..].parse::<usize>().unwrap();
    assert!(held < 900, "it was heard to the end");
}

#[tokio::test]
async fn a_shutdown_lets_requests_end() {
    let fixture = Fixture::new().await;
    let location = fixture.begin().await;
    let mut stream = fixture.connect().await;
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n0123");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (addr, idle) = (fixture.addr(), fixture.connect().await);
    let stopping = tokio::spawn(fixture.running.shutdown(Duration::from_secs(9)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nothing new is accepted");
    stream.write_all(b"4567").await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    assert!(raw.starts_with(b"HTTP/1.1 202"), "{raw:?}");
    assert!(stopping.await.unwrap());
    drop(idle);
}

#[tokio::test]
async fn patience_ends() {
    let fixture = Fixture::new().await;
    let location = fixture.begin().await;
    let mut stream = fixture.connect().await;
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n0123");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!fixture.running.shutdown(Duration::from_millis(50)).await);
    let mut raw = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut raw)).await.unwrap();
    assert!(raw.is_empty());
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let Fixture { running, .. } = Fixture::new().await;
    let addr = running.local_addr();
    drop(running);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(addr).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still listens");
}
