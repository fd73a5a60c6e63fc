//! Writing YAML, JSON and TOML, by libraries.

use serde::Serialize;

/// Why a file cannot be written: some value has no form there. The values are names that were checked, so who
/// meets this has found a mistake in this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{format} cannot be written: {reason}")]
pub struct WriteError {
    format: &'static str,
    reason: String,
}

impl WriteError {
    fn new(format: &'static str, reason: impl ToString) -> Self {
        Self { format, reason: reason.to_string() }
    }
}

/// Writes documents of YAML, below a comment.
pub(crate) fn yaml<T: Serialize>(comment: &str, documents: &[T]) -> Result<String, WriteError> {
    let mut text = commented(comment);
    for (number, document) in documents.iter().enumerate() {
        if number > 0 {
            text.push_str("---\n");
        }
        // A long word stays on its line: it is to be compared and copied.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let written = serde_saphyr::to_string_with_options(document, options);
        text += &written.map_err(|error| WriteError::new("YAML", error))?;
    }
    Ok(text)
}

/// Writes JSON, for people to read.
pub(crate) fn json(value: &impl Serialize) -> Result<String, WriteError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| WriteError::new("JSON", error))?;
    Ok(text + "\n")
}

/// Writes TOML, below a comment.
pub(crate) fn toml(comment: &str, value: &impl Serialize) -> Result<String, WriteError> {
    let text = toml::to_string(value).map_err(|error| WriteError::new("TOML", error))?;
    Ok(commented(comment) + &text)
}

/// Puts `# ` in front of every line.
fn commented(comment: &str) -> String {
    comment.lines().map(|line| format!("# {line}\n")).collect()
}
