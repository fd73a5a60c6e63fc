//! `sealift inspect`: what is in a bundle, before anybody loads it.

use std::sync::Arc;

use sealift_bundle::{Bundle, Damage, Listing};

use super::mirror::write;
use super::{Result, bundle};
use crate::args::{Format, InspectArgs};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::output::{contents, json};
use crate::ui::Ui;

/// A bundle, looked at.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) bundle: Bundle,
    pub(crate) listing: Listing,
    pub(crate) damage: Vec<Damage>,
}

/// Shows the images, tags, platforms and sizes of a bundle.
pub(crate) async fn run(ui: &Arc<Ui>, args: &InspectArgs, environment: &mut Environment) -> Result<Exit> {
    let inspected = inspect(args, environment).await;
    let exit = match &inspected {
        Ok(inspection) if inspection.damage.is_empty() => Exit::Success,
        Ok(_) => Exit::Failed,
        Err(error) => error.exit(),
    };
    match (args.output.output, &inspected) {
        (Format::Json, inspected) => {
            write(ui, &json::text(&json::Contents::new(inspected.as_ref(), exit)))?;
        }
        (Format::Text, Ok(inspection)) => write(ui, &contents::text(inspection, ui.width()))?,
        (Format::Text, Err(_)) => {}
    }
    tell_damage(ui, &inspected?);
    Ok(exit)
}

async fn inspect(args: &InspectArgs, environment: &mut Environment) -> Result<Inspection> {
    let bundle = bundle::open(&args.bundle, &args.open, environment).await?;
    let (listing, damage) = (bundle.listing().await?, bundle.damage().await?);
    Ok(Inspection { bundle, listing, damage })
}

fn tell_damage(ui: &Ui, inspection: &Inspection) {
    bundle::tell_damage(ui, &inspection.bundle, &inspection.damage);
    if !inspection.damage.is_empty() {
        ui.note("Hint: name the directories where volumes lie with --volume-dir, or copy them again.");
    }
}
