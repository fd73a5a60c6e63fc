//! `sealift keygen`: makes a key pair to sign bundles with, in minisign's formats.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_bundle::SecretKey;
use sealift_store::platform;

use super::{Result, bundle};
use crate::args::KeygenArgs;
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::ui::Ui;

/// Who may read a secret key: its owner.
const PRIVATE: u32 = 0o600;
/// Who may read a public key: everybody.
const PUBLIC: u32 = 0o644;

/// Makes the two files; none that is there is written over.
pub(crate) async fn run(ui: &Arc<Ui>, args: &KeygenArgs, environment: &mut Environment) -> Result<Exit> {
    let (secret, public) = (with_extension(&args.out, "key"), with_extension(&args.out, "pub"));
    for path in [&secret, &public] {
        if path.symlink_metadata().is_ok() {
            return Err(CommandError::usage(
                format_args!("{} is there already", path.display()),
                "Name other files with --out; a key that is lost cannot be made again.",
            ));
        }
    }
    let passphrase = match args.no_passphrase {
        true => None,
        false => Some(bundle::new_passphrase("the key", environment)?),
    };
    let failed = |error| CommandError::Machine("the key cannot be made", error);
    let key = SecretKey::generate().map_err(failed)?;
    let text = key.to_text(passphrase.as_ref()).map_err(failed)?;
    write(&secret, text.as_bytes(), PRIVATE)?;
    let told = write(&public, key.public().to_text().as_bytes(), PUBLIC);
    told.inspect_err(|_| _ = std::fs::remove_file(&secret))?;
    ui.status(format_args!("{}: keep it secret; `sealift pack --sign` wants it", secret.display()));
    ui.status(format_args!(
        "{}: give it to the other side; `sealift load --trust` wants it. Key {}",
        public.display(),
        key.id()
    ));
    Ok(Exit::Success)
}

/// `a.b` and `key` make `a.b.key`.
fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The file never has wider rights than at its end.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    platform::set_mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| {
        let written = file.write_all(content).and_then(|()| file.sync_all());
        // Half a key is none, and would be in the way of the next one.
        written.inspect_err(|_| _ = std::fs::remove_file(path))
    });
    written.map_err(|error| {
        let error = std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        CommandError::Machine("the key cannot be written", error)
    })
}
