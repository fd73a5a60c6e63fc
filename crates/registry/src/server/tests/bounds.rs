//! How a server is bounded, watched and stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, ReadOnly};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Access, ServerConfig};
use super::{Fixture, name};

#[tokio::test]
async fn a_place_that_is_read_only_refuses_writes() {
    let store = MemoryStore::new("memory");
    let image = fixture::image("x");
    image.push(&store, &name("a"), Some("t")).await;
    let fixture = Fixture::over(Arc::new(ReadOnly::new(Arc::new(store))), ServerConfig::default()).await;
    assert_eq!(fixture.get("/v2/a/manifests/t").await.status, 200);
    let digest = Digest::sha256(b"x");
    for (method, target) in [
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/a/blobs/uploads/?mount={digest}&from=b")),
        ("PATCH", "/v2/a/blobs/uploads/x".to_owned()),
        ("PUT", format!("/v2/a/blobs/uploads/x?digest={digest}")),
        ("PUT", "/v2/a/manifests/t".to_owned()),
    ] {
        let reply = fixture.ask(method, &target, "", &image.manifest.bytes).await;
        assert_eq!((reply.status, reply.code().as_str()), (405, "UNSUPPORTED"), "{method} {target}");
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
