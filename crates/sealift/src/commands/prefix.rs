//! What other tools put before a place, `docker://` or `oci-archive:`, where `pack` is to write.

use std::path::Path;

use super::Result;
use crate::errors::CommandError;

/// Refuses what would else become a file or a directory that is called so. `oci:` is a plain layout.
pub(super) fn refuse_foreign(to: &Path) -> Result<()> {
    let Some((prefix, rest)) = to.to_str().and_then(foreign) else { return Ok(()) };
    let message = format!("--to {}: sealift does not write to {prefix}:", to.display());
    Err(match prefix {
        "oci-archive" => CommandError::usage(
            message,
            format_args!(
                "Name a file that ends in .tar: such a bundle is an OCI archive, too, unless it is encrypted. {}",
                as_file(rest)
            ),
        ),
        _ => CommandError::usage(
            message,
            format_args!(
                "Name a directory, a file that ends in .tar, - or oci:DIRECTORY; ./{} is a path.",
                to.display()
            ),
        ),
    })
}

fn as_file(rest: &str) -> String {
    if rest.is_empty() { String::new() } else { format!("For this one: --to {rest}") }
}

/// Splits off the prefix of another tool: small letters before the first colon.
fn foreign(to: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = to.split_once(':')?;
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let is_prefix = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    (is_prefix && prefix.bytes().all(is_letter) && prefix != "oci").then_some((prefix, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_other_tools_are_no_paths() {
        for (text, expected) in [
            ("oci-archive:x.tar", Some(("oci-archive", "x.tar"))),
            ("docker://host/name", Some(("docker", "//host/name"))),
            ("docker-archive:q", Some(("docker-archive", "q"))),
            ("dir:", Some(("dir", ""))),
            ("oci:./layout", None),
            ("release", None),
            ("-", None),
            ("./docker:q", None),
            ("/mnt/a:b.tar", None),
            ("2026-11:b", None),
            (":b", None),
        ] {
            assert_eq!(foreign(text), expected, "{text}");
        }
    }
}
