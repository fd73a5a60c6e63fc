//! Manifests that are not listed in `index.json` but only in an index which is. Other tools write layouts so;
//! sealift lists every manifest.

use std::collections::HashMap;

use sealift_oci::{Descriptor, Digest, Manifest, media_type};

/// The most manifests that are read for this, so that a hostile layout costs a bounded time.
const READ_LIMIT: usize = 10_000;

/// Finds every manifest below the listed indexes, each once, also where indexes contain one another. What cannot be read is skipped:
/// nobody asked for it by its name.
pub fn find_all(
    listed: impl IntoIterator<Item = Descriptor>,
    read: impl Fn(&Descriptor) -> Option<Manifest>,
) -> HashMap<Digest, Descriptor> {
    let mut waiting: Vec<Descriptor> = listed.into_iter().filter(is_index).collect();
    let mut all = HashMap::new();
    for _ in 0..READ_LIMIT {
        let Some(next) = waiting.pop() else { break };
        let children = read(&next).map(|manifest| manifest.links.manifests).unwrap_or_default();
        for child in children {
            if all.contains_key(&child.digest) {
                continue;
            }
            let child = Descriptor::new(&child.media_type, child.digest, child.size);
            waiting.extend(Some(child.clone()).filter(is_index));
            all.insert(child.digest, child);
        }
    }
    all
}

fn is_index(descriptor: &Descriptor) -> bool {
    matches!(descriptor.media_type.as_str(), media_type::OCI_INDEX | media_type::DOCKER_LIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixture;

    #[test]
    fn indexes_in_indexes_are_followed_and_what_is_absent_is_not() {
        let inner = fixture::index(&[fixture::image("a"), fixture::image("b")]);
        let outer = fixture::index(&[inner.clone(), fixture::image("c")]);
        let listed = [outer.manifest.descriptor.clone()];
        let read_both = |descriptor: &Descriptor| {
            [&inner, &outer]
                .into_iter()
                .find(|it| it.digest() == descriptor.digest)
                .map(|it| it.manifest.clone())
        };
        let all = find_all(listed.clone(), read_both);
        assert_eq!(all.len(), 4);
        assert!(all.contains_key(&inner.children[0].digest()));
        assert!(!all.contains_key(&outer.digest()));
        assert!(find_all(listed, |_| None).is_empty());
        assert!(find_all([], read_both).is_empty());
    }
}
