use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::docker_registry::{DockerRegistry, RegistryOptions};
use crate::images::{Filler, tiny_set};
use crate::peers;
use crate::pushing::seed_docker_registry;

/// More than any socket buffer, so that bodies come in many pieces.
const LENGTH: usize = 8_000_000;

fn content() -> Bytes {
    Bytes::from(Filler::new(5).take_bytes(LENGTH))
}

/// Answers `/bytes` with a known body, `/echo` with the request's, `/moved` with a redirect to itself, and
/// everything else with the length of the request's body.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request| serve(request, address));
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn serve(
    request: Request<Incoming>,
    address: SocketAddr,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, hyper::Error>>, hyper::Error> {
    let full = |body: Bytes| Full::new(body).map_err(|never| match never {}).boxed();
    Ok(match request.uri().path() {
        "/bytes" => Response::new(full(content())),
        "/chunked" => {
            let frame = Ok(http_body::Frame::data(Bytes::from_static(b"0123456789")));
            Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter([frame]))))
        }
        "/echo" => Response::new(full(request.into_body().collect().await?.to_bytes())),
        "/moved" => {
            let location = format!("http://{address}/bytes?x=1");
            Response::builder().status(307).header("Location", location).body(full(Bytes::new())).unwrap()
        }
        _ => {
            let length = request.into_body().collect().await?.to_bytes().len();
            Response::new(full(Bytes::from(length.to_string())))
        }
    })
}

/// Sends one request over a connection of its own, and returns the head and the body as they came.
async fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The proxy may close before everything is written.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap();
    match answer.windows(4).position(|it| it == b"\r\n\r\n") {
        Some(end) => (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec()),
        None => (String::new(), answer),
    }
}

async fn proxy_with(rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static) -> HttpProxy {
    let proxy = HttpProxy::start(upstream().await).await.unwrap();
    proxy.set_rule(rule);
    proxy
}

#[tokio::test]
async fn bodies_pass_both_ways_and_are_counted() {
    let proxy = proxy_with(|_| Action::Pass).await;
    let (head, body) = ask(proxy.address(), "GET", "/bytes?a=b", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, content());
    let (_, body) = ask(proxy.address(), "PUT", "/upload", &content()).await;
    assert_eq!(body, LENGTH.to_string().as_bytes());
    let (head, body) = ask(proxy.address(), "HEAD", "/bytes", b"").await;
    assert!(head.to_lowercase().contains(&format!("content-length: {LENGTH}")), "{head}");
    assert!(body.is_empty());
    let records = proxy.records();
    assert_eq!(records[0].head.query.as_deref(), Some("a=b"));
    assert_eq!((records[0].status, records[0].response_bytes), (Some(200), LENGTH as u64));
    assert_eq!((records[1].request_bytes, records[1].response_bytes), (LENGTH as u64, 7));
    assert_eq!(proxy.count(|record| record.head.path == "/bytes"), 2);
    proxy.clear();
    assert!(proxy.records().is_empty());
}

#[tokio::test]
async fn a_body_is_cut_at_the_very_byte() {
    for length in [0, 1, 10_000, LENGTH as u64 - 1] {
        let proxy = proxy_with(move |_| Action::CutBodyAfter(length)).await;
        let (head, body) = ask(proxy.address(), "GET", "/bytes", b"").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{length}: {head}");
        assert_eq!(body.len() as u64, length);
        assert_eq!(proxy.records()[0].response_bytes, length);
    }
    let proxy = proxy_with(|_| Action::CutBodyAfter(4)).await;
    let (_, body) = ask(proxy.address(), "GET", "/chunked", b"").await;
    assert_eq!(body, b"4\r\n0123\r\n", "without the last chunk");
}

#[tokio::test]
async fn a_request_is_cut_and_gets_no_answer() {
    let proxy = proxy_with(|_| Action::CutRequestAfter(100_000)).await;
    let (head, body) = ask(proxy.address(), "PUT", "/upload", &content()).await;
    assert_eq!((head.as_str(), body.len()), ("", 0));
    let record = proxy.records().remove(0);
    assert_eq!((record.status, record.request_bytes), (None, 100_000));
}

#[tokio::test]
async fn a_reset_is_no_friendly_end() {
    for action in [Action::Reset, Action::ResetBodyAfter(10_000)] {
        let rule = action.clone();
        let proxy = proxy_with(move |_| rule.clone()).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"GET /bytes HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        assert_eq!(read.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{action:?}");
        let sent = if action == Action::Reset { 0 } else { 10_000 };
        assert_eq!(proxy.records()[0].response_bytes, sent);
    }
}

