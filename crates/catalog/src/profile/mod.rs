//! A profile: the answers of a run and what it takes, in a file. It never holds a password.
//!
//! The file is checked whole when it is read. Where its products have rules about tags, [`Profile::open_repositories`]
//! says whose tags have to be listed, and [`Profile::image_list`] makes the same list of images of them that somebody could
//! have written by hand. [`read`] also takes the files of skopeo and regsync, and says what of them has no place here.

mod fault;
mod foreign;
mod forms;
mod images;
mod pattern;
mod regsync;
mod rewrite;
mod skopeo;
mod tag_rules;
mod tag_version;

use schemars::JsonSchema;
use sealift_oci::{Platform, Registry, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

pub use fault::{FAULT_LIMIT, Fault, Faults};
pub use foreign::{Kind, Read, read};
pub use images::{ExpandError, Name, Source};
pub use pattern::{Glob, PATTERN_LIMIT, Pattern, PatternError, Range, Regex, Rule};
pub use rewrite::{Rewrite, rewritten};
pub use tag_rules::{TagRules, Without};

use crate::Group;
use crate::yaml::{self, Node, YamlError};

/// What each profile begins with, less its version.
pub const NAME: &str = "sealift.profile/";
/// The most products of a profile.
pub const PRODUCT_LIMIT: usize = 1_000;
/// The most rules about tags and names of a profile: each is compiled.
pub const RULE_LIMIT: usize = 1_000;

/// The answers of a run, and what it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The form of the file.
    pub schema: Schema,
    /// Where from. The registry and the repository are for releases; images of a list have their own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: From,
    /// Where to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: To,
    /// What is taken: releases of Azure Arc data services, or repositories and images of any other products. Without any, the
    /// newest release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Product>,
    /// Only this platform out of each multi-platform image: `linux/amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "platform")]
    #[schemars(with = "Option<forms::PlatformText>")]
    pub platform: Option<Platform>,
    /// Whether signatures, attestations and SBOMs come along; they do where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<bool>,
    /// What names become at the target; the first rule that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrite: Vec<Rewrite>,
    /// What is not taken: globs over `REGISTRY/PATH` and `REGISTRY/PATH:TAG`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::GlobText>")]
    pub leave_out: Vec<Pattern<Glob>>,
}

/// The form of the file, with its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Schema {
    /// The one that there is.
    #[default]
    #[serde(rename = "sealift.profile/1")]
    V1,
}

/// Where from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct From {
    /// The registry that releases come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::RegistryText>")]
    pub registry: Option<Registry>,
    /// The repository there, above the images' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::RepositoryText>")]
    pub repository: Option<RepositoryName>,
    /// The user there. The password is never here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct To {
    /// The registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::RegistryText>")]
    pub registry: Option<Registry>,
    /// The repository there, above the images' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::RepositoryText>")]
    pub repository: Option<RepositoryName>,
    /// The user there. The password is never here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The tag there, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::TagText>")]
    pub tag: Option<Tag>,
}

/// Something to take: `azure-arc`, `repository` or `images`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Product {
    /// Releases of Azure Arc data services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_arc: Option<Releases>,
    /// A repository with its registry: `quay.io/org/app`. Which of its tags are taken, `tags` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::SourceText>")]
    pub repository: Option<Source>,
    /// Which tags of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagRules>,
    /// Images by tag or digest: `quay.io/org/app:1.2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::ImageText>")]
    pub images: Vec<Name>,
    /// The path at the target, below the target repository, of the repository or of these images, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::RepositoryText>")]
    pub target: Option<RepositoryName>,
}

/// Which releases, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Releases {
    /// These; the newest where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::TagText>")]
    pub tags: Vec<Tag>,
    /// Every release from this one on, in place of `tags`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::TagText>")]
    pub from: Option<Tag>,
    /// Every release up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<forms::TagText>")]
    pub to: Option<Tag>,
    /// Only these images of the releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Without the images of these groups: postgres, dashboards, test-harness.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::GroupText>")]
    pub skip_groups: Vec<Group>,
}

