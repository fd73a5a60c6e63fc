//! Discovery: which repositories a registry has below a prefix, and which tags in each.
//!
//! Registries break in parts, and many list no repositories at all: then the names of the table are asked
//! for one by one. What cannot be read is kept as a finding; only where nothing can be read there is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use sealift_catalog::{Discovery, Listing, ReleaseTag, path_below, releases};
use sealift_oci::{RepositoryName, Tag};
use sealift_store::{Error, ErrorKind, Operation, Result, Side, Store, collect_pages};

use crate::output::units::count;
use crate::ui::Ui;

/// How many repositories are read at the same time; each needs a request or two.
const CONCURRENCY: usize = 8;

/// What was seen of a registry.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Whether the registry listed its repositories; else the names of the table were asked for.
    pub(crate) has_catalog: bool,
    /// How many repositories are there below the prefix.
    pub(crate) repositories: usize,
    /// What differs from the table.
    pub(crate) discovery: Discovery,
}

/// Looks at everything below a prefix.
///
/// # Errors
/// When no repository can be read.
pub(crate) async fn look(ui: &Ui, store: &dyn Store, prefix: &RepositoryName) -> Result<Seen> {
    let listed = names_listed(ui, store, prefix).await;
    let has_catalog = listed.is_some();
    let names = listed.unwrap_or_else(names_of_table);
    ui.status(format_args!("Looking into {} of {}.", repositories(names.len()), store.place()));
    let read = stream::iter(names).map(|name| read(store, prefix, name)).buffered(CONCURRENCY);
    let read: Vec<(String, Result<Vec<Tag>>)> = read.collect().await;
    let listing = listing(read, has_catalog)?;
    Ok(Seen { has_catalog, repositories: listing.len(), discovery: compare(&listing) })
}

/// Lists the repositories below the prefix, where the registry tells.
async fn names_listed(ui: &Ui, store: &dyn Store, prefix: &RepositoryName) -> Option<BTreeSet<String>> {
    let admin = store.admin();
    let page = |page| {
        let admin = Arc::clone(&admin);
        async move { admin.repositories(&page).await }
    };
    match collect_pages(Operation::ListRepositories, page).await {
        Ok(all) => {
            let below = all.iter().filter_map(|it| path_below(prefix, it)).map(str::to_owned);
            // Some answer with what the user may see, which can be nothing.
            Some(below.collect()).filter(|names: &BTreeSet<String>| !names.is_empty())
        }
        Err(error) => {
            ui.detail(error);
            None
        }
    }
}

fn names_of_table() -> BTreeSet<String> {
    releases().iter().filter_map(|release| release.images.as_ref()).flatten().cloned().collect()
}

async fn read(store: &dyn Store, prefix: &RepositoryName, name: String) -> (String, Result<Vec<Tag>>) {
    let repository = prefix.join(&name).map_err(|error| {
        Error::new(ErrorKind::Invalid, Operation::ListTags).at(store.place()).object(&name).because(error)
    });
    let tags = match repository {
        Ok(repository) => {
            let source = store.source(&repository);
            let page = |page| {
                let source = Arc::clone(&source);
                async move { source.tags(&page).await }
            };
            collect_pages(Operation::ListTags, page).await
        }
        Err(error) => Err(error),
    };
    (name, tags.map_err(|error| error.on(Side::Source)))
}

/// A repository that was only guessed need not be there.
fn listing(read: Vec<(String, Result<Vec<Tag>>)>, has_catalog: bool) -> Result<Listing> {
    let (mut listing, mut failure) = (Listing::new(), None);
    for (name, tags) in read {
        match tags {
            Ok(tags) => drop(listing.insert(name, Ok(tags))),
            Err(error) => {
                if has_catalog || error.kind() != ErrorKind::NotFound {
                    listing.insert(name, Err(error.to_string()));
                }
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(error) if !listing.values().any(std::result::Result::is_ok) => Err(error),
        _ => Ok(listing),
    }
}

/// Compares everything with the table, every release that is there image by image.
fn compare(listing: &Listing) -> Discovery {
    let found = Discovery::compare(listing, &[]);
    let known =
        releases().iter().map(|release| &release.tag).filter(|it| !found.absent_releases.contains(it));
    let unknown = found.unknown_releases.iter().map(|it| &it.tag);
    let mut wanted: Vec<Tag> = known.chain(unknown).cloned().collect();
    wanted.sort_by_key(ReleaseTag::of);
    Discovery::compare(listing, &wanted)
}

/// Writes a number of repositories.
pub(crate) fn repositories(number: usize) -> String {
    count(number, "repository").replace("repositorys", "repositories")
}
