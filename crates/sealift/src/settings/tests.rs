use super::*;
use crate::progress::Manner;
use crate::prompt::PromptError;
use crate::ui::Level;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

/// Answers from a list and keeps the questions.
#[derive(Clone, Debug, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    questions: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        Self { answers, questions: Arc::default() }
    }

    fn next(&mut self, question: &str) -> std::result::Result<String, PromptError> {
        self.questions.lock().unwrap().push(question.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.map(str::to_owned).ok_or(PromptError::Interrupted)
    }
}

impl Prompter for Script {
    fn text(&mut self, question: &str) -> std::result::Result<String, PromptError> {
        self.next(question)
    }

    fn secret(&mut self, question: &str) -> std::result::Result<Secret, PromptError> {
        self.next(question).map(Secret::new)
    }
}

/// A run's surroundings: variables, standard input, and who answers.
struct Surroundings {
    environment: Environment,
    script: Script,
}

fn surroundings(
    variables: &[(&str, &str)],
    stdin: &'static str,
    answers: Option<&[&'static str]>,
) -> Surroundings {
    let script = Script::new(answers.unwrap_or_default());
    let environment = Environment {
        variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        is_interactive: answers.is_some(),
        stdin_is_terminal: answers.is_some(),
        stdout_width: None,
        stderr_width: None,
        stderr_size: || None,
        stdin: Box::new(stdin.as_bytes()),
        stdout: Box::new(io::sink()),
        stdout_file: None,
        stderr: Box::new(io::sink()),
        prompter: Box::new(script.clone()),
    };
    Surroundings { environment, script }
}

fn settle(args: &AnswerArgs, surroundings: &mut Surroundings) -> Result<Settings> {
    let environment = &mut surroundings.environment;
    let given = Given::read(&Answer::ALL, args, environment)?;
    given.demand_target(environment.is_interactive)?;
    let ui = Ui::of(environment, Level::Quiet, Manner::PLAIN);
    let prompter = environment.is_interactive.then_some(environment.prompter.as_mut());
    let mut asker = Asker::new(given, prompter, &ui);
    let mut source = asker.source()?;
    asker.ask_for_named(&mut source.identity, Answer::SourcePassword)?;
    let newest = asker.needs_newest().then(|| "v1.42.0_2025-10-14".parse().unwrap());
    let tags = asker.tags(newest)?;
    let mut target = asker.target()?;
    asker.ask_for_named(&mut target.identity, Answer::TargetPassword)?;
    let target_tag = asker.target_tag(&tags)?;
    let settings = Settings { source, target: Some(target), tags, target_tag };
    settings.check().map(|()| settings)
}

/// Writes the settings in one line: registry/repository user:password tags > …
fn line(settings: &Settings) -> String {
    let place = |it: &PlaceSettings| {
        let user = match &it.identity.credentials {
            Credentials::Anonymous => "-".to_owned(),
            Credentials::Basic { username, password } => format!("{username}:{}", password.expose()),
            Credentials::IdentityToken { token, .. } => format!("token {}", token.expose()),
        };
        format!("{}/{} {user}", it.registry, it.repository)
    };
    let tags: Vec<&str> = settings.tags.iter().map(Tag::as_str).collect();
    let target_tag = settings.target_tag.as_ref().map_or("=", Tag::as_str);
    format!(
        "{} {} > {} {target_tag}",
        place(&settings.source),
        tags.join(","),
        place(settings.target.as_ref().unwrap())
    )
}

fn message(error: &CommandError) -> String {
    match error {
        CommandError::Usage { message, hint } => format!("{message} | {hint}"),
        other => format!("{other:?}"),
    }
}

const TARGET: [(&str, &str); 2] =
    [("TARGET_DOCKER_REGISTRY", "ship.lan:5000"), ("TARGET_DOCKER_REPOSITORY", "a/b")];

fn flags() -> AnswerArgs {
    let mut args = AnswerArgs::default();
    args.source.source_registry = Some("flag.example".to_owned());
    args.source.source_username = Some(String::new());
    args.source_tag = vec!["v9".to_owned()];
    args.target.target_tag = Some("v10".to_owned());
    args
}

#[test]
fn flag_beats_variable_beats_default() {
    let variables = [
        ("SOURCE_DOCKER_REGISTRY", "variable.example"),
        ("SOURCE_DOCKER_REPOSITORY", "arcdata/preview"),
        ("SOURCE_DOCKER_USERNAME", "me"),
        ("SOURCE_DOCKER_PASSWORD", ""),
        ("SOURCE_DOCKER_TAG", "v1"),
        ("TARGET_DOCKER_USERNAME", "you"),
        ("TARGET_DOCKER_PASSWORD", "p w"),
        ("TARGET_DOCKER_TAG", "v2"),
    ];
    let all = [&variables[..], &TARGET].concat();
    let set = |more: &[(&'static str, &'static str)]| [&TARGET[..], more].concat();
    let cases = [
        (
            AnswerArgs::default(),
            TARGET.to_vec(),
            "mcr.microsoft.com/arcdata - v1.42.0_2025-10-14 > ship.lan:5000/a/b - =",
        ),
        (
            AnswerArgs::default(),
            all.clone(),
            "variable.example/arcdata/preview me: v1 > ship.lan:5000/a/b you:p w v2",
        ),
        (flags(), all, "flag.example/arcdata/preview - v9 > ship.lan:5000/a/b you:p w v10"),
        // Set to nothing counts as given: no user, no password, the source's tag.
        (
            AnswerArgs::default(),
            set(&[("TARGET_DOCKER_TAG", ""), ("SOURCE_DOCKER_USERNAME", ""), ("SOURCE_DOCKER_TAG", "v3")]),
            "mcr.microsoft.com/arcdata - v3 > ship.lan:5000/a/b - =",
        ),
    ];
    for (args, variables, expected) in cases {
        let settings = settle(&args, &mut surroundings(&variables, "", None)).unwrap();
        assert_eq!(line(&settings), expected);
    }
}

#[test]
fn what_makes_no_sense_names_the_answer_and_both_ways_to_give_it() {
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[], "the target registry is not given | Set --target-registry or TARGET_DOCKER_REGISTRY."),
        (
            &TARGET[..1],
            "the target repository is not given | Set --target-repository or TARGET_DOCKER_REPOSITORY.",
        ),
        (
            &[("SOURCE_DOCKER_REGISTRY", "")],
            "the source registry is empty | Set --source-registry or SOURCE_DOCKER_REGISTRY.",
        ),
        (&[("SOURCE_DOCKER_REPOSITORY", "")], "the source repository is empty | Set --source-repository or"),
        (&[("SOURCE_DOCKER_TAG", "")], "the source tag is empty | Set --source-tag or SOURCE_DOCKER_TAG."),
        (&[("TARGET_DOCKER_REGISTRY", "")], "the target registry is empty"),
        (&[("TARGET_DOCKER_REPOSITORY", "")], "the target repository is empty"),
        (&[("TARGET_DOCKER_REPOSITORY", "Upper")], "the target repository `Upper` is malformed: "),
        (&[("TARGET_DOCKER_TAG", "a/b")], "the target tag `a/b` is malformed: "),
        (&[("TARGET_DOCKER_REGISTRY", "https://ship.lan/")], "Did you mean --target-registry ship.lan?"),
        (
            &[("SOURCE_DOCKER_REGISTRY", "http://mcr.io:80/arcdata/x")],
            "Did you mean --source-registry mcr.io:80 --source-repository arcdata/x --plain-http mcr.io:80?",
        ),
        (&[("SOURCE_DOCKER_PASSWORD", "hunter2")], "the target registry is not given"),
    ];
    for (variables, expected) in cases {
        let error = settle(&AnswerArgs::default(), &mut surroundings(variables, "", None)).unwrap_err();
        assert!(message(&error).contains(expected), "{variables:?}: {}", message(&error));
        assert_eq!(error.exit().code(), 2);
    }
}

