//! Asking on the terminal. Tests answer from a script instead.

use std::fmt::Debug;
use std::io;

use inquire::ui::RenderConfig;
use inquire::{InquireError, Password, PasswordDisplayMode, Text};
use sealift_registry::client::Secret;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The user pressed Ctrl-C or ESC.
    #[error("the question was not answered")]
    Interrupted,
    /// The terminal failed.
    #[error("the terminal cannot be read")]
    Terminal(#[source] io::Error),
}

/// Who is asked.
pub trait Prompter: Debug + Send {
    /// Asks for a line of text; ENTER alone is an empty one.
    ///
    /// # Errors
    /// When there is no answer.
    fn text(&mut self, question: &str) -> Result<String, PromptError>;

    /// Asks for a line that must not be seen.
    ///
    /// # Errors
    /// When there is no answer.
    fn secret(&mut self, question: &str) -> Result<Secret, PromptError>;
}

/// Asks on the terminal of the process; the questions go to stderr.
#[derive(Debug)]
pub struct Terminal;

impl Prompter for Terminal {
    fn text(&mut self, question: &str) -> Result<String, PromptError> {
        let text = Text::new(question).with_render_config(plain()).prompt()?;
        Ok(text.trim().to_owned())
    }

    fn secret(&mut self, question: &str) -> Result<Secret, PromptError> {
        let asked = Password::new(question)
            .with_render_config(plain())
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_formatter(&|_| String::new())
            .without_confirmation();
        Ok(Secret::new(asked.prompt()?))
    }
}

/// No marks and no colours: the questions stand as the script had them.
fn plain() -> RenderConfig<'static> {
    RenderConfig::empty()
}

impl From<InquireError> for PromptError {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationCanceled | InquireError::OperationInterrupted => Self::Interrupted,
            InquireError::IO(error) => Self::Terminal(error),
            other => Self::Terminal(io::Error::other(other.to_string())),
        }
    }
}
