//! The proxies that the environment names, in the variables that all programs read. A proxy that nobody can
//! go through is told before anything is asked of anyone: requests that go another way than was meant may
//! show a network what it should not see.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use sealift_registry::client::{Proxy, ProxyConfig};

use crate::errors::CommandError;

type Result<T> = std::result::Result<T, CommandError>;

/// Reads the variables. Lower case goes before upper case, as curl has it, and set to nothing is not set.
/// Only what counts has to make sense.
///
/// # Errors
/// Where a variable names no proxy, or is no text. What it is set to is not repeated, since it may have a
/// password in it.
pub(crate) fn read(variables: &HashMap<OsString, OsString>) -> Result<ProxyConfig> {
    let (http, https) = (find(variables, "http_proxy"), find(variables, "https_proxy"));
    let all = || find(variables, "all_proxy");
    Ok(ProxyConfig {
        http: http.or_else(all).map(Variable::proxy).transpose()?,
        https: https.or_else(all).map(Variable::proxy).transpose()?,
        no_proxy: find(variables, "no_proxy").map(|it| it.text().map(str::to_owned)).transpose()?,
    })
}

/// A variable, under the name that it was set by.
struct Variable<'a> {
    name: String,
    value: &'a OsStr,
}

fn find<'a>(variables: &'a HashMap<OsString, OsString>, name: &str) -> Option<Variable<'a>> {
    [name.to_owned(), name.to_uppercase()].into_iter().find_map(|name| {
        let value = variables.get(OsStr::new(&name))?;
        let is_set = !value.as_encoded_bytes().trim_ascii().is_empty();
        is_set.then_some(Variable { name, value })
    })
}

impl<'a> Variable<'a> {
    fn text(&self) -> Result<&'a str> {
        self.value.to_str().ok_or_else(|| {
            CommandError::usage(
                format_args!("{} is not valid UTF-8", self.name),
                "Set it to plain text, or unset it.",
            )
        })
    }

    fn proxy(self) -> Result<Proxy> {
        let name = &self.name;
        self.text()?.parse().map_err(|error| {
            CommandError::usage(
                format_args!("{name} names no proxy: {error}"),
                format_args!(
                    "Set {name}=http://HOST:PORT or {name}=http://USER:PASSWORD@HOST:PORT, in USER and PASSWORD %40 for @, %2F for /, %5C for \\, %3F for ?, %23 for #."
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Result<ProxyConfig> {
        read(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn lower_case_goes_first_and_one_stands_for_all() {
        let shown = |variables: &[(&str, &str)]| {
            let read = given(variables).unwrap();
            let proxies = [read.http, read.https].map(|it| it.map(|it| it.to_string()).unwrap_or_default());
            format!("{} {}", proxies.join(" "), read.no_proxy.unwrap_or_default())
        };
        assert_eq!(shown(&[]), "  ");
        let three = [("HTTP_PROXY", "a"), ("http_proxy", "b"), ("HTTPS_PROXY", "socks5://c")];
        assert_eq!(shown(&three), "http://b socks5://c ");
        let one = [("ALL_PROXY", "a"), ("https_proxy", " "), ("no_proxy", "x,y")];
        assert_eq!(shown(&one), "http://a http://a x,y");
        // What does not count may be anything.
        assert_eq!(
            shown(&[("ALL_PROXY", "ftp://a"), ("https_proxy", "b"), ("http_proxy", "c")]),
            "http://c http://b "
        );
        assert_eq!(shown(&[("HTTPS_PROXY", "ftp://a"), ("https_proxy", "b")]), " http://b ");
    }

    /// variable, its value → words of the error, and of what to do.
    #[test]
    fn what_names_no_proxy_is_told_by_the_name_that_was_set() {
        for (name, value, words) in [
            ("HTTPS_PROXY", "ftp://user:hunter2@p", "its scheme is none of"),
            ("https_proxy", "http://user:hunter2@", "it names no host"),
            ("HTTP_PROXY", "http://user:p@hunter2@p.lan", "not encoded"),
            ("http_proxy", "http://user:p/hunter2@p.lan", "not encoded"),
            ("ALL_PROXY", "socks5://user:hunter2@p.lan:99999", "its port is no number"),
        ] {
            let error = given(&[(name, value)]).unwrap_err();
            let CommandError::Usage { message, hint } = &error else { panic!("{error:?}") };
            assert!(message.starts_with(&format!("{name} names no proxy: ")), "{message}");
            assert!(message.contains(words), "{message}");
            assert!(hint.contains(&format!("{name}=http://USER:PASSWORD@HOST:PORT")), "{hint}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_told() {
        use std::os::unix::ffi::OsStrExt as _;
        for name in ["HTTPS_PROXY", "no_proxy"] {
            let value = OsStr::from_bytes(b"http://hunter2\xff@p").to_owned();
            let error = read(&[(name.into(), value)].into()).unwrap_err();
            assert!(format!("{error:?}").contains(&format!("{name} is not valid UTF-8")), "{error:?}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
