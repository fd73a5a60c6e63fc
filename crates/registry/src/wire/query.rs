//! The query strings of the routes.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sealift_oci::{Algorithm, Digest, RepositoryName, Tag};

use super::RouteError;
use super::percent;

/// Which part of a list is asked for ("Listing Tags").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// The most entries wanted; zero asks for none.
    pub limit: Option<usize>,
    /// The last entry that the client has.
    pub last: Option<String>,
}

/// What a client asks for when it starts an upload ("Pushing a blob monolithically", "Mounting a blob from
/// another repository").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadStart {
    /// The blob to link instead of uploading it; none where it is no digest that is known.
    pub mount: Option<Digest>,
    /// The repository to link it from; none where it is no name.
    pub from: Option<RepositoryName>,
    /// The digest of the whole blob, which is the body of this very request.
    pub digest: Option<Digest>,
    /// With which algorithm the digest will be made: a hint, and the place to refuse one that is not known
    /// ("Pushing a blob in chunks", from 1.2 on).
    pub algorithm: Option<Algorithm>,
}

/// The most tags that one request sets. The specification wants ten at least.
const TAGS_LIMIT: usize = 100;

/// A query string, taken apart where a value is asked for. Unknown keys are ignored; of several values of
/// one key the first counts.
#[derive(Clone, Copy)]
pub(super) struct Query<'a>(pub(super) Option<&'a str>);

impl Query<'_> {
    pub(super) fn get(self, key: &str) -> Result<Option<String>, RouteError> {
        let pairs = self.0.unwrap_or_default().split('&');
        let mut values = pairs.filter_map(|pair| pair.split_once('=')).filter(|(name, _)| *name == key);
        let decode = |(_, value)| percent::decode(value).map_err(|_| RouteError::Encoding);
        values.next().map(decode).transpose()
    }

    /// Returns the tags that a manifest is to get, each once.
    pub(super) fn tags(self) -> Result<Vec<Tag>, RouteError> {
        let mut tags = Vec::new();
        let pairs = self.0.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        for (_, value) in pairs.filter(|(name, _)| *name == "tag") {
            let value = percent::decode(value).map_err(|_| RouteError::Encoding)?;
            let tag: Tag = value.parse().map_err(|_| RouteError::Tag)?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
            if tags.len() > TAGS_LIMIT {
                return Err(RouteError::TooManyTags);
            }
        }
        Ok(tags)
    }

    /// Empty values count as absent.
    pub(super) fn parse<T: FromStr>(self, key: &str, error: RouteError) -> Result<Option<T>, RouteError> {
        let value = self.get(key)?.filter(|value| !value.is_empty());
        value.map(|value| value.parse().map_err(|_| error)).transpose()
    }

    /// What cannot be read as it should be counts as absent.
    fn wish<T: FromStr>(self, key: &str) -> Option<T> {
        self.get(key).ok().flatten().and_then(|value| value.parse().ok())
    }
}

impl PageQuery {
    pub(super) fn parse(query: Query<'_>) -> Result<Self, RouteError> {
        let limit = query.get("n")?.filter(|text| !text.is_empty()).map(|text| parse_limit(&text));
        let last = query.get("last")?.filter(|text| !text.is_empty());
        Ok(Self { limit: limit.transpose()?, last })
    }
}

/// A number too large to keep asks for everything.
fn parse_limit(text: &str) -> Result<usize, RouteError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.parse().unwrap_or(usize::MAX))
    } else {
        Err(RouteError::Limit)
    }
}

impl UploadStart {
    /// Who is "unable to mount the requested blob" is to open an upload ("Mounting a blob from another repository"),
    /// whatever the reason; the digest that counts comes with its end.
    pub(super) fn parse(query: Query<'_>) -> Result<Self, RouteError> {
        Ok(Self {
            mount: query.wish("mount"),
            from: query.wish("from"),
            digest: query.parse("digest", RouteError::Digest)?,
            algorithm: query.parse("digest-algorithm", RouteError::Digest)?,
        })
    }
}

/// Writes `?key=value&…` for the values that are there.
pub(super) fn write(f: &mut fmt::Formatter<'_>, pairs: &[(&str, Option<String>)]) -> fmt::Result {
    let mut separator = '?';
    for (key, value) in pairs {
        if let Some(value) = value {
            f.write_char(separator)?;
            write!(f, "{key}={}", percent::encode(value, ":."))?;
            separator = '&';
        }
    }
    Ok(())
}
