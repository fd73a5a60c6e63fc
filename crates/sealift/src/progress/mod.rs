//! Progress: how far a run is, drawn for people or written for programs.
//!
//! What happens comes in through [`crate::observe`] and is kept on a [`Board`]; the bytes of each transfer are read
//! off the counters that the engine writes, at a ticker's pace and not at theirs. From a [`Snapshot`] of the board
//! [`bars`], [`plain`] and [`lines`] make what is shown; all three are pure, and time comes in as a number.
//!
//! | file | what it is for |
//! |---|---|
//! | `wish` | which of the ways is meant |
//! | `board`, `speed` | what is known, and how fast it moves |
//! | `bars`, `plain`, `lines` | the ways: bars, plain lines, JSON |
//! | `stage` | the part of the terminal that is drawn again and again |
//! | `show`, `ticker` | looking at the board again and again |

mod bars;
mod board;
pub(crate) mod lines;
mod plain;
mod show;
mod speed;
mod stage;
mod ticker;
mod wish;

pub(crate) use board::{Board, Phase};
pub(crate) use show::{Due, Show};
pub(crate) use stage::{Out, Screen, Stage};
pub(crate) use ticker::Ticker;
pub(crate) use wish::{Manner, USUAL_SIZE, Way, Wish};

#[cfg(test)]
mod tests;
