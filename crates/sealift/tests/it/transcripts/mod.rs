//! What a person sees who goes the main paths on a clean account, on a screen of 80 columns and 24 lines, typing errors
//! and all. Each transcript is a file beside this one; `UPDATE_SNAPSHOTS=1` writes them anew.

use std::path::Path;

use sealift_testbed::http_proxy::{Action, HttpProxy};

use crate::screen::Typed::{Answer, Seeing};
use crate::screen::{SMALL, Typed, on_terminal, transcript};
use crate::site::Site;

/// Stands for an address of the loopback, and is as long: `127.0.0.1:` and a port of five digits.
const SOURCE: &str = "public.lan:5000";
const TARGET: &str = "vessel.lan:5000";
const ENDED: &str = "ended with ";
/// Between an image and how many others are whole.
const WHOLE: &str = " is all there (";
/// What a person who is asked nothing says of the source.
const RELEASE: &str = "--source-registry public.lan:5000 --source-repository arcdata --source-anonymous \
                       --source-tag v1.42.0_2025-10-14";
const INTO: &str = "--target-registry vessel.lan:5000 --target-repository site/arcdata --target-anonymous";

/// A person before a terminal: an empty home, two registries, and all that was on the screen so far.
struct Person {
    site: Site,
    target: String,
    home: tempfile::TempDir,
    seen: String,
}

impl Person {
    async fn new() -> Self {
        let site = Site::new().await;
        let target = site.target.address.clone();
        Self { site, target, home: tempfile::tempdir().unwrap(), seen: String::new() }
    }

    /// Runs a command that names the registries as they are called in transcripts; false where there is no terminal.
    async fn runs(&mut self, line: &str, typed: &[Typed<'_>]) -> bool {
        let real = |text: &str| text.replace(SOURCE, &self.site.source.address).replace(TARGET, &self.target);
        let texts: Vec<String> = typed.iter().map(|typed| real(typed.text())).collect();
        let typed: Vec<Typed<'_>> = typed.iter().zip(&texts).map(|(typed, text)| typed.with(text)).collect();
        let shown = on_terminal(SMALL, self.home.path(), &real(line), &typed).await.map(transcript);
        let Some(shown) = shown else { return false };
        let shown = shown.replace(&self.site.source.address, SOURCE).replace(&self.target, TARGET);
        self.seen += &format!("$ {line}\n{shown}\n\n");
        true
    }

    /// Holds what was seen against what was kept.
    #[track_caller]
    fn kept(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts").join(name);
        let seen = steady(&self.seen);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &seen).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == seen, "{name} is another now; UPDATE_SNAPSHOTS=1 writes it anew:\n{seen}");
        let ends = seen.lines().filter(|line| line.starts_with(ENDED)).count();
        assert!(ends > 0, "{seen}");
    }
}

/// What was seen without what differs from run to run: times, names that are drawn, and which image was whole first.
fn steady(seen: &str) -> String {
    let (mut steady, mut whole) = (String::new(), Vec::new());
    let mut lines = seen.lines();
    while let Some(line) = lines.next() {
        if let Some((name, place)) = line.split_once(WHOLE) {
            // The screen may end before the line does.
            let rest = if place.ends_with(')') { "" } else { lines.next().unwrap_or_default().trim_start() };
            let all = format!("{place} {rest}")
                .trim_end()
                .trim_end_matches(')')
                .rsplit(' ')
                .next()
                .map(str::to_owned);
            whole.push((name.to_owned(), all.unwrap_or_default()));
            continue;
        }
        whole.sort();
        for (at, (name, all)) in whole.drain(..).enumerate() {
            steady += &format!("{name}{WHOLE}{} of {all})\n", at + 1);
        }
        let words: Vec<&str> = line.split(' ').collect();
        let next = words.iter().skip(1).chain(&[""]);
        let words: Vec<&str> = words.iter().zip(next).map(|(word, next)| steady_word(word, next)).collect();
        steady += &with_steady_end(words.join(" ").trim_end());
        steady += "\n";
    }
    steady
}

/// A line whose last column is as wide as the times in it.
fn with_steady_end(line: &str) -> String {
    match line.rsplit_once(' ') {
        Some((rest, last @ ("time" | "TIMEs" | "-"))) => format!("{} {last}", rest.trim_end()),
        _ => line.to_owned(),
    }
}

/// A word, or what stands for it.
fn steady_word<'a>(word: &'a str, next: &str) -> &'a str {
    let bare = word.trim_end_matches([',', '.']);
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match bare {
        _ if is_number(bare) && next.trim_end_matches('.') == "s" => "TIME",
        _ if bare.strip_suffix('s').is_some_and(is_number) => "TIMEs",
        _ if bare.len() == 64 && is_hex(bare) => "CHECKSUM",
        _ if bare.len() == 32 && is_hex(bare) => "BUNDLE",
        _ if bare.len() == 16 && is_hex(bare) => "KEY",
        _ if bare.len() == 20 && bare.ends_with('Z') => "WHEN",
        _ => word,
    }
}

