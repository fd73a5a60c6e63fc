//! What the HTTP client says when something breaks, told so that the reader knows what to put right.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use rustls::{AlertDescription, CertificateError};
use sealift_store::ErrorKind;

use super::fault::{Fault, Purpose};
use super::guard::Misled;

/// Turns what the HTTP client says into a fault. The URL is taken out: it may carry signed state.
pub(super) fn failure(error: reqwest::Error, purpose: &Purpose) -> Fault {
    let error = error.without_url();
    if let Some(misled) = chain(&error).find_map(|it| it.downcast_ref::<Misled>()) {
        return purpose.of_place().fault(ErrorKind::Invalid).because(misled).without_effect(true);
    }
    let (kind, reason) = match tls_error(&error) {
        Some(tls) => tls_reason(tls),
        None if error.is_builder() => (ErrorKind::Invalid, "the request cannot be made".to_owned()),
        None if error.is_dns() => (ErrorKind::Unavailable, "its name cannot be resolved".to_owned()),
        None if error.is_connect() => (ErrorKind::Unavailable, connect_reason(&error).to_owned()),
        None if is_no_http(&error) => (ErrorKind::Unavailable, "what it answers is not HTTP".to_owned()),
        None => (ErrorKind::Unavailable, "the connection broke".to_owned()),
    };
    let is_unsent = error.is_connect();
    purpose.fault(kind).because(reason).without_effect(is_unsent).caused_by(error)
}

/// Tells whether something came that cannot be read, as from a port at which TLS is spoken.
fn is_no_http(error: &reqwest::Error) -> bool {
    chain(error).filter_map(|it| it.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

fn connect_reason(error: &reqwest::Error) -> &'static str {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    let kind = io_errors(error).map(std::io::Error::kind).last();
    match kind {
        Some(ConnectionRefused) => "it cannot be reached: the connection is refused",
        Some(HostUnreachable | NetworkUnreachable) => "it cannot be reached: no route leads there",
        Some(TimedOut) => "it cannot be reached in time",
        _ if error.is_timeout() => "it cannot be reached in time",
        _ => "it cannot be reached",
    }
}

fn tls_reason(error: &rustls::Error) -> (ErrorKind, String) {
    match error {
        rustls::Error::InvalidCertificate(error) => (ErrorKind::Invalid, certificate_reason(error)),
        rustls::Error::AlertReceived(alert) if is_about_the_client(*alert) => (
            ErrorKind::Unauthenticated,
            "it wants a client certificate, or refuses the one it got".to_owned(),
        ),
        _ => (ErrorKind::Invalid, "it cannot be spoken to by TLS".to_owned()),
    }
}

/// The alerts by which servers say what they think of a client's certificate (RFC 8446, section 6.2).
fn is_about_the_client(alert: AlertDescription) -> bool {
    use AlertDescription as It;
    matches!(
        alert,
        It::CertificateRequired
            | It::BadCertificate
            | It::UnsupportedCertificate
            | It::CertificateRevoked
            | It::CertificateExpired
            | It::CertificateUnknown
            | It::UnknownCA
            | It::AccessDenied
    )
}

/// A clock that is wrong here is as likely as a certificate that is too old, where machines are cut off from
/// the world.
fn certificate_reason(error: &CertificateError) -> String {
    const CLOCK: &str = "or the clock here is wrong";
    match error {
        CertificateError::Expired => format!("its certificate has expired, {CLOCK}"),
        CertificateError::ExpiredContext { time, not_after } => {
            let (end, now) = (date(not_after.as_secs()), date(time.as_secs()));
            format!("its certificate has expired on {end}, {CLOCK}: it shows {now}")
        }
        CertificateError::NotValidYet => format!("its certificate is not valid yet, {CLOCK}"),
        CertificateError::NotValidYetContext { time, not_before } => {
            let (begin, now) = (date(not_before.as_secs()), date(time.as_secs()));
            format!("its certificate is not valid before {begin}, {CLOCK}: it shows {now}")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is not trusted: no authority that is known here has signed it".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked".to_owned(),
        _ => "its certificate is not trusted".to_owned(),
    }
}

/// Writes a point in time; a year of five digits is one that [`httpdate`] cannot write.
fn date(seconds: u64) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(YEAR_10000 - 1)))
}

/// Tells whether a proxy on the way wants to know who asks. The types of these errors cannot be named, so
/// their words have to do; tests hold them.
pub(super) fn is_proxy_refusal(error: &reqwest::Error) -> bool {
    const WORDS: [&str; 4] = [
        "proxy authorization required",
        "does not support user/pass authentication",
        "implements authentication incorrectly",
        "credentials not accepted",
    ];
    error.is_connect()
        && chain(error).any(|it| {
            let text = it.to_string();
            WORDS.iter().any(|words| text.ends_with(words))
        })
}

/// Tells whether connecting failed because the peer speaks no TLS at all: what it sent is no TLS record, or
/// it hung up during the handshake. A certificate error, or any error of a peer that speaks TLS, is not that.
pub(super) fn speaks_no_tls(fault: &Fault) -> bool {
    let Some(error) = fault.cause() else { return false };
    match tls_error(error) {
        Some(rustls::Error::InvalidMessage(_)) => true,
        Some(_) => false,
        None => io_errors(error).any(|error| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            fault.without_effect
                && matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
        }),
    }
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|it| it.downcast_ref())
}

fn io_errors<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a std::io::Error> {
    chain(error).filter_map(|it| it.downcast_ref())
}

/// Every error in the chain. An I/O error shows the source of what it wraps and not that itself, so it is
/// opened.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;
    use sealift_store::Operation;
    use std::io;

    #[test]
    fn what_speaks_no_tls_is_told_by_types() {
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let cases = [
            (tls(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)), true),
            (tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)), false),
            (tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)), false),
            (io::Error::from(io::ErrorKind::UnexpectedEof), true),
            (io::Error::from(io::ErrorKind::ConnectionReset), true),
            (io::Error::from(io::ErrorKind::ConnectionRefused), false),
            (io::Error::from(io::ErrorKind::TimedOut), false),
        ];
        for (error, expected) in cases {
            let text = error.to_string();
            let outer = io::Error::other(error);
            let fault = Purpose::of(Operation::Connect).fault(ErrorKind::Unavailable);
            let fault = fault.without_effect(true).caused_by(outer);
            assert_eq!(speaks_no_tls(&fault), expected, "{text}");
        }
    }

    #[test]
    fn certificates_are_refused_for_reasons() {
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (early, late) = (time(0), time(u64::MAX));
        let cases = [
            (CertificateError::Expired, "has expired, or the clock here is wrong"),
            (
                CertificateError::ExpiredContext { time: late, not_after: early },
                "has expired on Thu, 01 Jan 1970 00:00:00 GMT, or the clock here is wrong: it shows Fri, 31",
            ),
            (
                CertificateError::NotValidYetContext { time: early, not_before: late },
                "is not valid before Fri, 31 Dec 9999 23:59:59 GMT, or the clock here is wrong: it shows Thu",
            ),
            (CertificateError::NotValidForName, "is for another name"),
            (CertificateError::UnknownIssuer, "is not trusted: no authority"),
            (CertificateError::Revoked, "is revoked"),
            (CertificateError::BadEncoding, "is not trusted"),
        ];
        for (error, words) in cases {
            let (kind, reason) = tls_reason(&rustls::Error::InvalidCertificate(error));
            assert_eq!(kind, ErrorKind::Invalid);
            assert!(reason.starts_with(&format!("its certificate {words}")), "{reason}");
        }
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(tls_reason(&alert).0, ErrorKind::Unauthenticated);
    }
}
