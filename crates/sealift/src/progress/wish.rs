//! Which way progress is shown, and whether in colour: what was typed, else what the surroundings are fit for.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::ValueEnum;

use crate::environment::Environment;
use crate::ui::Level;

/// The way that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wish {
    /// Bars on a terminal that can show them, else plain lines
    #[default]
    Auto,
    /// A bar for each transfer
    Bars,
    /// A line every few seconds
    Plain,
    /// One JSON object a line; docs/PROGRESS.md explains it
    Json,
    /// Nothing on the way
    None,
}

/// The way that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Bars,
    Plain,
    Json,
    None,
}

/// How messages and progress look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) way: Way,
    pub(crate) is_coloured: bool,
}

/// Bars have no room in less.
pub(super) const LEAST_WIDTH: usize = 40;
/// A terminal that does not tell, and what is none, is drawn on as if it were one of the usual size.
pub(crate) const USUAL_SIZE: (u16, u16) = (80, 24);
/// One transfer, the totals, and a line above to tell what happens.
const LEAST_HEIGHT: u16 = 4;

impl Manner {
    /// Messages alone.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { way: Way::None, is_coloured: false };

    /// Decides; a command that has nothing to show has no wish.
    pub(crate) fn of(wish: Option<Wish>, level: Level, environment: &Environment) -> Self {
        let height = (environment.stderr_size)().map_or(USUAL_SIZE.1, |(_, height)| height);
        let terminal = Terminal {
            size: environment.stderr_width.map(|width| (width, height)),
            is_dumb: is_dumb(&environment.variables),
            is_ci: is_set(&environment.variables, "CI", &["false", "0"]),
        };
        let way = match wish {
            None | Some(Wish::None) => Way::None,
            Some(Wish::Auto) if level == Level::Quiet => Way::None,
            Some(Wish::Auto) => terminal.best(),
            Some(Wish::Bars) => Way::Bars,
            Some(Wish::Plain) => Way::Plain,
            Some(Wish::Json) => Way::Json,
        };
        Self { way, is_coloured: is_coloured(&environment.variables, terminal) }
    }
}

/// What stderr is.
#[derive(Clone, Copy, Debug)]
struct Terminal {
    /// Columns and rows; none where it is no terminal.
    size: Option<(usize, u16)>,
    is_dumb: bool,
    is_ci: bool,
}

impl Terminal {
    fn best(self) -> Way {
        match self.size {
            Some((width, height)) if width >= LEAST_WIDTH && height >= LEAST_HEIGHT => {
                if self.is_dumb || self.is_ci { Way::Plain } else { Way::Bars }
            }
            _ => Way::Plain,
        }
    }
}

/// A terminal that cannot move its cursor; one of which nothing is known is taken for that.
fn is_dumb(variables: &HashMap<OsString, OsString>) -> bool {
    variables.get(&OsString::from("TERM")).is_none_or(|term| term.is_empty() || term == "dumb")
}

fn is_set(variables: &HashMap<OsString, OsString>, name: &str, not: &[&str]) -> bool {
    let value = variables.get(&OsString::from(name)).filter(|value| !value.is_empty());
    value.is_some_and(|value| !not.iter().any(|it| value == it))
}

/// no-color.org: any value but an empty one turns colour off. `CLICOLOR_FORCE` turns it on where there is no terminal.
fn is_coloured(variables: &HashMap<OsString, OsString>, terminal: Terminal) -> bool {
    if is_set(variables, "NO_COLOR", &[]) {
        return false;
    }
    is_set(variables, "CLICOLOR_FORCE", &["0"]) || (terminal.size.is_some() && !terminal.is_dumb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(wish: Option<Wish>, level: Level, width: Option<usize>, variables: &[(&str, &str)]) -> Manner {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let environment = Environment {
            variables,
            stderr_width: width,
            stderr_size: || Some((80, 24)),
            ..Environment::of_process()
        };
        Manner::of(wish, level, &environment)
    }

    #[test]
    fn the_surroundings_decide_where_nothing_is_said() {
        let xterm = ("TERM", "xterm");
        for (width, variables, way, is_coloured) in [
            (Some(80), &[xterm][..], Way::Bars, true),
            (Some(40), &[xterm], Way::Bars, true),
            (Some(39), &[xterm], Way::Plain, true),
            (Some(80), &[], Way::Plain, false),
            (Some(80), &[("TERM", "dumb")], Way::Plain, false),
            (Some(80), &[xterm, ("CI", "true")], Way::Plain, true),
            (Some(80), &[xterm, ("CI", "false")], Way::Bars, true),
            (Some(80), &[xterm, ("CI", "")], Way::Bars, true),
            (None, &[xterm], Way::Plain, false),
            (Some(80), &[xterm, ("NO_COLOR", "1")], Way::Bars, false),
            (Some(80), &[xterm, ("NO_COLOR", "")], Way::Bars, true),
            (None, &[("CLICOLOR_FORCE", "1")], Way::Plain, true),
            (None, &[("CLICOLOR_FORCE", "0")], Way::Plain, false),
            (Some(80), &[xterm, ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], Way::Bars, false),
        ] {
            let expected = Manner { way, is_coloured };
            let manner = manner(Some(Wish::Auto), Level::Normal, width, variables);
            assert_eq!(manner, expected, "{width:?} {variables:?}");
        }
    }

    #[test]
    fn what_was_typed_counts_whatever_the_surroundings() {
        for (wish, level, way) in [
            (Some(Wish::Bars), Level::Normal, Way::Bars),
            (Some(Wish::Bars), Level::Quiet, Way::Bars),
            (Some(Wish::Json), Level::Quiet, Way::Json),
            (Some(Wish::Plain), Level::Normal, Way::Plain),
            (Some(Wish::None), Level::Verbose, Way::None),
            (Some(Wish::Auto), Level::Quiet, Way::None),
            (None, Level::Normal, Way::None),
        ] {
            assert_eq!(manner(wish, level, None, &[]).way, way, "{wish:?} {level:?}");
        }
    }
}
