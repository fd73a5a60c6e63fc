//! Platforms: the operating system and processor an image is for.
//!
//! Fields: OCI image specification 1.1, `image-index.md`, "platform".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A platform, written `os/architecture` or `os/architecture/variant`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, by Go's name for it: `linux`.
    pub os: String,
    /// The processor, by Go's name for it: `amd64`.
    pub architecture: String,
    /// The processor's variant: `v8` of `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system; Windows images have one.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

/// A text that is no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a platform reads os/architecture or os/architecture/variant, such as linux/amd64")]
pub struct PlatformError;

impl Platform {
    /// Makes a platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: None, os_version: None }
    }

    /// Tells whether `offered` serves who asks for `self`: a variant or version that is not asked for is free.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && (self.variant.is_none() || self.variant == offered.normal_variant())
            && (self.os_version.is_none() || self.os_version == offered.os_version)
    }

    /// `arm64` without a variant means `v8`; publishers write both.
    fn normal_variant(&self) -> Option<String> {
        match (self.architecture.as_str(), &self.variant) {
            ("arm64", None) => Some("v8".to_owned()),
            _ => self.variant.clone(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let fine = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| fine(part)) {
            return Err(PlatformError);
        }
        let variant = parts.get(2).map(|&it| it.to_owned());
        Ok(Self { variant, ..Self::new(parts[0], parts[1]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_asked_for_is_free() {
        let cases = [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64", "linux/arm64/v8", true),
        ];
        for (asked, offered, expected) in cases {
            assert_eq!(platform(asked).accepts(&platform(offered)), expected, "{asked} {offered}");
        }
    }

    #[test]
    fn malformed_platforms_are_refused() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "linux/am d64"] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError), "{text}");
        }
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
    }
}
