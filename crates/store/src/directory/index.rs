//! The `index.json` of a layout: which manifests a repository has, and their tags. Pure: no I/O.
//!
//! Every manifest is listed: once for each tag, or once without one. Fields and entries that are not
//! understood here belong to other tools and are written back as they were read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use sealift_oci::{Descriptor, Digest, Tag};

use crate::index_json::{Document, Entry, Listed, REF_NAME};

/// Where sealift says what a manifest is attached to, so that nobody reads all manifests to find that out.
const SUBJECT: &str = "dev.sealift.subject";

/// The list of a repository's manifests, and the ways to find one.
#[derive(Debug)]
pub(super) struct Index {
    document: Document,
    tags: BTreeMap<Tag, usize>,
    digests: HashMap<Digest, usize>,
    subjects: HashMap<Digest, Vec<usize>>,
    /// Manifests that are only listed in an index of this list, as other tools leave them; found out when
    /// somebody asks.
    pub(super) nested: OnceLock<HashMap<Digest, Descriptor>>,
}

impl Index {
    /// Makes an empty list.
    pub(super) fn empty() -> Self {
        Self::new(Document::empty())
    }

    /// Reads a list.
    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes).map(Self::new)
    }

    /// Writes the list.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.document)
    }

    fn new(document: Document) -> Self {
        let (mut tags, mut digests) = (BTreeMap::new(), HashMap::new());
        let mut subjects: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (position, entry) in document.known() {
            // Of two entries with one tag the first counts, as in other readers.
            if let Some(tag) = tag(entry) {
                tags.entry(tag).or_insert(position);
            }
            let is_first = digests.insert(entry.digest, position).is_none();
            if let Some(subject) = subject(entry).filter(|_| is_first) {
                subjects.entry(subject).or_default().push(position);
            }
        }
        Self { document, tags, digests, subjects, nested: OnceLock::new() }
    }

    fn at(&self, position: usize) -> Option<Descriptor> {
        self.document.at(position).map(Listed::descriptor)
    }

    /// Finds what a tag points at.
    pub(super) fn tagged(&self, tag: &Tag) -> Option<Descriptor> {
        self.at(*self.tags.get(tag)?)
    }

    /// Finds a listed manifest.
    pub(super) fn listed(&self, digest: &Digest) -> Option<Descriptor> {
        self.at(*self.digests.get(digest)?)
    }

    /// Lists every manifest once.
    pub(super) fn manifests(&self) -> impl Iterator<Item = Descriptor> + '_ {
        self.digests.values().filter_map(|position| self.at(*position))
    }

    /// Takes a tag away from its manifest, which stays; `None` where there is no such tag.
    pub(super) fn without_tag(&self, tag: &Tag) -> Option<Self> {
        self.tags.get(tag)?;
        let mut document = self.document.clone();
        remove_tag(&mut document, tag, None);
        Some(Self::new(document))
    }

    /// Leaves manifests out, with all their tags; `None` where none of them is listed.
    pub(super) fn without(&self, digests: &HashSet<Digest>) -> Option<Self> {
        let mut document = self.document.clone();
        let is_other = |entry: &Entry| !matches!(entry, Entry::Known(it) if digests.contains(&it.digest));
        document.manifests.retain(is_other);
        (document != self.document).then(|| Self::new(document))
    }

    /// Lists what the tags point at.
    pub(super) fn tagged_manifests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.tags.values().filter_map(|position| Some(self.at(*position)?.digest))
    }

    /// Lists the tags in lexical order.
    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.keys()
    }

    /// Lists the manifests that are attached to `subject`, in the order of their digests.
    pub(super) fn attached_to(&self, subject: &Digest) -> Vec<Descriptor> {
        let positions = self.subjects.get(subject).into_iter().flatten();
        let mut attached: Vec<Descriptor> = positions.filter_map(|position| self.at(*position)).collect();
        attached.sort_by_key(|descriptor| descriptor.digest.to_string());
        attached
    }

    /// Lists a manifest, and moves `tag` to it; `None` where that changes nothing.
    pub(super) fn with(
        &self,
        manifest: &Descriptor,
        subject: Option<&Digest>,
        tag: Option<&Tag>,
    ) -> Option<Self> {
        let mut document = self.document.clone();
        if let Some(tag) = tag {
            remove_tag(&mut document, tag, Some(&manifest.digest));
        }
        list(&mut document, manifest, tag);
        if let Some(subject) = subject {
            let ours = document.known_mut().filter(|entry| entry.digest == manifest.digest);
            ours.for_each(|entry| entry.annotate(SUBJECT, &subject.to_string()));
        }
        (document != self.document).then(|| Self::new(document))
    }
}

