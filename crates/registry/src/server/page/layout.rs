//! The frame of every page: what it may load, how it looks, and the way back.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use maud::{DOCTYPE, Markup, html};

use crate::server::answer::Answer;
use crate::server::error::WireError;

/// Nothing runs, nothing is loaded but the style and the picture of this server, and forms lead nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");

/// Where style and picture are.
pub(super) const STYLE_PATH: &str = "/style.css";
pub(super) const ICON_PATH: &str = "/icon.svg";

/// Puts a page together. `above` are the pages above this one, each with its address.
pub(super) fn page(
    status: StatusCode,
    title: &str,
    above: &[(&str, &str)],
    content: &Markup,
) -> Result<Answer, WireError> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · sealift" }
                link rel="stylesheet" href=(STYLE_PATH);
                link rel="icon" type="image/svg+xml" href=(ICON_PATH);
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    nav aria-label="Where you are" {
                        a.home href="/" { img src=(ICON_PATH) alt="" width="28" height="28"; "Registry" }
                        @for (name, address) in above {
                            span aria-hidden="true" { "/" }
                            a href=(address) { (name) }
                        }
                    }
                }
                main #content { (content) }
                footer { p { "Served by sealift. Times are UTC; sizes are as stored, compressed." } }
            }
        }
    };
    let answer = safe(Answer::new(status))?
        .header(CONTENT_TYPE, "text/html; charset=utf-8")?
        // What is shown depends on who asks, and on what was pushed a moment ago.
        .header(CACHE_CONTROL, "no-store")?
        .header(VARY, "Authorization")?;
    Ok(answer.bytes(page.into_string().into()))
}

/// Says that there is nothing here.
pub(super) fn missing(title: &str, words: &str) -> Result<Answer, WireError> {
    let content = html! {
        h1 { (title) }
        p { (words) }
        p { a href="/" { "All repositories" } }
    };
    page(StatusCode::NOT_FOUND, title, &[], &content)
}

pub(super) fn style() -> Result<Answer, WireError> {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) fn icon() -> Result<Answer, WireError> {
    file("image/svg+xml", ICON)
}

fn file(content_type: &str, content: &'static str) -> Result<Answer, WireError> {
    let answer = safe(Answer::new(StatusCode::OK))?.header(CONTENT_TYPE, content_type)?;
    Ok(answer.header(CACHE_CONTROL, "public, max-age=3600")?.bytes(content.into()))
}

fn safe(answer: Answer) -> Result<Answer, WireError> {
    answer
        .header(CONTENT_SECURITY_POLICY, POLICY)?
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")?
        .header(X_FRAME_OPTIONS, "DENY")?
        .header(REFERRER_POLICY, "no-referrer")
}
