//! Clients that cost next to nothing, so that a machine of few cores is left to the server: HTTP/1.1 by hand, over
//! connections that block, with bodies that are counted and not looked at.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How much is read of a body at once, in bytes.
const PIECE: usize = 256 * 1024;
/// What a head may have, in bytes.
const HEAD_LIMIT: u64 = 64 * 1024;
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is used again and again.
pub(super) struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    piece: Vec<u8>,
}

/// What of an answer is of use.
pub(super) struct Answer {
    status: u16,
    length: u64,
    location: String,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { address, stream: BufReader::with_capacity(PIECE, stream), piece: vec![0; PIECE] })
    }

    /// Gets something, and returns how long its body was.
    pub(super) fn get(&mut self, path: &str) -> io::Result<u64> {
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
             application/vnd.docker.distribution.manifest.list.v2+json, \
             application/vnd.docker.distribution.manifest.v2+json";
        self.send("GET", path, &format!("Accept: {accept}\r\n"))?;
        let answer = self.answer(200)?;
        Ok(answer.length)
    }

    /// Pushes a file as a blob.
    pub(super) fn push_blob(&mut self, repository: &str, digest: &str, file: &mut File) -> io::Result<()> {
        self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "Content-Length: 0\r\n")?;
        let location = self.answer(202)?.location;
        let host = format!("http://{}", self.address);
        let path = location.strip_prefix(&host).unwrap_or(&location);
        let mark = if path.contains('?') { '&' } else { '?' };
        let length = file.metadata()?.len();
        let head = format!("Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n");
        self.send("PUT", &format!("{path}{mark}digest={digest}"), &head)?;
        // The kernel copies from the one to the other by itself.
        io::copy(file, self.stream.get_mut())?;
        self.answer(201).map(drop)
    }

    /// Pushes a manifest; `reference` is a tag or a digest, perhaps with a query.
    pub(super) fn push_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        kind: &str,
        bytes: &[u8],
    ) -> io::Result<()> {
        let head = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", bytes.len());
        self.send("PUT", &format!("/v2/{repository}/manifests/{reference}"), &head)?;
        self.stream.get_mut().write_all(bytes)?;
        self.answer(201).map(drop)
    }

    fn send(&mut self, method: &str, path: &str, headers: &str) -> io::Result<()> {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address);
        self.stream.get_mut().write_all(head.as_bytes())
    }

    /// Reads an answer to its end.
    fn answer(&mut self, expected: u16) -> io::Result<Answer> {
        let answer = self.head()?;
        let mut left = answer.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let count = self.stream.read(&mut self.piece[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= count as u64;
        }
        if answer.status == expected {
            return Ok(answer);
        }
        let told = String::from_utf8_lossy(&self.piece[..answer.length.min(1000) as usize]).into_owned();
        Err(io::Error::other(format!("status {} and not {expected}: {told}", answer.status)))
    }

    fn head(&mut self) -> io::Result<Answer> {
        let mut answer = Answer { status: 0, length: 0, location: String::new() };
        let mut lines = (&mut self.stream).take(HEAD_LIMIT);
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end();
            if text.is_empty() {
                return Ok(answer);
            }
            if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
                answer.status = rest.get(..3).and_then(|it| it.parse().ok()).unwrap_or_default();
            }
            let (name, value) = text.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.trim().parse().map_err(io::Error::other)?,
                "location" => value.trim().clone_into(&mut answer.location),
                _ => {}
            }
        }
    }
}

/// Lets `clients` do the same at once, each on a connection of its own; what they return is added up.
pub(super) fn at_once(
    clients: usize,
    address: SocketAddr,
    work: impl Fn(usize, &mut Client) -> io::Result<u64> + Sync,
) -> io::Result<u64> {
    let one = |number: usize| work(number, &mut Client::connect(address)?);
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let one = &one;
            let started: Vec<_> = (0..clients).map(|number| scope.spawn(move || one(number))).collect();
            let died = |_| io::Error::other("a client died");
            started.into_iter().map(|client| client.join().map_err(died)?).sum()
        })
    })
}
