//! `sealift logout`: forgets the user and password that are kept for a registry.

use super::Result;
use crate::args::RegistryArgs;
use crate::credentials::{Keyring, Surroundings};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::ui::Ui;

/// Forgets what is kept, wherever it is. That nothing is kept is what was wanted, too.
pub(crate) async fn run(ui: &Ui, args: &RegistryArgs, environment: &mut Environment) -> Result<Exit> {
    let registry = &args.registry;
    let keyring = Keyring::new(Surroundings::new(environment.variables.clone()));
    let erased = keyring.erase(registry).await?;
    if erased.is_empty() {
        ui.status(format_args!("nothing was kept for {registry}"));
    }
    for origin in erased {
        ui.status(format_args!("logged out of {registry}; removed from {origin}"));
    }
    Ok(Exit::Success)
}
