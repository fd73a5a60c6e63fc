//! What the answers mean: flag before variable, variable before profile, profile before question, question before default.
//!
//! [`Given::read`] takes what is there without asking and refuses what makes no sense, before anyone waits
//! for anything. [`Asker`] then fills the gaps, in the order of the script. A variable that is set counts
//! as given also where it is set to nothing.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{BufRead, Read};
use std::str::FromStr;

use sealift_catalog::{SOURCE_REGISTRY, SOURCE_REPOSITORY, TagRule};
use sealift_oci::{Registry, RepositoryName, Tag};
use sealift_registry::client::{Credentials, Secret};

use crate::answers::Answer;
use crate::args::AnswerArgs;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::{Identity, KnownFrom};
use crate::prompt::Prompter;
use crate::ui::Ui;

type Result<T> = std::result::Result<T, CommandError>;

/// The longest password that is read from standard input.
const PASSWORD_LIMIT: u64 = 64 * 1024;

/// One side of the transfer.
#[derive(Clone, Debug)]
pub(crate) struct PlaceSettings {
    /// The registry.
    pub(crate) registry: Registry,
    /// The repository in it below which the images are.
    pub(crate) repository: RepositoryName,
    /// Who asks.
    pub(crate) identity: Identity,
}

/// What is to be done, all answers settled.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where from.
    pub(crate) source: PlaceSettings,
    /// Where to; the names in a bundle have nothing in front.
    pub(crate) target: Option<PlaceSettings>,
    /// The releases.
    pub(crate) tags: Vec<Tag>,
    /// Their tag at the target, where it is another one.
    pub(crate) target_tag: Option<Tag>,
}

impl Settings {
    /// Refuses to bring images to where they come from.
    pub(crate) fn check(&self) -> Result<()> {
        let is_same = |target: &PlaceSettings| {
            self.source.registry == target.registry && self.source.repository == target.repository
        };
        if self.target_tag.is_some() || !self.target.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        Err(CommandError::usage(
            format_args!("{}/{} is both source and target", self.source.registry, self.source.repository),
            format_args!("Set another target: {}.", names(Answer::TargetRepository)),
        ))
    }
}

/// The answers that are there without asking anyone.
#[derive(Default)]
pub(crate) struct Given {
    texts: BTreeMap<Answer, String>,
    passwords: BTreeMap<Answer, Secret>,
    /// The users that are to be nobody.
    anonymous: Vec<Answer>,
    tags: Option<Vec<Tag>>,
    /// There is a profile, so nothing that has a default is asked.
    has_profile: bool,
    /// The answers that are the profile's.
    kept: Vec<Answer>,
}

/// The answers as they were settled, without passwords: what a profile keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    /// The answers but for the source tags.
    pub(crate) texts: BTreeMap<Answer, String>,
    /// The source tags, where somebody named some.
    pub(crate) tags: Vec<Tag>,
}

impl Given {
    /// Takes the wanted answers from flags, variables and, where flags say so, from standard input.
    pub(crate) fn read(wanted: &[Answer], args: &AnswerArgs, environment: &mut Environment) -> Result<Self> {
        let (anonymous, has_profile) = (args.anonymous(), args.kept.is_there);
        let mut given = Self { anonymous, has_profile, ..Self::default() };
        given.read_stdin(args, environment)?;
        for &answer in wanted {
            let variable = variable(&environment.variables, answer)?;
            match answer {
                Answer::SourcePassword | Answer::TargetPassword => {
                    if let Some(password) = variable {
                        given.passwords.entry(answer).or_insert_with(|| Secret::new(password));
                    }
                }
                Answer::SourceTag => {
                    let kept = (!args.kept.tags.is_empty()).then(|| args.kept.tags.clone());
                    given.tags = source_tags(&args.source_tag, variable)?.or(kept);
                }
                _ => {
                    if let Some(text) = args.get(answer).map(str::to_owned).or(variable) {
                        check(answer, &text)?;
                        given.texts.insert(answer, text);
                    } else if let Some(text) = args.kept.get(answer) {
                        given.texts.insert(answer, text.to_owned());
                        given.kept.push(answer);
                    }
                }
            }
        }
        given.forget_users(args);
        given.check_target_tag()?;
        Ok(given)
    }

    /// Who is somebody at the profile's registry is nobody at another.
    fn forget_users(&mut self, args: &AnswerArgs) {
        let sides = [
            (Answer::SourceRegistry, Answer::SourceUsername),
            (Answer::TargetRegistry, Answer::TargetUsername),
        ];
        for (registry, user) in sides {
            let is_other = args.kept.get(registry).is_some() && !self.kept.contains(&registry);
            if is_other && self.kept.contains(&user) {
                self.texts.remove(&user);
            }
        }
    }