#[test]
fn a_password_without_a_user_and_a_target_that_is_the_source_are_refused() {
    let cases: [(&[(&str, &str)], &str); 2] = [
        (&[("SOURCE_DOCKER_PASSWORD", "hunter2")], "there is a source password and no source user"),
        (
            &[("SOURCE_DOCKER_REGISTRY", "ship.lan:5000"), ("SOURCE_DOCKER_REPOSITORY", "a/b")],
            "is both source and target",
        ),
    ];
    for (more, expected) in cases {
        let variables = [&TARGET[..], more].concat();
        let error = settle(&AnswerArgs::default(), &mut surroundings(&variables, "", None)).unwrap_err();
        assert!(message(&error).contains(expected), "{}", message(&error));
        assert!(!message(&error).contains("hunter2"));
    }
}

#[test]
fn several_tags_keep_their_names() {
    let mut args =
        AnswerArgs { source_tag: vec!["v2".into(), "v1".into(), "v2".into()], ..AnswerArgs::default() };
    let settings = settle(&args, &mut surroundings(&TARGET, "", None)).unwrap();
    assert!(line(&settings).contains(" v2,v1 >"), "{}", line(&settings));
    args.target.target_tag = Some("v3".to_owned());
    let error = settle(&args, &mut surroundings(&TARGET, "", None)).unwrap_err();
    assert!(message(&error).contains("with several source tags"), "{}", message(&error));
}

