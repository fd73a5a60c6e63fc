//! Layers that a bundle carries as what differs from earlier ones, in words. `pack`, `load` and `inspect` tell them alike.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sealift_bundle::ListedDelta;
use sealift_oci::Digest;

use super::units::{bytes, count};

/// How many reasons a sentence names.
const NAMED: usize = 4;

/// How many layers are deltas, and what that saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// How many layers might have been deltas.
    pub(crate) layers: usize,
    /// How many are.
    pub(crate) deltas: usize,
    /// How many bytes those have.
    pub(crate) whole: u64,
    /// How many bytes are carried of them.
    pub(crate) carried: u64,
}

impl Coverage {
    /// Counts the layers; `None` where there are none.
    pub(crate) fn of<'a>(blobs: impl IntoIterator<Item = &'a ListedDelta>) -> Option<Self> {
        let mut sum = Self::default();
        for blob in blobs.into_iter().filter(|blob| is_layer(blob)) {
            sum.layers += 1;
            if is_delta(blob) {
                sum.deltas += 1;
                sum.whole = sum.whole.saturating_add(blob.size);
                sum.carried = sum.carried.saturating_add(blob.carried);
            }
        }
        (sum.layers > 0).then_some(sum)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} as deltas", self.deltas, count(self.layers, "layer"))?;
        match self.deltas {
            0 => Ok(()),
            _ => write!(f, ": {} carried in place of {}", bytes(self.carried), bytes(self.whole)),
        }
    }
}

/// What is too small, and what is no layer, is none that might have been a delta.
fn is_layer(blob: &ListedDelta) -> bool {
    is_delta(blob) || blob.why_whole.is_some()
}

fn is_delta(blob: &ListedDelta) -> bool {
    !blob.bases.is_empty()
}

/// Says how many layers are deltas, and why others are not; `None` where there is none of either.
pub(crate) fn sentence(blobs: &[ListedDelta]) -> Option<String> {
    let mut text = Coverage::of(blobs)?.to_string();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in blobs.iter().filter_map(|blob| blob.why_whole.as_deref()) {
        *reasons.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    for (reason, number) in reasons.iter().take(NAMED) {
        let are = if *number == 1 { "as it is" } else { "as they are" };
        // Writing to a string cannot fail.
        let _ = write!(text, "; {number} {are}, because {reason}");
    }
    match reasons.iter().skip(NAMED).map(|(_, number)| number).sum() {
        0 => {}
        more => text.push_str(&format!("; {more} more for other reasons")),
    }
    Some(text)
}

/// Says all that, and a line for each blob; nothing where there is no layer.
pub(crate) fn text(blobs: &[ListedDelta]) -> String {
    let Some(sentence) = sentence(blobs) else { return String::new() };
    blobs.iter().fold(sentence + ".\n", |text, blob| text + "  " + &line(blob) + "\n")
}

fn line(blob: &ListedDelta) -> String {
    let (digest, size) = (blob.digest.short(), bytes(blob.size));
    if !is_delta(blob) {
        let why = blob.why_whole.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        return format!("{digest} {size} as it is{why}");
    }
    let bases: Vec<String> = blob.bases.iter().map(Digest::short).collect();
    format!(
        "{digest} {size} as {} ({} %), {}, builds on {}",
        bytes(blob.carried),
        blob.carried.saturating_mul(100) / blob.size.max(1),
        blob.encoder.as_deref().unwrap_or("not compressed"),
        bases.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(name: &str, carried: u64, why: Option<&str>) -> ListedDelta {
        let is_delta = carried < 1000 && why.is_none();
        ListedDelta {
            digest: Digest::sha256(name.as_bytes()),
            size: 1000,
            carried,
            encoder: is_delta.then(|| "go-1.19:level=6".to_owned()),
            bases: if is_delta { vec![Digest::sha256(b"old")] } else { Vec::new() },
            why_whole: why.map(str::to_owned),
        }
    }

    #[test]
    fn it_is_told_how_many_are_deltas_and_why_others_are_not() {
        let reasons = ["is zstd", "is new", "is new", "is odd", "is rare", "is other", "is one more"];
        let mut blobs = vec![blob("a", 10, None), blob("configuration", 1000, None)];
        assert_eq!(sentence(&blobs).unwrap(), "1 of 1 layer as deltas: 10 B carried in place of 1.00 kB");
        blobs.extend(reasons.map(|why| blob(why, 1000, Some(why))));
        assert_eq!(
            sentence(&blobs).unwrap(),
            "1 of 8 layers as deltas: 10 B carried in place of 1.00 kB; 2 as they are, because is new; 1 as it is, because is odd; 1 as it is, because is one more; 1 as it is, because is other; 2 more for other reasons"
        );
        assert_eq!(sentence(&blobs[1..2]), None, "what is no layer is not told of");
        assert_eq!(sentence(&blobs[1..3]).unwrap(), "0 of 1 layer as deltas; 1 as it is, because is zstd");
    }

    #[test]
    fn each_has_a_line() {
        let blobs = [blob("a", 10, None), blob("b", 1000, Some("is new")), blob("c", 1000, None)];
        let [a, b, c] = [0, 1, 2].map(|at| blobs[at].digest.short());
        let old = Digest::sha256(b"old").short();
        assert_eq!(
            text(&blobs),
            format!(
                "1 of 2 layers as deltas: 10 B carried in place of 1.00 kB; 1 as it is, because is new.\n  {a} 1.00 kB as 10 B (1 %), go-1.19:level=6, builds on {old}\n  {b} 1.00 kB as it is: is new\n  {c} 1.00 kB as it is\n"
            )
        );
        assert_eq!(text(&blobs[2..]), "");
    }
}
