//! Where else the layers of an image are: what need not be moved or kept twice.

use std::collections::HashMap;

use sealift_oci::{Digest, RepositoryName};
use sealift_store::PageRequest;

use super::describe::Description;
use crate::server::auth;
use crate::server::request::Call;

/// How many repositories are looked at.
const REPOSITORIES: usize = 200;
/// How many questions a page may ask the store for this.
const QUESTIONS: usize = 2000;
/// How many repositories are named at each layer.
pub(super) const NAMED: usize = 3;

/// Finds the other repositories, of those that the caller may read, that have the same blobs.
pub(super) async fn elsewhere(
    call: &Call,
    repository: &RepositoryName,
    description: &Description,
) -> HashMap<Digest, Vec<RepositoryName>> {
    let mut found: HashMap<Digest, Vec<RepositoryName>> = HashMap::new();
    let blobs = description.blobs();
    let request = PageRequest { limit: REPOSITORIES, after: None };
    let admin = call.store.admin();
    let others = auth::repositories(admin.as_ref(), &call.caller, &request, |name| name != repository).await;
    let others = others.map(|page| page.items).unwrap_or_default();
    let mut questions = QUESTIONS;
    for name in &others {
        let source = call.source(name);
        questions = questions.saturating_sub(blobs.len());
        if questions == 0 {
            break;
        }
        for digest in blobs.keys() {
            if source.stat_blob(digest).await.is_ok() {
                found.entry(*digest).or_default().push(name.clone());
            }
        }
    }
    found
}
