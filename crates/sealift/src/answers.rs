//! The ten answers: what each is called as a variable, as a flag, and how it is asked for.
//!
//! Names, words and order are those of the script that sealift replaces, so that existing automation and
//! existing habits keep working.

/// One of the ten answers, in the order in which they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    SourceRegistry,
    SourceRepository,
    SourceUsername,
    SourcePassword,
    SourceTag,
    TargetRegistry,
    TargetRepository,
    TargetUsername,
    TargetPassword,
    TargetTag,
}

/// How one answer is called and asked for.
struct Names {
    variable: &'static str,
    flag: &'static str,
    /// What the answer is in a sentence.
    noun: &'static str,
    /// The question; `{}` stands for the default.
    question: &'static str,
}

use Answer::{
    SourcePassword, SourceRegistry, SourceRepository, SourceTag, SourceUsername, TargetPassword,
    TargetRegistry, TargetRepository, TargetTag, TargetUsername,
};

/// In the order of [`Answer`].
const NAMES: [Names; 10] = [
    Names {
        variable: "SOURCE_DOCKER_REGISTRY",
        flag: "--source-registry",
        noun: "source registry",
        question: "Provide source container registry - press ENTER for using `{}`:",
    },
    Names {
        variable: "SOURCE_DOCKER_REPOSITORY",
        flag: "--source-repository",
        noun: "source repository",
        question: "Provide source container registry repository - press ENTER for using `{}`:",
    },
    Names {
        variable: "SOURCE_DOCKER_USERNAME",
        flag: "--source-username",
        noun: "source user",
        question: "Provide username for the source container registry - press ENTER for using none:",
    },
    Names {
        variable: "SOURCE_DOCKER_PASSWORD",
        flag: "--source-password-stdin",
        noun: "source password",
        question: "Provide password for the source container registry - press ENTER for using none:",
    },
    Names {
        variable: "SOURCE_DOCKER_TAG",
        flag: "--source-tag",
        noun: "source tag",
        question: "Provide container image tag for the images at the source - press ENTER for using '{}':",
    },
    Names {
        variable: "TARGET_DOCKER_REGISTRY",
        flag: "--target-registry",
        noun: "target registry",
        question: "Provide target container registry DNS name or IP address:",
    },
    Names {
        variable: "TARGET_DOCKER_REPOSITORY",
        flag: "--target-repository",
        noun: "target repository",
        question: "Provide target container registry repository:",
    },
    Names {
        variable: "TARGET_DOCKER_USERNAME",
        flag: "--target-username",
        noun: "target user",
        question: "Provide username for the target container registry - press enter for using none:",
    },
    Names {
        variable: "TARGET_DOCKER_PASSWORD",
        flag: "--target-password-stdin",
        noun: "target password",
        question: "Provide password for the target container registry - press enter for using none:",
    },
    Names {
        variable: "TARGET_DOCKER_TAG",
        flag: "--target-tag",
        noun: "target tag",
        // The script never used this answer, so it had no default to offer.
        question: "Provide container image tag for the images at the target - press ENTER for using '{}':",
    },
];

impl Answer {
    /// Tells whether it is an answer about where images go.
    pub(crate) fn is_about_target(self) -> bool {
        self >= Self::TargetRegistry
    }

    pub(crate) const ALL: [Self; 10] = [
        SourceRegistry,
        SourceRepository,
        SourceUsername,
        SourcePassword,
        SourceTag,
        TargetRegistry,
        TargetRepository,
        TargetUsername,
        TargetPassword,
        TargetTag,
    ];

    /// The answers that say where the source is and who asks there.
    pub(crate) const SOURCE: [Self; 4] = [SourceRegistry, SourceRepository, SourceUsername, SourcePassword];

    /// The answers that count beside a list of images, which says where they come from.
    pub(crate) const BESIDE_LIST: [Self; 7] = [
        SourceUsername,
        SourcePassword,
        TargetRegistry,
        TargetRepository,
        TargetUsername,
        TargetPassword,
        TargetTag,
    ];

    fn names(self) -> &'static Names {
        &NAMES[self as usize]
    }

    /// Returns the environment variable.
    pub(crate) fn variable(self) -> &'static str {
        self.names().variable
    }

    /// Returns the flag.
    pub(crate) fn flag(self) -> &'static str {
        self.names().flag
    }

    /// Returns what the answer is, in a sentence.
    pub(crate) fn noun(self) -> &'static str {
        self.names().noun
    }

    /// Returns the question; where it offers a default, `default` is written in.
    pub(crate) fn question(self, default: &str) -> String {
        self.names().question.replace("{}", default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_answers() {
        for answer in Answer::ALL {
            let noun = answer.noun().replace(' ', "").replace("user", "username");
            assert_eq!(noun, format!("{answer:?}").to_lowercase());
        }
    }

    #[test]
    fn variables_and_flags_follow_one_pattern() {
        for answer in Answer::ALL {
            let flag = answer.flag().trim_start_matches("--").trim_end_matches("-stdin");
            let variable = answer.variable().replace("_DOCKER_", "-").to_lowercase();
            assert_eq!(flag, variable);
        }
    }
}
