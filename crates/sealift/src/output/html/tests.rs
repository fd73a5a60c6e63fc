use super::*;
use crate::errors::CommandError;
use crate::output::json::Report;

fn early() -> Report {
    let error = CommandError::usage("<script>alert(1)</script> is no registry", "Name one & go on.");
    let run = Run { operator: Some("<b>Mallory</b>".to_owned()), command: "mirror", ..Run::default() };
    Report::of_error(run, &error)
}

#[test]
fn what_others_wrote_is_text() {
    let page = text(&early());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; is no registry"), "{page}");
    assert!(page.contains("&lt;b&gt;Mallory&lt;/b&gt;"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<b>Mallory"), "{page}");
}

#[test]
fn nothing_runs_and_nothing_is_loaded() {
    let page = text(&early());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{page}");
    for forbidden in ["src=", "href=", "url(", "@import", " style=", "onload", "http://", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden}: {page}");
    }
}

#[test]
fn a_run_that_ended_early_says_why() {
    let page = text(&early());
    for expected in [
        "A run that ended before it began",
        "Name one &amp; go on.",
        "2: wrong usage",
        "Nothing was carried.",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
}
