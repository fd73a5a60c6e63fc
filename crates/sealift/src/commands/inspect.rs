//! `sealift inspect`: what is in a bundle or a plain OCI image layout, before anybody loads it.

use std::sync::Arc;

use sealift_bundle::{Bundle, Damage, LayoutStore, Listing};

use super::freight::{self, Freight};
use super::mirror::write;
use super::{Result, bundle};
use crate::args::{Format, InspectArgs};
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::output::{contents, json};
use crate::stop::Stop;
use crate::ui::Ui;

/// A bundle or a layout, looked at.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) what: Inspected,
    pub(crate) listing: Listing,
    pub(crate) damage: Vec<Damage>,
}

/// What was looked at.
#[derive(Debug)]
pub(crate) enum Inspected {
    /// A bundle.
    Bundle(Bundle),
    /// A plain OCI image layout.
    Layout(LayoutStore),
}

impl Inspection {
    /// Returns the bundle, if it is one.
    pub(crate) fn bundle(&self) -> Option<&Bundle> {
        match &self.what {
            Inspected::Bundle(bundle) => Some(bundle),
            Inspected::Layout(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        // Of a bundle each volume is looked for; of a layout, each blob.
        let is_whole = match &self.what {
            Inspected::Bundle(_) => self.damage.is_empty(),
            Inspected::Layout(_) => self.listing.images.iter().all(|listed| listed.is_readable),
        };
        if is_whole { Exit::Success } else { Exit::Failed }
    }
}

/// Shows the images, tags, platforms and sizes of a bundle.
pub(crate) async fn run(ui: &Arc<Ui>, args: &InspectArgs, environment: &mut Environment) -> Result<Exit> {
    let inspected = inspect(ui, args, environment).await;
    let exit = match &inspected {
        Ok(inspection) => inspection.exit(),
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

async fn inspect(ui: &Arc<Ui>, args: &InspectArgs, environment: &mut Environment) -> Result<Inspection> {
    let stop = Stop::listen(ui);
    let paths = std::slice::from_ref(&args.bundle);
    let opened = stop.unless_asked(freight::open(ui, paths, &args.open, environment)).await??;
    stop.unless_asked(look(opened)).await?
}

async fn look(freight: Freight) -> Result<Inspection> {
    Ok(match freight {
        Freight::Layout(layout) => {
            let listing = layout.listing().await?;
            Inspection { what: Inspected::Layout(layout), listing, damage: Vec::new() }
        }
        Freight::Bundles(bundles) => {
            let bundle = bundles.into_iter().next();
            let bundle = bundle.ok_or_else(|| CommandError::usage("no bundle is named", "Name one."))?;
            let (listing, damage) = (bundle.listing().await?, bundle.damage().await?);
            Inspection { what: Inspected::Bundle(bundle), listing, damage }
        }
    })
}

fn tell_damage(ui: &Ui, inspection: &Inspection) {
    let Some(opened) = inspection.bundle() else {
        if inspection.exit() != Exit::Success {
            ui.error("content is missing, or has another size than is listed");
            ui.note("Hint: `sealift verify` names it.");
        }
        return;
    };
    bundle::tell_damage(ui, opened, &inspection.damage);
    if !inspection.damage.is_empty() {
        ui.note("Hint: name the directories where volumes lie with --volume-dir, or copy them again.");
    }
}