#[test]
fn passwords_are_lines_of_standard_input_the_source_first() {
    let mut args = AnswerArgs::default();
    args.source.source_password_stdin = true;
    args.target.target_password_stdin = true;
    let users =
        [("SOURCE_DOCKER_USERNAME", "s"), ("TARGET_DOCKER_USERNAME", "t"), ("TARGET_DOCKER_PASSWORD", "old")];
    let variables = [&TARGET[..], &users].concat();
    let settings = settle(&args, &mut surroundings(&variables, "one \r\n two\n", None)).unwrap();
    let written = line(&settings);
    assert!(written.contains("s:one  v1") && written.ends_with("t: two ="), "{written}");
    let error = settle(&args, &mut surroundings(&variables, "one\n", None)).unwrap_err();
    assert!(message(&error).contains("no line for the target password"), "{}", message(&error));
    let error = settle(&args, &mut surroundings(&variables, "", Some(&[]))).unwrap_err();
    assert!(message(&error).contains("standard input is a terminal"), "{}", message(&error));
}

const PROFILE: &str = "\
schema: sealift.profile/1
source: {registry: kept.lan, repository: kept, username: reader}
target: {registry: site.lan, repository: site, username: captain, tag: approved}
products:
- azure-arc: {tags: [v7]}
";

fn kept(yaml: &str) -> AnswerArgs {
    let profile = sealift_catalog::profile::Profile::parse(yaml).unwrap();
    let (answers, what) = (AnswerArgs::default(), crate::args::WhatArgs::default());
    crate::profile::Layered::new(Some(profile), &answers, &what, &HashMap::new()).answers
}

#[test]
fn flag_and_variable_beat_the_profile_and_that_beats_the_default() {
    let mut surroundings = surroundings(
        &[
            ("SOURCE_DOCKER_REPOSITORY", "set"),
            ("TARGET_DOCKER_PASSWORD", "p w"),
            ("TARGET_DOCKER_REPOSITORY", "elsewhere"),
        ],
        "",
        None,
    );
    let settings = settle(&kept(PROFILE), &mut surroundings).unwrap();
    assert_eq!(line(&settings), "kept.lan/set - v7 > site.lan/elsewhere captain:p w approved");
    // The profile has no password for its user, so one that is kept may be looked up.
    assert_eq!(settings.source.identity.known_from, KnownFrom::Named("reader".to_owned()));
    let mut args = kept(PROFILE);
    args.source.source_registry = Some("typed.lan".to_owned());
    args.source_tag = vec!["v8".to_owned()];
    args.target.target_username = Some(String::new());
    args.target.target_tag = Some(String::new());
    let settings = settle(&args, &mut self::surroundings(&[], "", None)).unwrap();
    assert_eq!(line(&settings), "typed.lan/kept - v8 > site.lan/site - =");
    // Whoever the profile names is somebody at its own registry.
    assert_eq!(settings.source.identity.known_from, KnownFrom::Nowhere);
}

#[test]
fn with_a_profile_only_what_nobody_knows_is_asked() {
    let mut asked = surroundings(&[], "", Some(&["hush", "secret"]));
    let settings = settle(&kept(PROFILE), &mut asked).unwrap();
    assert_eq!(line(&settings), "kept.lan/kept reader:hush v7 > site.lan/site captain:secret approved");
    let mut asked = surroundings(&[], "", Some(&["ship.lan", "site"]));
    let settings = settle(&kept("schema: sealift.profile/1"), &mut asked).unwrap();
    assert_eq!(line(&settings), "mcr.microsoft.com/arcdata - v1.42.0_2025-10-14 > ship.lan/site - =");
    assert_eq!(asked.script.questions.lock().unwrap().len(), 2);
}

