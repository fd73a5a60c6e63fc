//! The tables of the registry: medians of the rounds, and how they stand to `docker-registry`'s in the same round.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Spent;
use crate::table::middle;

const GB: f64 = 1e9;
/// Whom the others are held against.
const PEER: &str = "docker-registry";

/// What was measured: for each question and server, a figure a round.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The questions in the order in which they were asked first, each with its servers in that order.
    rows: Vec<Row>,
    memory: BTreeMap<(&'static str, &'static str), Vec<f64>>,
    starts: Vec<f64>,
    tags: usize,
}

#[derive(Debug)]
struct Row {
    question: String,
    server: &'static str,
    unit: Unit,
    spent: Vec<Spent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Requests,
}

impl Table {
    pub(super) fn pull(&mut self, clients: usize, server: &'static str, spent: Spent) {
        self.add(format!("pull, clients: {clients}"), server, Unit::Bytes, spent);
    }

    pub(super) fn manifests(&mut self, server: &'static str, spent: Spent) {
        self.add("manifest by tag".to_owned(), server, Unit::Requests, spent);
    }

    pub(super) fn push(&mut self, server: &'static str, spent: Spent) {
        self.add("push of 15 images".to_owned(), server, Unit::Bytes, spent);
    }

    pub(super) fn memory(&mut self, when: &'static str, server: &'static str, mib: f64) {
        self.memory.entry((server, when)).or_default().push(mib);
    }

    pub(super) fn start(&mut self, tags: usize, starting: Duration) {
        self.tags = tags;
        self.starts.push(starting.as_secs_f64());
    }

    fn add(&mut self, question: String, server: &'static str, unit: Unit, spent: Spent) {
        match self.rows.iter_mut().find(|row| row.question == question && row.server == server) {
            Some(row) => row.spent.push(spent),
            None => self.rows.push(Row { question, server, unit, spent: vec![spent] }),
        }
    }

    pub(super) fn render(&self) -> String {
        let mut text =
            "| what | server | wall s | a second | × peer's speed | server's CPU | × peer's CPU |\n\
             |---|---|---|---|---|---|---|\n"
                .to_owned();
        for row in &self.rows {
            let peer = self.rows.iter().find(|it| it.question == row.question && it.server == PEER);
            row.render(&mut text, peer.unwrap_or(row));
        }
        text += "\n| server | idle MiB | most MiB |\n|---|---|---|\n";
        let servers: std::collections::BTreeSet<_> = self.memory.keys().map(|(server, _)| server).collect();
        for server in servers {
            let figure = |when| self.memory.get(&(*server, when)).cloned().unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {server} | {:.1} | {:.1} |",
                middle(figure("idle")),
                middle(figure("most"))
            );
        }
        let _ =
            writeln!(text, "\nA start with {} tags takes {:.3} s.", self.tags, middle(self.starts.clone()));
        text
    }
}

impl Row {
    fn render(&self, text: &mut String, peer: &Self) {
        let median = |value: fn(&Spent) -> f64| middle(self.spent.iter().map(value).collect());
        let ratio = |value: fn(&Spent) -> f64| {
            let pairs = self.spent.iter().zip(&peer.spent);
            middle(pairs.map(|(own, peer)| value(own) / value(peer)).collect())
        };
        let cpu = |spent: &Spent| spent.cpu / spent.count as f64;
        let (speed, cost) = match self.unit {
            Unit::Bytes => {
                (median(|it| it.count as f64 / it.wall / GB), format!("{:.2} s a GB", median(cpu) * GB))
            }
            Unit::Requests => {
                (median(|it| it.count as f64 / it.wall), format!("{:.3} ms each", median(cpu) * 1e3))
            }
        };
        let unit = if self.unit == Unit::Bytes { format!("{speed:.2} GB") } else { format!("{speed:.0}") };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {unit} | {:.2} | {cost} | {:.2} |",
            self.question,
            self.server,
            median(|it| it.wall),
            ratio(|it| it.count as f64 / it.wall),
            ratio(|it| it.cpu / it.count as f64),
        );
    }
}
