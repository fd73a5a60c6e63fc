//! The bytes of one entry, read from the volumes that they lie in.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::files;

/// A run of bytes in a file.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// Reads runs of bytes one behind the other. One file is open at a time: a blob may lie in thousands of volumes.
#[derive(Debug)]
pub(crate) struct Extents {
    pieces: Vec<Piece>,
    position: u64,
    /// The file of the piece with that number, and where it stands in the piece.
    open: Option<(usize, File, u64)>,
}

/// The same bytes, to be read by another one: it opens its own file.
impl Clone for Extents {
    fn clone(&self) -> Self {
        Self { pieces: self.pieces.clone(), position: self.position, open: None }
    }
}

impl Extents {
    pub(crate) fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces, position: 0, open: None }
    }

    /// Leaves out the first bytes.
    pub(crate) fn skip(mut self, count: u64) -> Self {
        self.position = count;
        self
    }

    /// Returns how many bytes there are.
    fn length(&self) -> u64 {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.size))
    }

    /// Finds the piece that has the next byte, and the byte's place in it.
    fn find(&self) -> Option<(usize, u64)> {
        let mut inside = self.position;
        for (number, piece) in self.pieces.iter().enumerate() {
            if inside < piece.size {
                return Some((number, inside));
            }
            inside -= piece.size;
        }
        None
    }

    fn read_piece(&mut self, number: usize, inside: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = &self.pieces[number];
        let left = piece.size - inside;
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let (mut file, stands) = match self.open.take() {
            Some((open, file, stands)) if open == number => (file, Some(stands)),
            _ => (files::open(&piece.path)?.0, None),
        };
        if stands != Some(inside) {
            file.seek(SeekFrom::Start(piece.offset.saturating_add(inside)))?;
        }
        let count = file.read(&mut buffer[..room])?;
        if count == 0 && room > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends there"));
        }
        self.open = Some((number, file, inside + count as u64));
        Ok(count)
    }

    /// Puts the file and the place in it in front of an error.
    fn name(&self, number: usize, inside: u64, error: &io::Error) -> io::Error {
        let Piece { path, offset, .. } = &self.pieces[number];
        io::Error::new(error.kind(), format!("{} at byte {}: {error}", path.display(), offset + inside))
    }
}

impl Read for Extents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((number, inside)) = self.find() else { return Ok(0) };
        let count =
            self.read_piece(number, inside, buffer).map_err(|error| self.name(number, inside, &error))?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Extents {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pieces(directory: &std::path::Path) -> Vec<Piece> {
        fs::write(directory.join("a"), "__012").unwrap();
        fs::write(directory.join("b"), "3456").unwrap();
        fs::write(directory.join("c"), "789__").unwrap();
        let piece = |name, offset, size| Piece { path: directory.join(name), offset, size };
        vec![piece("a", 2, 3), piece("b", 0, 4), piece("c", 5, 0), piece("c", 0, 3)]
    }

    #[test]
    fn pieces_are_read_from_any_place() {
        let directory = tempfile::tempdir().unwrap();
        for start in 0..12 {
            let mut extents = Extents::new(pieces(directory.path()));
            assert_eq!(extents.seek(SeekFrom::Start(start)).unwrap(), start);
            let mut read = String::new();
            extents.read_to_string(&mut read).unwrap();
            assert_eq!(read, "0123456789".get(start as usize..).unwrap_or_default());
        }
        let mut extents = Extents::new(pieces(directory.path()));
        assert_eq!(extents.seek(SeekFrom::End(-1)).unwrap(), 9);
        assert_eq!(extents.seek(SeekFrom::Current(-9)).unwrap(), 0);
        assert!(extents.seek(SeekFrom::Current(-1)).is_err());
    }

    #[test]
    fn an_error_names_the_file_and_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let pieces = pieces(directory.path());
        fs::write(directory.path().join("b"), "3").unwrap();
        let mut extents = Extents::new(pieces.clone());
        let error = extents.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("b at byte 1: the file ends there"), "{error}");
        fs::remove_file(directory.path().join("b")).unwrap();
        std::os::unix::fs::symlink(directory.path().join("a"), directory.path().join("b")).unwrap();
        let error = Extents::new(pieces).read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("b at byte 0: it is no regular file"), "{error}");
    }
}
