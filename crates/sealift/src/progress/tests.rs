//! Real frames: what a terminal shows while a board fills, messages scroll by, and all ends.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_mirror::Passage;
use sealift_oci::Digest;
use sealift_store::{Side, lock};

use super::board::{Row, Snapshot};
use super::show::Due;
use super::{Board, Phase, Screen, Show, Stage, Way};

pub(super) fn row(number: usize) -> Row {
    Row {
        repository: format!(
            "site/arcdata/arc-{}",
            ["sqlmi", "monitor-telegraf-collector", "dns"][number % 3]
        ),
        digest: Digest::sha256(number.to_string().as_bytes()),
        size: 100_000_000 * (number as u64 + 1),
        position: 30_000_000 * number as u64,
        per_second: (number > 0).then_some(1_234_567 * number as u64),
        left: (number > 0).then(|| Duration::from_secs(75 * number as u64)),
    }
}

/// A run with so many transfers.
pub(super) fn seen(transfers: usize) -> Snapshot {
    Snapshot {
        phase: Phase::Moving,
        elapsed: Duration::from_secs(42),
        rows: (0..transfers).map(row).collect(),
        images: 54,
        images_done: 12,
        planned: 4_560_000_000,
        done: 1_300_000_000,
        moved: 1_230_000_000,
        per_second: Some(45_100_000),
        left: Some(Duration::from_secs(72)),
        retries: 0,
    }
}

/// A terminal that remembers how it looked after each write.
struct Terminal(Arc<Mutex<(vt100::Parser, Vec<String>)>>);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (parser, frames) = &mut *lock(&self.0);
        // As a terminal's driver does.
        let text = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        parser.process(text.as_bytes());
        frames.push(parser.screen().contents());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stage on such a terminal.
struct Play {
    terminal: Arc<Mutex<(vt100::Parser, Vec<String>)>>,
    stage: Stage,
    show: Show,
    board: Arc<Mutex<Board>>,
}

impl Play {
    fn new(width: u16, height: u16) -> Self {
        let terminal = Arc::new(Mutex::new((vt100::Parser::new(height, width, 100), Vec::new())));
        let out: Box<dyn Write + Send> = Box::new(Terminal(Arc::clone(&terminal)));
        let screen = Screen::new(Arc::new(Mutex::new(out)), move || (width, height));
        let board = Arc::new(Mutex::new(Board::new(Phase::Moving, 3, 1_000_000_000)));
        let show = Show::new(Arc::clone(&board), Way::Bars);
        Self { terminal, stage: Stage::new(screen), show, board }
    }

    fn tick(&mut self, seconds: u64) {
        assert_eq!(self.show.tick(Duration::from_secs(seconds), Some(&mut self.stage), true), Due::Nothing);
    }

    fn screen(&self) -> String {
        lock(&self.terminal).0.screen().contents()
    }
}

fn passage(name: &str) -> Arc<Passage> {
    let repository = format!("site/arcdata/{name}").parse().unwrap();
    Passage::new(Digest::sha256(name.as_bytes()), 400_000_000, repository, Side::Source)
}

