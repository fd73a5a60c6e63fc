//! What goes wrong on a line, and the handle by which a test decides it while the line is in use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to the bytes that a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client's connection is reset. The system throws away what it has not delivered yet, so the
    /// client may get fewer bytes than were let through.
    Reset,
    /// The client's connection is closed in the usual way, behind the last byte that was let through.
    Close,
    /// Nothing is passed any more, and the connection stays open.
    Stall,
    /// The lowest bit of the byte at the offset is flipped.
    FlipBit,
}

/// On which connections a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On all of them.
    Always,
    /// On the first that gets as far; then never again.
    Once,
    /// On this one only; the first connection is number 0.
    Connection(usize),
}

/// A fault: what happens, how many bytes into a connection's answers, and on which connection. It is placed by
/// counts alone. A connection that is already past the offset does not suffer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// The number of bytes that the server has sent on the connection before it happens.
    pub at: u64,
    /// On which connections it happens.
    pub when: When,
}

/// How a line behaves; every clone is a handle to the same line, and a change holds from the next bytes on.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    settings: Arc<Mutex<Settings>>,
}

#[derive(Debug, Default)]
struct Settings {
    faults: Vec<Fault>,
    delay: Duration,
    rate: Option<u64>,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&self, kind: Kind, at: u64, when: When) {
        self.lock().faults.push(Fault { kind, at, when });
    }

    /// Takes all faults away; delay and rate stay.
    pub fn clear(&self) {
        self.lock().faults.clear();
    }

    /// Makes bytes travel for so long, each way. A new connection loses one round trip as well, as its
    /// handshake would on such a line.
    pub fn set_delay(&self, one_way: Duration) {
        self.lock().delay = one_way;
    }

    /// Lets so many bytes pass in a second, each way, on all connections together; or as many as there are.
    pub fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.lock().rate = bytes_per_second;
    }

    pub(super) fn delay(&self) -> Duration {
        self.lock().delay
    }

    pub(super) fn rate(&self) -> Option<u64> {
        self.lock().rate
    }

    /// Returns what ends the connection at `position`.
    pub(super) fn take_end(&self, connection: usize, position: u64) -> Option<Kind> {
        self.take(connection, |fault| fault.kind != Kind::FlipBit && fault.at == position)
            .map(|fault| fault.kind)
    }

    /// Returns how many of the next `length` bytes may pass before the connection has to be looked at again.
    pub(super) fn allowed(&self, connection: usize, position: u64, length: usize) -> usize {
        let settings = self.lock();
        let ends = settings.faults.iter().filter(|fault| fault.kind != Kind::FlipBit);
        let next =
            ends.filter(|fault| fault.hits(connection) && fault.at > position).map(|fault| fault.at).min();
        next.map_or(length, |next| length.min(usize::try_from(next - position).unwrap_or(usize::MAX)))
    }

    /// Flips what is to be flipped in `bytes`, the first of which is the connection's byte at `position`.
    pub(super) fn flip(&self, connection: usize, position: u64, bytes: &mut [u8]) {
        let range = position..position + bytes.len() as u64;
        let mut flipped = Vec::new();
        let due = |fault: &Fault| fault.kind == Kind::FlipBit && range.contains(&fault.at);
        // A fault that stays must be taken once only for this connection.
        while let Some(fault) = self.take(connection, |fault| due(fault) && !flipped.contains(&fault.at)) {
            bytes[(fault.at - position) as usize] ^= 1;
            flipped.push(fault.at);
        }
    }

    /// Returns the first fault that fits, which goes if it was to happen once.
    fn take(&self, connection: usize, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut settings = self.lock();
        let place = settings.faults.iter().position(|fault| fault.hits(connection) && fits(fault))?;
        let fault = settings.faults[place];
        if fault.when == When::Once {
            settings.faults.remove(place);
        }
        Some(fault)
    }

    /// A test that panicked elsewhere is no reason to fail here.
    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn hits(&self, connection: usize) -> bool {
        match self.when {
            When::Always | When::Once => true,
            When::Connection(number) => number == connection,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_its_connection_at_its_byte() {
        let faults = Faults::default();
        faults.add(Kind::Reset, 10, When::Connection(1));
        assert_eq!(faults.allowed(0, 0, 100), 100);
        assert_eq!(faults.allowed(1, 4, 100), 6);
        assert_eq!(faults.take_end(1, 4), None);
        assert_eq!(faults.take_end(0, 10), None);
        assert_eq!(faults.take_end(1, 10), Some(Kind::Reset));
        assert_eq!(faults.allowed(1, 11, 100), 100, "it is past");
    }

    #[test]
    fn once_is_once() {
        let faults = Faults::default();
        faults.add(Kind::Close, 0, When::Once);
        assert_eq!(faults.take_end(0, 0), Some(Kind::Close));
        assert_eq!(faults.take_end(0, 0), None);
        faults.add(Kind::FlipBit, 3, When::Once);
        faults.add(Kind::FlipBit, 4, When::Always);
        for expected in [[2, 3, 5, 5], [2, 3, 4, 5]] {
            let mut bytes = [2, 3, 4, 4];
            faults.flip(7, 1, &mut bytes);
            assert_eq!(bytes, expected);
        }
    }
}
