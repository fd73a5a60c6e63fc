//! The journal on disk: uploads that were not finished, so that the next process can go on with them.
//!
//! Each has a file of its own, named by what the upload is for. A file is replaced whole, so any number of
//! processes can use one directory; which of them wrote last does not matter, since the target says how far
//! an upload has come. A file that is not understood counts as none, and all of them may be deleted at any
//! time: then a blob begins again. Nothing is written through to the disk for the same reason: a note is a
//! small file and a rename, which took 0.1 to 0.8 ms on ext4 on a busy machine.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sealift_mirror::{Journal, Unfinished, UploadKey};
use sealift_oci::Digest;
use sealift_store::{atomic, platform};
use serde::{Deserialize, Serialize};

/// Who comes back later than this begins again; registries have forgotten the upload by then.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most entries that are kept from earlier runs. A run leaves one for each blob that was on its way.
const ENTRIES_LIMIT: usize = 1000;
/// The largest entry that is read: 64 hash states of some hundred bytes and a long URL are a tenth of it.
const ENTRY_LIMIT: u64 = 256 * 1024;
/// The form of an entry; one that says another is not read.
const VERSION: u32 = 1;
const ENDING: &str = "json";

/// Keeps unfinished uploads in a directory.
#[derive(Debug)]
pub(crate) struct DiskJournal {
    directory: PathBuf,
}

/// One unfinished upload.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    place: String,
    repository: String,
    digest: String,
    upload: String,
    points: Vec<Point>,
}

/// How the hash stood at one offset.
#[derive(Serialize, Deserialize)]
struct Point {
    offset: u64,
    hash: String,
}

/// Finds where state is kept if nobody says where (XDG Base Directory Specification; what is not absolute
/// there does not count).
pub(crate) fn default_directory(variables: &HashMap<OsString, OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        variables.get(OsStr::new(name)).map(PathBuf::from).filter(|directory| directory.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("sealift"))
}

impl DiskJournal {
    /// Opens the journal below a directory of state; what is too old, or too much, is removed.
    pub(crate) fn open(state: &Path, now: SystemTime) -> io::Result<Self> {
        let journal = Self { directory: Self::directory(state) };
        journal.create()?;
        sweep(&journal.directory, now)?;
        Ok(journal)
    }

    /// Where the entries lie below a directory of state.
    pub(crate) fn directory(state: &Path) -> PathBuf {
        state.join("uploads")
    }

    fn create(&self) -> io::Result<()> {
        platform::create_private_directory(&self.directory)?;
        platform::keep_private(&self.directory)
    }

    fn path(&self, key: &UploadKey) -> PathBuf {
        let UploadKey { place, repository, digest } = key;
        let name = Digest::sha256(format!("{place}\n{repository}\n{digest}").as_bytes()).hex();
        self.directory.join(name).with_extension(ENDING)
    }

    fn write(&self, key: &UploadKey, entry: &Entry) -> io::Result<()> {
        // The name of an upload can be a URL that lets whoever knows it write.
        atomic::write_unsynced_private(&self.path(key), &serde_json::to_vec(entry)?)
    }

    fn read(&self, key: &UploadKey) -> Option<Unfinished> {
        let mut content = Vec::new();
        File::open(self.path(key)).ok()?.take(ENTRY_LIMIT).read_to_end(&mut content).ok()?;
        let entry: Entry = serde_json::from_slice(&content).ok()?;
        entry.is_of(key).then(|| entry.unfinished())?
    }
}

impl Journal for DiskJournal {
    fn recall(&self, key: &UploadKey) -> Option<Unfinished> {
        self.read(key)
    }

    fn keep(&self, key: &UploadKey, unfinished: &Unfinished) {
        let entry = Entry::new(key, unfinished);
        // Somebody may have deleted the directory. Whatever else fails costs a blob that begins again.
        if self.write(key, &entry).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            && self.create().is_ok()
        {
            let _ = self.write(key, &entry);
        }
    }

