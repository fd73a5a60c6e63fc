//! One layer: files into tar into gzip into a blob, hashed on both sides of the compressor in one pass.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sealift_oci::{Algorithm, Digest, Hasher};
use tar::{Builder, EntryType, Header};

use super::files::{Entry, Found, Walk};
use super::filler::Filler;

/// The time that every file in a layer has: the day of the release that the sets look like.
const MODIFIED: u64 = 1_600_819_200; // 2020-09-23T00:00:00Z

/// A layer's largest file is a quarter of it, so that no layer comes out much larger than it was asked for.
const LARGEST_SHARE: u64 = 4;

/// A layer as it lies in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// The digest of the compressed bytes: the blob's name.
    pub(super) digest: Digest,
    /// The number of compressed bytes.
    pub(super) size: u64,
    /// The digest of the tar archive within, which the image's configuration names.
    pub(super) diff_id: Digest,
}

/// Files that are handed out once each; what is too large for a layer waits for a larger one.
pub(super) struct Supply<I> {
    walk: I,
    too_large: VecDeque<Entry>,
    filler: Filler,
}

/// Every `of`th file of this machine, beginning with file number `part`: the supply of one thread.
pub(super) fn part_of_this_machine(part: usize, of: usize) -> Supply<impl Iterator<Item = Entry>> {
    let walk = Walk::of_this_machine().skip(part).step_by(of);
    Supply { walk, too_large: VecDeque::new(), filler: Filler::new(part as u64 + 1) }
}

impl<I: Iterator<Item = Entry>> Supply<I> {
    /// Returns the next file of at most `limit` bytes.
    fn next(&mut self, limit: u64) -> Option<Entry> {
        let fits = |entry: &Entry| !matches!(entry.found, Found::File { size, .. } if size > limit);
        if let Some(position) = self.too_large.iter().position(fits) {
            return self.too_large.remove(position);
        }
        for entry in self.walk.by_ref() {
            if fits(&entry) {
                return Some(entry);
            }
            self.too_large.push_back(entry);
        }
        None
    }

    /// Writes a layer of about `wanted` compressed bytes to `pool`, and names it after its digest.
    pub(super) fn layer(&mut self, pool: &Path, wanted: u64, level: u32) -> io::Result<Layer> {
        let blob = tempfile::NamedTempFile::new_in(pool)?;
        let compressed = Metered::new(BufWriter::new(blob.reopen()?));
        let encoder = GzEncoder::new(compressed, Compression::new(level));
        let mut archive = Archive { tar: Builder::new(Metered::new(encoder)), directories: HashSet::new() };
        while archive.compressed() < wanted {
            match self.next(wanted / LARGEST_SHARE) {
                Some(entry) => archive.append(&entry)?,
                None => archive.fill(wanted, &mut self.filler)?,
            }
        }
        let (diff_id, encoder) = archive.tar.into_inner()?.finish();
        let metered = encoder.finish()?;
        let size = metered.count;
        let (digest, mut writer) = metered.finish();
        writer.flush()?;
        blob.persist(pool.join(digest.hex()))?;
        Ok(Layer { digest, size, diff_id })
    }
}

struct Archive<W: Write> {
    tar: Builder<Metered<GzEncoder<Metered<W>>>>,
    /// The directories that are already in the archive.
    directories: HashSet<PathBuf>,
}

impl<W: Write> Archive<W> {
    fn compressed(&self) -> u64 {
        self.tar.get_ref().inner.get_ref().count
    }

