//! `sealift images`: what manifests, charts and Compose files refer to, as a list that a mirror takes.

use super::Result;
use super::mirror::write;
use crate::args::{Format, ImagesArgs};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::harvest::{Charts, Harvest, gather};
use crate::output::units::count;
use crate::output::{images, json};
use crate::ui::Ui;

/// Gathers the images, and writes them down.
pub(crate) async fn run(ui: &Ui, args: &ImagesArgs, environment: &mut Environment) -> Result<Exit> {
    let charts = Charts { values: &args.values, may_run_helm: !args.no_helm };
    let harvest = gather(&args.places, &charts, environment).await?;
    match args.output.output {
        Format::Text => write(ui, &images::text(&harvest))?,
        Format::Json => write(ui, &json::text(&json::ImagesReport::new(&harvest)))?,
    }
    tell(ui, &harvest);
    let is_incomplete = args.strict && !harvest.unresolved.is_empty();
    Ok(if harvest.unread.is_empty() && !is_incomplete { Exit::Success } else { Exit::Failed })
}

fn tell(ui: &Ui, harvest: &Harvest) {
    for note in &harvest.notes {
        ui.warning(note);
    }
    let (images, files) = (count(harvest.images.len(), "image"), count(harvest.files, "file"));
    ui.status(format_args!("{images} in {files}"));
    if !harvest.unresolved.is_empty() {
        ui.warning(format_args!(
            "{} cannot be resolved; the output names them, and the list is without them",
            count(harvest.unresolved.len(), "name")
        ));
    }
    for (file, reason) in &harvest.unread {
        ui.error(format_args!("{file}: {reason}"));
    }
    if !harvest.unread.is_empty() {
        ui.note("Hint: images in what cannot be read are not in the list; name the other files one by one if these are none of yours.");
    }
}
