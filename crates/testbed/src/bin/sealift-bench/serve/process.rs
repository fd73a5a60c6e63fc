//! The servers as processes, and what the kernel knows of them.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealift_testbed::docker_registry::DockerRegistry;

use crate::contenders::binary;
use crate::world::start;

/// How many of the kernel's ticks are a second (`USER_HZ`, which is 100 on every platform that is measured on).
const TICKS: f64 = 100.0;

/// A server that runs, until the value is dropped.
pub(super) enum Server {
    Docker(DockerRegistry),
    Sealift(Sealift),
}

/// `sealift serve`.
pub(super) struct Sealift {
    child: Child,
    address: SocketAddr,
    /// From its start to the line that says where it is.
    pub(super) starting: Duration,
}

/// What somebody did cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) wall: f64,
    /// Of the server alone, in seconds.
    pub(super) cpu: f64,
    /// Whatever the work counted: bytes, or requests.
    pub(super) count: u64,
}

impl Sealift {
    pub(super) fn start(arguments: &[&str]) -> io::Result<Self> {
        let began = Instant::now();
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut line)?;
        let starting = began.elapsed();
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.parse());
        match address {
            Some(Ok(address)) => Ok(Self { child, address, starting }),
            _ => {
                let _ = child.kill();
                Err(io::Error::other(format!("sealift serve {}: {line:?}", arguments.join(" "))))
            }
        }
    }
}

impl Drop for Sealift {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(super) async fn docker(storage: &Path) -> io::Result<Self> {
        Ok(Self::Docker(start(storage.to_owned()).await?))
    }

    pub(super) fn sealift(arguments: &[&str]) -> io::Result<Self> {
        Ok(Self::Sealift(Sealift::start(arguments)?))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Docker(registry) => registry.address(),
            Self::Sealift(serving) => serving.address,
        }
    }

    fn file(&self, name: &str) -> io::Result<String> {
        let process = match self {
            Self::Docker(registry) => registry.process(),
            Self::Sealift(serving) => serving.child.id(),
        };
        fs::read_to_string(format!("/proc/{process}/{name}"))
    }

    /// Returns what it has used of processors, in user and kernel mode, in seconds (proc(5), fields 14 and 15).
    fn cpu(&self) -> io::Result<f64> {
        let stat = self.file("stat")?;
        // The name of the program, in parentheses, may have blanks.
        let fields = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace())
            .ok_or(io::ErrorKind::InvalidData)?;
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }

    /// Returns what it holds of memory now, or held at the most, in MiB: `VmRSS` or `VmHWM`.
    pub(super) fn memory(&self, field: &str) -> io::Result<f64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| io::Error::other(format!("no {field}")))
    }

    /// Has some work done, and takes down what it costs.
    pub(super) fn spend(&self, work: impl FnOnce(SocketAddr) -> io::Result<u64>) -> io::Result<Spent> {
        let (cpu, began) = (self.cpu()?, Instant::now());
        let count = work(self.address())?;
        let wall = began.elapsed().as_secs_f64();
        Ok(Spent { wall, cpu: self.cpu()? - cpu, count })
    }
}
