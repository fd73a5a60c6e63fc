//! Redirects, followed by hand: at most five, of GET and HEAD only, never from HTTPS to HTTP, and without
//! credentials once the host, the port or the scheme has changed ("Pulling blobs": clients must not forward
//! `Authorization` across hosts).

use http::header::{ACCEPT, ACCEPT_ENCODING, LOCATION, RANGE};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// The most redirects that are followed. MCR and Docker Hub need one, an address that moved one more.
pub(super) const REDIRECT_LIMIT: usize = 5;

/// The headers that another host gets to see.
const FORWARDED: [http::HeaderName; 3] = [ACCEPT, ACCEPT_ENCODING, RANGE];

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("it redirects a request that cannot be sent twice")]
    Method,
    #[error("it redirects to no usable address")]
    Location,
    #[error("it redirects from HTTPS to plain HTTP")]
    Downgrade,
    #[error("it redirects more than {REDIRECT_LIMIT} times")]
    TooMany,
}

/// Reads where an answer redirects to; `None` where it does not.
pub(super) fn redirect(
    method: &Method,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, RedirectError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(RedirectError::Method);
    }
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|text| from.join(text).ok()).ok_or(RedirectError::Location)?;
    if !is_web(&to) {
        return Err(RedirectError::Location);
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(RedirectError::Downgrade);
    }
    Ok(Some(to))
}

/// Tells whether a URL is one of HTTP without a user in it: reqwest would make credentials of that.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Tells whether scheme, host and port are the same.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Keeps what another host may see.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let kept =
        FORWARDED.into_iter().filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn follow(method: &Method, from: &str, location: &str) -> Result<Option<String>, RedirectError> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        let to = redirect(method, &from.parse().unwrap(), StatusCode::TEMPORARY_REDIRECT, &headers);
        to.map(|to| to.map(|url| url.to_string()))
    }

    #[test]
    fn locations_are_checked() {
        let from = "https://registry.example/v2/a/blobs/x?y=z";
        let cases = [
            ("https://cdn.example/x?sig=1", Ok("https://cdn.example/x?sig=1")),
            ("/other", Ok("https://registry.example/other")),
            ("y", Ok("https://registry.example/v2/a/blobs/y")),
            ("//cdn.example/x", Ok("https://cdn.example/x")),
            ("http://registry.example/x", Err(RedirectError::Downgrade)),
            ("ftp://cdn.example/x", Err(RedirectError::Location)),
            ("file:///etc/passwd", Err(RedirectError::Location)),
            ("https://user:secret@cdn.example/x", Err(RedirectError::Location)),
            ("https://", Err(RedirectError::Location)),
        ];
        for (location, expected) in cases {
            let found = follow(&Method::GET, from, location);
            assert_eq!(found, expected.map(|text| Some(text.to_owned())), "{location}");
        }
        assert!(follow(&Method::GET, "http://a/", "https://a/").is_ok());
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(follow(&method, from, "/x"), Err(RedirectError::Method));
        }
        let nowhere = redirect(&Method::GET, &from.parse().unwrap(), StatusCode::FOUND, &HeaderMap::new());
        assert_eq!(nowhere, Err(RedirectError::Location));
        let ordinary = redirect(&Method::PUT, &from.parse().unwrap(), StatusCode::OK, &HeaderMap::new());
        assert_eq!(ordinary, Ok(None));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one: &str, other: &str| same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("https://a/x", "https://A:443/y?z"));
        for other in ["http://a/", "https://b/", "https://a:444/", "https://a.b/"] {
            assert!(!same("https://a/", other), "{other}");
        }
    }
}
