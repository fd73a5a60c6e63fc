//! The report as a page: one file to hand to an auditor, to read on a screen, and to print.
//!
//! It shows what the JSON document has and is made from it. Everything is escaped by the templates; nothing runs, and nothing is
//! loaded from anywhere.

mod bundle;
mod directory;
mod picture;
mod sheet;
mod tables;
mod transfer;
mod verification;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, html};
use sealift_oci::Digest;

use super::json::{Check, Failure, Run};
use sheet::{Sheet, Standing};

const STYLE: &str = include_str!("style.css");

/// What can be shown as a page.
pub(crate) trait Page {
    /// Puts together what is shown.
    fn sheet(&self) -> Sheet<'_>;
}

/// Writes the page.
pub(crate) fn text(document: &impl Page) -> String {
    page(&document.sheet()).into_string()
}

/// Nothing runs or is loaded; of styles only the one below, by its hash.
fn policy() -> String {
    let hash = STANDARD.encode(Digest::sha256(STYLE.as_bytes()).hash());
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn page(sheet: &Sheet<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (sheet.title) ": " (sheet.headline) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                header { p.kind { (sheet.title) } h1 { (sheet.headline) } (standing(sheet)) }
                main {
                    (facts(sheet))
                    (failures(sheet.failures))
                    (findings(sheet))
                    (checks(sheet.checks))
                    (picture::section(sheet))
                    (tables::images(sheet))
                    (picture::layers(sheet))
                    (tables::attachments(sheet))
                    (tables::bundles(sheet.bundles))
                }
                footer {
                    p { "Written by sealift " (sheet.version) ". Times are UTC; sizes are as stored, compressed; kB, MB and GB go by the thousand." }
                }
            }
        }
    }
}

/// A sign and words, so that nobody needs to see colours.
fn standing(sheet: &Sheet<'_>) -> Markup {
    let (class, sign) = match sheet.standing {
        Standing::Good => ("good", "✓"),
        Standing::Short => ("short", "!"),
        Standing::Bad => ("bad", "✗"),
    };
    html! { p class={ "standing " (class) } { span.sign aria-hidden="true" { (sign) } (sheet.sentence) } }
}

fn facts(sheet: &Sheet<'_>) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "What was done" }
            dl.facts {
                @for (name, value) in run_facts(sheet.run).into_iter().chain(sheet.facts.iter().cloned()) {
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

fn run_facts(run: &Run) -> Vec<(&'static str, String)> {
    let readable = |time: &str| time.replace('T', " ").replace('Z', " UTC");
    let operator = run.operator.as_deref().unwrap_or("not named");
    let mut facts = vec![("By whom", operator.to_owned()), ("Command", format!("sealift {}", run.command))];
    facts.extend(run.started_at.as_deref().map(|time| ("Began", readable(time))));
    facts.extend(run.finished_at.as_deref().map(|time| ("Over", readable(time))));
    facts
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        section aria-labelledby="checks" {
            h2 #checks { "How it was verified" }
            @if checks.is_empty() { p.quiet { "Nothing was carried or compared, so nothing was verified." } }
            @else { ul.checks { @for check in checks { li { (check.message) } } } }
        }
    }
}

fn failures(failures: &[Failure]) -> Markup {
    html! {
        @if !failures.is_empty() {
            section.failures aria-labelledby="failures" {
                h2 #failures { "What failed, and why" }
                @for failure in failures {
                    article.failure {
                        h3 { (failure.message) }
                        @if !failure.causes.is_empty() {
                            p { @for (at, cause) in failure.causes.iter().enumerate() { @if at > 0 { "; " } (cause) } }
                        }
                        @if !failure.hint.is_empty() { p { strong { "What to do: " } (failure.hint) } }
                        @if !failure.images.is_empty() {
                            p { strong { "Images: " } @for (at, image) in failure.images.iter().enumerate() {
                                @if at > 0 { ", " } code { (image) }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn findings(sheet: &Sheet<'_>) -> Markup {
    html! {
        @if !sheet.findings.is_empty() {
            section.failures aria-labelledby="findings" {
                h2 #findings { "What differs" }
                @for (place, what) in &sheet.findings {
                    article.failure { h3 { (place) } @for line in what { p { (line) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
