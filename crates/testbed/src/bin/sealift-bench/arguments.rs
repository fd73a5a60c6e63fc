//! What the bench is asked for on its command line.

use clap::{Parser, ValueEnum};

use crate::contenders::{Contender, Link};

/// Measures sealift beside what people use today, on the same images, between the same real registries.
#[derive(Debug, Parser)]
#[command(name = "sealift-bench")]
pub(crate) struct Arguments {
    /// How often each tool runs; the table shows medians.
    #[arg(long, default_value = "5", value_parser = rounds)]
    pub(crate) rounds: usize,
    /// Run only these tools.
    #[arg(long, value_name = "TOOL")]
    only: Vec<Tool>,
    /// Run only over these lines.
    #[arg(long, value_name = "LINE")]
    link: Vec<Link>,
    /// Measure how sealift's own costs grow with the number of images.
    #[arg(long, conflicts_with_all = ["only", "link", "rounds"])]
    growth: bool,
    /// Measure sealift's memory on one blob of 5 GB, which takes that much room on the disk.
    #[arg(long, conflicts_with_all = ["only", "link", "rounds", "growth"])]
    large: bool,
    /// Measure packing, checking and loading bundles.
    #[arg(long, group = "in_steps", conflicts_with_all = ["only", "link", "growth", "large"])]
    bundles: bool,
    /// Measure the registry, beside `docker-registry`.
    #[arg(long, conflicts_with_all = ["only", "link", "growth", "large", "bundles"])]
    serve: bool,
    /// Measure the update of a month: builds two months of a product of 15 images, of which the packages come over the network
    #[arg(long, group = "in_steps", conflicts_with_all = ["only", "link", "rounds", "growth", "large", "bundles", "serve"])]
    deltas: bool,
    /// Run only the steps whose names have this in them, and what they are held against.
    #[arg(long, value_name = "TEXT", requires = "in_steps")]
    pub(crate) step: Vec<String>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Mirror,
    Bundles,
    Serve,
    Growth,
    Large,
    Deltas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tool {
    Curl,
    Skopeo,
    /// Both of its rows: an empty target, and nothing to do.
    Sealift,
}

impl Arguments {
    pub(crate) fn mode(&self) -> Mode {
        let modes = [
            (self.bundles, Mode::Bundles),
            (self.serve, Mode::Serve),
            (self.growth, Mode::Growth),
            (self.large, Mode::Large),
            (self.deltas, Mode::Deltas),
        ];
        modes.into_iter().find_map(|(is_wanted, mode)| is_wanted.then_some(mode)).unwrap_or(Mode::Mirror)
    }

    /// Returns the rows that are wanted, in the order in which they run.
    pub(crate) fn rows(&self) -> Vec<(Contender, Link)> {
        let is_wanted = |contender: &Contender| self.only.is_empty() || self.only.contains(&tool(*contender));
        let links = Link::ALL.into_iter().filter(|link| self.link.is_empty() || self.link.contains(link));
        links
            .flat_map(|link| Contender::ALL.into_iter().filter(is_wanted).map(move |it| (it, link)))
            .collect()
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

fn tool(contender: Contender) -> Tool {
    match contender {
        Contender::Curl => Tool::Curl,
        Contender::Skopeo => Tool::Skopeo,
        Contender::Sealift | Contender::SealiftAgain => Tool::Sealift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(given: &[&str]) -> Vec<(Contender, Link)> {
        Arguments::try_parse_from([&["sealift-bench"], given].concat()).unwrap().rows()
    }

    #[test]
    fn everything_runs_unless_less_is_asked_for() {
        let mode = |given| Arguments::try_parse_from(["sealift-bench", given]).unwrap().mode();
        assert_eq!(mode("--rounds=3"), Mode::Mirror);
        assert_eq!(
            ["--bundles", "--serve", "--growth", "--large", "--deltas"].map(mode),
            [Mode::Bundles, Mode::Serve, Mode::Growth, Mode::Large, Mode::Deltas]
        );
        assert_eq!(rows(&[]).len(), Contender::ALL.len() * Link::ALL.len());
        let wan = [(Contender::Sealift, Link::Wan), (Contender::SealiftAgain, Link::Wan)];
        assert_eq!(rows(&["--only", "sealift", "--link", "wan"]), wan);
        assert_eq!(rows(&["--only", "curl", "--only", "skopeo", "--link", "loopback"]).len(), 2);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        for given in [
            &["--round", "1"][..],
            &["x"],
            &["--rounds", "0"],
            &["--only", "x"],
            &["--growth", "--large"],
            &["--step", "x"],
            &["--growth", "--step", "x"],
        ] {
            let all = [&["sealift-bench"], given].concat();
            assert!(Arguments::try_parse_from(all).is_err(), "{given:?}");
        }
    }
}
