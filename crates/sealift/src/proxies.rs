//! The proxies that the environment names, in the variables that all programs read.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use sealift_registry::client::ProxyConfig;

/// Reads the variables. Lower case goes before upper case, as curl has it, and set to nothing is not set.
pub(crate) fn read(variables: &HashMap<OsString, OsString>) -> ProxyConfig {
    let get = |name: &str| {
        let both = [name.to_owned(), name.to_uppercase()];
        let mut set = both.iter().filter_map(|name| variables.get(OsStr::new(name))?.to_str());
        set.find(|value| !value.is_empty()).map(str::to_owned)
    };
    let all = get("all_proxy");
    ProxyConfig {
        http: get("http_proxy").or_else(|| all.clone()),
        https: get("https_proxy").or(all),
        no_proxy: get("no_proxy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_goes_first_and_one_stands_for_all() {
        let read = |variables: &[(&str, &str)]| {
            let read = read(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect());
            [read.http, read.https, read.no_proxy].map(Option::unwrap_or_default).join(" ")
        };
        assert_eq!(read(&[]), "  ");
        assert_eq!(read(&[("HTTP_PROXY", "a"), ("http_proxy", "b"), ("HTTPS_PROXY", "c")]), "b c ");
        assert_eq!(read(&[("ALL_PROXY", "a"), ("https_proxy", ""), ("no_proxy", "x,y")]), "a a x,y");
    }
}