impl Profile {
    /// Reads a profile and checks it whole.
    ///
    /// # Errors
    /// When the text is no profile, beyond a limit, or asks for what cannot be together: everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(Fault::from("it is empty; a profile begins with `schema: sealift.profile/1`").into());
        }
        let file: Node = yaml::from_str(text)?;
        let faults = fault::of(&file, Self::json_schema().as_value());
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let profile: Self = yaml::from_str(text)?;
        let misfits = profile.check();
        match misfits.is_empty() {
            true => Ok(profile),
            false => Err(Faults(misfits.into_iter().map(|it| it.fault(Some(&file))).collect())),
        }
    }

    /// Returns the JSON Schema of the file.
    #[must_use]
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// Writes the profile.
    ///
    /// # Errors
    /// When it has what YAML has no form for; no text that can be in it is such.
    pub fn to_yaml(&self) -> Result<String, YamlError> {
        yaml::to_string(self)
    }

    /// Returns the releases, where the products are that.
    #[must_use]
    pub fn releases(&self) -> Option<&Releases> {
        self.products.iter().find_map(|product| product.azure_arc.as_ref())
    }

    /// Tells whether the products are repositories and images, so that they come from where each says.
    #[must_use]
    pub fn has_images(&self) -> bool {
        !self.products.is_empty() && self.releases().is_none()
    }

    /// Finds what is right by itself and cannot be together.
    fn check(&self) -> Vec<Misfit> {
        let misfit = |key, message: String| vec![Misfit { key, product: None, message }];
        if self.products.len() > PRODUCT_LIMIT {
            return misfit("products", format!("there are more than {PRODUCT_LIMIT}"));
        }
        let tag_rules = self.products.iter().filter_map(|it| it.tags.as_ref()).map(TagRules::len);
        let rules = tag_rules.sum::<usize>() + self.rewrite.len() + self.leave_out.len();
        if rules > RULE_LIMIT {
            let message =
                format!("there are {rules} rules about tags and names, and at most {RULE_LIMIT} may be");
            return misfit("", message);
        }
        let products = self.products.iter().enumerate().filter_map(|(number, product)| {
            let message = format!("product {}: {}", number + 1, product.check().err()?);
            Some(Misfit { key: "products[]", product: Some(number), message })
        });
        let together = self.check_together().err().map(|(key, message)| Misfit {
            key,
            product: None,
            message: message.to_owned(),
        });
        products.chain(together).take(FAULT_LIMIT).collect()
    }

    /// Releases come from one place and go below another by their own rules; images of a list have theirs.
    fn check_together(&self) -> Result<(), (&'static str, &'static str)> {
        let releases = self.products.iter().filter(|it| it.azure_arc.is_some()).count();
        if releases > 1 {
            return Err(("products", "azure-arc is there twice; name all its releases in one"));
        }
        if releases == 1 && self.products.len() > 1 {
            return Err((
                "products",
                "azure-arc stands alone; put the other products into a profile of their own",
            ));
        }
        if releases == 1 && !(self.rewrite.is_empty() && self.leave_out.is_empty()) {
            let key = if self.rewrite.is_empty() { "leave-out" } else { "rewrite" };
            return Err((
                key,
                "this is for repositories and images; azure-arc has skip-groups and images of its own",
            ));
        }
        let has_source = self.source.registry.is_some() || self.source.repository.is_some();
        if self.has_images() && has_source {
            return Err((
                "source",
                "the products say which registries they come from; leave registry and repository out",
            ));
        }
        match self.rewrite.iter().find(|rule| rule.from.trim_end_matches('/').is_empty()) {
            Some(_) => Err(("rewrite", "from is empty; name the beginning that is to become another")),
            None => Ok(()),
        }
    }
}

/// What is right by itself and cannot be together.
struct Misfit {
    key: &'static str,
    /// Which product, counted from 0.
    product: Option<usize>,
    message: String,
}

impl Misfit {
    /// Says where that is in a file, if it came from one that has such keys.
    fn fault(self, file: Option<&Node>) -> Fault {
        let part = file.and_then(|file| match self.product {
            Some(number) => file.get("products").and_then(|it| it.items().get(number)),
            None => file.get(self.key),
        });
        Fault::new(part.map(|part| part.key_line), self.key, self.message)
    }
}

impl Product {
    fn check(&self) -> Result<(), String> {
        let kinds = [self.azure_arc.is_some(), self.repository.is_some(), !self.images.is_empty()];
        if kinds.into_iter().filter(|is_there| *is_there).count() != 1 {
            return Err("it is one of azure-arc, repository and images".to_owned());
        }
        match (&self.azure_arc, &self.repository, &self.tags) {
            (Some(releases), _, _) if self.target.is_none() && self.tags.is_none() => releases.check(),
            (Some(_), _, _) => {
                Err("tags and target are for a repository; azure-arc has tags of its own".to_owned())
            }
            (_, Some(_), Some(rules)) if !rules.is_open() || rules.newest.is_some_and(|count| count > 0) => {
                Ok(())
            }
            (_, Some(name), _) => {
                Err(format!("{name}: tags has no rule that takes any; `glob: [\"*\"]` takes all of them"))
            }
            (_, None, Some(_)) => {
                Err("tags is for a repository; an image has its tag in its name".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Releases {
    fn check(&self) -> Result<(), String> {
        match (&self.from, &self.to) {
            (None, None) => Ok(()),
            (Some(_), Some(_)) if self.tags.is_empty() => Ok(()),
            (Some(_), Some(_)) => Err("azure-arc: tags and from cannot both be there".to_owned()),
            _ => Err("azure-arc: from and to belong together".to_owned()),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A platform as people write it.
mod platform {
    use sealift_oci::Platform;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        platform: &Option<Platform>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match platform {
            Some(platform) => serializer.collect_str(platform),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Platform>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests;
