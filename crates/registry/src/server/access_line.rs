//! The record of a request as a line of a log: JSON, or the "combined" form that tools for web servers read.

use std::fmt::Write as _;

use http::Version;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Access;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    resource: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Access {
    /// Writes the record as one line of JSON, without the line's end. Members that are not known are left
    /// out; a request whose client left before it was answered has no status.
    #[must_use]
    pub fn to_json(&self) -> String {
        let line = Line {
            time: OffsetDateTime::from(self.at).format(&Rfc3339).unwrap_or_default(),
            peer: self.peer.to_string(),
            user: self.user.as_deref(),
            method: self.method.as_str(),
            path: &self.path,
            protocol: protocol(self.version),
            resource: self.resource,
            status: self.status.map(|status| status.as_u16()),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            seconds: (self.elapsed.as_secs_f64() * 1e6).round() / 1e6,
            referer: self.referer.as_deref(),
            user_agent: self.user_agent.as_deref(),
            error: self.error.as_deref(),
        };
        // Strings and numbers cannot fail to serialise.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Writes the record in the combined form, without the line's end.
    #[must_use]
    pub fn to_combined(&self) -> String {
        let time = common_time(self.at.into());
        let quoted = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), escape);
        format!(
            "{} - {} [{time}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
            self.peer,
            quoted(self.user.as_deref()).replace(' ', "\\x20"),
            escape(self.method.as_str()),
            escape(&self.path),
            protocol(self.version),
            // What other servers log where the client left.
            self.status.map_or(499, |status| status.as_u16()),
            self.bytes_out,
            quoted(self.referer.as_deref()),
            quoted(self.user_agent.as_deref()),
        )
    }
}

/// Writes `10/Oct/2026:13:55:36 +0000`, in the time of Greenwich.
fn common_time(at: OffsetDateTime) -> String {
    let month = at.month().to_string();
    let month = month.get(..3).unwrap_or(&month);
    let (day, year, hour, minute, second) = (at.day(), at.year(), at.hour(), at.minute(), at.second());
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// Nobody writes lines of their own into the log, nor moves its fields.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '"' || character == '\\' || character.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\x{:02x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, StatusCode};
    use std::time::{Duration, SystemTime};

    fn access() -> Access {
        Access {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_791_640_536),
            peer: "192.0.2.7".parse().unwrap(),
            user: Some("ci".to_owned()),
            version: Version::HTTP_2,
            resource: "manifest",
            referer: None,
            user_agent: Some("a \"b\"\n".to_owned()),
            bytes_in: 1,
            method: Method::GET,
            path: "/v2/a/manifests/t".to_owned(),
            status: Some(StatusCode::OK),
            bytes_out: 525,
            elapsed: Duration::from_micros(1500),
            error: None,
        }
    }

    #[test]
    fn lines_are_what_tools_read() {
        let combined = "192.0.2.7 - ci [10/Oct/2026:13:55:36 +0000] \"GET /v2/a/manifests/t HTTP/2.0\" 200 525 \
                        \"-\" \"a \\x22b\\x22\\x0a\"";
        assert_eq!(access().to_combined(), combined);
        let json = r#"{"time":"2026-10-10T13:55:36Z","peer":"192.0.2.7","user":"ci","method":"GET","path":"/v2/a/manifests/t","protocol":"HTTP/2.0","resource":"manifest","status":200,"bytes_in":1,"bytes_out":525,"seconds":0.0015,"user_agent":"a \"b\"\n"}"#;
        assert_eq!(access().to_json(), json);
    }

    #[test]
    fn what_is_not_known_is_left_out_or_a_dash() {
        let nobody = Access { user: None, user_agent: None, status: None, ..access() };
        assert!(nobody.to_combined().contains("192.0.2.7 - - ["), "{}", nobody.to_combined());
        assert!(nobody.to_combined().ends_with(" 499 525 \"-\" \"-\""), "{}", nobody.to_combined());
        let json: serde_json::Value = serde_json::from_str(&nobody.to_json()).unwrap();
        for member in ["user", "user_agent", "status", "error"] {
            assert!(json.get(member).is_none(), "{member}");
        }
    }

    #[test]
    fn nobody_forges_a_line() {
        let forger = Access { user: Some("a] \"x\"\r\nb".to_owned()), ..access() };
        let line = forger.to_combined();
        assert!(line.contains(" - a]\\x20\\x22x\\x22\\x0d\\x0ab ["), "{line}");
        assert!(!forger.to_json().contains('\n'));
    }
}