#[tokio::test]
async fn a_lost_answer_was_given() {
    let proxy = proxy_with(|_| Action::LoseAnswer).await;
    let (head, body) = ask(proxy.address(), "PUT", "/upload", &content()).await;
    assert_eq!((head.as_str(), body.len()), ("", 0));
    let record = proxy.records().remove(0);
    assert_eq!((record.status, record.request_bytes), (Some(200), LENGTH as u64));
}

#[tokio::test]
async fn one_bit_of_a_request_is_flipped() {
    for at in [0, 5_000_000] {
        let proxy = proxy_with(move |_| Action::FlipRequestBit(at)).await;
        let mut expected = content().to_vec();
        expected[usize::try_from(at).unwrap()] ^= 1;
        assert!(ask(proxy.address(), "PUT", "/echo", &content()).await.1 == expected);
    }
}

#[tokio::test]
async fn one_bit_is_flipped() {
    let proxy = proxy_with(|_| Action::FlipBit(5_000_000)).await;
    let (_, body) = ask(proxy.address(), "GET", "/bytes", b"").await;
    let mut expected = content().to_vec();
    expected[5_000_000] ^= 1;
    assert!(body == expected);
}

#[tokio::test]
async fn a_rule_answers_and_counts_what_came_before() {
    let proxy = proxy_with(|head| match head.earlier {
        0 => Action::Respond {
            status: 429,
            headers: vec![("Retry-After".to_owned(), "1".to_owned())],
            body: Bytes::from_static(b"later"),
        },
        1 => Action::Close,
        _ => Action::Pass,
    })
    .await;
    let (head, body) = ask(proxy.address(), "PUT", "/upload", &content()).await;
    assert!(head.starts_with("HTTP/1.1 429 ") && head.to_lowercase().contains("retry-after: 1"), "{head}");
    assert_eq!(body, b"later");
    assert_eq!(ask(proxy.address(), "PUT", "/upload", b"x").await, (String::new(), Vec::new()));
    assert_eq!(ask(proxy.address(), "PUT", "/upload", b"x").await.1, b"1");
    let statuses: Vec<_> = proxy.records().iter().map(|record| record.status).collect();
    assert_eq!(statuses, [Some(429), None, Some(200)]);
}

#[tokio::test]
async fn a_stalled_answer_ends_with_the_proxy() {
    for (action, sent) in
        [(Action::Stall, 0), (Action::StallBodyAfter(10), 10), (Action::StallRequestAfter(0), 0)]
    {
        let proxy = proxy_with(move |_| action.clone()).await;
        let asking = tokio::spawn(ask(proxy.address(), "GET", "/bytes", b""));
        let arrived = || {
            let records = proxy.records();
            records.first().is_some_and(|record| record.response_bytes == sent).then_some(())
        };
        crate::daemon::poll(Duration::from_secs(10), arrived).await.unwrap();
        assert!(!asking.is_finished());
        drop(proxy);
        asking.await.unwrap();
    }
}

#[tokio::test]
async fn redirects_to_the_upstream_lead_to_the_proxy() {
    let proxy = proxy_with(|_| Action::Pass).await;
    let (head, _) = ask(proxy.address(), "GET", "/moved", b"").await;
    let location = format!("location: {}/bytes?x=1", proxy.url());
    assert!(head.to_lowercase().contains(&location), "{head}");
}

#[tokio::test]
async fn an_absent_upstream_is_a_bad_gateway() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = HttpProxy::start(address).await.unwrap();
    assert!(ask(proxy.address(), "GET", "/", b"").await.0.starts_with("HTTP/1.1 502 "));
}

/// Skopeo copies through the proxy, which sees exactly one `GET` for each blob; and a push goes through too.
#[tokio::test]
async fn skopeo_copies_through() {
    if !peers::interop_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let set = tiny_set(&directory.path().join("set")).unwrap();
    let storage = directory.path().join("storage");
    seed_docker_registry(&storage, "", &set).unwrap();
    let options = RegistryOptions { storage: Some(storage), ..RegistryOptions::default() };
    let registry = DockerRegistry::start(&options).await.unwrap();
    let proxy = HttpProxy::start(registry.address()).await.unwrap();
    let (source, target) =
        (format!("docker://{}/two:1", proxy.address()), format!("docker://{}/copy:1", proxy.address()));
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    peers::skopeo(&["copy", "--all", plain[0], plain[1], &source, &target]).await.unwrap();
    for blob in set.image("two").unwrap().blobs() {
        let path = format!("/v2/two/blobs/{}", blob.digest);
        let wanted = |record: &Record| record.head.path == path && record.head.method == Method::GET;
        assert!(proxy.count(wanted) <= 1, "{path}");
    }
    let raw = peers::skopeo(&["inspect", "--raw", "--tls-verify=false", &target]).await.unwrap();
    assert_eq!(raw.stdout, set.image("two").unwrap().manifest.bytes);
    assert!(proxy.count(|record| record.status == Some(201)) > 0);
}
