//! `sealift login`: keeps a user and password, once the registry took them.

use std::io::{BufRead, Read as _};
use std::sync::Arc;

use sealift_oci::Registry;
use sealift_registry::client::{Credentials, Secret};
use sealift_store::{ErrorKind, Operation};

use super::Result;
use crate::args::LoginArgs;
use crate::credentials::{Keyring, Surroundings, check_username};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::places::Connection;
use crate::ui::Ui;

/// The longest password that is read from standard input.
const PASSWORD_LIMIT: u64 = 64 * 1024;

/// Asks the registry whether it takes the credentials, and keeps them.
pub(crate) async fn run(ui: &Arc<Ui>, args: &LoginArgs, environment: &mut Environment) -> Result<Exit> {
    let connection = Connection::read(&args.connection, environment)?;
    let check = async |credentials| {
        let client = connection.client(&args.registry, credentials, None)?;
        Ok(client.authenticate().await?)
    };
    login(ui, args, environment, check).await
}

/// Does a login with whatever `check` says of the credentials.
async fn login(
    ui: &Ui,
    args: &LoginArgs,
    environment: &mut Environment,
    check: impl AsyncFnOnce(Credentials) -> Result<()>,
) -> Result<Exit> {
    let (registry, username) = (&args.registry, username(args, environment)?);
    check_username(&username)?;
    let password = password(args, environment)?;
    let credentials = Credentials::Basic { username: username.clone(), password: password.clone() };
    if let Err(error) = check(credentials).await {
        return refused(ui, registry, error);
    }
    let keyring = Keyring::new(Surroundings::new(environment.variables.clone()));
    let origin = keyring.store(registry, &username, &password).await?;
    ui.status(format_args!("logged in to {registry} as {username}; kept in {origin}"));
    if origin.is_plain() {
        ui.warning(format_args!(
            "{origin} is not encrypted: whoever can read it has the password\n  \
             Hint: a credential helper keeps passwords in a keychain; name one there as `credsStore`."
        ));
    }
    Ok(Exit::Success)
}

/// A refusal is not about the source or the target that other hints speak of; one before anybody said who
/// asks, as by a proxy, is not about the user.
fn refused(ui: &Ui, registry: &Registry, error: CommandError) -> Result<Exit> {
    let error = match error {
        CommandError::Place(error, _)
            if matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied)
                && error.operation() != Operation::Connect =>
        {
            error
        }
        other => return Err(other),
    };
    ui.error(error);
    ui.note(format_args!("Hint: Check user and password for {registry}. Nothing was kept."));
    Ok(Exit::Access)
}

fn username(args: &LoginArgs, environment: &mut Environment) -> Result<String> {
    match &args.username {
        Some(username) => Ok(username.clone()),
        None if environment.is_interactive => Ok(environment.prompter.text("Username: ")?),
        None => Err(CommandError::usage("the user is not given", "Set --username.")),
    }
}

fn password(args: &LoginArgs, environment: &mut Environment) -> Result<Secret> {
    let password = match (args.password_stdin, environment.is_interactive) {
        (true, _) if environment.stdin_is_terminal => {
            return Err(CommandError::usage(
                "--password-stdin reads from a pipe, and standard input is a terminal",
                "Leave the flag out, and the password is asked for without being shown.",
            ));
        }
        (true, _) => read_line(environment.stdin.as_mut())?,
        (false, true) => environment.prompter.secret("Password: ")?,
        (false, false) => {
            return Err(CommandError::usage(
                "the password is not given",
                "Pipe it in with --password-stdin.",
            ));
        }
    };
    if password.expose().is_empty() {
        return Err(CommandError::usage("the password is empty", "Who has none need not log in."));
    }
    Ok(password)
}

fn read_line(stdin: &mut (dyn BufRead + Send)) -> Result<Secret> {
    let mut line = String::new();
    stdin
        .take(PASSWORD_LIMIT)
        .read_line(&mut line)
        .map_err(|error| CommandError::Machine("standard input cannot be read", error))?;
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use std::io;

    use clap::Parser as _;
    use sealift_store::Error;

    use super::*;
    use crate::args::{Args, Command};
    use crate::progress::Manner;
    use crate::prompt::{PromptError, Prompter};
    use crate::ui::Level;

    const PASSWORD: &str = "hunter2";

    /// Answers both questions.
    #[derive(Debug)]
    struct Captain;

    impl Prompter for Captain {
        fn text(&mut self, question: &str) -> std::result::Result<String, PromptError> {
            assert_eq!(question, "Username: ");
            Ok("captain".to_owned())
        }

        fn secret(&mut self, question: &str) -> std::result::Result<Secret, PromptError> {
            assert_eq!(question, "Password: ");
            Ok(Secret::new(PASSWORD))
        }
    }

    /// Logs in on a terminal at a registry that answers so; returns how that ended and what is kept.
    async fn typed(answer: std::result::Result<(), Error>) -> (Result<Exit>, String) {
        let home = tempfile::tempdir().unwrap();
        let mut environment = Environment {
            variables: [("HOME".into(), home.path().into())].into(),
            is_interactive: true,
            stdin_is_terminal: true,
            stdin: Box::new(io::empty()),
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
            prompter: Box::new(Captain),
            ..Environment::of_process()
        };
        let ui = Ui::of(&mut environment, Level::Normal, Manner::PLAIN);
        let args = Args::try_parse_from(["sealift", "login", "reg.lan"]).unwrap();
        let Command::Login(args) = args.command else { panic!("{args:?}") };
        let check = async |credentials| {
            let Credentials::Basic { username, password } = credentials else { panic!("{credentials:?}") };
            assert_eq!((username.as_str(), password.expose()), ("captain", PASSWORD));
            Ok(answer?)
        };
        let ended = login(&ui, &args, &mut environment, check).await;
        let kept = std::fs::read_to_string(home.path().join(".docker/config.json")).unwrap_or_default();
        (ended, kept)
    }

    #[tokio::test]
    async fn what_is_missing_is_asked_for_and_kept_once_it_is_checked() {
        let (ended, kept) = typed(Ok(())).await;
        assert_eq!(ended.unwrap(), Exit::Success);
        assert!(kept.contains("Y2FwdGFpbjpodW50ZXIy"), "{kept}");
        for (kind, exit) in [
            (ErrorKind::Unauthenticated, Exit::Access),
            (ErrorKind::Denied, Exit::Access),
            (ErrorKind::Unavailable, Exit::Failed),
        ] {
            let (ended, kept) = typed(Err(Error::new(kind, Operation::Authenticate).at("reg.lan"))).await;
            assert_eq!(ended.unwrap_or_else(|error| error.exit()), exit, "{kind:?}");
            assert_eq!(kept, "");
        }
    }
}
