//! What systems do differently with processes, signals and terminals; [`sealift_store::platform`] has the same for files. Both
//! halves have the same functions. Only the one for Unix is built and tested.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use other::{Group, Signals, lead_group, stderr_size, stdout_file, stdout_size, was_interrupted};
#[cfg(unix)]
pub(crate) use unix::{Group, Signals, lead_group, stderr_size, stdout_file, stdout_size, was_interrupted};
