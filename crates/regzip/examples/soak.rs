//! Compares an encoder with the program it imitates, over many inputs.
//!
//! `soak ORACLE LEVELS COUNT [FILE|DIR...]` tries `COUNT` inputs and these files on each of the levels (with commas
//! between them); one input in nine is a piece of these files and of those below these folders, the others are generated. `ORACLE` is the program in `tests/oracle/go`, built with any Go from 1.19 to 1.26: `go build main.go`.
//! `soak ORACLE golden` writes the golden vectors in `tests/golden` anew.

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
use std::time::Duration;

use regzip::Encoder;
use sha2::{Digest, Sha256};

#[path = "common/files.rs"]
mod files;
#[path = "../tests/it/inputs.rs"]
mod inputs;
use files::Files;
use inputs::{KINDS, Numbers};

struct Oracle(Child);

impl Oracle {
    fn new(command: &str) -> Self {
        Self(Command::new(command).arg("time").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn encode(&mut self, plain: &[u8], level: i8, piece: u32) -> (Vec<u8>, Duration) {
        let stdin = self.0.stdin.as_mut().unwrap();
        let mut head = vec![level as u8];
        head.extend_from_slice(&piece.to_le_bytes());
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

/// How much of the processor this thread has used.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

const LEVELS: [i8; 11] = [-2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const SMALL: [&str; 4] =
    ["", "a", "abcabcabcabcabcabcabcabcabc", "to-be-or-not-to-be,that-is-the-question:to-be-or-not-to-be"];

/// Writes what the tests compare with.
fn write_golden(oracle: &mut Oracle) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let (mut large, mut small) = (String::new(), String::new());
    for level in LEVELS {
        let mut raw = |plain: &[u8]| {
            let (stream, _) = oracle.encode(plain, level, 0);
            stream[10..stream.len() - 8].to_vec()
        };
        for kind in KINDS {
            for len in inputs::GOLDEN_LENGTHS {
                let stream = raw(&inputs::make(kind, len, inputs::GOLDEN_SEED));
                large += &format!("{level} {kind:?} {len} {}\n", hex(&Sha256::digest(&stream)));
            }
        }
        for plain in SMALL {
            small += &format!("{level} \"{plain}\" {}\n", hex(&raw(plain.as_bytes())));
        }
    }
    std::fs::write(format!("{folder}/go.txt"), large).unwrap();
    std::fs::write(format!("{folder}/go-small.txt"), small).unwrap();
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut oracle = Oracle::new(&args[0]);
    if args[1] == "golden" {
        return write_golden(&mut oracle);
    }
    let levels: Vec<i8> = args[1].split(',').map(|it| it.parse().unwrap()).collect();
    let count: u64 = args[2].parse().unwrap();
    let files = Files::new(&args[3..]);
    for level in levels {
        let mut total = [0usize; 2];
        let mut times = [Duration::ZERO; 2];
        let mut check = |plain: &[u8], name: &str, piece: usize| {
            let (theirs, time) = oracle.encode(plain, level, 0);
            let mut own = Vec::with_capacity(theirs.len());
            let begin = used();
            let mut deflate = format!("go-1.19:level={level}").parse::<Encoder>().unwrap().deflate();
            plain.chunks(piece.max(1)).for_each(|it| deflate.write(it, &mut own));
            deflate.finish(&mut own);
            times[0] += used() - begin;
            times[1] += time;
            if own != theirs[10..theirs.len() - 8] {
                let at = own.iter().zip(&theirs[10..]).position(|(a, b)| a != b);
                panic!(
                    "{name} at level {level}, pieces of {piece}: {at:?} of {} and {}",
                    own.len(),
                    theirs.len() - 18
                );
            }
            total[0] += plain.len();
            total[1] += own.len();
        };
        for seed in 0..count {
            let mut numbers = Numbers::new(seed ^ 0xabcd);
            let kind = KINDS[seed as usize % KINDS.len()];
            let bits = if seed.is_multiple_of(997) {
                23
            } else if seed.is_multiple_of(61) {
                21
            } else {
                3 + numbers.below(16)
            };
            let len = numbers.below(1 << bits);
            let piece = if seed.is_multiple_of(3) { usize::MAX } else { 1 + numbers.scaled(18) };
            let (name, plain) = files
                .piece(seed, len)
                .unwrap_or_else(|| (format!("{kind:?} {len} {seed}"), inputs::make(kind, len, seed)));
            check(&plain, &name, piece);
        }
        for file in &files.named {
            check(&std::fs::read(file).unwrap(), &file.display().to_string(), 65_536);
        }
        let rate = |time: Duration| total[0] as f64 / 1e6 / time.as_secs_f64();
        println!(
            "level {level}: {} inputs, {} plain bytes, {} encoded; {:.1} MB/s, the oracle {:.1} MB/s: {:.2}",
            count as usize + files.named.len(),
            total[0],
            total[1],
            rate(times[0]),
            rate(times[1]),
            rate(times[0]) / rate(times[1])
        );
    }
}
