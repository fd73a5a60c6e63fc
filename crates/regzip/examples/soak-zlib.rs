//! Compares the encoders of zlib, pigz and GNU gzip with the originals, over many inputs.
//!
//! `soak-zlib ENCODERS LEVELS COUNT [FILE|DIR...]`: `ENCODERS` are names from [`ENCODERS`] below, `LEVELS` numbers, both with
//! commas. zlib's oracle is `python3 tests/oracle/zlib/oracle.py`, the others are the programs `pigz` and `gzip`, which read
//! a file in `TMPDIR`. One input in nine is a piece of the files and of those below the folders, the others are generated. Run it
//! in this crate's folder.
//!
//! `soak-zlib golden` prints what is in `tests/zlib/golden.txt`, as the originals write it.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regzip::Encoder;

#[path = "../tests/zlib/cases.rs"]
mod cases;
#[path = "common/files.rs"]
mod files;
#[path = "../tests/it/inputs.rs"]
mod inputs;
use cases::{cases, digest, repeat_end};
use files::Files;
use inputs::{KINDS, Numbers};

/// The encoders that have golden vectors.
const GOLDEN: [&str; 6] = ["zlib", "zlib-9", "gnu", "pigz", "pigz-i", "pigz-1"];
/// Name, the encoder's text around its level, and what the original is asked for.
const ENCODERS: [(&str, &str, &str, Original); 9] = [
    ("zlib", "zlib-1.2", "memory=8", Original::Zlib(8)),
    ("zlib-9", "zlib-1.2", "memory=9", Original::Zlib(9)),
    ("zlib-1", "zlib-1.2", "memory=1", Original::Zlib(1)),
    ("gnu", "gnu-gzip-1", "", Original::Program("gzip", &[])),
    ("pigz", "pigz-2", "block=131072,blocks=chained", Original::Program("pigz", &["-p", "2"])),
    ("pigz-64", "pigz-2", "block=65536,blocks=chained", Original::Program("pigz", &["-p", "2", "-b", "64"])),
    ("pigz-i", "pigz-2", "block=131072,blocks=independent", Original::Program("pigz", &["-p", "2", "-i"])),
    ("pigz-1", "pigz-2", "block=131072,blocks=continued", Original::Program("pigz", &["-p", "1"])),
    ("pigz-i1", "pigz-2", "block=131072,blocks=independent", Original::Program("pigz", &["-p", "1", "-i"])),
];

#[derive(Clone, Copy)]
enum Original {
    /// zlib with a memory level.
    Zlib(u8),
    /// A program with arguments.
    Program(&'static str, &'static [&'static str]),
}

struct Oracle {
    original: Original,
    zlib: Child,
    path: std::path::PathBuf,
}

impl Oracle {
    fn new(original: Original) -> Self {
        let mut python = Command::new("python3");
        python.arg("tests/oracle/zlib/oracle.py").stdin(Stdio::piped()).stdout(Stdio::piped());
        let path = std::env::temp_dir().join(format!("soak-zlib-{}", std::process::id()));
        Self { original, zlib: python.spawn().unwrap(), path }
    }

    fn encode(&mut self, plain: &[u8], level: u8) -> Vec<u8> {
        match self.original {
            Original::Zlib(memory) => self.ask(plain, level, memory),
            Original::Program(program, args) => {
                std::fs::write(&self.path, plain).unwrap();
                let mut command = Command::new(program);
                command.arg("-nc").arg(format!("-{level}")).args(args).stdin(File::open(&self.path).unwrap());
                let stream = command.output().unwrap().stdout;
                stream[10..stream.len() - 8].to_vec()
            }
        }
    }

    fn ask(&mut self, plain: &[u8], level: u8, memory: u8) -> Vec<u8> {
        let stdin = self.zlib.stdin.as_mut().unwrap();
        stdin.write_all(&[level, memory]).unwrap();
        stdin.write_all(&(plain.len() as u32).to_le_bytes()).unwrap();
        stdin.write_all(plain).unwrap();
        stdin.flush().unwrap();
        let stdout = self.zlib.stdout.as_mut().unwrap();
        let mut head = [0; 4];
        stdout.read_exact(&mut head).unwrap();
        let mut stream = vec![0; u32::from_le_bytes(head) as usize];
        stdout.read_exact(&mut stream).unwrap();
        stream
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.zlib.stdin.take());
        self.zlib.wait().ok();
        std::fs::remove_file(&self.path).ok();
    }
}

/// What one encoder was compared over.
#[derive(Default)]
struct Sums {
    inputs: usize,
    different: usize,
    plain: usize,
    encoded: usize,
    own: Duration,
    theirs: Duration,
}

struct Soak {
    oracle: Oracle,
    encoder: Encoder,
    level: u8,
    sums: Sums,
}

impl Soak {
    fn check(&mut self, plain: &[u8], name: &str, piece: usize) {
        let begin = Instant::now();
        let theirs = self.oracle.encode(plain, self.level);
        self.sums.theirs += begin.elapsed();
        let mut own = Vec::with_capacity(theirs.len());
        let begin = Instant::now();
        let mut deflate = self.encoder.deflate();
        plain.chunks(piece.max(1)).for_each(|it| deflate.write(it, &mut own));
        deflate.finish(&mut own);
        self.sums.own += begin.elapsed();
        if own != theirs {
            let at = own.iter().zip(&theirs).position(|(a, b)| a != b);
            println!(
                "{}: {name}, pieces of {piece}: {at:?} of {} and {}",
                self.encoder,
                own.len(),
                theirs.len()
            );
            self.sums.different += 1;
        }
        self.sums.inputs += 1;
        self.sums.plain += plain.len();
        self.sums.encoded += own.len();
    }

