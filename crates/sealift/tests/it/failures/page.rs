//! docs/ERRORS.md: the failures in the program's own words. Each of its tables is that of one test; `UPDATE_SNAPSHOTS=1`
//! writes them anew.

use std::sync::Mutex;

use crate::site::Run;

/// The tests write into one file.
static WRITING: Mutex<()> = Mutex::new(());
const HEAD: &str = "| what is wrong | what sealift says | code | what it tells to do |\n|---|---|---|---|\n";

/// A failure, as a line of a table.
pub(in crate::failures) struct Row {
    name: String,
    said: String,
    code: i32,
    hint: String,
}

impl Row {
    /// Takes what a run told. Addresses get the names that they have on all pages.
    pub(in crate::failures) fn of(name: &str, run: &Run, place: &str, side: &str) -> Self {
        let registry = if side == "source" { "mcr.microsoft.com" } else { "registry.ship.lan:5000" };
        let (host, name_alone) = (without_port(place), without_port(registry));
        let is_loopback = host.starts_with("127.");
        let shown = |text: &str| match side {
            "" => text.to_owned(),
            _ if is_loopback => with_a_name(&text.replace(place, registry)),
            _ => with_a_name(&text.replace(place, registry).replace(host, name_alone)),
        };
        let errors = run.stderr.lines().skip_while(|line| !line.starts_with("error: "));
        let mut lines = errors.map(str::to_owned);
        let error = lines.next().unwrap_or_default();
        let said = without_the_time(error.trim_start_matches("error: "));
        let hints = lines.filter_map(|line| line.trim_start().strip_prefix("Hint: ").map(str::to_owned));
        let hint = hints.collect::<Vec<_>>().join(" ");
        Self {
            name: name.to_owned(),
            said: with_short_digests(&shown(&said)),
            code: run.code.unwrap_or(-1),
            hint: shown(&hint),
        }
    }

    fn line(&self) -> String {
        let cell = |text: &str| text.replace('|', "\\|");
        let Self { name, said, code, hint } = self;
        format!("| {} | {} | {code} | {} |\n", cell(name), cell(said), cell(hint))
    }
}

fn without_port(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Ports differ from run to run; what is not the registry is elsewhere.
fn with_a_name(text: &str) -> String {
    let mut parts = text.split("127.0.0.1");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        named += "elsewhere.lan";
        let port = part.strip_prefix(':').unwrap_or_default();
        let rest = port.trim_start_matches(|it: char| it.is_ascii_digit());
        named += if rest.len() < port.len() { rest } else { part };
    }
    named
}

/// Leaves out what differs from run to run: what a clock shows, and whether it was tried more than once.
fn without_the_time(text: &str) -> String {
    const SHOWS: &str = "it shows ";
    let text = text.replace(", again and again", "");
    match text.split_once(SHOWS).and_then(|(before, rest)| Some((before, rest.split_once("GMT")?.1))) {
        Some((before, after)) => format!("{before}{SHOWS}…{after}"),
        None => text,
    }
}

/// Nobody reads the whole of a digest.
fn with_short_digests(text: &str) -> String {
    const SHOWN: usize = 12;
    let mut parts = text.split("sha256:");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|it: char| it.is_ascii_hexdigit());
        let hash = &part[..part.len() - rest.len()];
        short += &format!("sha256:{}…{rest}", &hash[..hash.len().min(SHOWN)]);
    }
    short
}

/// Holds the table of a section against the page.
#[track_caller]
pub(in crate::failures) fn hold(section: &str, rows: &[Row]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");
    let table: String = HEAD.to_owned() + &rows.iter().map(Row::line).collect::<String>();
    let heading = format!("## {section}\n\n");
    let _writing = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let page = std::fs::read_to_string(path).unwrap();
    let from = page.find(&heading).expect("the page has no such section") + heading.len();
    // The next heading may stand right below, where nothing is between.
    let until = page[from - 1..].find("\n## ").map_or(page.len(), |at| from - 1 + at);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, format!("{}{table}{}", &page[..from], &page[until..])).unwrap();
        return;
    }
    assert!(
        page[from..until] == *table,
        "docs/ERRORS.md is old; UPDATE_SNAPSHOTS=1 writes it anew:\n{table}"
    );
}
