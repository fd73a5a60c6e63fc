//! Bars: a line for each transfer and the totals below, as wide as the terminal and never wider. Letters, digits
//! and signs of ASCII alone: the consoles of server rooms have no others.

use std::time::Duration;

use super::board::{Phase, Row, Snapshot};
use crate::output::units::{bytes, count};

/// From here on there is room for sizes and shares.
const WIDE: usize = 64;
/// The widest text of each column: `100%`, `9.99 GB`, `9.99 GB/s`, `59m59s`.
const SHARE: usize = 4;
const SIZE: usize = 7;
const SPEED: usize = 9;
const LEFT: usize = 6;
/// The totals, and what counts of them.
const TOTALS: usize = 2;
/// A terminal moves on to the next line behind its last column, and `^C` may come behind the cursor.
const MARGIN: usize = 3;

/// The part of a bar that is done, and the rest, in colour.
const DONE: (&str, &str) = ("\x1b[32m", "\x1b[0m");

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) is_coloured: bool,
}

/// One line before it is laid out.
struct Line {
    name: String,
    /// How much is done, of how much; none where nobody knows.
    share: Option<(u64, u64)>,
    size: u64,
    per_second: Option<u64>,
    left: Option<Duration>,
}

/// Draws what there is, one line under the other.
pub(super) fn draw(seen: &Snapshot, room: Room) -> String {
    let columns = Columns::of(room.width.saturating_sub(MARGIN));
    let most = room.height.saturating_sub(TOTALS + 1).max(1);
    let is_too_many = seen.rows.len() > most;
    let shown = if is_too_many { most.saturating_sub(1) } else { seen.rows.len() };
    let mut lines: Vec<String> =
        seen.rows.iter().take(shown).map(|row| columns.lay_out(&transfer(row, &columns), room)).collect();
    if is_too_many {
        lines.push(cut(&format!("... and {} more", seen.rows.len() - shown), columns.all));
    }
    lines.push(columns.lay_out(&total(seen), room));
    lines.push(cut(&counts(seen), columns.all));
    lines.join("\n")
}

fn transfer(row: &Row, columns: &Columns) -> Line {
    let last = row.repository.rsplit('/').next().unwrap_or_default();
    // Layers of one image are told apart by their digests, where there is room.
    let short = row.digest.short();
    let room = columns.name.saturating_sub(short.len() + 1);
    let name = match columns.is_wide {
        true => format!("{:room$} {short}", cut(last, room)),
        false => last.to_owned(),
    };
    Line {
        name,
        share: Some((row.position, row.size)),
        size: row.size,
        per_second: row.per_second,
        left: row.left,
    }
}

fn total(seen: &Snapshot) -> Line {
    let name = match seen.phase {
        Phase::Moving => "total",
        Phase::Comparing => "read back",
        Phase::Reading => "read",
    };
    let is_known = seen.planned > 0;
    Line {
        name: name.to_owned(),
        share: is_known.then_some((seen.done, seen.planned)),
        size: if is_known { seen.planned } else { seen.moved },
        per_second: seen.per_second,
        left: seen.left,
    }
}

/// `12 of 54 images, 1.23 GB moved, 3 moving, 0:42`.
fn counts(seen: &Snapshot) -> String {
    let mut parts = Vec::new();
    if seen.images > 0 {
        let what = if seen.phase == Phase::Comparing { " compared" } else { "" };
        parts.push(format!("{} of {}{what}", seen.images_done, count(seen.images, "image")));
    }
    if seen.phase == Phase::Moving {
        parts.push(format!("{} moved", bytes(seen.moved)));
    }
    if seen.retries > 0 {
        let times = if seen.retries == 1 { "once" } else { "times" };
        parts.push(match seen.retries {
            1 => format!("tried again {times}"),
            retries => format!("tried again {retries} {times}"),
        });
    }
    parts.push(clock(seen.elapsed));
    parts.join(", ")
}

/// `0:07`, `12:34`, `3:07:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// Writes what is left in at most six characters: `42s`, `2m05s`, `3h07m`, `12d`.
pub(super) fn left(time: Option<Duration>) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let Some(time) = time else { return "-".to_owned() };
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..HOUR => format!("{}m{:02}s", seconds / 60, seconds % 60),
        HOUR..DAY => format!("{}h{:02}m", seconds / HOUR, seconds / 60 % 60),
        _ if seconds / DAY < 1000 => format!("{}d", seconds / DAY),
        _ => "-".to_owned(),
    }
}

/// How wide everything is.
struct Columns {
    all: usize,
    name: usize,
    bar: usize,
    is_wide: bool,
}

impl Columns {
    fn of(all: usize) -> Self {
        let is_wide = all >= WIDE;
        let fixed = if is_wide { SHARE + SIZE + SPEED + LEFT + 5 } else { SPEED + LEFT + 3 };
        let rest = all.saturating_sub(fixed);
        let bar = if is_wide { rest * 2 / 5 } else { rest / 2 }.clamp(4, 40);
        Self { all, name: rest.saturating_sub(bar), bar, is_wide }
    }