/// The ten answers, with a typing error in some of them; then what is told when all is there, and the check.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_mirror() {
    let mut person = Person::new().await;
    let typed = [
        Answer("using `mcr.microsoft.com`:", "https://public.lan:5000/arcdata\r"),
        Answer("using `mcr.microsoft.com`:", "public.lan:5000\r"),
        Answer("using `arcdata`:", "Arc Data\r"),
        Answer("using `arcdata`:", "\r"),
        Answer("username for the source container registry - press ENTER for using none:", "\r"),
        Answer("password for the source container registry - press ENTER for using none:", "\r"),
        Answer("at the source - press ENTER for using 'v1.42.0_2025-10-14':", "\r"),
        Answer("registry DNS name or IP address:", "vessel.lan:5000\r"),
        Answer("Provide target container registry repository:", "site/arcdata\r"),
        Answer("username for the target container registry - press enter for using none:", "\r"),
        Answer("password for the target container registry - press enter for using none:", "\r"),
        Answer("at the target - press ENTER for using 'v1.42.0_2025-10-14':", "approved\r"),
    ];
    if !person.runs("sealift mirror", &typed).await {
        return;
    }
    person.runs(&format!("sealift mirror {RELEASE} {INTO} --target-tag approved"), &[]).await;
    person.runs(&format!("sealift verify --deep {RELEASE} {INTO} --target-tag approved"), &[]).await;
    person.kept("first-mirror.txt");
}

/// From a registry to another by way of a directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle() {
    let mut person = Person::new().await;
    for line in [
        "sealift keygen --out ship --no-passphrase",
        &format!("sealift pack {RELEASE} --image arc-dns --to release.tar --sign ship.key"),
        "sealift inspect release.tar --trust ship.pub",
        "sealift verify release.tar --trust ship.pub",
        &format!("sealift load release.tar --trust ship.pub {INTO}"),
        &format!("sealift load release.tar --trust ship.pub {INTO}"),
    ] {
        if !person.runs(line, &[]).await {
            return;
        }
    }
    person.kept("bundle.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_errors() {
    let mut person = Person::new().await;
    for line in [
        "sealift",
        "sealift mirorr",
        "sealift mirror --target-registy vessel.lan:5000",
        &format!("sealift mirror {RELEASE} --target-registry https://vessel.lan:5000/site"),
        &format!("sealift mirror {RELEASE} --target-registry vessel.lan:5000 --target-repository Site"),
        &format!(
            "sealift mirror {INTO} --source-registry public.lan:5000 --source-repository arcdata \
                  --source-anonymous --source-tag v1.42 --target-tag approved"
        ),
        &format!("sealift load nowhere.tar {INTO}"),
        &format!("sealift pack {RELEASE} --to release --volume-size 10parrots"),
    ] {
        if !person.runs(line, &[]).await {
            return;
        }
    }
    person.kept("typing-errors.txt");
}

/// The target wants a password: none, a wrong one, the right one.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password() {
    let mut person = Person::new().await;
    let door = HttpProxy::start(person.target.parse().unwrap()).await.unwrap();
    // captain, and the password hunter2.
    let right = "Basic Y2FwdGFpbjpodW50ZXIy";
    door.set_rule(move |request| match request.headers.get("authorization") {
        Some(value) if value == right => Action::Pass,
        _ => Action::Respond {
            status: 401,
            headers: vec![("www-authenticate".to_owned(), "Basic realm=\"vessel\"".to_owned())],
            body: bytes::Bytes::new(),
        },
    });
    person.target = door.address().to_string();
    let into = "--target-registry vessel.lan:5000 --target-repository site/arcdata --target-tag approved";
    let line = format!("sealift mirror {RELEASE} --image arc-dns {into}");
    let user = "username for the target container registry - press enter for using none:";
    let password = "password for the target container registry - press enter for using none:";
    let tries: [&[Typed<'_>]; 3] = [
        &[Answer(user, "\r"), Answer(password, "\r")],
        &[Answer(user, "captain\r"), Answer(password, "hunter3\r")],
        &[Answer(user, "captain\r"), Answer(password, "hunter2\r")],
    ];
    for typed in tries {
        if !person.runs(&line, typed).await {
            return;
        }
    }
    assert!(!person.seen.contains("hunter"), "{}", person.seen);
    person.kept("wrong-password.txt");
}

/// Ctrl-C in the middle, and the same command again.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_mirror() {
    let mut person = Person::new().await;
    let door = HttpProxy::start(person.target.parse().unwrap()).await.unwrap();
    person.target = door.address().to_string();
    door.set_rule(|request| match request.method == "PATCH" {
        true => Action::Stall,
        false => Action::Pass,
    });
    let line = format!("sealift mirror {RELEASE} --image arc-dns {INTO} --target-tag approved");
    if !person.runs(&line, &[Seeing("Bringing 1 image", "\x03")]).await {
        return;
    }
    door.set_rule(|_| Action::Pass);
    person.runs(&line, &[]).await;
    person.kept("interrupted.txt");
}
