//! Groups of images that a site may not want.
//!
//! Only what the public record calls separate is here: PostgreSQL was retired on 2025-07-14, the dashboards
//! were removed in the release of August 2025, and the test harness serves tests alone.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image_set::every_image;

/// A group of images that serve one optional purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// The PostgreSQL database and its agent.
    Postgres,
    /// The dashboards for metrics and logs, which the product had until August 2025.
    Dashboards,
    /// The launcher and plug-in of the Sonobuoy conformance tests.
    TestHarness,
}

/// A text that names no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group of images is one of postgres, dashboards, test-harness")]
pub struct GroupError;

impl Group {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Dashboards, Self::TestHarness];

    /// Returns the group's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Dashboards => "dashboards",
            Self::TestHarness => "test-harness",
        }
    }

    /// Returns the group that an image belongs to.
    #[must_use]
    pub fn of(image: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.contains(image))
    }

    /// Tells whether the group has that image; it may be one that the table has not.
    #[must_use]
    pub fn contains(self, image: &str) -> bool {
        match self {
            // The name ends with the major version of the database.
            Self::Postgres => image.starts_with("arc-postgres-") || image == "arc-postgresql-agent",
            Self::Dashboards => matches!(image, "arc-monitor-grafana" | "arc-monitor-opensearch-dashboards"),
            Self::TestHarness => matches!(image, "arc-ci-launcher" | "arc-sb-plugin"),
        }
    }

    /// Returns the images of the group that any release of the table ever had, sorted.
    #[must_use]
    pub fn images(self) -> Vec<&'static str> {
        every_image().into_iter().filter(|image| self.contains(image)).collect()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, GroupError> {
        Self::ALL.into_iter().find(|group| group.as_str() == text).ok_or(GroupError)
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::REQUIRED_IMAGES;

    #[test]
    fn the_images_of_each_group() {
        let cases: [(Group, &[&str]); 3] = [
            (
                Group::Postgres,
                &["arc-postgres-11", "arc-postgres-12", "arc-postgres-14", "arc-postgresql-agent"],
            ),
            (Group::Dashboards, &["arc-monitor-grafana", "arc-monitor-opensearch-dashboards"]),
            (Group::TestHarness, &["arc-ci-launcher", "arc-sb-plugin"]),
        ];
        for (group, expected) in cases {
            assert_eq!(group.images(), expected, "{group}");
            for image in expected {
                assert_eq!(Group::of(image), Some(group), "{image}");
            }
        }
    }

    #[test]
    fn most_images_are_in_no_group() {
        for image in ["arc-sqlmi", "arc-monitor-kibana", "arc-postgres", "", "arc-dns"] {
            assert_eq!(Group::of(image), None, "{image}");
        }
        assert!(REQUIRED_IMAGES.iter().all(|image| Group::of(image).is_none()));
        assert_eq!(Group::of("arc-postgres-16"), Some(Group::Postgres));
    }

    #[test]
    fn names_print_back_and_are_in_the_message() {
        for group in Group::ALL {
            assert_eq!(group.to_string().parse(), Ok(group));
            assert!(GroupError.to_string().contains(group.as_str()), "{group}");
        }
        for text in ["", "Postgres", "postgresql", "test_harness"] {
            assert_eq!(text.parse::<Group>(), Err(GroupError), "{text}");
        }
    }
}
