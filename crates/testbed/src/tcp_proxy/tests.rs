use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::*;
use crate::images::Filler;

/// More than the sockets hold, so that it comes in many pieces.
const LENGTH: usize = 3_000_000;

fn content() -> Vec<u8> {
    Filler::new(9).take_bytes(LENGTH)
}

/// A server that reads a connection to its end, and answers with what it read.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    address
}

async fn proxy() -> TcpProxy {
    TcpProxy::start(echo().await).await.unwrap()
}

/// Sends `bytes`, and returns what comes back and how that ended.
async fn ask(address: SocketAddr, bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let exchange = async {
            stream.write_all(bytes).await?;
            stream.shutdown().await?;
            stream.read_to_end(&mut answer).await.map(drop)
        };
        let ending = exchange.await;
        (answer, ending)
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap()
}

#[tokio::test]
async fn everything_passes_and_is_counted() {
    let proxy = proxy().await;
    for _ in 0..2 {
        let (answer, ending) = ask(proxy.address(), &content()).await;
        ending.unwrap();
        assert!(answer == content());
    }
    let length = 2 * LENGTH as u64;
    assert_eq!(proxy.counts(), Counts { connections: 2, to_upstream: length, to_client: length });
}

#[tokio::test]
async fn a_connection_closes_at_the_very_byte_and_only_the_chosen_one() {
    let proxy = proxy().await;
    for at in [0, 1, 20_000, LENGTH as u64 - 1] {
        let before = proxy.counts();
        proxy.faults().add(Kind::Close, at, When::Connection(before.connections + 1));
        let first = ask(proxy.address(), &content()).await.0;
        assert_eq!(first.len(), LENGTH);
        let (second, _) = ask(proxy.address(), &content()).await;
        assert!(second == content()[..at as usize], "{at}: {}", second.len());
        assert_eq!(proxy.counts().to_client - before.to_client, LENGTH as u64 + at);
    }
}

#[tokio::test]
async fn a_reset_is_an_error_once() {
    let proxy = proxy().await;
    proxy.faults().add(Kind::Reset, 100_000, When::Once);
    let (answer, ending) = ask(proxy.address(), &content()).await;
    assert_eq!(ending.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(answer.len() <= 100_000);
    assert_eq!(proxy.counts().to_client, 100_000);
    assert_eq!(ask(proxy.address(), &content()).await.0.len(), LENGTH);
}

#[tokio::test]
async fn an_absent_upstream_is_a_reset() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = TcpProxy::start(address).await.unwrap();
    assert!(ask(proxy.address(), b"").await.1.is_err());
}

#[tokio::test]
async fn a_bit_flips_on_every_connection_until_the_faults_are_cleared() {
    let proxy = proxy().await;
    proxy.faults().add(Kind::FlipBit, 1_000_000, When::Always);
    let mut expected = content();
    expected[1_000_000] ^= 1;
    for _ in 0..2 {
        assert!(ask(proxy.address(), &content()).await.0 == expected);
    }
    proxy.faults().clear();
    assert!(ask(proxy.address(), &content()).await.0 == content());
}

#[tokio::test]
async fn a_stalled_connection_stays_open() {
    let proxy = proxy().await;
    proxy.faults().add(Kind::Stall, 10, When::Always);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"0123456789abcdef").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"0123456789");
    // Half a second says little, but a fault that closes would close at once.
    let more = tokio::time::timeout(Duration::from_millis(500), stream.read_u8()).await;
    assert!(more.is_err(), "{more:?}");
}

/// The lower bounds are exact; the upper ones leave room for a busy machine.
#[tokio::test]
async fn bytes_take_their_time() {
    let proxy = proxy().await;
    proxy.faults().set_delay(Duration::from_millis(100));
    let start = Instant::now();
    assert_eq!(ask(proxy.address(), &content()).await.0.len(), LENGTH);
    // A handshake and the way there and back; the pieces do not wait for each other.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    proxy.faults().set_delay(Duration::ZERO);
    proxy.faults().set_rate(Some(6_000_000));
    let start = Instant::now();
    assert_eq!(ask(proxy.address(), &content()).await.0.len(), LENGTH);
    // Half a second each way, one after the other, less what may run ahead.
    assert!(start.elapsed() >= Duration::from_millis(980), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}
