//! What a catalogue says of a delta, checked before any of it is believed. The members are explained in
//! `docs/BUNDLE-FORMAT.md`.

use std::str::FromStr as _;

use regzip::Recipe;
use sealift_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Content, Encoding};

/// What the catalogue calls this encoding. It never gets a second meaning.
pub(crate) const ID: &str = "delta-1";
/// The most frames of a delta.
pub(super) const FRAMES_LIMIT: usize = 256;
/// The most bases of a delta.
const BASES_LIMIT: usize = 16;
/// The most runs of bytes that the prefix of a frame is made of.
pub(super) const PREFIX_LIMIT: usize = 64;
/// The smallest and the largest window of a frame, as powers of two: those of zstd.
const WINDOWS: std::ops::RangeInclusive<u32> = 10..=31;
/// The most plain bytes of a frame, and of its prefix: what the largest window covers.
pub(super) const PLAIN_LIMIT: u64 = (1 << 31) - 1;
/// The most plain bytes of a base, which is read as it comes.
const BASE_PLAIN_LIMIT: u64 = 1 << 40;
/// How many times its size gzip can become, and what an empty stream takes.
const GZIP_RATIO: u64 = 1032;
/// The longest recipe, in bytes.
pub(super) const RECIPE_LIMIT: usize = 256 * 1024;

/// How content is made from what is carried of it and what the other side holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// How many plain bytes the content has.
    pub plain: u64,
    /// Their digest.
    pub plain_digest: Digest,
    /// The digest of what is carried.
    pub carried_digest: Digest,
    /// How the content is made from the plain bytes; without, those are the content.
    pub gzip: Option<Recipe>,
    /// What it builds on.
    pub bases: Vec<DeltaBase>,
    pub(super) frames: Vec<Frame>,
}

/// Content that a delta builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaBase {
    /// Its digest.
    pub digest: Digest,
    /// How many plain bytes it has.
    pub plain: u64,
    /// Whether it is a gzip stream of them.
    pub is_gzip: bool,
}

/// A zstd frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    /// How many plain bytes come out.
    pub(super) plain: u64,
    /// How many bytes are carried.
    pub(super) size: u64,
    /// Its window, as a power of two.
    pub(super) window: u32,
    /// What stands before the first plain byte.
    pub(super) prefix: Vec<Run>,
}

/// A run of plain bytes of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Which base.
    pub(super) base: usize,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// The parameters as the catalogue has them.
#[derive(Serialize, Deserialize)]
struct Written {
    plain: u64,
    plain_digest: Digest,
    carried_digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gzip: Option<String>,
    frames: Vec<Frame>,
    base_forms: Vec<Form>,
}

/// The form of a base.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Form {
    plain: u64,
    gzip: bool,
}

impl Delta {
    /// Reads how content is encoded; `None` of content that is carried as it is, or encoded in a way that is not known.
    ///
    /// # Errors
    /// What does not fit.
    pub fn of(content: &Content) -> Option<Result<Self, String>> {
        let encoding = content.encoding.as_ref().filter(|it| it.id == ID)?;
        let written = Written::deserialize(&encoding.parameters).map_err(|error| error.to_string());
        Some(written.and_then(|written| Self::checked(written, content)))
    }

