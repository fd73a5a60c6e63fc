//! Lists of what is attached to a manifest, where clients keep them: distribution 1.1, "Referrers Tag Schema".
//!
//! Such a list is an index under a tag that is made of the subject's digest. Nothing keeps an image from
//! having a tag of that form, so whoever reads or writes such a tag looks at what it points at first.

use crate::{Algorithm, Digest, Kind, Manifest, Tag, media_type};

/// How much of a hash stands in the tag: a SHA-512 would not fit one.
const HASH_LENGTH: usize = 64;

/// Returns the tag under which clients list what is attached to `subject`.
#[must_use]
pub fn referrers_tag(subject: &Digest) -> Option<Tag> {
    format!("{}-{:.HASH_LENGTH$}", subject.algorithm().as_str(), subject.hex()).parse().ok()
}

/// Tells whether a tag has the form of those under which clients list what is attached to something.
#[must_use]
pub fn is_referrers_tag(tag: &Tag) -> bool {
    let hash = |algorithm: &Algorithm| tag.as_str().strip_prefix(algorithm.as_str())?.strip_prefix('-');
    let is_hash = |hash: &str| {
        hash.len() == HASH_LENGTH && hash.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    Algorithm::ALL.iter().filter_map(hash).any(is_hash)
}

impl Manifest {
    /// Tells whether this is a list of what is attached to the subject of `tag`. An index that is the subject
    /// itself is none, and neither is one with images for platforms: it lists what belongs to an image.
    #[must_use]
    pub fn is_referrers_list(&self, tag: &Tag) -> bool {
        self.kind == Kind::Index
            && self.descriptor.media_type == media_type::OCI_INDEX
            && referrers_tag(&self.digest()).as_ref() != Some(tag)
            && self.links.manifests.iter().all(|it| it.platform.is_none() || it.artifact_type.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Descriptor;
    use bytes::Bytes;
    use serde_json::{Value, json};

    #[test]
    fn tags_are_made_of_digests() {
        let (short, long) = (Digest::sha256(b"x"), Digest::of(Algorithm::Sha512, b"x"));
        let tags = [&short, &long].map(|digest| referrers_tag(digest).unwrap());
        assert_eq!(tags[0].as_str(), format!("sha256-{}", short.hex()));
        assert_eq!(tags[1].as_str(), format!("sha512-{}", &long.hex()[..64]));
        assert!(tags.iter().all(is_referrers_tag));
        let hash = short.hex();
        for other in ["v1", "sha256-ab", &format!("sha256-{hash}.sig"), &format!("sha256-{hash}0"), &hash] {
            assert!(!is_referrers_tag(&other.parse().unwrap()), "{other}");
        }
    }

    fn index(media_type: &str, entries: &[Value]) -> Manifest {
        let value = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
        Manifest::parse(None, Bytes::from(value.to_string())).unwrap()
    }

    #[test]
    fn an_image_is_no_list() {
        let entry = |more: Value| {
            let mut entry = serde_json::to_value(Descriptor::of(media_type::OCI_MANIFEST, b"x")).unwrap();
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        let platform = json!({"os": "linux", "architecture": "amd64"});
        let (plain, signature) = (entry(json!({})), entry(json!({"artifactType": "a/b"})));
        let image = entry(json!({"platform": platform}));
        let both = entry(json!({"platform": platform, "artifactType": "a/b"}));
        let tag = referrers_tag(&Digest::sha256(b"subject")).unwrap();
        for (entries, expected) in [
            (vec![], true),
            (vec![plain.clone()], true),
            (vec![plain.clone(), signature.clone(), both], true),
            (vec![image.clone()], false),
            (vec![image, signature.clone()], false),
        ] {
            assert_eq!(
                index(media_type::OCI_INDEX, &entries).is_referrers_list(&tag),
                expected,
                "{entries:?}"
            );
        }
        let list = index(media_type::OCI_INDEX, std::slice::from_ref(&signature));
        assert!(!list.is_referrers_list(&referrers_tag(&list.digest()).unwrap()), "it is the subject itself");
        assert!(!index(media_type::DOCKER_LIST, &[signature]).is_referrers_list(&tag));
        let image = json!({"schemaVersion": 2, "layers": []});
        let image = Manifest::parse(None, Bytes::from(image.to_string())).unwrap();
        assert!(!image.is_referrers_list(&tag));
    }
}
