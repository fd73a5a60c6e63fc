//! The `Link` header, which points at the next page of a list (RFC 8288; "Listing Tags").

use super::Route;

/// Writes the header that points at the next page.
#[must_use]
pub fn next_link(route: &Route) -> String {
    format!("<{route}>; rel=\"next\"")
}

/// Finds the next page's reference in a `Link` header: a whole URL, or one relative to the request's. It is
/// a server's word and must be checked before it is followed.
#[must_use]
pub fn parse_next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, tail)) = rest.split_once('<') {
        let (target, tail) = tail.split_once('>')?;
        let (parameters, tail) = split_parameters(tail);
        if parameters.split(';').any(is_rel_next) {
            return Some(target.trim());
        }
        rest = tail;
    }
    None
}

/// The parameters of one link end at the comma before the next one; a comma in quotes ends nothing.
fn split_parameters(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    text.split_at(end.unwrap_or(text.len()))
}

fn is_rel_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|it| it.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PageQuery;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found() {
        let cases = [
            (r#"</v2/_catalog?n=1&last=a>; rel="next""#, Some("/v2/_catalog?n=1&last=a")),
            ("<x>;rel=next", Some("x")),
            (r#"<x>; title="a,b"; REL="prev Next""#, Some("x")),
            (r#"<a>; rel="prev", <b>; rel="next""#, Some("b")),
            (r#"<a>; title=", <c>", <b>; rel="next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("<a>", None),
            ("<a; rel=next", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse_next_link(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(last in "\\PC{1,30}", limit: Option<usize>) {
            let route = Route::Catalog { page: PageQuery { limit, last: Some(last) } };
            let (header, target) = (next_link(&route), route.path_and_query());
            prop_assert_eq!(parse_next_link(&header), Some(target.as_str()));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}|[<>,;=\" relnxt]{0,40}") {
            let _ = parse_next_link(&text);
        }
    }
}
