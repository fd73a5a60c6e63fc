//! Where `load` writes what the other side has to know: the receipt, and the repair request. Whether they can be written
//! is found out before anything moves.

use std::io;
use std::path::{Path, PathBuf};

use sealift_bundle::{Bundle, RECEIPT_LIMIT, REPAIR_LIMIT, Receipt, RepairRequest, SecretKey};
use sealift_store::platform;

use super::{Result, bundle, since};
use crate::args::LoadArgs;
use crate::ends::TargetEnd;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::ui::Ui;

/// The places of both documents, and who signs them.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// Where the receipt goes, if it can go anywhere.
    pub(super) receipt: Option<PathBuf>,
    /// Where a repair request goes, if it can go anywhere.
    pub(super) request: Option<PathBuf>,
    /// Who signs both.
    pub(super) key: Option<SecretKey>,
    /// The target that they speak of.
    pub(super) target: String,
}

impl Documents {
    /// Settles the places for what bundles bring. A place that was named has to be usable; where one has a default, who runs
    /// this is told, and it is done without.
    pub(super) fn settle(
        ui: &Ui,
        args: &LoadArgs,
        bundles: &[Bundle],
        environment: &mut Environment,
    ) -> Result<Self> {
        let Some(first) = args.bundles.first().filter(|_| !bundles.is_empty()) else {
            return Ok(Self::default());
        };
        let is_needed = args.sign.is_some();
        let default = bundle::document_of(first, ".receipt.json");
        let receipt = place(ui, ("--receipt", args.receipt.as_deref()), default, is_needed)?;
        let is_incremental = bundles.iter().any(|it| !it.catalogue().builds_on.is_empty());
        let request = match is_incremental || args.repair_request.is_some() {
            true => {
                let default = bundle::document_of(first, ".repair.json");
                place(ui, ("--repair-request", args.repair_request.as_deref()), default, is_needed)?
            }
            false => None,
        };
        let key = args.sign.as_deref().map(|path| bundle::signing_key(path, environment)).transpose()?;
        Ok(Self { receipt, request, key, target: String::new() })
    }

    /// Refuses to write over what is no such document, and over the receipt of another target: it may stand nowhere else.
    pub(super) fn keep_others(&mut self, end: &TargetEnd) -> Result<()> {
        self.target = name_of(end);
        let target = &self.target;
        if let Some((path, content)) = there(self.receipt.as_deref(), RECEIPT_LIMIT)? {
            match Receipt::parse(path, &content) {
                Ok(receipt) if receipt.target == *target => {}
                Ok(receipt) => {
                    let what = format!("the receipt of {} is there", receipt.target);
                    return Err(occupied(path, &what, "--receipt"));
                }
                Err(_) => return Err(occupied(path, "a file that is no receipt is there", "--receipt")),
            }
        }
        match there(self.request.as_deref(), REPAIR_LIMIT)? {
            Some((path, content)) if RepairRequest::parse(path, &content).is_err() => {
                Err(occupied(path, "a file that is no repair request is there", "--repair-request"))
            }
            _ => Ok(()),
        }
    }
}

/// Names a target; a directory so that it has one name, from wherever it is named.
fn name_of(end: &TargetEnd) -> String {
    let TargetEnd::Directory(named) = end else { return end.to_string() };
    let path = std::path::absolute(named).unwrap_or_else(|_| PathBuf::from(named));
    // The directory itself may be missing yet.
    let mut above = path.ancestors();
    let known = above.find_map(|it| Some(it.canonicalize().ok()?.join(path.strip_prefix(it).ok()?)));
    let whole: PathBuf = known.unwrap_or(path).components().collect();
    TargetEnd::Directory(whole.display().to_string()).to_string()
}

/// Reads what a document would be written over; an empty file is nothing.
fn there(path: Option<&Path>, limit: u64) -> Result<Option<(&Path, Vec<u8>)>> {
    let Some(path) = path.filter(|path| path.is_file()) else { return Ok(None) };
    let content = since::signed(path, limit, None)?;
    Ok((!content.is_empty()).then_some((path, content)))
}