#[test]
fn images_scroll_away_above_and_the_end_leaves_nothing_behind() {
    for (width, height) in [(80, 24), (40, 10)] {
        let mut play = Play::new(width, height);
        let transfers = [passage("arc-sqlmi"), passage("arc-dns")];
        transfers.iter().for_each(|it| lock(&play.board).started(it));
        play.tick(1);
        transfers[0].advance(100_000_000, 100_000_000);
        play.tick(2);
        match width {
            80 => insta::assert_snapshot!(play.screen(), @r#"
            arc-sqlmi       707d75ee9073 [===>            ]  25%  400 MB  100 MB/s     3s
            arc-dns         f442e0d4a32e [                ]   0%  400 MB     0 B/s      -
            total                        [>               ]  10% 1.00 GB  100 MB/s     9s
            0 of 3 images, 100 MB moved, 0:01
            "#),
            _ => insta::assert_snapshot!(play.screen(), @r#"
            arc-sqlmi  [>      ]  100 MB/s     3s
            arc-dns    [       ]     0 B/s      -
            total      [       ]  100 MB/s     9s
            0 of 3 images, 100 MB moved, 0:01
            "#),
        }
        play.stage.print_above("arc-bootstrapper arrived\n");
        lock(&play.board).image_done();
        play.tick(3);
        let lines = play.screen();
        assert!(lines.starts_with("arc-bootstrapper arrived\narc-sqlmi"), "{lines}");
        assert!(lines.ends_with("\n1 of 3 images, 100 MB moved, 0:02"), "{lines}");
        play.stage.clear();
        let (parser, frames) = &mut *lock(&play.terminal);
        assert_eq!(parser.screen().contents(), "arc-bootstrapper arrived");
        assert_eq!(parser.screen().cursor_position(), (1, 0));
        assert!(!parser.screen().hide_cursor());
        // A message and the frame below it come in one piece: between them nothing is ever empty.
        let drawn = &frames[..frames.len() - 1];
        assert!(drawn.iter().all(|frame| frame.contains("images, ")), "{drawn:#?}");
        assert_eq!(drawn.len(), 4, "{drawn:#?}");
    }
}

#[test]
fn what_is_the_same_is_not_drawn_again() {
    let mut play = Play::new(80, 24);
    play.stage.show("the same".to_owned());
    play.stage.show("the same".to_owned());
    assert_eq!(lock(&play.terminal).1.len(), 1);
}

/// What a terminal shows of Ctrl-C stands where the cursor is, and the next frame covers it.
#[test]
fn ctrl_c_leaves_no_trace() {
    for (width, height) in [(80, 24), (40, 10)] {
        let mut play = Play::new(width, height);
        let transfer = passage("arc-sqlmi");
        lock(&play.board).started(&transfer);
        play.tick(1);
        lock(&play.terminal).0.process(b"^C");
        play.stage.print_above("Stopping.\n");
        play.tick(2);
        assert!(!play.screen().contains("^C"), "{}", play.screen());
        play.stage.clear();
        assert_eq!(play.screen(), "Stopping.");
    }
}

#[test]
fn many_transfers_on_a_small_terminal_scroll_nothing_away() {
    let mut play = Play::new(40, 10);
    let transfers: Vec<_> = (0..16).map(|number| passage(&format!("image-{number}"))).collect();
    transfers.iter().for_each(|it| lock(&play.board).started(it));
    play.tick(1);
    for it in transfers.iter().skip(2) {
        it.advance(1_000_000, 1_000_000);
    }
    play.tick(2);
    insta::assert_snapshot!(play.screen(), @r#"
    image-0    [       ]     0 B/s      -
    image-1    [       ]     0 B/s      -
    image-2    [       ] 1.00 MB/s  6m39s
    image-3    [       ] 1.00 MB/s  6m39s
    image-4    [       ] 1.00 MB/s  6m39s
    image-5    [       ] 1.00 MB/s  6m39s
    ... and 10 more
    total      [       ] 14.0 MB/s  1m10s
    0 of 3 images, 14.0 MB moved, 0:01
    "#);
    drop(transfers);
    play.tick(3);
    assert_eq!(play.screen().lines().count(), 2, "{}", play.screen());
}

#[test]
fn a_line_comes_every_few_seconds_and_no_sooner() {
    let board = Arc::new(Mutex::new(Board::new(Phase::Moving, 3, 1_000_000_000)));
    let mut show = Show::new(board, Way::Plain);
    let due: Vec<bool> = [0, 1, 4, 5, 6, 9, 10, 30]
        .map(|seconds| show.tick(Duration::from_secs(seconds), None, false) != Due::Nothing)
        .to_vec();
    assert_eq!(due, [false, false, false, true, false, false, true, true]);
}
