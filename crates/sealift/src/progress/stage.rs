//! The stage: the lowest lines of the terminal, which are drawn again and again while messages scroll away above.
//! indicatif knows how to move the cursor; what it does is gathered here and written in one piece, so that no
//! half-drawn frame is ever seen.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use sealift_store::lock;

/// Where frames go.
pub(crate) type Out = Arc<Mutex<Box<dyn Write + Send>>>;

/// A terminal, as far as it is drawn on.
#[derive(Clone)]
pub(crate) struct Screen {
    out: Out,
    /// Columns and rows, as they are now.
    size: Arc<dyn Fn() -> (u16, u16) + Send + Sync>,
    pending: Arc<Mutex<Pending>>,
}

#[derive(Default)]
struct Pending {
    text: String,
    /// What comes next begins a line.
    ends_line: bool,
    /// More is to come before anything is written.
    is_held: bool,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("size", &(self.size)()).finish_non_exhaustive()
    }
}

impl Screen {
    pub(crate) fn new(out: Out, size: impl Fn() -> (u16, u16) + Send + Sync + 'static) -> Self {
        Self { out, size: Arc::new(size), pending: Arc::default() }
    }

    /// Returns columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        (self.size)()
    }

    fn push(&self, text: &str) {
        lock(&self.pending).text.push_str(text);
    }

    fn hold(&self, is_held: bool) {
        lock(&self.pending).is_held = is_held;
    }

    /// Writes what was gathered, and leaves the cursor at the beginning of its line: what a terminal shows of
    /// Ctrl-C then moves nothing.
    fn write(&self) -> io::Result<()> {
        let text = {
            let mut pending = lock(&self.pending);
            if pending.is_held || pending.text.is_empty() {
                return Ok(());
            }
            pending.ends_line = false;
            std::mem::take(&mut pending.text) + "\r"
        };
        let mut out = lock(&self.out);
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        (self.size)().0
    }

    fn height(&self) -> u16 {
        (self.size)().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.step(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.step(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.step(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.step(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text);
        self.push("\n");
        Ok(())
    }

    /// What indicatif fills a line up with becomes a line's end: who makes the window smaller then finds lines, and
    /// not one text that flows on.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let is_filler = !text.is_empty() && text.bytes().all(|byte| byte == b' ');
        let mut pending = lock(&self.pending);
        let new_line = if pending.ends_line && !is_filler { "\n" } else { "" };
        pending.ends_line = is_filler;
        pending.text.push_str(new_line);
        pending.text.push_str(if is_filler { "\x1b[K" } else { text });
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.write()
    }
}

impl Screen {
    fn step(&self, lines: usize, direction: char) -> io::Result<()> {
        if lines > 0 {
            self.push(&format!("\x1b[{lines}{direction}"));
        }
        Ok(())
    }
}

/// What is drawn on a terminal.
#[derive(Debug)]
pub(crate) struct Stage {
    screen: Screen,
    bar: ProgressBar,
    shown: String,
}

impl Stage {
    /// Makes room. Nothing is drawn yet.
    pub(crate) fn new(screen: Screen) -> Self {
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { screen, bar, shown: String::new() }
    }

    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Shows a frame in place of the one before. What is there already is not drawn again.
    pub(super) fn show(&mut self, frame: String) {
        if frame != self.shown {
            self.bar.set_message(frame.clone());
            self.shown = frame;
        }
    }

    /// Writes lines above what is drawn.
    pub(crate) fn print_above(&self, lines: &str) {
        self.aside(|| self.screen.push(lines));
    }

    /// Does something with the stage cleared.
    pub(crate) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.screen.hold(true);
        let done = self.bar.suspend(act);
        self.screen.hold(false);
        // Where the terminal is gone there is nobody to show anything to.
        let _ = self.screen.write();
        done
    }

    /// Leaves the terminal as if nothing had been drawn.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
