//! What the operating system says, in words for people.
//!
//! Errors keep the system's own words and number, which rules look for; they are put into plain ones where they are told.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

/// Behind what the system says the standard library writes the number of the error.
const NUMBER: &str = " (os error ";

/// Puts what the system says somewhere in a text into plain words.
pub(crate) fn plainly(text: &str) -> Cow<'_, str> {
    if !text.contains(NUMBER) {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once(NUMBER) {
        let Some((number, after)) = behind.split_once(')') else { break };
        match number.parse().ok().and_then(|number| in_plain_words(before, number)) {
            Some(words) => plain += &words,
            None => plain += &format!("{before}{NUMBER}{number})"),
        }
        rest = after;
    }
    Cow::Owned(plain + rest)
}

/// Writes a text that ends in what the system says of an error, so that it ends in plain words.
fn in_plain_words(text: &str, number: i32) -> Option<String> {
    let error = io::Error::from_raw_os_error(number);
    let said = error.to_string();
    let said = said.strip_suffix(&format!("{NUMBER}{number})"))?;
    let before = text.strip_suffix(said)?;
    Some(format!("{before}{}", words(error.kind()).unwrap_or(said)))
}

/// Plain words for what happens to people; for anything else the system's own have to do.
fn words(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::PermissionDenied => "this user has no right to do that",
        ErrorKind::AlreadyExists => "it is there already",
        ErrorKind::NotADirectory => "a part of that path is a file, and no directory",
        ErrorKind::IsADirectory => "it is a directory, and no file",
        ErrorKind::DirectoryNotEmpty => "that directory is not empty",
        ErrorKind::ReadOnlyFilesystem => "that disk can only be read",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::QuotaExceeded => "this user's share of that disk is used up",
        ErrorKind::FileTooLarge => "that disk takes no file of such a size",
        ErrorKind::BrokenPipe => "nobody reads it any more",
        ErrorKind::AddrInUse => "another program listens there already",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        ErrorKind::ConnectionRefused => "the connection is refused",
        ErrorKind::ConnectionReset => "the connection was broken off",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no way leads there",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_in_plain_words() {
        let said = |kind: ErrorKind| {
            let number = (1..200).find(|it| io::Error::from_raw_os_error(*it).kind() == kind);
            io::Error::from_raw_os_error(number.unwrap()).to_string()
        };
        let missing = said(ErrorKind::NotFound);
        let full = said(ErrorKind::StorageFull);
        assert!(missing.contains(NUMBER), "{missing}");
        for (text, expected) in [
            (format!("a.tar: {missing}"), "a.tar: there is no such file or directory"),
            (
                format!("a: {missing}; b: {full}, c"),
                "a: there is no such file or directory; b: the disk is full, c",
            ),
            // Nobody's words but the system's are changed.
            ("other words (os error 2)".to_owned(), "other words (os error 2)"),
            ("a (os error x) b (os error 2".to_owned(), "a (os error x) b (os error 2"),
            ("nothing of it".to_owned(), "nothing of it"),
        ] {
            assert_eq!(plainly(&text), expected);
        }
    }

    /// What has no words here keeps those of the system, without the number.
    #[test]
    fn what_is_rare_keeps_its_words() {
        let unknown = (1..200).map(io::Error::from_raw_os_error).find(|it| words(it.kind()).is_none());
        let said = unknown.unwrap().to_string();
        assert_eq!(Some(plainly(&said).as_ref()), said.split(NUMBER).next());
    }
}
