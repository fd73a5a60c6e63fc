//! The registry's own address: its scheme, and what of a server's references lies within it.

use sealift_oci::Registry;
use url::Url;

use super::redirect::{is_web, same_origin};
use crate::wire::Route;

/// Docker Hub's registry answers under another name than the one that people write.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// Where a registry answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    base: Url,
}

/// An address that a server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// At the registry.
    Own(Url),
    /// At another host, which gets no credentials.
    Foreign(Url),
}

impl Located {
    pub(super) fn url(&self) -> &Url {
        match self {
            Self::Own(url) | Self::Foreign(url) => url,
        }
    }
}

impl Endpoint {
    /// Makes the address of a registry; `None` where no URL can be made of its name.
    pub(super) fn new(registry: &Registry, scheme: &str) -> Option<Self> {
        let name = registry.as_str();
        let host = if DOCKER_HUB.contains(&name) { DOCKER_HUB_HOST } else { name };
        Url::parse(&format!("{scheme}://{host}/")).ok().map(|base| Self { base })
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Returns the address of a route.
    pub(super) fn route(&self, route: &Route) -> Option<Url> {
        self.base.join(&route.path_and_query()).ok()
    }

    /// Reads an address that the registry gave in a `Location` or `Link`, relative to `from`. It is not to
    /// lead from HTTPS to HTTP: where it names the registry itself, a proxy in front of it has hidden HTTPS
    /// from it (Nexus), and the registry's own scheme is taken; else it is refused.
    pub(super) fn locate(&self, from: &Url, reference: &str) -> Option<Located> {
        let mut url = from.join(reference).ok().filter(is_web)?;
        url.set_fragment(None);
        if url.scheme() == "http" && self.base.scheme() == "https" {
            let is_here =
                url.host() == self.base.host() && (url.port().is_none() || url.port() == self.base.port());
            if !is_here {
                return None;
            }
            url.set_scheme("https").ok()?;
            url.set_port(self.base.port()).ok()?;
        }
        Some(if same_origin(&url, &self.base) { Located::Own(url) } else { Located::Foreign(url) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(registry: &str, scheme: &str) -> Endpoint {
        Endpoint::new(&registry.parse().unwrap(), scheme).unwrap()
    }

    #[test]
    fn docker_hub_answers_under_another_name() {
        for (registry, base) in [
            ("docker.io", "https://registry-1.docker.io/"),
            ("mcr.microsoft.com", "https://mcr.microsoft.com/"),
            ("[::1]:5000", "https://[::1]:5000/"),
            ("my_host:443", "https://my_host/"),
        ] {
            assert_eq!(endpoint(registry, "https").base().as_str(), base);
        }
    }

    #[test]
    fn references_are_checked() {
        let own = |text: &str| Some(Located::Own(text.parse().unwrap()));
        let foreign = |text: &str| Some(Located::Foreign(text.parse().unwrap()));
        let cases = [
            ("https", "/v2/x?_state=a%2Fb", own("https://r.example:5000/v2/x?_state=a%2Fb")),
            ("https", "y?n=1", own("https://r.example:5000/v2/a/tags/y?n=1")),
            ("https", "https://r.example:5000/u#f", own("https://r.example:5000/u")),
            ("https", "http://r.example:5000/u", own("https://r.example:5000/u")),
            ("https", "http://r.example/u", own("https://r.example:5000/u")),
            ("https", "http://r.example:80/u", own("https://r.example:5000/u")),
            ("https", "http://r.example:5001/u", None),
            ("https", "http://other.example/u", None),
            ("https", "https://other.example/u?s", foreign("https://other.example/u?s")),
            ("https", "https://r.example/u", foreign("https://r.example/u")),
            ("https", "//other.example/u", foreign("https://other.example/u")),
            ("https", "https://user@r.example:5000/u", None),
            ("https", "ftp://r.example:5000/u", None),
            ("https", "https://[", None),
            ("http", "http://r.example:5000/u", own("http://r.example:5000/u")),
            ("http", "https://r.example:5000/u", foreign("https://r.example:5000/u")),
        ];
        for (scheme, reference, expected) in cases {
            let endpoint = endpoint("r.example:5000", scheme);
            let from = endpoint.base().join("/v2/a/tags/list").unwrap();
            assert_eq!(endpoint.locate(&from, reference), expected, "{scheme} {reference}");
        }
    }

    proptest! {
        #[test]
        fn no_reference_leads_from_https_to_http(
            reference in "\\PC{0,40}|https?://(r\\.example|x)(:[0-9]{1,5})?/[a-z?/@:]{0,9}",
        ) {
            let endpoint = endpoint("r.example:5000", "https");
            if let Some(located) = endpoint.locate(endpoint.base(), &reference) {
                prop_assert_eq!(located.url().scheme(), "https");
                let is_own = matches!(located, Located::Own(_));
                prop_assert_eq!(is_own, located.url().as_str().starts_with("https://r.example:5000/"));
            }
        }
    }
}
