//! Lists of here and of upstream as one.

use sealift_oci::{Descriptor, Digest};

use crate::{Error, ErrorKind, Operation, Page, PageRequest, Result, Source};

/// How many entries are read of what is attached to one manifest, and of how many pages.
const REFERRERS: usize = 10_000;
const REFERRER_PAGES: usize = 100;

/// Makes one page of two that were asked for alike. Each knows all of its own up to its last entry and no further
/// where it goes on, so the page ends there.
pub(super) fn merged<T>(
    own: Option<Page<T>>,
    other: Option<Page<T>>,
    request: &PageRequest,
    name: impl Fn(&T) -> String,
) -> Page<T> {
    let pages: Vec<Page<T>> = own.into_iter().chain(other).collect();
    let ends = pages.iter().filter(|page| page.next.is_some());
    let end = ends.filter_map(|page| page.items.iter().map(&name).max()).min();
    let mut items: Vec<(String, T)> =
        pages.into_iter().flat_map(|page| page.items).map(|item| (name(&item), item)).collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    items.dedup_by(|(one, _), (other, _)| one == other);
    let total = items.len();
    items.retain(|(name, _)| end.as_ref().is_none_or(|end| name <= end));
    items.truncate(request.limit);
    let goes_on = items.len() < total || end.is_some();
    let next = items.last().filter(|_| goes_on).map(|(name, _)| name.clone());
    Page { items: items.into_iter().map(|(_, item)| item).collect(), next }
}

/// Reads what is attached upstream. Registries go on with such lists by words of their own, so a whole one is read,
/// and the wanted part is cut out of it.
pub(super) async fn referrers(
    source: &dyn Source,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Descriptor>> {
    let (mut all, mut request) = (Vec::new(), PageRequest::first());
    for _ in 0..REFERRER_PAGES {
        let read = source.referrers(subject, artifact_type, &request).await?;
        all.extend(read.items);
        if all.len() > REFERRERS {
            break;
        }
        request.after = read.next;
        if request.after.is_none() {
            all.sort_by_key(|it| it.digest.to_string());
            return Ok(Page::of_sorted(all.into_iter(), page, |it| it.digest.to_string()));
        }
    }
    Err(Error::new(ErrorKind::Invalid, Operation::ListReferrers)
        .because(format_args!("it has more than {REFERRERS} entries, or does not come to an end")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of the letters of a sorted list.
    fn page(all: &str, request: &PageRequest) -> Option<Page<char>> {
        (all != "-").then(|| Page::of_sorted(all.chars(), request, ToString::to_string))
    }

    #[test]
    fn two_lists_become_one_whatever_the_pages() {
        for (own, other, expected) in [
            ("ace", "bcd", "abcde"),
            ("", "xyz", "xyz"),
            ("-", "xyz", "xyz"),
            ("abc", "-", "abc"),
            ("", "", ""),
        ] {
            for limit in 1..5 {
                let (mut found, mut request) = (String::new(), PageRequest { limit, after: None });
                loop {
                    let read = merged(page(own, &request), page(other, &request), &request, char::to_string);
                    assert!(read.items.len() <= limit);
                    found.extend(read.items);
                    request.after = read.next;
                    if request.after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{own} {other} by {limit}");
            }
        }
    }
}