fn occupied(path: &Path, what: &str, flag: &str) -> CommandError {
    CommandError::usage(
        format_args!("{}: {what}", path.display()),
        format_args!("Name another place with {flag}; nothing was moved."),
    )
}

/// Refuses what is asked of documents that a plain layout does not bring.
pub(super) fn check_asked(args: &LoadArgs, bundles: &[Bundle]) -> Result<()> {
    let asked = [
        ("--receipt", args.receipt.is_some()),
        ("--repair-request", args.repair_request.is_some()),
        ("--sign", args.sign.is_some()),
    ];
    match asked.into_iter().find(|(_, is_asked)| *is_asked && bundles.is_empty()) {
        Some((flag, _)) => Err(CommandError::usage(
            format_args!("{flag}: a plain OCI image layout has no receipt and no repair request"),
            format_args!("Leave {flag} out, or load a bundle, which `sealift pack` writes."),
        )),
        None => Ok(()),
    }
}

fn place(
    ui: &Ui,
    (flag, named): (&str, Option<&Path>),
    default: PathBuf,
    is_needed: bool,
) -> Result<Option<PathBuf>> {
    let path = named.map_or(default, Path::to_owned);
    let Err(error) = check_writable(&path) else { return Ok(Some(path)) };
    let message = format!("{flag} {}: {error}", path.display());
    if named.is_some() || is_needed {
        let hint = format!("Name a place that can be written to with {flag}; nothing was moved.");
        return Err(CommandError::usage(message, hint));
    }
    ui.warning(format_args!(
        "{}: {error}; it is not written unless {flag} FILE names another place",
        path.display()
    ));
    Ok(None)
}

/// Tells whether a document can be written. A file is put in place of another, so its directory counts; a device or a pipe
/// is written to.
pub(super) fn check_writable(path: &Path) -> io::Result<()> {
    let place = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => path.to_owned(),
        _ => match path.parent() {
            // The dot makes a file in the directory's place an error.
            Some(parent) => parent.join("."),
            None => PathBuf::from("."),
        },
    };
    platform::writable(&place)
}

/// Tells whether a directory can be written to, or made, and makes nothing.
pub(super) fn check_directory(path: &Path) -> io::Result<()> {
    let missing = |checked: &io::Result<()>| {
        checked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    // The dot makes a file in a directory's place an error.
    let checked = path.ancestors().map(|place| platform::writable(&place.join(".")));
    let mut there = checked.skip_while(missing);
    there.next().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_name() {
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&whole, whole.join("link")).unwrap();
        let expected = format!("the directory {}", whole.join("store").display());
        for is_there in [false, true] {
            for name in ["store", "./store", "store/", "link/store", "link/./store"] {
                let named = format!("{}/{name}", whole.display());
                assert_eq!(name_of(&TargetEnd::Directory(named)), expected, "{name}");
            }
            if !is_there {
                std::fs::create_dir(whole.join("store")).unwrap();
            }
        }
        let here = name_of(&TargetEnd::Directory("store".to_owned()));
        assert!(here.starts_with("the directory /") && here.ends_with("/store"), "{here}");
    }

    #[test]
    fn places_are_tried_without_writing() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        for (name, is_fine) in
            [("new.json", true), ("file", true), ("", false), ("none/x", false), ("file/x", false)]
        {
            assert_eq!(check_writable(&path(name)).is_ok(), is_fine, "{name:?}");
        }
        let cases =
            [("", true), ("new", true), ("new/deeper", true), ("file", false), ("file/uploads", false)];
        for (name, is_fine) in cases {
            assert_eq!(check_directory(&path(name)).is_ok(), is_fine, "{name:?}");
        }
        assert!(check_directory(Path::new("here/below")).is_ok());
        assert!(check_writable(Path::new("/dev/null")).is_ok());
        assert!(check_writable(Path::new("here.json")).is_ok());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
