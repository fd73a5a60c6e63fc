//! Names that are spelled much like another: what someone may have meant who mistyped one.

/// More suggestions than this are no help.
const LIMIT: usize = 3;

/// Returns the `known` names nearest to `asked`, nearest first. One edit in three letters may be wrong; and
/// the leading words of a name may be missing, as `grafana` for `arc-monitor-grafana`.
pub(crate) fn nearest(asked: &str, known: &[String]) -> Vec<String> {
    let tolerance = asked.chars().count() / 3;
    let mut found: Vec<(usize, &String)> =
        known.iter().map(|name| (tail_distance(asked, name), name)).collect();
    found.retain(|(distance, _)| *distance <= tolerance && !asked.is_empty());
    // The sort is stable: names that are equally near stay in the order of the release.
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(LIMIT).map(|(_, name)| name.clone()).collect()
}

/// The distance to the name, or to what follows one of its hyphens, whichever is the least.
fn tail_distance(asked: &str, name: &str) -> usize {
    let tails = name.match_indices('-').map(|(at, _)| &name[at + 1..]);
    tails.map(|tail| distance(asked, tail)).fold(distance(asked, name), usize::min)
}

/// The least number of letters to insert, remove or replace (Levenshtein), one row of the table at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("ä", "a", 1),
        ];
        for (left, right, expected) in cases {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_come_first_and_are_few() {
        let known = [
            "arc-dns",
            "arc-controller",
            "arc-controller-db",
            "arc-monitor-grafana",
            "arc-postgres-11",
            "arc-postgres-12",
            "arc-postgres-14",
            "arc-postgresql-agent",
        ]
        .map(str::to_owned);
        let cases: [(&str, &[&str]); 7] = [
            ("arc-controler", &["arc-controller", "arc-controller-db"]),
            ("grafana", &["arc-monitor-grafana"]),
            ("Grafana", &["arc-monitor-grafana"]),
            ("arc-postgres-15", &["arc-postgres-11", "arc-postgres-12", "arc-postgres-14"]),
            ("postgres-12", &["arc-postgres-12", "arc-postgres-11", "arc-postgres-14"]),
            ("nginx", &[]),
            ("", &[]),
        ];
        for (asked, expected) in cases {
            assert_eq!(nearest(asked, &known), expected, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_a_distance(a in "[ab]{0,6}", b in "[ab]{0,6}", c in "[ab]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c));
        }

        #[test]
        fn searching_never_panics(asked in ".{0,40}", known in proptest::collection::vec("[a-z-]{0,12}", 0..6)) {
            prop_assert!(nearest(&asked, &known).len() <= LIMIT);
        }
    }
}
