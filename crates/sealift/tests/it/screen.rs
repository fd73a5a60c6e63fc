//! The binary on a terminal: what a person sees of it, and what they type. `script` gives the program a terminal;
//! where that is not there, nothing is tested.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

const SCRIPT: &str = "/usr/bin/script";
/// No run takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(60);
/// How many lines that scrolled away are kept.
const SCROLLBACK: usize = 1000;

/// The smallest screen that server rooms have, columns by lines.
pub(crate) const SMALL: (u16, u16) = (80, 24);

/// What is typed, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed<'a> {
    /// When the screen ends with a question.
    Answer(&'a str, &'a str),
    /// When something stands on the screen.
    Seeing(&'a str, &'a str),
}

/// Runs a line of the shell in `home` on a terminal of some size, with the binary as `sealift` and nothing around it,
/// and types as it is asked; `None` where there is no `script`.
pub(crate) async fn on_terminal(
    (width, height): (u16, u16),
    home: &Path,
    line: &str,
    typed: &[Typed<'_>],
) -> Option<vt100::Parser> {
    if !Path::new(SCRIPT).exists() {
        return None;
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap().display();
    let line = format!("stty cols {width} rows {height}; {line}; echo ended with $?");
    let mut command = Command::new(SCRIPT);
    command.args(["-q", "-c", &line, "/dev/null"]).env_clear().env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.env("PATH", format!("{binary}:/usr/bin:/bin")).env("HOME", home).current_dir(home);
    // `script` ends when its input does.
    let mut child = command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut parser = vt100::Parser::new(height, width, SCROLLBACK);
    let is_asking = !typed.is_empty();
    let (mut typed, mut piece) = (typed.iter(), vec![0; 4096]);
    let mut next = typed.next();
    let run = async {
        loop {
            let length = stdout.read(&mut piece).await.unwrap();
            if length == 0 {
                break;
            }
            parser.process(&piece[..length]);
            // Questions hide it while they draw.
            assert!(is_asking || !parser.screen().hide_cursor());
            if let Some(text) = next.and_then(|typed| typed.now(&parser)) {
                keyboard.write_all(text.as_bytes()).await.unwrap();
                next = typed.next();
            }
        }
    };
    if tokio::time::timeout(LIMIT, run).await.is_err() {
        panic!("the run hangs:\n{}", transcript(parser));
    }
    assert_eq!(next, None, "never asked:\n{}", transcript(parser));
    Some(parser)
}

impl<'a> Typed<'a> {
    pub(crate) fn text(self) -> &'a str {
        match self {
            Self::Answer(_, text) | Self::Seeing(_, text) => text,
        }
    }

    /// The same moment, another text.
    pub(crate) fn with(self, text: &'a str) -> Self {
        match self {
            Self::Answer(question, _) => Self::Answer(question, text),
            Self::Seeing(sight, _) => Self::Seeing(sight, text),
        }
    }

    /// Returns what is typed, if it is time.
    fn now(self, parser: &vt100::Parser) -> Option<&'a str> {
        // A question can be broken anywhere.
        let shown = parser.screen().contents().replace('\n', "");
        match self {
            Self::Answer(question, text) => shown.trim_end().ends_with(question).then_some(text),
            Self::Seeing(sight, text) => shown.contains(sight).then_some(text),
        }
    }
}

/// All lines, also those that scrolled away.
pub(crate) fn transcript(mut parser: vt100::Parser) -> String {
    let height = usize::from(parser.screen().size().0);
    parser.screen_mut().set_scrollback(usize::MAX);
    let mut lines = Vec::new();
    for back in (0..=parser.screen().scrollback()).rev() {
        parser.screen_mut().set_scrollback(back);
        let rows = parser.screen().rows(0, parser.screen().size().1);
        let take = if back == 0 { height } else { 1 };
        lines.extend(rows.take(take).map(|line| line.trim_end().to_owned()));
    }
    lines.join("\n").trim_end().to_owned()
}
