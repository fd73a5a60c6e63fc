//! Where `serve` fetches what its directory lacks.

use std::sync::Arc;

use sealift_store::{Backoff, DirectoryStore, ReadThrough, Side, Terms, Upstream};

use super::Result;
use super::job::jitter;
use crate::args::{UpstreamArgs, UpstreamName};
use crate::environment::Environment;
use crate::identity::{Identity, Lookup};
use crate::places::Connection;
use crate::ui::Ui;

/// Puts a directory in front of the upstreams that were named, where some were.
pub(super) async fn open(
    ui: &Ui,
    args: &UpstreamArgs,
    directory: &Arc<DirectoryStore>,
    environment: &Environment,
) -> Result<Option<ReadThrough>> {
    if args.upstream.is_empty() {
        return Ok(None);
    }
    let connection = Connection::read(&args.connection(), environment)?;
    let lookup = Lookup::new(environment, ui);
    let mut upstreams = Vec::new();
    for name in &args.upstream {
        upstreams.push(upstream(name, &connection, &lookup).await?);
    }
    let terms = Terms {
        tag_ttl: args.tag_ttl.0,
        transfers: connection.transfers,
        backoff: Backoff { jitter, ..Backoff::default() },
        ..Terms::default()
    };
    Ok(Some(ReadThrough::new(Arc::clone(directory), upstreams, terms)))
}

/// Opens one; who asks there is kept where it is for `mirror`.
async fn upstream(name: &UpstreamName, connection: &Connection, lookup: &Lookup<'_>) -> Result<Upstream> {
    let UpstreamName { prefix, registry, path } = name.clone();
    let mut identity = Identity::unknown();
    lookup.fill_in(&mut identity, &registry, path.as_ref()).await?;
    let client = connection.client(&registry, identity.credentials, Some(Side::Source))?;
    Ok(Upstream::new(Arc::new(client), prefix, path))
}
