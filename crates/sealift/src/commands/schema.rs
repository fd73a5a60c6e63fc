//! `sealift schema`: the JSON Schema of profiles, and what is wrong with a profile.

use std::path::Path;

use sealift_catalog::profile::{Profile, Read};

use super::Result;
use super::job::tell_unmapped;
use super::mirror::write;
use crate::args::SchemaArgs;
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::list;
use crate::output::json;
use crate::output::units::count;
use crate::ui::Ui;

/// Prints the schema; or checks each file, and tells everything that is wrong.
pub(crate) fn run(ui: &Ui, args: &SchemaArgs, environment: &mut Environment) -> Result<Exit> {
    if args.check.is_empty() {
        write(ui, &json::text(&Profile::json_schema()))?;
        return Ok(Exit::Success);
    }
    let mut exit = Exit::Success;
    for path in &args.check {
        match list::read_profile("--check", path, environment) {
            Ok(read) => tell(ui, path, &read)?,
            Err(error @ CommandError::Usage { .. }) => {
                ui.usage(&error);
                exit = Exit::Usage;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
}

fn tell(ui: &Ui, path: &Path, read: &Read) -> Result<()> {
    let Profile { products, rewrite, leave_out, .. } = &read.profile;
    let parts = [
        (products.len(), "product", ""),
        (rewrite.len(), "rewrite rule", ""),
        (leave_out.len(), "pattern", " to leave out"),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what, more)| count(number, what) + more).collect();
    let what = if parts.is_empty() { "the newest release".to_owned() } else { parts.join(", ") };
    write(ui, &format!("{}: {}: {what}\n", path.display(), read.kind))?;
    tell_unmapped(ui, path, read);
    Ok(())
}