    fn lay_out(&self, line: &Line, room: Room) -> String {
        let speed = line.per_second.map_or_else(|| "-".to_owned(), |rate| bytes(rate) + "/s");
        let (name, left) = (cut(&line.name, self.name), left(line.left));
        let bar = bar(line.share, self.bar, room.is_coloured);
        match self.is_wide {
            true => {
                let (share, size) = (percent(line.share), bytes(line.size));
                format!(
                    "{name:width$} {bar} {share:>SHARE$} {size:>SIZE$} {speed:>SPEED$} {left:>LEFT$}",
                    width = self.name
                )
            }
            false => format!("{name:width$} {bar} {speed:>SPEED$} {left:>LEFT$}", width = self.name),
        }
    }
}

fn percent(share: Option<(u64, u64)>) -> String {
    share.map_or_else(String::new, |share| format!("{}%", part(share, 100)))
}

/// Returns how many of `all` parts are done.
fn part((done, total): (u64, u64), all: u64) -> u64 {
    if total == 0 {
        return all;
    }
    let parts = u128::from(done.min(total)) * u128::from(all) / u128::from(total);
    u64::try_from(parts).unwrap_or(all)
}

fn bar(share: Option<(u64, u64)>, width: usize, is_coloured: bool) -> String {
    let inner = width.saturating_sub(2);
    let Some(share) = share else { return " ".repeat(width) };
    let done = usize::try_from(part(share, inner as u64)).unwrap_or(inner);
    let (begin, end) = if is_coloured { DONE } else { ("", "") };
    let head = if done > 0 && done < inner { ">" } else { "" };
    let full = "=".repeat(done - head.len());
    format!("[{begin}{full}{head}{end}{}]", " ".repeat(inner - done))
}

/// Cuts a text off where it is too long, and shows that.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('~');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::tests::{row, seen};

    fn room(width: usize, height: usize) -> Room {
        Room { width, height, is_coloured: false }
    }

    #[test]
    fn at_80_columns_everything_has_its_place() {
        insta::assert_snapshot!(draw(&seen(3), room(80, 24)), @r#"
        arc-sqlmi       5feceb66ffc8 [                ]   0%  100 MB         -      -
        arc-monitor-te~ 6b86b273ff34 [=>              ]  15%  200 MB 1.23 MB/s  1m15s
        arc-dns         d4735e3a265e [==>             ]  20%  300 MB 2.47 MB/s  2m30s
        total                        [===>            ]  28% 4.56 GB 45.1 MB/s  1m12s
        12 of 54 images, 1.23 GB moved, 0:42
        "#);
    }

    #[test]
    fn at_40_columns_bar_speed_and_time_are_left() {
        insta::assert_snapshot!(draw(&seen(3), room(40, 24)), @r#"
        arc-sqlmi  [       ]         -      -
        arc-monit~ [>      ] 1.23 MB/s  1m15s
        arc-dns    [>      ] 2.47 MB/s  2m30s
        total      [>      ] 45.1 MB/s  1m12s
        12 of 54 images, 1.23 GB moved, 0:42
        "#);
    }

    #[test]
    fn no_frame_is_larger_than_the_terminal() {
        for width in [40, 41, 63, 64, 66, 67, 68, 80, 132, 400] {
            for height in [4, 5, 10, 24] {
                for transfers in [0, 1, 2, 3, 16, 256] {
                    let frame = draw(&seen(transfers), room(width, height));
                    let lines: Vec<&str> = frame.lines().collect();
                    assert!(lines.len() < height, "{width}x{height} {transfers}\n{frame}");
                    let widest = lines.iter().map(|line| line.chars().count()).max();
                    assert!(widest <= Some(width - MARGIN), "{width}x{height}\n{frame}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let frame = draw(&seen(16), room(40, 10));
        assert!(frame.contains("... and 10 more\n") && frame.lines().count() == 9, "{frame}");
        assert_eq!(draw(&seen(7), room(40, 10)).lines().count(), 9);
    }

    #[test]
    fn a_bar_is_full_at_the_end_only() {
        for (share, expected) in [
            (Some((0, 100)), "[          ]"),
            (Some((1, 100)), "[          ]"),
            (Some((10, 100)), "[>         ]"),
            (Some((50, 100)), "[====>     ]"),
            (Some((99, 100)), "[========> ]"),
            (Some((100, 100)), "[==========]"),
            (Some((200, 100)), "[==========]"),
            (Some((0, 0)), "[==========]"),
            (None, "            "),
        ] {
            assert_eq!(bar(share, 12, false), expected);
        }
        assert_eq!(bar(Some((1, 2)), 6, true), "[\x1b[32m=>\x1b[0m  ]");
    }

    #[test]
    fn what_is_left_fits_its_column() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (61, "1m01s"), (3599, "59m59s"), (11_220, "3h07m"), (86_400 * 12, "12d")]
        {
            assert_eq!(left(Some(Duration::from_secs(seconds))), text);
            assert!(text.len() <= LEFT);
        }
        assert_eq!(left(None), "-");
        assert_eq!(left(Some(Duration::MAX)), "-");
    }

    #[test]
    fn of_a_bundle_that_is_read_no_image_is_counted() {
        let seen = Snapshot { phase: Phase::Reading, images: 0, rows: Vec::new(), ..seen(0) };
        assert_eq!(row(0).size, 100_000_000);
        let frame = draw(&seen, room(80, 24));
        assert!(frame.starts_with("read ") && frame.ends_with("\n0:42"), "{frame}");
    }
}
