//! Proxies, real ones: HTTP with and without a tunnel, SOCKS5 with names resolved here or there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sealift_store::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{BASIC, PASSWORD, Peer, reply};
use crate::client::{ClientConfig, Proxy, ProxyConfig, RegistryClient};

/// A proxy that leads everything to one place, whatever it is asked for.
struct Middle {
    address: SocketAddr,
    /// What was asked for: request lines, or SOCKS destinations.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Middle {
    /// `user` and the password of all tests, where `wants_user`.
    async fn http(upstream: SocketAddr, wants_user: bool) -> Self {
        Self::start(move |stream, asked| http(stream, asked, upstream, wants_user)).await
    }

    async fn socks(upstream: SocketAddr, wants_user: bool) -> Self {
        Self::start(move |stream, asked| socks(stream, asked, upstream, wants_user)).await
    }

    async fn start<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::default());
        let shared = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, asked }
    }

    fn url(&self, scheme: &str, user: &str) -> Option<Proxy> {
        Some(format!("{scheme}://{user}{}", self.address).parse().unwrap())
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn http(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    upstream: SocketAddr,
    wants_user: bool,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, fields) = head.split_once("\r\n")?;
    asked.lock().unwrap().push(line.to_owned());
    if wants_user && !fields.contains(BASIC) {
        let refusal = "HTTP/1.1 407 X\r\nproxy-authenticate: Basic realm=x\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).await.ok();
    }
    let mut upstream = TcpStream::connect(upstream).await.ok()?;
    if line.starts_with("CONNECT") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    } else {
        let (method, rest) = line.split_once(" http://")?;
        let (_, path) = rest.split_once('/')?;
        let head = format!("{method} /{path}\r\nconnection: close\r\n{fields}");
        upstream.write_all(head.as_bytes()).await.ok()?;
    }
    copy_bidirectional(&mut stream, &mut upstream).await.ok().map(drop)
}

/// RFC 1928, and RFC 1929 for the password.
async fn socks(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    upstream: SocketAddr,
    wants_user: bool,
) -> Option<()> {
    let methods = read_counted(&mut stream, 1).await?;
    let method = if wants_user { 2 } else { 0 };
    if !methods.contains(&method) {
        return stream.write_all(&[5, 0xff]).await.ok();
    }
    stream.write_all(&[5, method]).await.ok()?;
    if wants_user {
        let user = read_counted(&mut stream, 1).await?;
        let password = read_counted(&mut stream, 0).await?;
        let is_right = user == b"user" && password == PASSWORD.as_bytes();
        stream.write_all(&[1, u8::from(!is_right)]).await.ok()?;
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(stream.read_u32().await.ok()?).to_string(),
        _ => String::from_utf8(read_counted(&mut stream, 0).await?).ok()?,
    };
    let port = stream.read_u16().await.ok()?;
    asked.lock().unwrap().push(format!("{host}:{port}"));
    let mut upstream = TcpStream::connect(upstream).await.ok()?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    copy_bidirectional(&mut stream, &mut upstream).await.ok().map(drop)
}

