//! A line now and then: for what is no terminal, or one on which nothing can be drawn.

use super::bars::left;
use super::board::{Phase, Snapshot};
use crate::output::units::{bytes, count};

/// Writes how far it is in one line.
pub(super) fn line(seen: &Snapshot) -> String {
    let speed = seen.per_second.map(|rate| format!(", {}/s", bytes(rate))).unwrap_or_default();
    let left = seen.left.map(|time| format!(", {} left", left(Some(time)))).unwrap_or_default();
    let images = format!("{} of {}", seen.images_done, count(seen.images, "image"));
    match seen.phase {
        Phase::Moving => format!(
            "{} moved, {} of at most {} done{speed}{left}; {images}",
            bytes(seen.moved),
            bytes(seen.done),
            bytes(seen.planned),
        ),
        Phase::Comparing => format!("{images} compared, {} read back{speed}", bytes(seen.moved)),
        Phase::Reading => format!("{} of {} read{speed}{left}", bytes(seen.done), bytes(seen.planned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::tests::seen;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let lines = [Phase::Moving, Phase::Comparing, Phase::Reading]
            .map(|phase| line(&Snapshot { phase, ..seen(1) }));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        1.23 GB moved, 1.30 GB of at most 4.56 GB done, 45.1 MB/s, 1m12s left; 12 of 54 images
        12 of 54 images compared, 1.23 GB read back, 45.1 MB/s
        1.30 GB of 4.56 GB read, 45.1 MB/s, 1m12s left
        "#);
        let nothing = Snapshot { per_second: None, left: None, ..seen(0) };
        assert!(line(&nothing).ends_with("of at most 4.56 GB done; 12 of 54 images"), "{}", line(&nothing));
    }
}
