//! What the other side has already: as its receipts say, or as bundles that are taken for delivered.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sealift_bundle::{BundleError, Catalogue, Held, PublicKey, RECEIPT_LIMIT, Receipt, SIGNATURE_LIMIT};

use super::{Result, bundle};
use crate::args::{OpenArgs, PackArgs};
use crate::environment::Environment;
use crate::errors::CommandError;

/// What to do about a receipt that is none.
const RECEIPT_HINT: &str = "Name the receipt that `sealift load` wrote, and copy it again where it was damaged on the way; `sealift load` of the same bundle writes it anew.";

/// Reads what `--since` names.
pub(super) async fn read(args: &PackArgs, environment: &mut Environment) -> Result<Held> {
    let trust = args.trust.as_deref().map(bundle::trusted_key).transpose()?;
    let mut held = Held::default();
    for path in &args.since {
        if path.is_dir() || is_bundle(path) {
            if !args.assume_delivered {
                return Err(not_proven(path, "a bundle"));
            }
            let open = OpenArgs {
                trust: args.trust.clone(),
                identity: args.identity.clone(),
                ..OpenArgs::default()
            };
            held.add_catalogue(bundle::open(path, &open, environment).await?.catalogue());
        } else {
            let content = signed(path, RECEIPT_LIMIT, trust.as_ref())?;
            match Catalogue::parse(path, &content) {
                Ok(catalogue) if args.assume_delivered => held.add_catalogue(&catalogue),
                Ok(_) => return Err(not_proven(path, "the catalogue of a bundle")),
                Err(_) => {
                    let receipt = Receipt::parse(path, &content);
                    held.add_receipt(&receipt.map_err(|error| bundle::document_error(error, RECEIPT_HINT))?);
                }
            }
        }
    }
    Ok(held)
}

fn not_proven(path: &Path, what: &str) -> CommandError {
    CommandError::usage(
        format_args!("{}: {what} tells what was sent, not what arrived", path.display()),
        "Name the receipt that `sealift load` wrote; or take it for delivered with --assume-delivered.",
    )
}

/// A bundle that is one file is a tar archive, and begins with the name of an entry; a receipt begins as JSON does.
fn is_bundle(path: &Path) -> bool {
    let mut first = [0];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok()
        && first[0].is_ascii_alphabetic()
}

/// Reads a document, of whose signature is the judge who is trusted.
pub(super) fn signed(path: &Path, limit: u64, trust: Option<&PublicKey>) -> Result<Vec<u8>> {
    let content = bounded(path, limit)?;
    if let Some(key) = trust {
        let beside = bundle::signature_of(path);
        let signature = match bounded(&beside, SIGNATURE_LIMIT) {
            Err(CommandError::Bundle(BundleError::Io { source, .. }, _))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                let reason = "it is not signed".to_owned();
                return Err(BundleError::Untrusted { path: path.to_owned(), reason }.into());
            }
            other => String::from_utf8_lossy(&other?).into_owned(),
        };
        key.verify(path, &content, &signature)?;
    }
    Ok(content)
}

fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |source| CommandError::from(BundleError::Io { path: PathBuf::from(path), source });
    let mut content = Vec::new();
    // One byte more than is allowed is enough for who parses it to know.
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut content)).map_err(failed)?;
    Ok(content)
}
