//! What a registry asks for: the `WWW-Authenticate` header (RFC 9110, section 11.6.1).
//!
//! Registries write it in many ways: one header or several, several challenges in one, values quoted or
//! not. The parser takes what it understands and never fails.

use http::{HeaderMap, header};

/// More challenges, or parameters of one, than any registry sends are not read.
const CHALLENGES_LIMIT: usize = 16;
const PARAMETERS_LIMIT: usize = 32;

/// One way to authenticate that the server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::client) struct Challenge {
    /// The scheme as it was written.
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Tells whether it is of that scheme, whatever the case of its letters.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns the first value of a parameter that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values =
            self.parameters.iter().filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
        values.next().map(|(_, value)| value.as_str())
    }
}

/// Reads every challenge of an answer.
pub(in crate::client) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.flat_map(|text| parse(&text)).take(CHALLENGES_LIMIT).collect()
}

/// Reads the challenges of one header. A word that no `=` follows begins a challenge; a word with one is a
/// parameter of the challenge before it.
fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut reader = Reader { rest: text };
    while found.len() <= CHALLENGES_LIMIT {
        reader.skip(|c| c.is_whitespace() || c == ',');
        let word = reader.take_while(is_word);
        if word.is_empty() {
            // Nonsense, such as the padding of a token in place of parameters, is stepped over.
            if reader.next().is_none() {
                break;
            }
            continue;
        }
        match (reader.value(), found.last_mut()) {
            (None, _) => found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() }),
            (Some(value), Some(challenge)) if challenge.parameters.len() < PARAMETERS_LIMIT => {
                challenge.parameters.push((word.to_owned(), value));
            }
            (Some(_), _) => {}
        }
    }
    found.truncate(CHALLENGES_LIMIT);
    found
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(is_skipped);
    }

    fn take_while(&mut self, is_taken: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_taken(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Reads `= value` if that is what comes next.
    fn value(&mut self) -> Option<String> {
        let tail = self.rest.trim_start();
        self.rest = tail.strip_prefix('=')?.trim_start();
        Some(match self.rest.strip_prefix('"') {
            Some(tail) => {
                self.rest = tail;
                self.quoted()
            }
            None => self.take_while(|c| c != ',' && !c.is_whitespace()).to_owned(),
        })
    }

    /// Reads up to the closing quote; a backslash takes the next character as it is. Where the quote is
    /// missing, the text ends the value.
    fn quoted(&mut self) -> String {
        let mut value = String::new();
        while let Some(character) = self.next() {
            match character {
                '"' => break,
                '\\' => value.extend(self.next()),
                other => value.push(other),
            }
        }
        value
    }
}

/// The characters of a token (RFC 9110, section 5.6.2).
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn show(challenges: &[Challenge]) -> Vec<String> {
        let pairs = |it: &Challenge| {
            it.parameters.iter().map(|(key, value)| format!(" {key}={value}")).collect::<String>()
        };
        challenges.iter().map(|it| format!("{}{}", it.scheme, pairs(it))).collect()
    }

    #[test]
    fn challenges_are_read_leniently() {
        let cases: [(&str, &[&str]); 14] = [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                &[
                    "Bearer realm=https://auth.docker.io/token service=registry.docker.io scope=repository:a/b:pull,push",
                ],
            ),
            (r#"Basic realm="Registry Realm""#, &["Basic realm=Registry Realm"]),
            ("Basic realm=plain", &["Basic realm=plain"]),
            (r#"bearer  realm = "x" , service= y"#, &["bearer realm=x service=y"]),
            (
                r#"Basic realm="a", Bearer realm="b",service="c""#,
                &["Basic realm=a", "Bearer realm=b service=c"],
            ),
            (r#"Negotiate, Basic realm="a""#, &["Negotiate", "Basic realm=a"]),
            (r#"Negotiate YII+abc==, Basic realm="a""#, &["Negotiate YII+abc==", "Basic realm=a"]),
            (r#"Basic realm="say \"hi\" \\ there""#, &[r#"Basic realm=say "hi" \ there"#]),
            (r#"Bearer realm="no end"#, &["Bearer realm=no end"]),
            (r#"Bearer realm="a,b=c",x="""#, &["Bearer realm=a,b=c x="]),
            ("Basic", &["Basic"]),
            (",,,", &[]),
            ("", &[]),
            ("realm=\"x\"", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(show(&parse(text)), expected, "{text}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        for text in ["Basic realm=a", "Bearer REALM=\"b\", realm=c"] {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
        }
        let found = challenges(&headers);
        assert_eq!(found.len(), 2);
        assert!(found[0].is("basic") && found[1].is("BEARER"));
        assert_eq!((found[1].get("realm"), found[1].get("service")), (Some("b"), None));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_bounded(text in "\\PC{0,200}|[a-z=\",\\\\ ]{0,200}") {
            let found = parse(&text);
            prop_assert!(found.len() <= CHALLENGES_LIMIT);
            prop_assert!(found.iter().all(|it| it.parameters.len() <= PARAMETERS_LIMIT));
        }

        #[test]
        fn what_is_quoted_is_read_back(realm in "\\PC{1,40}", scope in "\\PC{1,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("Basic, Bearer realm=\"{}\", scope=\"{}\", Other a=b", quote(&realm), quote(&scope));
            let found = parse(&text);
            prop_assert_eq!(found.len(), 3);
            prop_assert_eq!(found[1].get("realm"), Some(realm.as_str()));
            prop_assert_eq!(found[1].get("scope"), Some(scope.as_str()));
        }
    }
}
