//! The one way out: data to stdout, everything else to stderr.
//!
//! Whatever is printed may contain words from a registry, so control characters are replaced: no server
//! writes to the user's terminal.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use crate::environment::Environment;

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
    stderr: Mutex<Box<dyn Write + Send>>,
    level: Level,
    stdout_width: Option<usize>,
    stderr_width: Option<usize>,
}

impl Ui {
    /// Takes the standard streams of a run over, so that nothing is written past it.
    pub(crate) fn of(environment: &mut Environment, level: Level) -> Self {
        Self {
            stdout: Mutex::new(std::mem::replace(&mut environment.stdout, Box::new(io::sink()))),
            stderr: Mutex::new(std::mem::replace(&mut environment.stderr, Box::new(io::sink()))),
            level,
            stdout_width: environment.stdout_width,
            stderr_width: environment.stderr_width,
        }
    }

    /// Returns how wide a table may be, where somebody looks at it on a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.stdout_width
    }

    /// Tells whether signs of life are wanted.
    pub(crate) fn is_live(&self) -> bool {
        self.stderr_width.is_some() && self.level > Level::Quiet
    }

    /// Writes what was asked for. Who stops reading early has seen enough: a broken pipe is no error.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stdout.write_all(printable(text).as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Tells what happens.
    pub(crate) fn status(&self, text: impl Display) {
        if self.level >= Level::Normal {
            self.message(format_args!("{text}"));
        }
    }

    /// Tells what happens to those who want to know everything.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.level >= Level::Verbose {
            self.message(format_args!("{text}"));
        }
    }

    /// Tells what is not as it should be.
    pub(crate) fn warning(&self, text: impl Display) {
        self.message(format_args!("warning: {text}"));
    }

    /// Tells what failed.
    pub(crate) fn error(&self, text: impl Display) {
        self.message(format_args!("error: {text}"));
    }

    /// Tells what failed in words that say so themselves.
    pub(crate) fn raw_error(&self, text: impl Display) {
        self.message(format_args!("{text}"));
    }

    /// Tells more of what failed, or what to do next.
    pub(crate) fn note(&self, text: impl Display) {
        self.message(format_args!("  {text}"));
    }

    fn message(&self, text: fmt::Arguments<'_>) {
        let mut line = printable(&text.to_string());
        if let Some(width) = self.stderr_width {
            line = fold(&line, width);
        }
        line.push('\n');
        let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        // Where stderr is gone there is nobody to tell.
        let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
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
            let ui = Ui {
                stdout: Mutex::new(Box::new(Broken(kind))),
                stderr: Mutex::new(Box::new(io::sink())),
                level: Level::Normal,
                stdout_width: None,
                stderr_width: None,
            };
            assert_eq!(ui.data("x").is_ok(), fine);
        }
    }
}
