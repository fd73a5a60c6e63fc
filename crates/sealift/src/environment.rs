//! What surrounds a run: variables, standard streams, the terminal. It comes in as a parameter, so that
//! nothing else in the program looks for it and tests can make one up.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

use crate::platform;
use crate::prompt::{Prompter, Terminal};

/// What surrounds a run.
pub struct Environment {
    /// The environment variables.
    pub variables: HashMap<OsString, OsString>,
    /// Someone can be asked: input and messages are on a terminal.
    pub is_interactive: bool,
    /// Standard input is a terminal.
    pub stdin_is_terminal: bool,
    /// How wide the terminal is that the report goes to, where it goes to one.
    pub stdout_width: Option<usize>,
    /// How wide the terminal is that messages go to, where they go to one.
    pub stderr_width: Option<usize>,
    /// How many columns and rows that terminal has now: people change it while a run lasts.
    pub stderr_size: fn() -> Option<(u16, u16)>,
    /// Standard input.
    pub stdin: Box<dyn BufRead + Send>,
    /// Where data goes.
    pub stdout: Box<dyn Write + Send>,
    /// The same as a file, where what is written is not for people: a bundle.
    pub stdout_file: Option<File>,
    /// Where everything else goes.
    pub stderr: Box<dyn Write + Send>,
    /// Who is asked.
    pub prompter: Box<dyn Prompter>,
}

impl Environment {
    /// Takes what surrounds this process.
    #[must_use]
    pub fn of_process() -> Self {
        let stdin_is_terminal = io::stdin().is_terminal();
        Self {
            variables: std::env::vars_os().collect(),
            is_interactive: stdin_is_terminal && io::stderr().is_terminal(),
            stdin_is_terminal,
            stdout_width: io::stdout().is_terminal().then(|| width_of(platform::stdout_size())),
            stderr_width: io::stderr().is_terminal().then(|| width_of(platform::stderr_size())),
            stderr_size: platform::stderr_size,
            stdin: Box::new(io::BufReader::new(io::stdin())),
            stdout: Box::new(io::stdout()),
            stdout_file: platform::stdout_file(),
            stderr: Box::new(io::stderr()),
            prompter: Box::new(Terminal),
        }
    }
}

/// A terminal that does not tell is taken for one of the usual width.
fn width_of(size: Option<(u16, u16)>) -> usize {
    const USUAL: usize = 80;
    size.map(|(width, _)| usize::from(width)).filter(|width| *width > 0).unwrap_or(USUAL)
}

/// Variables can hold passwords, so none is printed.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("is_interactive", &self.is_interactive)
            .field("stdout_width", &self.stdout_width)
            .field("stderr_width", &self.stderr_width)
            .finish_non_exhaustive()
    }
}
