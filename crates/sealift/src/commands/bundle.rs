//! What the commands about bundles share: keys and passphrases, opening, identity, room on the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sealift_bundle::{
    Bundle, BundleError, BundleWriter, Damage, Destination, Held, Identities, Lock, OpenOptions, OpenedBy,
    Passphrase, PublicKey, Recipient, SealedKey, SecretKey, SecretKeyFile, Unlock, WriterOptions,
};
use sealift_registry::client::Secret;
use sealift_store::{Store, atomic, platform};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Result;
use crate::args::{OpenArgs, PackArgs};
use crate::environment::Environment;
use crate::errors::{Advice, CommandError};
use crate::output::units::bytes;
use crate::ui::Ui;

/// How much more than the content a bundle takes: headers, padding, the catalogue.
const OVERHEAD: u64 = 64 * 1024 * 1024;

/// What to do about a key to sign with that is none.
const SIGNING: &str = "Name the secret key with --sign: `sealift keygen` calls it NAME.key.";

/// What closes a bundle: who can open it, and who signs it.
#[derive(Debug, Default)]
pub(super) struct Chest {
    pub(super) lock: Option<Lock>,
    pub(super) key: Option<SecretKey>,
}

impl Chest {
    /// Finds keys that are none, and asks for nothing. Returns who will be able to open the bundle.
    pub(super) fn check(args: &PackArgs) -> Result<OpenedBy> {
        if let Some(path) = &args.sign {
            SecretKeyFile::read(path).map_err(|error| key_error(error, SIGNING))?;
        }
        let recipients = args.encrypt_to.iter().map(|it| recipient(it)).collect::<Result<Vec<_>>>()?;
        Ok(match (args.encrypt_passphrase, recipients.is_empty()) {
            (true, _) => OpenedBy::Passphrase,
            (false, true) => OpenedBy::All,
            (false, false) => OpenedBy::Recipients(recipients),
        })
    }

    /// Reads the keys and asks for passphrases, before anything moves.
    pub(super) fn of(args: &PackArgs, environment: &mut Environment) -> Result<Self> {
        let key = args.sign.as_deref().map(|path| signing_key(path, environment)).transpose()?;
        let lock = match (args.encrypt_to.as_slice(), args.encrypt_passphrase) {
            ([], false) => None,
            ([], true) => Some(Lock::Passphrase(new_passphrase("the bundle", environment)?)),
            (given, _) => {
                Some(Lock::Recipients(given.iter().map(|it| recipient(it)).collect::<Result<_>>()?))
            }
        };
        Ok(Self { lock, key })
    }
}

fn recipient(text: &str) -> Result<Recipient> {
    Recipient::parse(text).map_err(|error| {
        CommandError::usage(
            format_args!("--encrypt-to {error}"),
            "Name what `age-keygen` calls the public key: it begins with age1.",
        )
    })
}

/// Opens a key to sign with.
pub(super) fn signing_key(path: &Path, environment: &mut Environment) -> Result<SecretKey> {
    let file = SecretKeyFile::read(path).map_err(|error| key_error(error, SIGNING))?;
    if !file.wants_passphrase() {
        return file.open(|| Ok(Passphrase::new(""))).map_err(|error| key_error(error, SIGNING));
    }
    let question = format!("Passphrase of {}: ", path.display());
    let passphrase = ask(&question, environment)?;
    let opened = file.open(|| Ok(Passphrase::new(passphrase.expose())));
    opened.map_err(|error| key_error(error, "Type the passphrase again."))
}

/// Reads the key that `--trust` names.
pub(super) fn trusted_key(argument: &str) -> Result<PublicKey> {
    const HINT: &str =
        "Name the public key with --trust, or give its line: `sealift keygen` calls it NAME.pub.";
    PublicKey::from_argument(argument).map_err(|error| key_error(error, HINT))
}

/// A key that is none needs other advice than a bundle that stays closed.
fn key_error(error: BundleError, hint: &str) -> CommandError {
    match CommandError::from(error) {
        CommandError::Bundle(error @ BundleError::WrongKey { .. }, advice) => {
            CommandError::Bundle(error, Advice { hint: hint.to_owned(), ..advice })
        }
        other => other,
    }
}