    fn read_stdin(&mut self, args: &AnswerArgs, environment: &mut Environment) -> Result<()> {
        for answer in [Answer::SourcePassword, Answer::TargetPassword] {
            if !args.is_on_stdin(answer) {
                continue;
            }
            if environment.stdin_is_terminal {
                return Err(CommandError::usage(
                    format_args!("{} reads from a pipe, and standard input is a terminal", answer.flag()),
                    "Leave the flag out, and the password is asked for without being shown.",
                ));
            }
            let password = read_line(environment.stdin.as_mut(), answer)?;
            self.passwords.insert(answer, password);
        }
        Ok(())
    }

    /// Takes releases that were found out in place of typed ones.
    pub(crate) fn set_tags(&mut self, tags: Vec<Tag>) -> Result<()> {
        self.tags = Some(tags);
        self.check_target_tag()
    }

    /// Several releases under one tag would overwrite each other.
    fn check_target_tag(&self) -> Result<()> {
        let several = self.tags.as_ref().is_some_and(|tags| tags.len() > 1);
        match self.texts.get(&Answer::TargetTag) {
            Some(tag) if several && !tag.is_empty() => Err(CommandError::usage(
                format_args!("the target tag {tag} is given with several source tags"),
                format_args!("Leave {} out: each release keeps its tag.", names(Answer::TargetTag)),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses to go on where an answer without a default is missing and nobody can be asked.
    pub(crate) fn demand_target(&self, is_interactive: bool) -> Result<()> {
        for answer in [Answer::TargetRegistry, Answer::TargetRepository] {
            if !is_interactive && !self.texts.contains_key(&answer) {
                return Err(CommandError::usage(
                    format_args!("the {} is not given", answer.noun()),
                    format_args!("Set {}.", names(answer)),
                ));
            }
        }
        Ok(())
    }

    fn is_anonymous(&self, user: Answer) -> bool {
        self.anonymous.contains(&user)
    }

    /// Refuses answers that mean nothing beside a list of images.
    pub(crate) fn refuse_beside_list(noun: &str, flag: &str, environment: &Environment) -> Result<()> {
        let beside = [Answer::SourceRegistry, Answer::SourceRepository, Answer::SourceTag];
        let set = |answer: &Answer| environment.variables.contains_key(OsStr::new(answer.variable()));
        match beside.into_iter().find(set) {
            Some(answer) => Err(CommandError::usage(
                format_args!("{} is set, and the {noun} says where its images come from", answer.variable()),
                format_args!("Unset {}, or leave out {flag}.", answer.variable()),
            )),
            None => Ok(()),
        }
    }

    /// Tells whether an answer is there.
    pub(crate) fn has(&self, answer: Answer) -> bool {
        self.texts.contains_key(&answer)
    }
}

/// Settles the answers one after the other, and asks where one is missing and someone is there to ask.
pub(crate) struct Asker<'a> {
    given: Given,
    prompter: Option<&'a mut (dyn Prompter + 'static)>,
    ui: &'a Ui,
    settled: Settled,
}

impl<'a> Asker<'a> {
    /// Without a `prompter` nobody is asked and defaults are taken.
    pub(crate) fn new(given: Given, prompter: Option<&'a mut (dyn Prompter + 'static)>, ui: &'a Ui) -> Self {
        Self { given, prompter, ui, settled: Settled::default() }
    }

    /// Returns the answers, behind the last question.
    pub(crate) fn into_settled(self) -> Settled {
        self.settled
    }

    /// Settles where from.
    pub(crate) fn source(&mut self) -> Result<PlaceSettings> {
        Ok(PlaceSettings {
            registry: self.settle(Answer::SourceRegistry, SOURCE_REGISTRY)?,
            repository: self.settle(Answer::SourceRepository, SOURCE_REPOSITORY)?,
            identity: self.identity(Answer::SourceUsername, Answer::SourcePassword)?,
        })
    }

    /// Tells whether the newest release must be known.
    pub(crate) fn needs_newest(&self) -> bool {
        self.given.tags.is_none()
    }

    /// Takes a range of releases as the answer which ones.
    pub(crate) fn take_range(&mut self, tags: Vec<Tag>) -> Result<()> {
        self.given.set_tags(tags)
    }

    /// Settles which releases; `newest` is what there is without an answer.
    pub(crate) fn tags(&mut self, newest: Option<Tag>) -> Result<Vec<Tag>> {
        match (self.given.tags.take(), newest) {
            (Some(tags), _) => {
                self.settled.tags.clone_from(&tags);
                Ok(tags)
            }
            (None, Some(newest)) => {
                let tags = vec![self.settle(Answer::SourceTag, newest.as_str())?];
                // Who takes the newest now takes the newest the next time.
                if self.settled.texts.remove(&Answer::SourceTag).is_some() {
                    self.settled.tags.clone_from(&tags);
                }
                Ok(tags)
            }
            (None, None) => Err(CommandError::usage(
                "the source tag is not given, and no release is known",
                format_args!("Set {}.", names(Answer::SourceTag)),
            )),
        }
    }

    /// Settles where to.
    pub(crate) fn target(&mut self) -> Result<PlaceSettings> {
        Ok(PlaceSettings {
            registry: self.settle(Answer::TargetRegistry, "")?,
            repository: self.settle(Answer::TargetRepository, "")?,
            identity: self.identity(Answer::TargetUsername, Answer::TargetPassword)?,
        })
    }

    /// Settles the tag at the target. Of several releases each keeps its own, and nothing is asked.
    pub(crate) fn target_tag(&mut self, tags: &[Tag]) -> Result<Option<Tag>> {
        let [tag] = tags else { return Ok(None) };
        if self.given.texts.get(&Answer::TargetTag).is_some_and(String::is_empty) {
            return Ok(None);
        }
        let settled: Tag = self.settle(Answer::TargetTag, tag.as_str())?;
        if settled == *tag {
            self.settled.texts.remove(&Answer::TargetTag);
            return Ok(None);
        }
        Ok(Some(settled))
    }

    /// Settles who asks at the registries of a list; nobody is asked about that.
    pub(crate) fn listed_identity(&mut self) -> Result<Identity> {
        let prompter = self.prompter.take();
        let identity = self.identity(Answer::SourceUsername, Answer::SourcePassword);
        self.prompter = prompter;
        identity
    }

    /// Settles the one tag for every image of a list or a bundle; nobody is asked about that.
    pub(crate) fn listed_tag(&mut self) -> Result<Option<Tag>> {
        let text = self.given.texts.get(&Answer::TargetTag).filter(|text| !text.is_empty());
        let Some(text) = text else { return Ok(None) };
        self.settled.texts.insert(Answer::TargetTag, text.clone());
        parse(Answer::TargetTag, text).map(Some)
    }

    /// Settles which tags images of a list get: beside a list, `--tag` is for what has a digest alone.
    pub(crate) fn tag_rule(&mut self, typed: &[String]) -> Result<TagRule> {
        let digest_only = match typed {
            [] => None,
            [tag] => Some(parse(Answer::SourceTag, tag)?),
            [_, _, ..] => {
                return Err(CommandError::usage(
                    "--tag is given several times beside a list",
                    "Give it once: images that the list names by digest alone get that tag.",
                ));
            }
        };
        Ok(TagRule { every: self.listed_tag()?, digest_only })
    }

    /// Settles one answer; an answer from the terminal that makes no sense is asked for again.
    fn settle<T: FromStr<Err: Display>>(&mut self, answer: Answer, default: &str) -> Result<T> {
        if let Some(text) = self.given.texts.get(&answer) {
            self.settled.texts.insert(answer, text.clone());
            return parse(answer, text);
        }
        let is_asked = !self.given.has_profile || default.is_empty();
        let Some(prompter) = self.prompter.as_deref_mut().filter(|_| is_asked) else {
            return self.take_default(answer, default);
        };
        loop {
            let typed = prompter.text(&answer.question(default))?;
            if typed.is_empty() && !default.is_empty() {
                return self.take_default(answer, default);
            }
            match parse(answer, &typed) {
                Ok(value) => {
                    self.settled.texts.insert(answer, typed);
                    return Ok(value);
                }
                Err(error) => self.ui.usage(&error),
            }
        }
    }

    /// Takes the default. Where that is a place, it stays one also when the default becomes another.
    fn take_default<T: FromStr<Err: Display>>(&mut self, answer: Answer, default: &str) -> Result<T> {
        if !matches!(answer, Answer::SourceTag | Answer::TargetTag) {
            self.settled.texts.insert(answer, default.to_owned());
        }
        parse(answer, default)
    }

    /// Settles who asks. Where that stays open, somebody who is kept may be looked up.
    fn identity(&mut self, user: Answer, password: Answer) -> Result<Identity> {
        if self.given.is_anonymous(user) {
            return Ok(Identity::default());
        }
        let has_profile = self.given.has_profile;
        let username = match self.given.texts.remove(&user) {
            Some(username) => username,
            None if has_profile => String::new(),
            None => self.ask(|prompter| prompter.text(&user.question("")))?.unwrap_or_default(),
        };
        if !username.is_empty() {
            self.settled.texts.insert(user, username.clone());
        }
        // Whom the profile names somebody may be kept for; who is nobody has no password.
        let is_kept = self.given.kept.contains(&user);
        let waits = has_profile && (is_kept || username.is_empty());
        let secret = match self.given.passwords.remove(&password) {
            Some(secret) => secret,
            None if waits => Secret::new(String::new()),
            None => self
                .ask(|prompter| prompter.secret(&password.question("")))?
                .unwrap_or_else(|| Secret::new(String::new())),
        };
        match (username.is_empty(), secret.expose().is_empty()) {
            (true, true) => Ok(Identity::unknown()),
            (false, true) if is_kept => Ok(Identity::named(username)),
            (false, _) => Ok(Identity::typed(Credentials::Basic { username, password: secret })),
            (true, false) => Err(CommandError::usage(
                format_args!("there is a {} and no {}", password.noun(), user.noun()),
                format_args!("Set {}.", names(user)),
            )),
        }
    }

    /// Asks for the password of somebody whom a profile names and nobody keeps.
    pub(crate) fn ask_for_named(&mut self, identity: &mut Identity, password: Answer) -> Result<()> {
        let KnownFrom::Named(username) = &identity.known_from else { return Ok(()) };
        let username = username.clone();
        let secret = self.ask(|prompter| prompter.secret(&password.question("")))?;
        if let Some(password) = secret.filter(|secret| !secret.expose().is_empty()) {
            *identity = Identity::typed(Credentials::Basic { username, password });
        }
        Ok(())
    }

    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut (dyn Prompter + 'static)) -> std::result::Result<T, crate::prompt::PromptError>,
    ) -> Result<Option<T>> {
        Ok(self.prompter.as_deref_mut().map(question).transpose()?)
    }
}

/// Names both ways to give an answer without a terminal.
fn names(answer: Answer) -> String {
    format!("{} or {}", answer.flag(), answer.variable())
}

fn variable(variables: &HashMap<OsString, OsString>, answer: Answer) -> Result<Option<String>> {
    let Some(value) = variables.get(OsStr::new(answer.variable())) else { return Ok(None) };
    let text = value.to_str().map(|text| Some(text.to_owned()));
    text.ok_or_else(|| {
        CommandError::usage(
            format_args!("{} is not valid UTF-8", answer.variable()),
            "Set it to plain text, or unset it.",
        )
    })
}

/// Reads one line of standard input. An empty one means none; no line at all is a mistake.
fn read_line(stdin: &mut (dyn BufRead + Send), answer: Answer) -> Result<Secret> {
    let mut line = String::new();
    let mut limited = stdin.take(PASSWORD_LIMIT);
    let count = limited
        .read_line(&mut line)
        .map_err(|error| CommandError::Machine("standard input cannot be read", error))?;
    if count == 0 {
        return Err(CommandError::usage(
            format_args!("standard input has no line for the {}", answer.noun()),
            "Both flags together read two lines: the source's password first, then the target's.",
        ));
    }
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(Secret::new(line))
}

fn source_tags(typed: &[String], variable: Option<String>) -> Result<Option<Vec<Tag>>> {
    let texts = if typed.is_empty() { variable.into_iter().collect() } else { typed.to_vec() };
    let mut tags: Vec<Tag> = Vec::new();
    for text in &texts {
        let tag = parse(Answer::SourceTag, text)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok((!tags.is_empty()).then_some(tags))
}

/// Refuses an answer that makes no sense before any other is asked for.
fn check(answer: Answer, text: &str) -> Result<()> {
    match answer {
        Answer::SourceRegistry | Answer::TargetRegistry => parse::<Registry>(answer, text).map(drop),
        Answer::SourceRepository | Answer::TargetRepository => {
            parse::<RepositoryName>(answer, text).map(drop)
        }
        Answer::TargetTag if !text.is_empty() => parse::<Tag>(answer, text).map(drop),
        _ => Ok(()),
    }
}

fn parse<T: FromStr<Err: Display>>(answer: Answer, text: &str) -> Result<T> {
    if text.is_empty() {
        return Err(CommandError::usage(
            format_args!("the {} is empty", answer.noun()),
            format_args!("Set {}.", names(answer)),
        ));
    }
    text.parse().map_err(|error| {
        let hint = suggestion(answer, text).unwrap_or_else(|| format!("Set {}.", names(answer)));
        CommandError::usage(format_args!("the {} `{text}` is malformed: {error}", answer.noun()), hint)
    })
}

/// Guesses what was meant by a registry that is a URL or has a path.
fn suggestion(answer: Answer, text: &str) -> Option<String> {
    let repository = match answer {
        Answer::SourceRegistry => Answer::SourceRepository,
        Answer::TargetRegistry => Answer::TargetRepository,
        _ => return None,
    };
    let is_plain = text.starts_with("http://");
    let bare = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or(text);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host: Registry = host.parse().ok()?;
    let mut hint = format!("Did you mean {} {host}", answer.flag());
    let path = path.trim_matches('/');
    if !path.is_empty() {
        hint = format!("{hint} {} {path}", repository.flag());
    }
    if is_plain {
        hint = format!("{hint} --plain-http {host}");
    }
    Some(hint + "?")
}

#[cfg(test)]
mod tests;
