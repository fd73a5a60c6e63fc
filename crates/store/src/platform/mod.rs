//! What systems do differently with files: rights, links, what a name stands for. The two halves have the same functions; nothing
//! outside of this module, and of its like in the binary, knows what the system is. A test reads the sources for that.
//!
//! Only the half for Unix is built and tested. The other one says what the program does without: it compiles to less, not to something
//! that is wrong.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use other::{
    changed, create_private_directory, file_id, free_space, has_several_names, is_executable, keep_owner,
    keep_private, largest_file, mode, never_follow, set_mode, special_kind, sync_directory, writable,
};
#[cfg(unix)]
pub use unix::{
    changed, create_private_directory, file_id, free_space, has_several_names, is_executable, keep_owner,
    keep_private, largest_file, mode, never_follow, set_mode, special_kind, sync_directory, writable,
};

/// For the owner alone: a file.
pub const PRIVATE_FILE: u32 = 0o600;
/// For the owner alone: a directory.
pub const PRIVATE_DIRECTORY: u32 = 0o700;
