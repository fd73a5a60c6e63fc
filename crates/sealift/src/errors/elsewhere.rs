//! What to do where a registry leads its clients to another host, and that one fails: the registry itself is
//! fine, so advice on it would be wrong.

use sealift_store::ErrorKind;

use super::Exit;
use super::rules::{ANY, Rule, WANTED_BY_THE_PROXY, connecting, rule};

/// Like [`super::rules::RULES`], before which they are looked up. Without a fitting one those count.
pub(super) const RULES: &[Rule] = &[
    WANTED_BY_THE_PROXY,
    connecting(
        &["a client certificate"],
        "Only {place} itself is shown the client certificate: ask who runs it to let {host} do without one.",
    ),
    connecting(
        &["the clock here is wrong"],
        "Set this machine's clock right; if it is right, who runs {host} has to renew the certificate.",
    ),
    connecting(
        &["certificate is for another name"],
        "{place} leads to {host}: check with `--resolve {name}:IP` where that name is found, or ask who runs {place} for the right name.",
    ),
    connecting(
        &["certificate"],
        "{place} leads to {host}: if a private authority, or a proxy that looks into TLS, signed the certificate of {host}, name the authority's own with --ca-file FILE.",
    ),
    connecting(
        &["by way of the proxy"],
        "{place} leads to {host}: allow that host in the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, or leave it out of the proxy by NO_PROXY.",
    ),
    connecting(
        &["cannot be resolved", "dns error", "failed to lookup", "name or service not known"],
        "{place} leads to {host}, which no DNS knows here: let this machine's DNS find it, or say where it is with --resolve {name}:IP.",
    ),
    connecting(
        &["spoken to by tls", "invalidcontenttype", "corrupt message"],
        "{place} leads to {host}, which speaks no TLS: ask who runs {place} for the right address, or check what answers in the name of {host}.",
    ),
    rule(ErrorKind::Unauthenticated, None, ANY, Exit::Access, REFUSED),
    rule(ErrorKind::Denied, None, ANY, Exit::Access, REFUSED),
    rule(
        ErrorKind::Unavailable,
        None,
        ANY,
        Exit::Failed,
        "{place} leads to {host}: allow that host in the firewall, or say where it is found from here with --resolve {name}:IP. Then run the same command again: what arrived is not moved again.",
    ),
];

/// Nobody's credentials go there, so none of them are wrong.
const REFUSED: &str = "{place} leads to {host}, where nobody's user and password are sent: run the same command again, because such addresses end; if it stays, check that firewalls and proxies allow {host}, and this machine's clock.";