    /// How many bytes are carried.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum()
    }

    /// How many bytes have to be in memory while the content is made: what is carried, and of the largest frame the
    /// prefix and the plain bytes.
    pub(super) fn memory(&self) -> u64 {
        let frames = self.frames.iter().map(|frame| frame.prefix() + frame.plain);
        self.carried() + frames.max().unwrap_or_default()
    }

    /// Writes it for a catalogue.
    pub(super) fn encoding(&self) -> Encoding {
        let written = Written {
            plain: self.plain,
            plain_digest: self.plain_digest,
            carried_digest: self.carried_digest,
            gzip: self.gzip.as_ref().map(ToString::to_string),
            frames: self.frames.clone(),
            base_forms: self.bases.iter().map(|it| Form { plain: it.plain, gzip: it.is_gzip }).collect(),
        };
        // Maps have text as keys, and writing to memory cannot fail.
        Encoding { id: ID.to_owned(), parameters: serde_json::to_value(written).unwrap_or_default() }
    }

    fn checked(written: Written, content: &Content) -> Result<Self, String> {
        let text = written.gzip.as_deref();
        if text.is_some_and(|text| text.len() > RECIPE_LIMIT) {
            return Err("its recipe is too long".to_owned());
        }
        let gzip = text.map(Recipe::from_str).transpose().map_err(|error| error.to_string())?;
        let forms = &written.base_forms;
        if forms.len() != content.bases.len() || forms.is_empty() || forms.len() > BASES_LIMIT {
            return Err(format!("it names {} bases and {} forms", content.bases.len(), forms.len()));
        }
        let base = |(digest, form): (&Digest, &Form)| DeltaBase {
            digest: *digest,
            plain: form.plain,
            is_gzip: form.gzip,
        };
        let delta = Self {
            plain: written.plain,
            plain_digest: written.plain_digest,
            carried_digest: written.carried_digest,
            gzip,
            bases: content.bases.iter().zip(forms).map(base).collect(),
            frames: written.frames,
        };
        delta.check_plain(content.size)?;
        delta.check_bases(content)?;
        delta.check_frames(content)?;
        Ok(delta)
    }

    fn check_plain(&self, size: u64) -> Result<(), String> {
        let fits = match &self.gzip {
            Some(recipe) => recipe.plain() == self.plain && self.plain / GZIP_RATIO <= size,
            None => self.plain == size,
        };
        if fits { Ok(()) } else { Err(format!("its {} plain bytes do not fit its size", self.plain)) }
    }

    fn check_bases(&self, content: &Content) -> Result<(), String> {
        if let Some(base) = self.bases.iter().find(|base| base.plain > BASE_PLAIN_LIMIT) {
            return Err(format!("a base has {} plain bytes, which is too many", base.plain));
        }
        match self.bases.iter().any(|base| base.digest == content.digest) {
            true => Err("it builds on itself".to_owned()),
            false => Ok(()),
        }
    }

    fn check_frames(&self, content: &Content) -> Result<(), String> {
        if self.frames.is_empty() || self.frames.len() > FRAMES_LIMIT {
            return Err(format!("it has {} frames", self.frames.len()));
        }
        for frame in &self.frames {
            self.check_frame(frame)?;
        }
        let sum =
            |of: fn(&Frame) -> u64| self.frames.iter().try_fold(0_u64, |sum, it| sum.checked_add(of(it)));
        if sum(|frame| frame.plain) != Some(self.plain) {
            return Err(format!("its frames do not have its {} plain bytes", self.plain));
        }
        let lying = content.at.iter().fold(0_u64, |sum, at| sum.saturating_add(at.size));
        let carried = sum(|frame| frame.size).ok_or("its frames are too long")?;
        // Encrypted it takes a little more.
        let fits = match content.sealed {
            None => carried == lying,
            Some(sealed) => sealed == lying && carried < sealed,
        };
        if fits { Ok(()) } else { Err(format!("its frames have {carried} bytes, and {lying} lie there")) }
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), String> {
        let is_inside = |run: &Run| {
            let base = self.bases.get(run.base);
            base.is_some_and(|base| run.offset.checked_add(run.size).is_some_and(|end| end <= base.plain))
        };
        if frame.prefix.len() > PREFIX_LIMIT
            || frame.prefix() > PLAIN_LIMIT
            || !frame.prefix.iter().all(is_inside)
        {
            return Err("the prefix of a frame lies outside of its bases".to_owned());
        }
        if !WINDOWS.contains(&frame.window) || frame.plain > 1 << frame.window {
            return Err(format!("a frame of {} bytes has a window of 2^{}", frame.plain, frame.window));
        }
        Ok(())
    }
}

impl Frame {
    /// How many bytes its prefix has.
    fn prefix(&self) -> u64 {
        self.prefix.iter().fold(0, |sum, run| sum.saturating_add(run.size))
    }

    /// Returns the window that covers that many bytes, so that a frame sees all of itself and of its prefix.
    pub(super) fn window(bytes: u64) -> u32 {
        (bytes.max(1).ilog2() + 1).clamp(*WINDOWS.start(), *WINDOWS.end())
    }
}