/// Takes the tag from every manifest but `keep`. A manifest that has another entry loses this one; else
/// its entry stays without a tag, for the manifest stays.
fn remove_tag(document: &mut Document, tag: &Tag, keep: Option<&Digest>) {
    let mut count: HashMap<Digest, usize> = HashMap::new();
    document.known().for_each(|(_, entry)| *count.entry(entry.digest).or_default() += 1);
    document.manifests.retain_mut(|entry| {
        let Entry::Known(entry) = entry else { return true };
        if Some(&entry.digest) == keep || entry.annotation(REF_NAME) != Some(tag.as_str()) {
            return true;
        }
        entry.annotations.remove(REF_NAME);
        let left = count.entry(entry.digest).or_default();
        *left -= 1;
        *left == 0
    });
}

fn list(document: &mut Document, manifest: &Descriptor, tag: Option<&Tag>) {
    let mut ours: Vec<&mut Listed> =
        document.known_mut().filter(|entry| entry.digest == manifest.digest).collect();
    let Some(tag) = tag.map(Tag::as_str) else {
        if ours.is_empty() {
            document.manifests.push(Entry::Known(Listed::new(manifest)));
        }
        return;
    };
    if ours.iter().any(|entry| entry.annotation(REF_NAME) == Some(tag)) {
        return;
    }
    if let Some(entry) = ours.iter_mut().find(|entry| entry.annotation(REF_NAME).is_none()) {
        entry.annotate(REF_NAME, tag);
        return;
    }
    let mut entry = Listed::new(manifest);
    entry.annotate(REF_NAME, tag);
    document.manifests.push(Entry::Known(entry));
}

/// A name that is no tag, as other tools write them, leaves the manifest to be found by its digest.
fn tag(entry: &Listed) -> Option<Tag> {
    entry.annotation(REF_NAME)?.parse().ok()
}

