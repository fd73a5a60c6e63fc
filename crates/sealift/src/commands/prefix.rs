//! What other tools put before a place, `docker://` or `oci-archive:`, where `pack` is to write, and what reads bundles
//! is to read.

use std::path::Path;

use super::Result;
use crate::errors::CommandError;

/// Refuses what would else become a file or a directory that is called so. `oci:` is a plain layout.
pub(super) fn refuse_foreign(to: &Path) -> Result<()> {
    if to == Path::new("oci:") {
        return Err(CommandError::usage(
            "--to oci: names no directory",
            "Put the directory behind it: --to oci:DIRECTORY.",
        ));
    }
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

/// Refuses to read what would else be a file that is not there: only `oci:` and `oci-archive:` are known.
pub(super) fn refuse_foreign_source(path: &Path) -> Result<()> {
    match path.to_str().and_then(foreign) {
        Some(("oci-archive", rest)) if !rest.is_empty() => Ok(()),
        Some(("oci-archive", _)) => Err(nothing_behind("oci-archive:FILE")),
        Some(_) if path.exists() => Ok(()),
        Some((prefix, _)) => Err(CommandError::usage(
            format_args!("{}: sealift does not read {prefix}: here", path.display()),
            "Name a bundle, oci:DIRECTORY or oci-archive:FILE; `sealift mirror` reads registries.",
        )),
        None if path == Path::new("oci:") => Err(nothing_behind("oci:DIRECTORY")),
        None => Ok(()),
    }
}

fn nothing_behind(form: &str) -> CommandError {
    CommandError::usage("the path behind the colon is missing", format_args!("Write {form}."))
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
    fn only_layouts_are_read_under_a_prefix() {
        for (text, expected) in [
            ("docker://x", Some("docker://x: sealift does not read docker: here")),
            ("dir:x", Some("dir:x: sealift does not read dir: here")),
            ("oci:", Some("the path behind the colon is missing")),
            ("oci-archive:", Some("the path behind the colon is missing")),
            ("oci:layout", None),
            ("oci-archive:x.tar", None),
            ("./docker:x", None),
            ("release", None),
        ] {
            let refused = refuse_foreign_source(Path::new(text)).err();
            let message = refused.map(|it| match it {
                CommandError::Usage { message, .. } => message,
                other => panic!("{other:?}"),
            });
            assert_eq!(message.as_deref(), expected, "{text}");
        }
    }

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