    fn forget(&self, key: &UploadKey) {
        // An entry that stays is found out of date by the next process, or too old.
        let _ = fs::remove_file(self.path(key));
    }
}

impl Entry {
    fn new(key: &UploadKey, unfinished: &Unfinished) -> Self {
        let point = |(offset, state): &(u64, Vec<u8>)| Point { offset: *offset, hash: BASE64.encode(state) };
        Self {
            version: VERSION,
            place: key.place.clone(),
            repository: key.repository.to_string(),
            digest: key.digest.to_string(),
            upload: unfinished.upload.as_str().to_owned(),
            points: unfinished.points.iter().map(point).collect(),
        }
    }

    fn is_of(&self, key: &UploadKey) -> bool {
        self.version == VERSION
            && self.place == key.place
            && self.repository == key.repository.as_str()
            && self.digest == key.digest.to_string()
    }

    fn unfinished(self) -> Option<Unfinished> {
        let upload = self.upload.parse().ok()?;
        let point = |point: Point| Some((point.offset, BASE64.decode(point.hash).ok()?));
        let points: Vec<(u64, Vec<u8>)> = self.points.into_iter().map(point).collect::<Option<_>>()?;
        points.is_sorted_by_key(|(offset, _)| *offset).then_some(Unfinished { upload, points })
    }
}

/// Removes what is too old, and the oldest of what is too much. Whatever is not of the journal stays.
fn sweep(directory: &Path, now: SystemTime) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_file = |metadata: &fs::Metadata| metadata.is_file() && is_ours(&path);
        let Some(metadata) = fs::symlink_metadata(&path).ok().filter(is_file) else { continue };
        let changed = metadata.modified()?;
        match now.duration_since(changed) {
            Ok(age) if age > KEPT_FOR => remove(&path)?,
            _ => kept.push((changed, path)),
        }
    }
    kept.sort();
    let surplus = kept.len().saturating_sub(ENTRIES_LIMIT);
    kept[..surplus].iter().try_for_each(|(_, path)| remove(path))
}