/// arguments, what is typed → the answers that a profile keeps.
#[test]
fn answers_are_kept_without_passwords_and_the_newest_stays_the_newest() {
    let questions = ["", "", "", "", "", "ship.lan", "arcdata", "captain", "secret", ""];
    let asked = "mcr.microsoft.com arcdata ship.lan arcdata captain |";
    let typed = ["", "a", "me", "hush", "v1", "ship.lan", "b", "", "", "v2"];
    for (args, answers, expected) in [
        (AnswerArgs::default(), &questions[..], asked),
        (AnswerArgs::default(), &typed, "mcr.microsoft.com a me ship.lan b v2 | v1"),
        (kept(PROFILE), &[], "kept.lan kept reader site.lan site captain approved | v7"),
    ] {
        let mut surroundings = surroundings(&[], "", Some(answers));
        let environment = &mut surroundings.environment;
        let given = Given::read(&Answer::ALL, &args, environment).unwrap();
        let ui = Ui::of(environment, Level::Quiet, Manner::PLAIN);
        let mut asker = Asker::new(given, Some(environment.prompter.as_mut()), &ui);
        asker.source().unwrap();
        let tags = asker.tags("v1.42.0_2025-10-14".parse().ok()).unwrap();
        asker.target().unwrap();
        asker.target_tag(&tags).unwrap();
        let Settled { texts, tags } = asker.into_settled();
        let texts: Vec<&str> = texts.values().map(String::as_str).collect();
        let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        assert_eq!(format!("{} | {}", texts.join(" "), tags.join(" ")).trim_end(), expected);
    }
}

#[test]
fn everything_is_asked_in_the_order_of_the_script_with_its_words() {
    let answers = ["", "", "", "", "", "ship.lan", "arcdata", "captain", "secret", ""];
    let mut surroundings = surroundings(&[], "", Some(&answers));
    let settings = settle(&AnswerArgs::default(), &mut surroundings).unwrap();
    assert_eq!(
        line(&settings),
        "mcr.microsoft.com/arcdata - v1.42.0_2025-10-14 > ship.lan/arcdata captain:secret ="
    );
    insta::assert_snapshot!(surroundings.script.questions.lock().unwrap().join("\n"), @r"
    Provide source container registry - press ENTER for using `mcr.microsoft.com`:
    Provide source container registry repository - press ENTER for using `arcdata`:
    Provide username for the source container registry - press ENTER for using none:
    Provide password for the source container registry - press ENTER for using none:
    Provide container image tag for the images at the source - press ENTER for using 'v1.42.0_2025-10-14':
    Provide target container registry DNS name or IP address:
    Provide target container registry repository:
    Provide username for the target container registry - press enter for using none:
    Provide password for the target container registry - press enter for using none:
    Provide container image tag for the images at the target - press ENTER for using 'v1.42.0_2025-10-14':
    ");
}

#[test]
fn only_what_is_missing_is_asked_for_and_nonsense_is_asked_for_again() {
    let users = [("SOURCE_DOCKER_USERNAME", ""), ("SOURCE_DOCKER_PASSWORD", ""), ("TARGET_DOCKER_TAG", "")];
    let mut surroundings = surroundings(
        &users,
        "",
        Some(&["", "a/b/c", "v1", "https://ship.lan", "", "ship.lan", "site", "", ""]),
    );
    let settings = settle(&AnswerArgs::default(), &mut surroundings).unwrap();
    assert_eq!(line(&settings), "mcr.microsoft.com/a/b/c - v1 > ship.lan/site - =");
    assert_eq!(surroundings.script.questions.lock().unwrap().len(), 9);
}

#[test]
fn breaking_off_is_no_usage_error() {
    let error = settle(&AnswerArgs::default(), &mut surroundings(&[], "", Some(&[]))).unwrap_err();
    assert_eq!(error.exit().code(), 130);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let mut surroundings = surroundings(&TARGET, "", None);
    surroundings.environment.variables.insert("SOURCE_DOCKER_TAG".into(), OsString::from_vec(vec![0xff]));
    let error = settle(&AnswerArgs::default(), &mut surroundings).unwrap_err();
    assert!(message(&error).contains("SOURCE_DOCKER_TAG is not valid UTF-8"), "{}", message(&error));
}

#[test]
fn no_password_is_printed() {
    let variables =
        [&TARGET[..], &[("TARGET_DOCKER_USERNAME", "me"), ("TARGET_DOCKER_PASSWORD", "hunter2")]].concat();
    let mut surroundings = surroundings(&variables, "", None);
    let before = format!("{:?}", surroundings.environment);
    let settings = settle(&AnswerArgs::default(), &mut surroundings).unwrap();
    assert!(!format!("{before}{settings:?}").contains("hunter2"));
}
