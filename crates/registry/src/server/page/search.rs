//! What a search finds beside the names of repositories: tags, and images by the beginning of their digest. It asks the
//! store a bounded number of questions, and says so where there was more to look at.

use sealift_oci::{Digest, ManifestRef, RepositoryName, Tag};
use sealift_store::{PageRequest, Source};

use crate::server::auth;
use crate::server::request::Call;

/// In how many repositories is looked, at how many tags of each, and how many are asked for their digest in all.
const REPOSITORIES: usize = 200;
const TAGS: usize = 500;
const LOOKS: usize = 1_000;
/// How many finds are shown.
const HITS: usize = 50;
/// Fewer digits are in the digest of every other image.
const DIGITS: usize = 6;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Not everything was looked at, or not everything is shown.
    pub(super) is_cut: bool,
}

/// An image that was found.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) name: RepositoryName,
    /// A tag, or a digest.
    pub(super) reference: String,
}

/// Looks for words that the name of a repository does not have all by itself.
pub(super) async fn find(call: &Call, words: &str, fits_name: impl Fn(&RepositoryName) -> bool) -> Found {
    let (admin, mut found) = (call.store.admin(), Found::default());
    let request = PageRequest { limit: REPOSITORIES, after: None };
    let Ok(page) = auth::repositories(admin.as_ref(), &call.caller, &request, |it| !fits_name(it)).await
    else {
        return found;
    };
    found.is_cut = page.next.is_some();
    let (words, wanted) = (words.to_lowercase(), Wanted::parse(words));
    let mut looks = LOOKS;
    for name in &page.items {
        let source = call.source(name);
        // What cannot be listed has no page either.
        let Ok(tags) = source.tags(&PageRequest { limit: TAGS, after: None }).await else { continue };
        found.is_cut |= tags.next.is_some();
        let mut references = tagged(name, &words, &tags.items);
        if let Some(wanted) = &wanted {
            references.extend(wanted.find(source.as_ref(), &tags.items, &mut looks).await);
        }
        found.hits.extend(references.into_iter().map(|reference| Hit { name: name.clone(), reference }));
        if found.hits.len() > HITS || looks == 0 {
            found.hits.truncate(HITS);
            found.is_cut = true;
            break;
        }
    }
    found
}

/// Finds the tags that have every word in them, together with the name of their repository, as `repository:tag`.
fn tagged(name: &RepositoryName, words: &str, tags: &[Tag]) -> Vec<String> {
    let fits = |tag: &&Tag| {
        let whole = format!("{name}:{tag}").to_lowercase();
        words.split_whitespace().all(|word| whole.contains(word))
    };
    tags.iter().filter(fits).map(ToString::to_string).collect()
}

/// An image that is named by its digest.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Digest(Digest),
    /// The beginning of one, with or without its algorithm.
    Beginning(String),
}

impl Wanted {
    fn parse(words: &str) -> Option<Self> {
        // A digest is often copied with the name in front of it.
        let word = words.trim().rsplit('@').next().unwrap_or_default().to_lowercase();
        if let Ok(digest) = word.parse() {
            return Some(Self::Digest(digest));
        }
        let digits = word.split_once(':').map_or(word.as_str(), |(_, digits)| digits);
        let is_one = digits.len() >= DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_one.then_some(Self::Beginning(word))
    }

    fn fits(&self, digest: &Digest) -> bool {
        match self {
            Self::Digest(wanted) => wanted == digest,
            Self::Beginning(word) => digest.to_string().starts_with(word) || digest.hex().starts_with(word),
        }
    }

    async fn find(&self, source: &dyn Source, tags: &[Tag], looks: &mut usize) -> Vec<String> {
        let mut found = Vec::new();
        if let Self::Digest(digest) = self {
            *looks = looks.saturating_sub(1);
            if source.resolve(&(*digest).into()).await.is_ok() {
                found.push(digest.to_string());
            }
            return found;
        }
        for tag in tags {
            let Some(left) = looks.checked_sub(1) else { break };
            *looks = left;
            let resolved = source.resolve(&ManifestRef::from(tag.clone())).await;
            if resolved.is_ok_and(|it| self.fits(&it.digest)) {
                found.push(tag.to_string());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_known_by_their_digits() {
        let digest = Digest::sha256(b"x");
        let (text, hex) = (digest.to_string(), digest.hex().to_string());
        assert_eq!(Wanted::parse(&format!("team/app@{text}")), Some(Wanted::Digest(digest)));
        for (words, fits) in [
            (&text[..20], Some(true)),
            (&hex[..6], Some(true)),
            (&hex[1..9], Some(false)),
            (&hex[..5], None),
            ("v1.2.3", None),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(Wanted::parse(words).map(|wanted| wanted.fits(&digest)), fits, "{words}");
        }
    }
}
