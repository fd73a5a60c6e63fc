//! The tables of a page. Each names its headers, and says in words what colours say.

use maud::{Markup, html};
use sealift_registry::server::artifact_name;

use super::sheet::{Row, Sheet, Standing};
use crate::output::json::{Attached, BundleFacts};
use crate::output::units::bytes;

/// The endings of the tags by which older tools attach, and what hangs there.
const BY_TAG: [(&str, &str); 3] =
    [(".sig", "Signature (Sigstore)"), (".att", "Attestation"), (".sbom", "List of contents (SBOM)")];

/// Writes a size; nothing is a dash.
pub(super) fn sized(amount: u64) -> String {
    if amount == 0 { "–".to_owned() } else { bytes(amount) }
}

pub(super) fn images(sheet: &Sheet<'_>) -> Markup {
    let has_platforms = sheet.images.iter().any(|row| !row.platforms.is_empty());
    html! {
        @if !sheet.images.is_empty() {
            section aria-labelledby="images" {
                h2 #images { "Images" }
                table role="table" {
                    caption { "Every image that was looked for, with the digest of its manifest" }
                    thead role="rowgroup" {
                        tr role="row" {
                            th scope="col" role="columnheader" { "Image" }
                            th scope="col" role="columnheader" { "Outcome" }
                            @if has_platforms { th scope="col" role="columnheader" { "Platforms" } }
                            @for name in sheet.amounts { th.number scope="col" role="columnheader" { (name) } }
                        }
                    }
                    @for (release, rows) in releases(&sheet.images) {
                        tbody role="rowgroup" {
                            @if let Some(release) = release {
                                tr.release role="row" {
                                    th scope="rowgroup" role="rowheader" colspan=(2 + usize::from(has_platforms) + sheet.amounts.len()) { (release) }
                                }
                            }
                            @for row in rows { (image(row, sheet.amounts, has_platforms)) }
                        }
                    }
                }
            }
        }
    }
}

/// Puts images together that follow one another in a release.
fn releases<'a, 'b>(rows: &'b [Row<'a>]) -> Vec<(Option<&'a str>, &'b [Row<'a>])> {
    let parts = rows.chunk_by(|one, other| one.release == other.release);
    parts.map(|part| (part.first().and_then(|row| row.release), part)).collect()
}

fn image(row: &Row<'_>, amounts: &[&str], has_platforms: bool) -> Markup {
    let class = match row.standing {
        Standing::Good => "good",
        Standing::Short => "short",
        Standing::Bad => "bad",
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                span.name { (row.name) }
                span.way { @if row.source != row.name { (row.source) " " } "→ " (row.target) }
                @if let Some(digest) = row.digest { code.digest { (digest) } }
            }
            td role="cell" data-label="Outcome" { span class={ "outcome " (class) } { (row.outcome) } }
            @if has_platforms { td role="cell" data-label="Platforms" { (list(row.platforms)) } }
            @for (name, amount) in amounts.iter().zip(&row.amounts) {
                td.number role="cell" data-label=(name) { (sized(*amount)) }
            }
        }
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "–".to_owned() } else { items.join(", ") }
}

pub(super) fn attachments(sheet: &Sheet<'_>) -> Markup {
    let all = || sheet.images.iter().flat_map(|row| row.attached.iter().map(move |it| (row, it)));
    html! {
        @if !sheet.images.is_empty() {
            section aria-labelledby="attached" {
                h2 #attached { "Signatures and other attachments" }
                @if all().next().is_none() { p.quiet { "None came along in this run. What was attached to an image that was there before is not counted." } }
                @else {
                    p.quiet { "They are carried as they are. Whether a signature is good is for who trusts its key to say." }
                    table role="table" {
                        caption { "What came along with the images" }
                        thead role="rowgroup" {
                            tr role="row" {
                                th scope="col" role="columnheader" { "What" }
                                th scope="col" role="columnheader" { "Attached to" }
                            }
                        }
                        tbody role="rowgroup" {
                            @for (row, attached) in all() {
                                tr role="row" {
                                    th scope="row" role="rowheader" {
                                        span.name { (kind(attached)) }
                                        span.way { @if let Some(tag) = &attached.tag { (tag) } @else { (attached.kind) } }
                                        code.digest { (attached.digest) }
                                    }
                                    td role="cell" data-label="Attached to" { (row.target) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Says what an attachment is: by its tag, which is all that the older ones say, else by its type.
fn kind(attached: &Attached) -> &'static str {
    let tag = attached.tag.as_deref().unwrap_or_default();
    let by_tag = BY_TAG.iter().find(|(ending, _)| tag.ends_with(ending));
    by_tag.map_or_else(|| artifact_name(&attached.kind), |(_, words)| words)
}

pub(super) fn bundles(bundles: &[BundleFacts]) -> Markup {
    html! {
        @if !bundles.is_empty() {
            section aria-labelledby="bundles" {
                h2 #bundles { @if bundles.len() == 1 { "The bundle" } @else { "The bundles" } }
                @for bundle in bundles {
                    dl.facts {
                        div.wide { dt { "Path" } dd { (bundle.path) } }
                        div.wide { dt { "Id" } dd { code { (bundle.id) } } }
                        div { dt { "Packed" } dd { (bundle.created) } }
                        div { dt { "Signature" } dd { @if bundle.is_signed { "signed" } @else { "none, or not checked" } } }
                        div { dt { "Encryption" } dd { @if bundle.is_encrypted { "encrypted" } @else { "none" } } }
                        @if let Some(sha256) = &bundle.sha256 { div.wide { dt { "SHA-256" } dd { code.digest { (sha256) } } } }
                        @for volume in &bundle.volumes {
                            div { dt { (volume.name) } dd { (volume.bytes.map_or_else(|| "–".to_owned(), bytes)) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_have_names() {
        let attached = |kind: &str, tag: Option<&str>| {
            let (digest, tag) = ("sha256:00".to_owned(), tag.map(str::to_owned));
            super::kind(&Attached { digest, kind: kind.to_owned(), tag })
        };
        let config = "application/vnd.oci.image.config.v1+json";
        assert_eq!(attached(config, Some("sha256-00.sig")), "Signature (Sigstore)");
        assert_eq!(attached(config, Some("sha256-00.sbom")), "List of contents (SBOM)");
        assert_eq!(attached("application/spdx+json", None), "List of contents (SBOM)");
        assert_eq!(attached("application/x", None), "Artifact");
    }

    #[test]
    fn nothing_is_a_dash() {
        assert_eq!((sized(0), sized(1_500)), ("–".to_owned(), "1.50 kB".to_owned()));
    }
}
