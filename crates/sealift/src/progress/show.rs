//! What is shown of a board as time goes by. Time comes in as a number: a ticker gives it, or a test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_store::lock;

use super::bars::{Room, draw};
use super::board::Board;
use super::lines::{Progress, What, line};
use super::plain;
use super::wish::LEAST_WIDTH;
use super::{Stage, Way};

/// How often bars are drawn: often enough to seem to move, and no load for a slow line to a server.
const BETWEEN_FRAMES: Duration = Duration::from_millis(200);
/// How often a plain line is written.
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// How often a program is told.
const BETWEEN_OBJECTS: Duration = Duration::from_secs(1);

/// A board that is shown in some way.
#[derive(Debug)]
pub(crate) struct Show {
    board: Arc<Mutex<Board>>,
    way: Way,
    last: Duration,
}

/// What is to be written now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// A line for people.
    Line(String),
    /// An object for programs.
    Object(String),
}

impl Show {
    /// Shows a board in that way.
    pub(crate) fn new(board: Arc<Mutex<Board>>, way: Way) -> Self {
        Self { board, way, last: Duration::ZERO }
    }

    /// Returns how often there is something to do.
    pub(crate) fn interval(way: Way) -> Duration {
        match way {
            Way::Bars => BETWEEN_FRAMES,
            Way::Json => BETWEEN_OBJECTS,
            Way::Plain | Way::None => BETWEEN_LINES,
        }
    }

    /// Shows how it stands at `now`, if that is due.
    pub(crate) fn tick(&mut self, now: Duration, stage: Option<&mut Stage>, is_coloured: bool) -> Due {
        if now.saturating_sub(self.last) < Self::interval(self.way) {
            return Due::Nothing;
        }
        self.last = now;
        let seen = lock(&self.board).sample(now);
        match (self.way, stage) {
            (Way::Bars, Some(stage)) => {
                let (width, height) = stage.screen().size();
                let width = usize::from(width);
                // A terminal can be made too narrow on the way: then the totals have to do.
                let rows = if width < LEAST_WIDTH { Vec::new() } else { seen.rows.clone() };
                let room = Room { width, height: height.into(), is_coloured };
                stage.show(draw(&super::board::Snapshot { rows, ..seen }, room));
                Due::Nothing
            }
            (Way::Json, _) => Due::Object(line(What::Progress(Progress::of(&seen)))),
            (Way::Plain | Way::Bars, _) => Due::Line(plain::line(&seen)),
            (Way::None, _) => Due::Nothing,
        }
    }
}
