//! What the other side has already, as receipts say it, or bundles that are taken for delivered.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sealift_oci::Digest;

use super::{Result, bundle};
use crate::args::OpenArgs;
use crate::environment::Environment;
use crate::errors::CommandError;

/// What is left out of a bundle.
#[derive(Clone, Debug, Default)]
pub(super) struct Since {
    base: HashMap<Digest, u64>,
    ids: Vec<String>,
}

impl Since {
    /// Returns what the other side has, with its size.
    pub(super) fn base(&self) -> HashMap<Digest, u64> {
        self.base.clone()
    }

    /// Returns the ids of what says so.
    pub(super) fn ids(&self) -> Vec<String> {
        self.ids.clone()
    }
}

/// Reads receipts, and bundles where those are taken for delivered.
pub(super) async fn read(
    files: &[PathBuf],
    assume_delivered: bool,
    environment: &mut Environment,
) -> Result<Since> {
    let mut since = Since::default();
    for file in files {
        if !assume_delivered {
            return Err(CommandError::usage(
                format_args!("{}: a bundle tells what was sent, not what arrived", file.display()),
                "Name the receipt that `sealift load` wrote; or take it for delivered with --assume-delivered.",
            ));
        }
        add_bundle(&mut since, file, environment).await?;
    }
    Ok(since)
}

async fn add_bundle(since: &mut Since, file: &Path, environment: &mut Environment) -> Result<()> {
    let opened = bundle::open(file, &OpenArgs::default(), environment).await?;
    let catalogue = opened.catalogue();
    since.base.extend(catalogue.content.iter().map(|content| (content.digest, content.size)));
    since.ids.push(catalogue.id.clone());
    Ok(())
}