/// Asks for a passphrase twice, so that no slip of a finger locks anybody out.
pub(super) fn new_passphrase(what: &str, environment: &mut Environment) -> Result<Passphrase> {
    let first = ask(&format!("New passphrase for {what}: "), environment)?;
    if first.expose().is_empty() {
        return Err(CommandError::usage("the passphrase is empty", "Type one, or do without."));
    }
    if first.expose() != ask("The same again: ", environment)?.expose() {
        return Err(CommandError::usage("the two passphrases differ", "Run the command again."));
    }
    Ok(Passphrase::new(first.expose()))
}

fn ask(question: &str, environment: &mut Environment) -> Result<Secret> {
    if !environment.is_interactive {
        return Err(CommandError::usage(
            "a passphrase is wanted, and nobody can be asked",
            "Run it on a terminal, or use keys without a passphrase: --encrypt-to and --identity, `sealift keygen --no-passphrase`.",
        ));
    }
    Ok(environment.prompter.secret(question)?)
}

/// Opens a bundle as the flags say; asks for its passphrase if it has one.
pub(super) async fn open(path: &Path, args: &OpenArgs, environment: &mut Environment) -> Result<Bundle> {
    with_keys(path, args, environment, async |options| Bundle::open(path, options).await).await
}

/// Does something with a bundle that is closed with keys or a passphrase. What the bundle is closed with is only known
/// when its signature is proven, so the passphrase is asked for when the first try came to it.
pub(super) async fn with_keys<T>(
    path: &Path,
    args: &OpenArgs,
    environment: &mut Environment,
    work: impl AsyncFn(&OpenOptions) -> std::result::Result<T, BundleError>,
) -> Result<T> {
    args.volume_dir.iter().try_for_each(|directory| check_directory(directory))?;
    let mut identities = Identities::default();
    for file in &args.identity {
        identities.extend(Identities::read(file)?);
    }
    let trust = args.trust.as_deref().map(trusted_key).transpose()?;
    let options = |unlock: Arc<Unlock>| OpenOptions {
        volume_dirs: args.volume_dir.clone(),
        trust: trust.clone(),
        unlock: Some(unlock),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        progress: None,
    };
    let wanted = Arc::new(AtomicBool::new(false));
    let (flag, keys) = (Arc::clone(&wanted), identities.clone());
    let done = work(&options(Arc::new(move |key: &SealedKey| {
        flag.store(key.wants_passphrase(), Ordering::Relaxed);
        key.open(&keys, || Ok(Passphrase::new("")))
    })))
    .await;
    if !wanted.load(Ordering::Relaxed) {
        return Ok(done?);
    }
    let passphrase = ask(&format!("Passphrase of {}: ", path.display()), environment)?;
    let unlock = move |key: &SealedKey| key.open(&identities, || Ok(Passphrase::new(passphrase.expose())));
    Ok(work(&options(Arc::new(unlock))).await?)
}

/// A name that is misspelt would look like a volume that is missing.
fn check_directory(directory: &Path) -> Result<()> {
    match directory.is_dir() {
        true => Ok(()),
        false => Err(CommandError::usage(
            format_args!("--volume-dir {}: there is no such directory", directory.display()),
            "Check the path, or leave it out.",
        )),
    }
}

/// Gives advice for a document in the place of that for a bundle.
pub(super) fn document_error(error: BundleError, hint: &str) -> CommandError {
    match CommandError::from(error) {
        CommandError::Bundle(error @ BundleError::Damaged { .. }, advice) => {
            CommandError::Bundle(error, Advice { hint: hint.to_owned(), ..advice })
        }
        other => other,
    }
}

/// A place that holds nothing but what the other side has: what would be packed is seen on it.
pub(super) async fn nothing_yet(id: &str, base: Held) -> Result<Arc<dyn Store>> {
    let nowhere = std::fs::File::open("/dev/null")
        .map_err(|error| CommandError::Machine("/dev/null cannot be opened", error))?;
    let options =
        WriterOptions { id: id.to_owned(), volume_size: None, writers: 1, base, lock: None, deltas: None };
    Ok(Arc::new(BundleWriter::open(Destination::Pipe(nowhere), options).await?))
}

