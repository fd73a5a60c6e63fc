//! Foreign layers: those that registries may lack because their publisher forbids copies. Only where the
//! user says so are they fetched from the addresses in the manifest. No credentials go there.

use async_trait::async_trait;
use sealift_mirror::ForeignLayers;
use sealift_registry::client::RegistryClient;
use sealift_store::{BlobBody, Result, Side};

/// Fetches layers from where their publisher keeps them, within the bounds of the registry that names them.
#[derive(Debug)]
pub(crate) struct Publishers {
    source: RegistryClient,
}

impl Publishers {
    pub(crate) fn of(source: RegistryClient) -> Self {
        Self { source }
    }
}

#[async_trait]
impl ForeignLayers for Publishers {
    async fn open(&self, url: &str, offset: u64) -> Result<BlobBody> {
        self.source.fetch_url(url, offset).await.map_err(|error| error.on(Side::Source))
    }
}