/// Reads bytes behind their number, behind `skipped` other ones.
async fn read_counted(stream: &mut TcpStream, skipped: usize) -> Option<Vec<u8>> {
    for _ in 0..skipped {
        stream.read_u8().await.ok()?;
    }
    let mut bytes = vec![0; stream.read_u8().await.ok()?.into()];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// A registry that no name server knows.
const REGISTRY: &str = "registry.example:5000";

fn client(peer: &Peer, proxies: ProxyConfig, config: ClientConfig) -> RegistryClient {
    let config = ClientConfig { plain_http: peer.authority.is_empty(), proxies, ..config };
    RegistryClient::new(REGISTRY.parse().unwrap(), config).unwrap()
}

fn user() -> String {
    format!("user:{PASSWORD}@")
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_http_does_not() {
    for (peer, asked) in [
        (Peer::tls().await, "CONNECT registry.example:5000 HTTP/1.1"),
        (Peer::plain().await, "GET http://registry.example:5000/v2/ HTTP/1.1"),
    ] {
        let proxy = Middle::http(peer.address, true).await;
        let url = proxy.url("http", &user());
        let proxies = ProxyConfig { http: url.clone(), https: url, no_proxy: None };
        peer.on("GET /v2/", reply(200));
        client(&peer, proxies, peer.config()).connect().await.unwrap();
        let seen = peer.finish();
        assert_eq!(proxy.asked(), [asked]);
        assert!(seen[0].authorization().is_empty());
    }
}

#[tokio::test]
async fn a_proxy_that_wants_another_password_is_told_from_the_registry() {
    for user in ["", "user:wrong-secret@"] {
        for (peer, scheme) in [
            (Peer::tls().await, "http"),
            (Peer::plain().await, "http"),
            (Peer::tls().await, "socks5h"),
            (Peer::plain().await, "socks5h"),
        ] {
            let proxy = match scheme {
                "http" => Middle::http(peer.address, true).await,
                _ => Middle::socks(peer.address, true).await,
            };
            let url = proxy.url(scheme, user);
            let proxies = ProxyConfig { http: url.clone(), https: url, no_proxy: None };
            let client = client(&peer, proxies, peer.config());
            let error = client.connect().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{scheme} {error:?}");
            let what = if user.is_empty() { "wants a user and" } else { "refuses the user and" };
            let expected =
                format!("{REGISTRY}: cannot connect: the proxy {scheme}://{} {what} password", proxy.address);
            assert_eq!(error.to_string(), expected);
            let printed = format!("{error:?} {client:?} {:?}", client.connection.config);
            assert!(!printed.contains("wrong-secret") && !printed.contains("d3Jvbmct"), "{printed}");
            assert!(peer.finish().is_empty());
        }
    }
}

#[tokio::test]
async fn socks_resolves_names_here_or_there() {
    let resolve = vec![("registry.example".to_owned(), "203.0.113.5".parse().unwrap())];
    for (scheme, destination) in [("socks5", "203.0.113.5:5000"), ("socks5h", REGISTRY)] {
        for (peer, user) in [(Peer::tls().await, user()), (Peer::plain().await, String::new())] {
            let proxy = Middle::socks(peer.address, !user.is_empty()).await;
            let url = proxy.url(scheme, &user);
            let proxies = ProxyConfig { http: url.clone(), https: url, no_proxy: None };
            peer.on("GET /v2/", reply(200));
            let config = ClientConfig { resolve: resolve.clone(), ..peer.config() };
            client(&peer, proxies, config).connect().await.unwrap();
            peer.finish();
            assert_eq!(proxy.asked(), [destination]);
        }
    }
}

#[tokio::test]
async fn some_hosts_are_reached_without_a_proxy() {
    let peer = Peer::plain().await;
    let proxy = Middle::http(peer.address, false).await;
    let proxies = ProxyConfig {
        http: proxy.url("http", ""),
        https: proxy.url("http", ""),
        no_proxy: Some("registry.example".to_owned()),
    };
    let at = |host: &str, resolve: &[(String, std::net::IpAddr)]| {
        let config = ClientConfig {
            proxies: proxies.clone(),
            resolve: resolve.to_vec(),
            plain_http: true,
            ..peer.config()
        };
        let registry = format!("{host}:{}", peer.address.port());
        RegistryClient::new(registry.parse().unwrap(), config).unwrap()
    };
    let here = [("registry.example".to_owned(), peer.address.ip())];
    for client in [at("registry.example", &here), at("127.0.0.1", &[]), at("localhost", &[])] {
        peer.on("GET /v2/", reply(200));
        client.connect().await.unwrap();
        peer.finish();
        assert!(proxy.asked().is_empty());
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for peer in [Peer::tls().await, Peer::plain().await] {
        let url: Option<Proxy> = Some(format!("http://{}{address}", user()).parse().unwrap());
        let proxies = ProxyConfig { http: url.clone(), https: url, no_proxy: None };
        let error = client(&peer, proxies, peer.config()).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.ends_with(&format!("refused (by way of the proxy http://{address})")), "{text}");
        assert!(!format!("{error:?}").contains(PASSWORD));
    }
}
