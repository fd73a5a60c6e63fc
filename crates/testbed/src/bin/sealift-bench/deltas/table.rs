//! The tables: each layer, what comes of all, and what it costs.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::time::Duration;

use super::Measured;
use crate::measure::Cost;

const MB: f64 = 1e6;
/// The layer of archives within archives, which flatters every ratio.
const JARS: &str = "jars";

/// One line of sums.
#[derive(Default)]
struct Sum {
    whole: u64,
    /// Carried and patched, at each level.
    levels: Vec<(u64, u64)>,
}

impl Sum {
    fn add(&mut self, whole: u64, levels: &[(u64, u64)]) {
        self.whole += whole;
        self.levels.resize(levels.len(), (0, 0));
        for (sum, more) in self.levels.iter_mut().zip(levels) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }

    fn cells(&self) -> String {
        let cell = |(carried, patched): &(u64, u64)| {
            let (part, times) = (ratio(*carried, self.whole), ratio(*carried, *patched));
            format!(" {:.2} | {part:.3} | {:.2} | {times:.3} |", mb(*carried), mb(*patched))
        };
        self.levels.iter().map(cell).collect()
    }
}

pub(super) fn render(measured: &Measured) -> io::Result<String> {
    let mut text = String::from("| layer | encoder | gzip MB | tar MB |");
    for update in &measured.updates {
        // Writing to a string cannot fail.
        let _ = write!(text, " {} MB | of gzip | --patch-from MB | × |", update.how);
    }
    let _ = writeln!(text, "\n|---|---|---|---|{}", "---|".repeat(4 * measured.updates.len()));
    let (mut all, mut without) = (Sum::default(), Sum::default());
    let mut deltas = 0;
    for (number, layer) in measured.layers.iter().enumerate() {
        let digest = layer.digests[1].to_string();
        let told = measured.updates.iter().map(|update| update.carried.get(&digest));
        let (whole, tar) = (layer.size()?, fs::metadata(&layer.tars[1])?.len());
        let carried = told.clone().map(|it| it.map_or(whole, |it| it.0));
        let levels: Vec<(u64, u64)> = carried.zip(measured.patches[number].iter().copied()).collect();
        let encoder = told.flatten().next().map_or("as it is", |it| it.1.as_str());
        deltas += usize::from(encoder != "as it is");
        let mut line = Sum::default();
        for sum in [&mut line, &mut all] {
            sum.add(whole, &levels);
        }
        if layer.name != JARS {
            without.add(whole, &levels);
        }
        let (name, cells) = (&layer.name, line.cells());
        let _ = writeln!(text, "| {name} | {encoder} | {:.2} | {:.1} |{cells}", mb(whole), mb(tar));
    }
    let _ = writeln!(
        text,
        "| **all** | {deltas} of {} as deltas | {:.2} | |{}",
        measured.layers.len(),
        mb(all.whole),
        all.cells()
    );
    let _ = writeln!(text, "| **without {JARS}** | | {:.2} | |{}", mb(without.whole), without.cells());
    Ok(text + "\n" + &costs(measured))
}

fn costs(measured: &Measured) -> String {
    let mut text = String::from(
        "| step | wall s | × floor | CPU s | × floor | peak memory MB | source MB |\n|---|---|---|---|---|---|---|\n",
    );
    let floor = &measured.floor;
    let mut row = |name: &str, cost: &Cost, is_held: bool| {
        let times = |of: Duration, floor: Duration| match is_held {
            true => format!("{:.2}", of.as_secs_f64() / floor.as_secs_f64()),
            false => "–".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {name} | {:.2} | {} | {:.2} | {} | {:.1} | {:.1} |",
            cost.wall.as_secs_f64(),
            times(cost.wall, floor.wall),
            cost.cpu.as_secs_f64(),
            times(cost.cpu, floor.cpu),
            cost.memory as f64 / MB,
            cost.source_bytes as f64 / MB,
        );
    };
    for (name, cost) in &measured.steps {
        row(name, cost, false);
    }
    row("inflating and encoding, two at a time (the floor)", floor, true);
    for update in &measured.updates {
        row(&pack(update.how), &update.cost, true);
    }
    let longest = measured.recognised.iter().copied().fold(0.0, f64::max);
    text + &format!("\nTo know the encoder of a layer took {longest:.3} s at the most.\n")
}

/// What the step is called that packs the update.
pub(super) fn pack(how: &str) -> String {
    format!("pack month 2, {how}")
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / MB
}

fn ratio(bytes: u64, of: u64) -> f64 {
    bytes as f64 / of.max(1) as f64
}
