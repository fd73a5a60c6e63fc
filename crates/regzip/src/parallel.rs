//! Several blocks of a stream at once, for encoders that work block by block.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::Encoder;
use crate::encoder::{BlockWriter, Blocks};

/// How many plain bytes are with each thread or wait for it, so that it always has something to do.
const SHARE: usize = 4 << 20;

/// A stream of blocks that several threads encode, while what comes next is gathered.
pub(crate) struct Parallel {
    blocks: Blocks,
    pieces: Sender<Piece>,
    done: Receiver<Done>,
    threads: usize,
    /// Plain bytes that are still to come.
    remaining: u64,
    /// The end of the block before, then the block that is gathered.
    plain: Vec<u8>,
    known: usize,
    /// How many blocks were handed out, and how many came back and were written.
    begun: usize,
    written: usize,
    /// Blocks that came back before their turn.
    early: BTreeMap<usize, Vec<u8>>,
    /// How many blocks may be on their way.
    room: usize,
}

/// One block, behind the end of the one before.
struct Piece {
    number: usize,
    plain: Vec<u8>,
    known: usize,
    last: bool,
}

/// The number of a block with what it was encoded to, or why its thread panicked.
type Done = (usize, Result<Vec<u8>, Box<dyn Any + Send>>);

impl Parallel {
    /// Encodes `plain` bytes on so many threads; nothing if that is one, or if the encoder cannot.
    pub(crate) fn new(encoder: &Encoder, plain: u64, threads: NonZeroUsize) -> Option<Self> {
        let blocks = encoder.blocks().filter(|it| threads.get() > 1 && plain > it.size as u64)?;
        let writers: Option<Vec<_>> = (0..threads.get()).map(|_| blocks.writer()).collect();
        let (pieces, queue) = channel();
        let (results, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for writer in writers? {
            let (queue, results) = (queue.clone(), results.clone());
            // It ends when there is nobody any more to hand out blocks or to take them back.
            thread::spawn(move || work(writer, &queue, &results));
        }
        Some(Self {
            blocks,
            pieces,
            done,
            threads: threads.get(),
            remaining: plain,
            plain: Vec::with_capacity(Blocks::REACH + blocks.size),
            known: 0,
            begun: 0,
            written: 0,
            early: BTreeMap::new(),
            room: (SHARE / blocks.size).max(1).saturating_mul(threads.get()),
        })
    }

    pub(crate) fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            let room = self.blocks.size - (self.plain.len() - self.known);
            let (now, later) = plain.split_at(plain.len().min(room));
            self.plain.extend_from_slice(now);
            self.remaining -= now.len() as u64;
            plain = later;
            // The last block is known only at the end.
            if now.len() == room && (self.remaining > 0 || self.blocks.ends_short) {
                self.hand_out(false, out);
            }
        }
    }

    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.hand_out(true, out);
        while self.written < self.begun {
            self.take_back(out);
        }
    }

    /// Hands out the block that is gathered, once there is room.
    fn hand_out(&mut self, last: bool, out: &mut Vec<u8>) {
        while self.begun - self.written >= self.room {
            self.take_back(out);
        }
        let mut next = Vec::with_capacity(if last { 0 } else { Blocks::REACH + self.blocks.size });
        if !last {
            next.extend_from_slice(&self.plain[self.plain.len().saturating_sub(Blocks::REACH)..]);
        }
        let known = std::mem::replace(&mut self.known, next.len());
        let plain = std::mem::replace(&mut self.plain, next);
        // If no thread is left, why the first one panicked comes back before this block is waited for.
        self.pieces.send(Piece { number: self.begun, plain, known, last }).ok();
        self.begun += 1;
    }

    /// Waits for one block, and writes those whose turn it is.
    fn take_back(&mut self, out: &mut Vec<u8>) {
        #[allow(
            clippy::expect_used,
            reason = "no thread ends before it has told why, and that is not waited for again"
        )]
        let (number, encoded) = self.done.recv().expect("a thread that encodes");
        self.early.insert(number, encoded.unwrap_or_else(|why| resume_unwind(why)));
        while let Some(encoded) = self.early.remove(&self.written) {
            out.extend_from_slice(&encoded);
            self.written += 1;
        }
    }
}

/// Encodes one block after the other until there are no more.
fn work(mut writer: BlockWriter, queue: &Mutex<Receiver<Piece>>, results: &Sender<Done>) {
    loop {
        let piece = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(piece) = piece else { return };
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            let (before, plain) = piece.plain.split_at(piece.known);
            let mut encoded = Vec::with_capacity(plain.len() / 2);
            writer.encode(before, plain, piece.last, &mut encoded);
            encoded
        }));
        let failed = encoded.is_err();
        if results.send((piece.number, encoded)).is_err() || failed {
            return;
        }
    }
}

impl fmt::Debug for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parallel").field("threads", &self.threads).finish_non_exhaustive()
    }
}
