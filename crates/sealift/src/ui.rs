//! The one way out: data to stdout, everything else to stderr.
//!
//! Whatever is printed may contain words from a registry, so control characters are replaced: no server
//! writes to the user's terminal.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_store::lock;

use crate::environment::Environment;
use crate::errors::plainly;
use crate::progress::lines::{What, line};
use crate::progress::{Board, Due, Manner, Out, Screen, Show, Stage, Ticker, USUAL_SIZE, Way};

/// How much is told on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Warnings and errors.
    Quiet,
    /// What becomes of each image.
    Normal,
    /// What becomes of each blob.
    Verbose,
}

/// Where a command writes.
pub(crate) struct Ui {
    stdout: Mutex<Box<dyn Write + Send>>,
    stderr: Out,
    level: Level,
    stdout_width: Option<usize>,
    stderr_width: Option<usize>,
    size: fn() -> Option<(u16, u16)>,
    manner: Manner,
    /// What is drawn below the messages.
    stage: Mutex<Option<Stage>>,
    /// What draws it, and its number.
    ticker: Mutex<Option<(u64, Ticker)>>,
    shows: AtomicU64,
}

/// The number of a show: who ended one ends no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShowId(u64);

/// Words at the beginning of a line that have a colour.
const COLOURS: [(&str, &str); 3] = [("error:", "1;31"), ("warning:", "33"), ("  Hint:", "36")];

impl Ui {
    /// Takes the standard streams of a run over, so that nothing is written past it.
    pub(crate) fn of(environment: &mut Environment, level: Level, manner: Manner) -> Self {
        Self {
            stdout: Mutex::new(std::mem::replace(&mut environment.stdout, Box::new(io::sink()))),
            stderr: Arc::new(Mutex::new(std::mem::replace(&mut environment.stderr, Box::new(io::sink())))),
            level,
            stdout_width: environment.stdout_width,
            stderr_width: environment.stderr_width,
            size: environment.stderr_size,
            manner,
            stage: Mutex::default(),
            ticker: Mutex::default(),
            shows: AtomicU64::new(0),
        }
    }

    /// Returns how wide a table may be, where somebody looks at it on a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.stdout_width
    }

    /// Returns the way in which progress is shown.
    pub(crate) fn way(&self) -> Way {
        self.manner.way
    }

    /// Writes what was asked for. Who stops reading early has seen enough: a broken pipe is no error.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        let write = || {
            let mut stdout = lock(&self.stdout);
            stdout.write_all(printable(text).as_bytes()).and_then(|()| stdout.flush())
        };
        // It may be the same terminal.
        let written = lock(&self.stage).as_ref().map_or_else(write, |stage| stage.aside(write));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Tells what happens.
    pub(crate) fn status(&self, text: impl Display) {
        if self.level >= Level::Normal {
            self.message("status", "", &text);
        }
    }

    /// Tells what happens to those who want to know everything.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.level >= Level::Verbose {
            self.message("status", "", &text);
        }
    }

    /// Tells what is not as it should be.
    pub(crate) fn warning(&self, text: impl Display) {
        self.message("warning", "warning: ", &text);
    }

    /// Tells what failed.
    pub(crate) fn error(&self, text: impl Display) {
        self.message("error", "error: ", &text);
    }

    /// Tells what failed in words that say so themselves.
    pub(crate) fn raw_error(&self, text: impl Display) {
        self.message("error", "", &text);
    }

    /// Tells more of what failed, or what to do next.
    pub(crate) fn note(&self, text: impl Display) {
        self.message("note", "  ", &text);
    }

    /// Tells a program, where one listens; else there are words for people.
    pub(crate) fn tell(&self, what: impl FnOnce() -> What) -> bool {
        let is_program = self.manner.way == Way::Json;
        if is_program {
            self.write(&printable(&line(what())));
        }
        is_program
    }

    fn message(&self, level: &'static str, prefix: &str, text: &dyn Display) {
        let text = text.to_string();
        let text = plainly(&text);
        if self.tell(|| What::Message { level, text: text.to_string() }) {
            return;
        }
        let mut line = printable(&format!("{prefix}{text}"));
        if let Some(width) = self.stderr_width {
            line = fold(&line, width);
        }
        if self.manner.is_coloured {
            line = coloured(line);
        }
        self.write(&(line + "\n"));
    }

    /// Writes lines to stderr, above what is drawn there.
    fn write(&self, lines: &str) {
        if let Some(stage) = lock(&self.stage).as_ref() {
            return stage.print_above(lines);
        }
        let mut stderr = lock(&self.stderr);
        // Where stderr is gone there is nobody to tell.
        let _ = stderr.write_all(lines.as_bytes()).and_then(|()| stderr.flush());
    }

    /// Begins to show a board, in place of what is shown now.
    pub(crate) fn begin(self: &Arc<Self>, board: &Arc<Mutex<Board>>) -> ShowId {
        self.end();
        let number = self.shows.fetch_add(1, Ordering::Relaxed);
        let way = self.manner.way;
        if way == Way::Bars {
            let size = self.size;
            let screen = Screen::new(Arc::clone(&self.stderr), move || size().unwrap_or(USUAL_SIZE));
            *lock(&self.stage) = Some(Stage::new(screen));
        }
        if way != Way::None {
            let (ui, mut show) = (Arc::downgrade(self), Show::new(Arc::clone(board), way));
            let tick = move |now| ui.upgrade().iter().for_each(|ui| ui.tick(&mut show, now));
            *lock(&self.ticker) = Some((number, Ticker::start(Show::interval(way), tick)));
        }
        ShowId(number)
    }

    /// Ends one show; none if it is over.
    pub(crate) fn end_of(&self, show: ShowId) {
        if lock(&self.ticker).as_ref().is_some_and(|(number, _)| *number == show.0) {
            self.end();
        }
    }

    /// Shows nothing any more, and leaves the terminal to what comes next.
    pub(crate) fn end(&self) {
        // It waits for its thread, which may be about to draw.
        let ticker = lock(&self.ticker).take();
        drop(ticker);
        if let Some(stage) = lock(&self.stage).take() {
            stage.clear();
        }
    }

    fn tick(&self, show: &mut Show, now: Duration) {
        let due = show.tick(now, lock(&self.stage).as_mut(), self.manner.is_coloured);
        match due {
            Due::Nothing => {}
            Due::Line(text) => self.message("status", "", &text),
            Due::Object(text) => self.write(&printable(&text)),
        }
    }
}