    /// Appends a file or link. A file that is gone or shorter than it was is filled up with zeros, because
    /// its length already stands in the archive.
    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let path = entry.path.strip_prefix("/").map_err(io::Error::other)?;
        match &entry.found {
            Found::Link { target } => {
                self.open_directories(path)?;
                self.tar.append_link(&mut header(EntryType::Symlink, 0o777), path, target)
            }
            Found::File { size, executable } => {
                let Ok(file) = File::open(&entry.path) else { return Ok(()) };
                self.open_directories(path)?;
                let mut header = header(EntryType::Regular, if *executable { 0o755 } else { 0o644 });
                header.set_size(*size);
                self.tar.append_data(&mut header, path, file.chain(io::repeat(0)).take(*size))
            }
        }
    }

    /// Appends one file of noise that brings the layer to its size, where the machine has no more files.
    fn fill(&mut self, wanted: u64, filler: &mut Filler) -> io::Result<()> {
        // No less than a block: what the compressor still holds back is not counted yet.
        let missing = wanted.saturating_sub(self.compressed()).max(4096);
        let name = format!("var/lib/filler/{:016x}", filler.next_number());
        self.open_directories(Path::new(&name))?;
        let mut header = header(EntryType::Regular, 0o644);
        header.set_size(missing);
        self.tar.append_data(&mut header, name, filler.take(missing))
    }

    /// Appends the directories above `path`, outermost first; unpacking needs each before what is in it.
    fn open_directories(&mut self, path: &Path) -> io::Result<()> {
        let above: Vec<&Path> = path.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty()).collect();
        for directory in above.into_iter().rev() {
            if self.directories.insert(directory.to_owned()) {
                let name = directory.join("");
                self.tar.append_data(&mut header(EntryType::Directory, 0o755), name, io::empty())?;
            }
        }
        Ok(())
    }
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header.set_size(0);
    header
}

/// Counts and hashes what passes through to `inner`.
struct Metered<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W> Metered<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(Algorithm::Sha256), count: 0 }
    }

    fn finish(self) -> (Digest, W) {
        (self.hasher.finish(), self.inner)
    }
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes `bytes` to `pool` under their digest.
pub(super) fn write_blob(pool: &Path, bytes: &[u8]) -> io::Result<Digest> {
    let digest = Digest::sha256(bytes);
    fs::write(pool.join(digest.hex()), bytes)?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    fn supply(root: &Path) -> Supply<impl Iterator<Item = Entry>> {
        let walk = Walk::of(vec![root.to_owned()]);
        Supply { walk, too_large: VecDeque::new(), filler: Filler::new(1) }
    }

    fn unpacked(pool: &Path, layer: &Layer) -> Vec<u8> {
        let mut archive = Vec::new();
        let blob = File::open(pool.join(layer.digest.hex())).unwrap();
        GzDecoder::new(blob).read_to_end(&mut archive).unwrap();
        archive
    }

    #[test]
    fn a_layer_is_named_after_its_bytes_and_says_what_is_in_it() {
        let (source, pool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(source.path().join("deep/er")).unwrap();
        fs::write(source.path().join("deep/er/file"), "hello").unwrap();
        fs::write(source.path().join("large"), Filler::new(3).take_bytes(5000)).unwrap();
        let layer = supply(source.path()).layer(pool.path(), 2000, 1).unwrap();
        let bytes = fs::read(pool.path().join(layer.digest.hex())).unwrap();
        assert_eq!(Digest::sha256(&bytes), layer.digest);
        assert_eq!(bytes.len() as u64, layer.size);
        let archive = unpacked(pool.path(), &layer);
        assert_eq!(Digest::sha256(&archive), layer.diff_id);
        let mut names = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().to_string_lossy().into_owned());
        }
        assert!(names[0].ends_with('/') && !names[0].starts_with('/'), "{names:?}");
        let file = names.iter().position(|it| it.ends_with("deep/er/file")).unwrap();
        assert!(names[file - 1].ends_with("deep/er/"), "{names:?}");
        assert!(!names.iter().any(|it| it.ends_with("large")), "the filler takes its place: {names:?}");
    }

    #[test]
    fn layers_of_one_supply_differ_and_a_second_supply_repeats_them() {
        let pool = tempfile::tempdir().unwrap();
        let make = || {
            let mut supply = part_of_this_machine(0, 2);
            [(); 2].map(|()| supply.layer(pool.path(), 100_000, 1).unwrap())
        };
        let [first, second] = make();
        assert_ne!(first.digest, second.digest);
        assert_eq!(make(), [first, second]);
    }
}
