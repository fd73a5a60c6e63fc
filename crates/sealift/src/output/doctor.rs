//! What the doctor found, for people: a line for each thing, and what to do under those that are not fine.

use crate::commands::{Check, Examination, Verdict};
use crate::output::units::count;

/// How wide lines are where no terminal says.
const WIDTH: usize = 80;
/// How wide the names of the checks are.
const NAMES: usize = 11;

/// Writes everything that was found.
pub(crate) fn text(found: &Examination, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH);
    let mut text = String::new();
    for part in &found.parts {
        let head =
            if part.role == "machine" { part.place.clone() } else { format!("{} {}", part.role, part.place) };
        text.push_str(&format!("{head}\n"));
        part.checks.iter().for_each(|check| text.push_str(&line(check, width)));
    }
    let (failures, warnings) = (found.count(Verdict::Fail), found.count(Verdict::Warn));
    text + &match (failures, warnings) {
        (0, 0) => "All is well.\n".to_owned(),
        (0, warnings) => format!("It will work; {}.\n", count(warnings, "warning")),
        (failures, 0) => format!("{}.\n", count(failures, "failure")),
        (failures, warnings) => format!("{}, {}.\n", count(failures, "failure"), count(warnings, "warning")),
    }
}

fn line(check: &Check, width: usize) -> String {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
        Verdict::Skipped => "-",
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let head = format!("  {verdict:4} {:NAMES$}", check.name);
    let mut text = hang(&head, &words(&check.found), width);
    if let Some(next) = &check.next {
        let head = format!("  {:4} {:NAMES$}", "", "->");
        text.push_str(&hang(&head, &words(next), width));
    }
    text
}

/// Writes words behind a head; further lines begin where the first of them does.
fn hang(head: &str, words: &[String], width: usize) -> String {
    let indent = head.chars().count() + 1;
    let (mut text, mut column) = (head.to_owned(), indent - 1);
    for word in words {
        let length = word.chars().count();
        if column >= indent && column + 1 + length > width {
            text = format!("{}\n{}", text.trim_end(), " ".repeat(indent - 1));
            column = indent - 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + length;
    }
    text.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Part;
    use crate::errors::{Advice, Exit};

    #[test]
    fn each_thing_has_a_line_and_what_is_wrong_a_next_step() {
        let advice =
            Advice { exit: Exit::Access, hint: "Check user and password for the target.".to_owned() };
        let checks = vec![
            Check::ok("name", "ship.lan is 10.0.0.5"),
            Check::warn("TLS", "plain HTTP: nothing is encrypted", "Passwords can be read on the way."),
            Check::fail("credentials", "captain, as was typed or set: it answers 401", advice),
            Check::skipped("push", "it cannot be asked"),
        ];
        let part = Part { checks, ..Part::new("target", "ship.lan/site") };
        insta::assert_snapshot!(text(&Examination { parts: vec![part] }, Some(60)), @r#"
        target ship.lan/site
          ok   name        ship.lan is 10.0.0.5
          warn TLS         plain HTTP: nothing is encrypted
               ->          Passwords can be read on the way.
          FAIL credentials captain, as was typed or set: it answers
                           401
               ->          Check user and password for the target.
          -    push        it cannot be asked
        1 failure, 1 warning.
        "#);
    }
}
