//! Compares the encoders of klauspost's `gzip` and `pgzip` with the originals, over many inputs.
//!
//! `soak-klauspost ORACLE VERSION BLOCK LEVELS COUNT [FILE|DIR...]`: `ORACLE` is a program that `tests/oracle/klauspost`
//! builds, `VERSION` that of the encoder's id, `BLOCK` the size of pgzip's blocks or 0 for gzip. One input
//! in nine is a piece of the files and of those below the folders, the others are generated.
//! `soak-klauspost ORACLE VERSION LEVELS` prints the golden vectors of that version.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used
)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regzip::Encoder;
use sha2::{Digest, Sha256};

#[path = "../tests/klauspost/cases.rs"]
mod cases;
#[path = "common/files.rs"]
mod files;
#[path = "../tests/it/inputs.rs"]
mod inputs;

use files::Files;
use inputs::{KINDS, Numbers};

struct Oracle(Child);

impl Oracle {
    fn new(command: &str, block: usize) -> Self {
        let mut command = Command::new(command);
        command.arg("time");
        if block > 0 {
            command.args(["pgzip", &block.to_string()]);
        }
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn encode(&mut self, plain: &[u8], level: i8) -> (Vec<u8>, Duration) {
        let stdin = self.0.stdin.as_mut().unwrap();
        let mut head = vec![level as u8, 0, 0, 0, 0];
        head.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        stdin.write_all(&head).unwrap();
        stdin.write_all(plain).unwrap();
        stdin.flush().unwrap();
        let stdout = self.0.stdout.as_mut().unwrap();
        let mut head = [0; 12];
        stdout.read_exact(&mut head).unwrap();
        let mut stream = vec![0; u32::from_le_bytes(head[8..].try_into().unwrap()) as usize];
        stdout.read_exact(&mut stream).unwrap();
        (stream, Duration::from_nanos(u64::from_le_bytes(head[..8].try_into().unwrap())))
    }
}

/// What is compared.
struct Soak {
    oracle: Oracle,
    version: String,
    block: usize,
}

#[derive(Default)]
struct Sums {
    inputs: usize,
    plain: usize,
    encoded: usize,
    own: Duration,
    theirs: Duration,
    /// Processor time, of this program and of the oracle.
    own_cpu: Duration,
    theirs_cpu: Duration,
}

/// The processor time that a process took, of which Linux tells in hundredths of a second.
fn cpu(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let ticks: u64 = stat.split(' ').skip(13).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

impl Soak {
    fn encoder(&self, level: i8) -> Encoder {
        let (version, block) = (&self.version, self.block);
        match block {
            0 => format!("klauspost-{version}:level={level}"),
            _ => format!("pgzip-{version}:level={level},block={block}"),
        }
        .parse()
        .unwrap()
    }

    fn check(&mut self, plain: &[u8], level: i8, name: &str, piece: usize, sums: &mut Sums) {
        let oracle = self.oracle.0.id().to_string();
        let before = cpu(&oracle);
        let (theirs, time) = self.oracle.encode(plain, level);
        sums.theirs_cpu += cpu(&oracle) - before;
        let mut own = Vec::with_capacity(theirs.len());
        let (begin, before) = (Instant::now(), cpu("self"));
        let mut encoder = self.encoder(level).deflate();
        plain.chunks(piece.max(1)).for_each(|it| encoder.write(it, &mut own));
        encoder.finish(&mut own);
        sums.own += begin.elapsed();
        sums.own_cpu += cpu("self") - before;
        sums.theirs += time;
        let theirs = &theirs[10..theirs.len() - 8];
        if own != theirs {
            let at = own.iter().zip(theirs).position(|(a, b)| a != b);
            panic!(
                "{}: {name}, pieces of {piece}: {at:?} of {} and {}",
                self.encoder(level),
                own.len(),
                theirs.len()
            );
        }
        sums.inputs += 1;
        sums.plain += plain.len();
        sums.encoded += own.len();
    }

    fn generated(&mut self, level: i8, count: u64, files: &Files, sums: &mut Sums) {
        for seed in 0..count {
            let mut numbers = Numbers::new(seed ^ 0xabcd);
            let kind = KINDS[seed as usize % KINDS.len()];
            let bits = match seed {
                _ if seed % 997 == 0 => 23,
                _ if seed % 401 == 0 => 21,
                _ => 3 + numbers.below(14),
            };
            let len = match seed % 505 {
                // Around the sizes of blocks.
                7 => (1 << 20) - 20 + numbers.below(300),
                8 => self.block + numbers.below(200),
                9 => (65_535 * (1 + numbers.below(3)) + numbers.below(140)).saturating_sub(5),
                _ => numbers.below(1 << bits),
            };
            let piece = if seed % 3 == 0 { usize::MAX } else { 1 + numbers.scaled(18) };
            let (name, plain) = files
                .piece(seed, len)
                .unwrap_or_else(|| (format!("{kind:?} {len} {seed}"), inputs::make(kind, len, seed)));
            self.check(&plain, level, &name, piece, sums);
        }
    }
}

/// The levels of a list.
fn levels(list: &str) -> impl Iterator<Item = i8> {
    list.split(',').map(|it| it.parse().unwrap())
}

/// Prints the lines of `tests/klauspost/golden.txt` for a version, from what the oracle writes.
fn golden(command: &str, version: &str, list: &str) {
    for block in cases::BLOCKS {
        let mut oracle = Oracle::new(command, block);
        for level in levels(list) {
            let digests = cases::cases(block).into_iter().map(|case| {
                let stream = oracle.encode(&case.plain(), level).0;
                let digest = Sha256::digest(&stream[10..stream.len() - 8]);
                digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            });
            println!("{version} {block} {level}: {}", digests.collect::<Vec<_>>().join(" "));
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [oracle, version, levels] = &args[..] {
        return golden(oracle, version, levels);
    }
    let block = args[2].parse().unwrap();
    let mut soak = Soak { oracle: Oracle::new(&args[0], block), version: args[1].clone(), block };
    let files = Files::new(&args[5..]);
    for level in levels(&args[3]) {
        let mut sums = Sums::default();
        soak.generated(level, args[4].parse().unwrap(), &files, &mut sums);
        for file in &files.named {
            let name = file.display().to_string();
            soak.check(&std::fs::read(file).unwrap(), level, &name, 65_536, &mut sums);
        }
        let rate = |time: Duration| sums.plain as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{}: {} inputs, {} plain bytes, {} encoded, all the same; \
             {:.1} MB/s, of processor time {:.1}, the original {:.1} and {:.1}",
            soak.encoder(level),
            sums.inputs,
            sums.plain,
            sums.encoded,
            rate(sums.own),
            rate(sums.own_cpu),
            rate(sums.theirs),
            rate(sums.theirs_cpu),
        );
    }
}