/// Gives the word at the beginning its colour.
fn coloured(line: String) -> String {
    match COLOURS.iter().find(|(word, _)| line.starts_with(word)) {
        Some((word, colour)) => format!("\x1b[{colour}m{word}\x1b[0m{}", &line[word.len()..]),
        None => line,
    }
}

/// Replaces control characters other than the line's end.
fn printable(text: &str) -> String {
    let safe = |character: char| if character.is_control() && character != '\n' { '?' } else { character };
    text.chars().map(safe).collect()
}

/// Breaks lines between words where they are wider than the terminal; what follows stands behind an indent.
fn fold(text: &str, width: usize) -> String {
    let fold_line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let (mut folded, mut column) = (" ".repeat(indent), indent);
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if column > indent && column + 1 + length > width {
                column = indent + 2;
                folded.push('\n');
                folded.push_str(&" ".repeat(column));
            } else if column > indent {
                column += 1;
                folded.push(' ');
            }
            column += length;
            folded.push_str(word);
        }
        folded
    };
    text.split('\n').map(fold_line).collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("level", &self.level).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_writes_to_the_terminal() {
        assert_eq!(printable("a\x1b[31mred\r\nb\u{9b}"), "a?[31mred?\nb?");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(fold("one two three", 9), "one two\n  three");
        assert_eq!(fold("  note: aaaaaaaaaaaa bb\nx", 8), "  note:\n    aaaaaaaaaaaa\n    bb\nx");
        assert_eq!(fold("", 8), "");
    }

    #[test]
    fn the_first_word_has_a_colour_and_nothing_else() {
        assert_eq!(coloured("error: x".to_owned()), "\x1b[1;31merror:\x1b[0m x");
        assert_eq!(coloured("  Hint: x".to_owned()), "\x1b[36m  Hint:\x1b[0m x");
        assert_eq!(coloured("an error: x".to_owned()), "an error: x");
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_broken_pipe_is_no_error_and_a_full_disk_is() {
        for (kind, fine) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
            let mut environment = Environment { stdout: Box::new(Broken(kind)), ..Environment::of_process() };
            let ui = Ui::of(&mut environment, Level::Normal, Manner::PLAIN);
            assert_eq!(ui.data("x").is_ok(), fine);
        }
    }
}
