//! `sealift whoami`: which user is kept for a registry, and where; never the password.

use super::Result;
use super::mirror::write;
use crate::args::RegistryArgs;
use crate::credentials::{Found, Keyring, Surroundings};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::ui::Ui;

/// Shows who a command would be without further arguments.
pub(crate) async fn run(ui: &Ui, args: &RegistryArgs, environment: &mut Environment) -> Result<Exit> {
    let registry = &args.registry;
    let keyring = Keyring::new(Surroundings::new(environment.variables.clone()));
    let lookup = keyring.find(registry, None).await?;
    for warning in &lookup.warnings {
        ui.warning(warning);
    }
    let user = match &lookup.found {
        Found::None => {
            ui.error(format_args!("no credentials are kept for {registry}"));
            ui.note(format_args!("Hint: `sealift login {registry}` keeps some."));
            return Ok(Exit::Access);
        }
        Found::Basic { username, .. } => username.clone(),
        Found::IdentityToken { username: Some(username), .. } => format!("{username} (identity token)"),
        Found::IdentityToken { username: None, .. } => "not known (identity token)".to_owned(),
    };
    let mut text = format!("user: {user}\n");
    if let Some(origin) = &lookup.origin {
        let how = if origin.is_plain() { ", not encrypted" } else { "" };
        text.push_str(&format!("kept: {origin}{how}\n"));
    }
    write(ui, &text)?;
    Ok(Exit::Success)
}