/// Names the signature of a file.
pub(super) fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

/// Writes a whole file, in place of what was there. A device or a pipe stays what it is, and takes the content.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let failed = |source| BundleError::Io { path: path.to_owned(), source };
    let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    let written = if is_special { std::fs::write(path, content) } else { atomic::write(path, content) };
    Ok(written.map_err(failed)?)
}

/// Writes a document and, if there is a key, its signature. Without one, that of a document before it goes away: it would
/// make this one look altered.
pub(super) fn write_signed(
    path: &Path,
    content: &[u8],
    key: Option<&SecretKey>,
    comment: &str,
) -> Result<()> {
    let beside = signature_of(path);
    match key.filter(|_| path.metadata().map_or(true, |metadata| metadata.is_file())) {
        Some(key) => write(&beside, key.sign(path, content, comment)?.as_bytes())?,
        None => match std::fs::remove_file(&beside) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(BundleError::Io { path: beside, source }.into());
            }
            _ => {}
        },
    }
    write(path, content)
}

/// Names a document after a bundle: `november.receipt.json` in this directory.
pub(super) fn document_of(bundle: &Path, suffix: &str) -> PathBuf {
    let whole = bundle.canonicalize().unwrap_or_else(|_| bundle.to_owned());
    let stem = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    let mut name = stem.unwrap_or_else(|| "bundle".as_ref()).to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Draws what a bundle is called.
pub(super) fn random_id() -> Result<String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| {
        CommandError::Machine("there are no random numbers", std::io::Error::other(error))
    })?;
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes the time as RFC 3339 does, in UTC and whole seconds.
pub(super) fn now() -> Result<String> {
    let now = OffsetDateTime::from(SystemTime::now()).replace_nanosecond(0);
    let text = now.ok().and_then(|now| now.format(&Rfc3339).ok());
    text.ok_or_else(|| CommandError::usage("this machine's clock is far off", "Set it right."))
}

/// Names this program.
pub(super) fn tool() -> String {
    concat!("sealift ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Returns what tells of the disk that a path will lie on: the path itself, or the first above it that is there.
pub(super) fn existing(to: &Path) -> PathBuf {
    let existing = to.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    existing.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Refuses to begin what the disk has no room for.
pub(super) fn check_space(to: &Path, needed: u64) -> Result<()> {
    // What cannot be asked is not known to be too small; a pipe has no disk.
    let Some(free) = platform::free_space(&existing(to)) else { return Ok(()) };
    let wanted = needed.saturating_add(OVERHEAD.min(needed / 50 + 1024 * 1024));
    if needed == 0 || to == Path::new("-") || wanted <= free {
        return Ok(());
    }
    Err(CommandError::Refused {
        message: format!(
            "{}: {} are needed, and {} are free; nothing was fetched",
            to.display(),
            bytes(wanted),
            bytes(free)
        ),
        hint: "Make room, or name another disk.".to_owned(),
    })
}

/// Names each volume that cannot be read, and the images that it hits.
pub(super) fn tell_damage(ui: &Ui, bundle: &Bundle, damage: &[Damage]) {
    tell_passed_over(ui, bundle);
    for Damage { path, reason, images } in damage {
        ui.error(format_args!("{}: {reason}", path.display()));
        let all = &bundle.catalogue().images;
        for image in images.iter().filter_map(|at| all.get(*at)) {
            ui.note(format_args!("hits {}", image.source));
        }
    }
}

/// Names the files that are no good where another of the name is.
pub(super) fn tell_passed_over(ui: &Ui, bundle: &Bundle) {
    for volume in bundle.volumes() {
        for (path, reason) in volume.passed_over() {
            let instead = match volume.problem() {
                Some(_) => String::new(),
                None => format!("; {} is used", volume.path().display()),
            };
            ui.warning(format_args!("{}: {reason}{instead}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stays_a_device() {
        let place = tempfile::tempdir().unwrap();
        let device = place.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        write(&device, b"{}").unwrap();
        write_signed(&device, b"{}", Some(&SecretKey::generate().unwrap()), "x").unwrap();
        assert!(!device.metadata().unwrap().is_file() && device.is_symlink());
        assert!(!signature_of(&device).exists());
    }
}
