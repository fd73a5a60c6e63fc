//! `--create-repositories`: makes at the target what some registries want to be there before a push.

use std::collections::BTreeSet;

use sealift_oci::RepositoryName;
use sealift_registry::client::{Created, RegistryClient};
use sealift_store::Side;

use super::job::Job;
use crate::errors::CommandError;
use crate::places::Connection;
use crate::ui::Ui;

/// Makes what the selection's repositories need. Where the target makes repositories on a push, that is
/// nothing.
pub(crate) async fn make(ui: &Ui, job: &Job, connection: &Connection) -> Result<(), CommandError> {
    let target = &job.ends.target;
    let credentials = target.identity.credentials.clone();
    let client = connection.client(&target.registry, credentials, Some(Side::Target))?;
    let images = job.selection.groups.iter().flat_map(|group| &group.images);
    let repositories: BTreeSet<&RepositoryName> = images.map(|image| &image.target).collect();
    let mut made = BTreeSet::new();
    for repository in repositories {
        // What is made is the part before the first slash, Harbor's project; once is enough.
        let project = repository.as_str().split('/').next().unwrap_or_default();
        if made.insert(project) {
            make_one(ui, &client, repository, project).await?;
        }
    }
    Ok(())
}

async fn make_one(
    ui: &Ui,
    client: &RegistryClient,
    repository: &RepositoryName,
    project: &str,
) -> Result<(), CommandError> {
    let created = client.create_repository(repository).await.map_err(|error| error.on(Side::Target))?;
    if created == Created::Made {
        ui.status(format_args!("Made the project {project} at the target."));
    }
    Ok(())
}