fn subject(entry: &Listed) -> Option<Digest> {
    entry.annotation(SUBJECT)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_oci::media_type;
    use serde_json::{Value, json};

    fn descriptor(content: &str) -> Descriptor {
        Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes())
    }

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn put(index: &Index, content: &str, name: Option<&str>) -> Option<Index> {
        index.with(&descriptor(content), None, name.map(tag).as_ref())
    }

    /// The entries as `content:tag`; the contents of these tests are single letters.
    fn entries(index: &Index) -> Vec<String> {
        let letter = |digest: Digest| {
            ('a'..='z').map(String::from).find(|letter| Digest::sha256(letter.as_bytes()) == digest)
        };
        let name = |entry: &Listed| {
            format!("{}:{}", letter(entry.digest).unwrap(), entry.annotation(REF_NAME).unwrap_or_default())
        };
        index.document.known().map(|(_, entry)| name(entry)).collect()
    }

    #[test]
    fn one_entry_for_each_tag_or_one_without() {
        type Step<'a> = (&'a str, Option<&'a str>, Option<&'a [&'a str]>);
        let steps: [Step<'_>; 9] = [
            ("a", None, Some(&["a:"])),
            ("a", None, None),
            ("a", Some("x"), Some(&["a:x"])),
            ("a", None, None),
            ("a", Some("y"), Some(&["a:x", "a:y"])),
            ("b", Some("x"), Some(&["a:y", "b:x"])),
            ("b", Some("y"), Some(&["a:", "b:x", "b:y"])),
            ("b", Some("y"), None),
            ("a", Some("z"), Some(&["a:z", "b:x", "b:y"])),
        ];
        let mut index = Index::empty();
        for (step, (content, name, expected)) in steps.into_iter().enumerate() {
            let next = put(&index, content, name);
            assert_eq!(
                next.as_ref().map(entries),
                expected.map(|it| it.iter().map(|&it| it.to_owned()).collect()),
                "{step}"
            );
            index = next.unwrap_or(index);
        }
        assert_eq!(index.tagged(&tag("y")), Some(descriptor("b")));
        assert_eq!(index.listed(&descriptor("a").digest), Some(descriptor("a")));
        assert_eq!(index.tags().map(Tag::as_str).collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!(index.manifests().count(), 2);
    }

    #[test]
    fn tags_and_manifests_are_taken_out() {
        let mut index = Index::empty();
        for (content, name) in [("a", Some("x")), ("a", Some("y")), ("b", Some("z")), ("c", None)] {
            index = put(&index, content, name).unwrap();
        }
        assert!(index.without_tag(&tag("none")).is_none());
        assert!(index.without(&HashSet::from([descriptor("d").digest])).is_none());
        let cases = [
            (index.without_tag(&tag("x")), vec!["a:y", "b:z", "c:"]),
            (index.without_tag(&tag("z")), vec!["a:x", "a:y", "b:", "c:"]),
            (index.without(&HashSet::from([descriptor("a").digest])), vec!["b:z", "c:"]),
            (index.without(&HashSet::from(["b", "c"].map(|it| descriptor(it).digest))), vec!["a:x", "a:y"]),
        ];
        for (without, left) in cases {
            assert_eq!(entries(&without.unwrap()), left);
        }
        let tagged: HashSet<Digest> = index.tagged_manifests().collect();
        assert_eq!(tagged, HashSet::from(["a", "b"].map(|it| descriptor(it).digest)));
    }

    #[test]
    fn what_other_tools_wrote_is_kept() {
        let written = json!({
            "schemaVersion": 2, "vendor": {"x": [1]}, "annotations": {"a": "b"},
            "manifests": [
                {"mediaType": media_type::OCI_MANIFEST, "digest": descriptor("a").digest, "size": 1,
                 "platform": {"os": "linux", "architecture": "amd64", "features": ["f"]},
                 "annotations": {REF_NAME: "v1", "other": "kept"}, "data": "YQ=="},
                {"mediaType": "x", "digest": "blake3:00", "size": 3},
                {"mediaType": media_type::OCI_MANIFEST, "digest": descriptor("b").digest, "size": 1,
                 "annotations": {REF_NAME: "docker.io/library/b:v1"}},
            ],
        });
        let index = Index::parse(written.to_string().as_bytes()).unwrap();
        assert_eq!(index.tags().map(Tag::as_str).collect::<Vec<_>>(), ["v1"]);
        assert!(index.listed(&descriptor("b").digest).is_some());
        let again: Value = serde_json::from_slice(&index.to_bytes().unwrap()).unwrap();
        assert_eq!(again, written);

        let moved = put(&index, "c", Some("v1")).unwrap();
        let moved: Value = serde_json::from_slice(&moved.to_bytes().unwrap()).unwrap();
        assert_eq!(moved["vendor"], written["vendor"]);
        assert_eq!(moved["manifests"][0]["platform"], written["manifests"][0]["platform"]);
        assert_eq!(moved["manifests"][0]["annotations"], json!({"other": "kept"}));
        assert_eq!(moved["manifests"][1], written["manifests"][1]);
        assert_eq!(moved["manifests"][3]["annotations"][REF_NAME], "v1");
    }

    #[test]
    fn subjects_are_found_without_reading_manifests() {
        let subject = descriptor("s").digest;
        let plain = put(&Index::empty(), "a", None).unwrap();
        assert!(plain.attached_to(&subject).is_empty());
        let attached = plain.with(&descriptor("a"), Some(&subject), Some(&tag("t"))).unwrap();
        let attached = attached.with(&descriptor("a"), Some(&subject), Some(&tag("u"))).unwrap();
        assert_eq!(attached.attached_to(&subject), [descriptor("a")]);
        let read = Index::parse(&attached.to_bytes().unwrap()).unwrap();
        assert_eq!(read.attached_to(&subject), [descriptor("a")]);
    }

    #[test]
    fn malformed_lists_are_refused() {
        for text in ["", "[]", "{\"manifests\":{}}", "{\"manifests\":[}"] {
            assert!(Index::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Index::parse(b"{}").is_ok());
    }
}