    fn generated(&mut self, count: u64, files: &Files) {
        for seed in 0..count {
            let mut numbers = Numbers::new(seed ^ 0x7a6c);
            let kind = KINDS[numbers.below(KINDS.len())];
            let length = length(seed, &mut numbers);
            let piece = if seed % 3 == 0 { usize::MAX } else { 1 + numbers.scaled(18) };
            let (name, mut plain) = files
                .piece(seed, length)
                .unwrap_or_else(|| (format!("{kind:?} {length} {seed}"), inputs::make(kind, length, seed)));
            if seed % 5 == 0 {
                repeat_end(&mut plain, &mut numbers);
            }
            self.check(&plain, &name, piece);
        }
    }
}

/// A length up to 8 MiB, often near to where the window slides, a block of symbols is full or one of pigz ends.
fn length(seed: u64, numbers: &mut Numbers) -> usize {
    match seed {
        0..64 => seed as usize,
        _ if seed.is_multiple_of(997) => numbers.below(1 << 23),
        _ if seed.is_multiple_of(61) => numbers.below(1 << 20),
        _ if seed % 4 == 1 => (32_768 * (1 + numbers.below(5)) + 300).saturating_sub(numbers.below(700)),
        _ if seed % 32 == 3 => (131_072 * (1 + numbers.below(3)) + 4).saturating_sub(numbers.below(8)),
        _ => {
            let bits = 3 + numbers.below(16);
            numbers.below(1 << bits)
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args[0] == "golden" {
        return golden();
    }
    let count = args[2].parse().unwrap();
    let files = Files::new(&args[3..]);
    for name in args[0].split(',') {
        let &(_, id, parameters, original) = ENCODERS.iter().find(|it| it.0 == name).unwrap();
        for level in args[1].split(',') {
            let text = format!("{id}:level={level},{parameters}");
            let encoder = text.trim_end_matches(',').parse().unwrap();
            let level = level.parse().unwrap();
            let mut soak = Soak { oracle: Oracle::new(original), encoder, level, sums: Sums::default() };
            soak.generated(count, &files);
            for file in &files.named {
                soak.check(&std::fs::read(file).unwrap(), &file.display().to_string(), 65_536);
            }
            report(&soak);
        }
    }
}

/// A digest of each case's stream, for each encoder and level.
fn golden() {
    for (name, _, _, original) in ENCODERS.into_iter().filter(|it| GOLDEN.contains(&it.0)) {
        for level in 1..=9 {
            let mut oracle = Oracle::new(original);
            let digests = cases().into_iter().map(|case| digest(&oracle.encode(&case.plain(), level)));
            println!("{name} {level}: {}", digests.collect::<Vec<_>>().join(" "));
        }
    }
}

fn report(soak: &Soak) {
    let sums = &soak.sums;
    let rate = |time: Duration| sums.plain as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{}: {} inputs, {} different; {} plain bytes, {} encoded; {:.1} MB/s, the original {:.1} MB/s",
        soak.encoder,
        sums.inputs,
        sums.different,
        sums.plain,
        sums.encoded,
        rate(sums.own),
        rate(sums.theirs)
    );
}