/// Removes a file that another process may remove at the same time.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Entries, and what a killed process was about to make one.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_entry = name.rsplit_once('.').is_some_and(|(hash, ending)| ending == ENDING && is_hash(hash));
    is_entry || name.starts_with(atomic::STAGE_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn key(repository: &str) -> UploadKey {
        UploadKey {
            place: "ship.lan:5000".to_owned(),
            repository: repository.parse().unwrap(),
            digest: Digest::sha256(b"blob"),
        }
    }

    fn unfinished(number: u8) -> Unfinished {
        let points = (0..=u64::from(number)).map(|at| (at << 20, vec![number; 108])).collect();
        Unfinished { upload: format!("https://ship.lan/upload?signed={number}").parse().unwrap(), points }
    }

    fn open(state: &Path) -> DiskJournal {
        DiskJournal::open(state, SystemTime::now()).unwrap()
    }

    /// What was recalled, if it is what some process wrote.
    #[track_caller]
    fn number(found: Option<Unfinished>) -> Option<u8> {
        let found = found?;
        let number = u8::try_from(found.points.len() - 1).unwrap();
        assert_eq!(found.upload.as_str(), unfinished(number).upload.as_str());
        assert_eq!(found.points, unfinished(number).points);
        Some(number)
    }

    #[test]
    fn the_next_process_finds_what_was_kept() {
        let state = tempfile::tempdir().unwrap();
        open(state.path()).keep(&key("a"), &unfinished(1));
        open(state.path()).keep(&key("b"), &unfinished(2));
        let next = open(state.path());
        next.keep(&key("a"), &unfinished(3));
        assert_eq!(number(next.recall(&key("a"))), Some(3));
        assert_eq!(number(next.recall(&key("b"))), Some(2));
        next.forget(&key("a"));
        next.forget(&key("a"));
        assert!(next.recall(&key("a")).is_none() && next.recall(&key("c")).is_none());
    }

    #[test]
    fn nobody_else_can_read_it() {
        let state = tempfile::tempdir().unwrap();
        let journal = open(state.path());
        journal.keep(&key("a"), &unfinished(1));
        let mode = |path: &Path| platform::mode(&fs::metadata(path).unwrap());
        assert_eq!((mode(&journal.directory), mode(&journal.path(&key("a")))), (0o700, 0o600));
        // Also where it was made by somebody less careful.
        let wide = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&journal.directory, wide).unwrap();
        assert_eq!(mode(&open(state.path()).directory), 0o700);
    }

    #[test]
    fn what_is_not_understood_counts_as_none() {
        let state = tempfile::tempdir().unwrap();
        let journal = open(state.path());
        journal.keep(&key("a"), &unfinished(1));
        let path = journal.path(&key("a"));
        let right = fs::read_to_string(&path).unwrap();
        let cases = [
            String::new(),
            right[..right.len() / 2].to_owned(),
            "[]".to_owned(),
            "\0".repeat(1 << 20),
            right.replace("\"version\":1", "\"version\":2"),
            right.replace("\"a\"", "\"b\""),
            right.replace("https://", "https:// "),
            right.replace("AQEB", "!!!!"),
            right.replace("\"offset\":0", "\"offset\":9999999"),
        ];
        for text in cases {
            assert_ne!(text, right);
            fs::write(&path, &text).unwrap();
            assert!(journal.recall(&key("a")).is_none(), "{text:.60}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(journal.recall(&key("a")).is_none());
        journal.keep(&key("a"), &unfinished(1));
        journal.forget(&key("a"));
    }

    #[test]
    fn it_may_be_deleted_at_any_time() {
        let state = tempfile::tempdir().unwrap();
        let journal = open(&state.path().join("deep/er"));
        fs::remove_dir_all(state.path()).unwrap();
        assert!(journal.recall(&key("a")).is_none());
        journal.keep(&key("a"), &unfinished(2));
        assert_eq!(number(journal.recall(&key("a"))), Some(2));
    }

    #[test]
    fn what_is_too_old_or_too_much_is_swept_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let journal = open(state.path());
        let names = |number: usize| format!("{number:064x}.json");
        for number in 0..ENTRIES_LIMIT + 3 {
            fs::write(journal.directory.join(names(number)), "{}").unwrap();
        }
        for name in ["notes.txt", ".stage-0123", "0123.json"] {
            fs::write(journal.directory.join(name), "x").unwrap();
        }
        let count = || fs::read_dir(&journal.directory).unwrap().count();
        open(state.path());
        assert_eq!(count(), ENTRIES_LIMIT + 2);
        DiskJournal::open(state.path(), SystemTime::now() + KEPT_FOR + Duration::from_secs(60)).unwrap();
        assert_eq!(count(), 2, "notes.txt and 0123.json are not ours");
    }

    #[test]
    fn several_processes_never_see_half_an_entry() {
        let state = tempfile::tempdir().unwrap();
        let journals: Vec<DiskJournal> = (0..4).map(|_| open(state.path())).collect();
        let root = state.path();
        thread::scope(|scope| {
            for (worker, journal) in journals.iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..200_u8 {
                        match (usize::from(round) + worker) % 5 {
                            0 => journal.forget(&key("a")),
                            1 => drop(open(root)),
                            _ => journal.keep(&key("a"), &unfinished(round % 64)),
                        }
                        number(journal.recall(&key("a")));
                    }
                });
            }
        });
    }

    /// variables → the directory.
    #[test]
    fn state_lies_where_the_desktop_specification_says() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs<'_>, Option<&str>); 5] = [
            (&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")], Some("/s/sealift")),
            (&[("HOME", "/h")], Some("/h/.local/state/sealift")),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], Some("/h/.local/state/sealift")),
            (&[("XDG_STATE_HOME", ""), ("HOME", "")], None),
            (&[], None),
        ];
        for (variables, expected) in cases {
            let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(default_directory(&variables).as_deref(), expected.map(Path::new));
        }
    }
}
