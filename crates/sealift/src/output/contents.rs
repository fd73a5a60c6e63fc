//! What is in a bundle or a layout, as a table.

use sealift_bundle::{Bundle, LayoutStore, ListedImage, Listing};
use sealift_store::Store as _;

use super::layers;
use super::table::{Align, Column, Row, render};
use super::units::{bytes, count, narrow_bytes};
use crate::commands::{Inspected, Inspection};

/// How wide a report is where no terminal says otherwise.
const WIDTH: usize = 100;

const COLUMNS: [Column; 7] = [
    Column { title: "image", align: Align::Left, spare: 0 },
    Column { title: "tag", align: Align::Left, spare: 0 },
    Column { title: "size", align: Align::Right, spare: 0 },
    Column { title: "carried", align: Align::Right, spare: 1 },
    Column { title: "shared", align: Align::Right, spare: 3 },
    Column { title: "platforms", align: Align::Left, spare: 4 },
    Column { title: "digest", align: Align::Left, spare: 2 },
];

/// Writes the images of a bundle, release by release, and where it comes from.
pub(crate) fn text(inspection: &Inspection, width: Option<usize>) -> String {
    let (mut rows, mut last) = (Vec::new(), None);
    for listed in &inspection.listing.images {
        if last != Some(&listed.image.group) {
            last = Some(&listed.image.group);
            let group = listed.image.group.as_deref().unwrap_or("images");
            rows.push(Row::Heading(format!("{group}:")));
        }
        rows.push(row(listed));
    }
    // A repair has content for images of another bundle, and none of its own.
    let table = match rows.is_empty() {
        true => String::new(),
        false => render(&COLUMNS, &rows, Some(width.unwrap_or(WIDTH))) + "\n",
    };
    table + &origin(inspection)
}

fn row(listed: &ListedImage) -> Row {
    let image = &listed.image;
    let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
    Row::Cells(vec![
        image.repository.to_string(),
        image.tag.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        narrow_bytes(listed.size),
        if listed.is_readable { narrow_bytes(listed.carried) } else { "damaged".to_owned() },
        narrow_bytes(listed.shared),
        platforms.join(" "),
        image.digest.short().to_owned(),
    ])
}

fn origin(inspection: &Inspection) -> String {
    match &inspection.what {
        Inspected::Bundle(bundle) => of_bundle(bundle, &inspection.listing),
        Inspected::Layout(layout) => of_layout(layout, &inspection.listing),
    }
}

fn of_layout(layout: &LayoutStore, listing: &Listing) -> String {
    format!(
        "OCI image layout {}.\n{}: {} carried, {} shared among images.\n",
        layout.place(),
        count(listing.images.len(), "image"),
        bytes(listing.carried),
        bytes(listing.shared),
    )
}

fn of_bundle(bundle: &Bundle, listing: &Listing) -> String {
    let catalogue = bundle.catalogue();
    let sources = catalogue.repositories.iter().map(|repository| &repository.source);
    let mut registries: Vec<&str> =
        sources.map(|source| source.split('/').next().unwrap_or_default()).collect();
    registries.sort_unstable();
    registries.dedup();
    let mut text = format!(
        "Bundle {}, packed {} by {} from {}{}.\n{}, {}: {} carried, {} shared among images.\n",
        catalogue.id,
        catalogue.created,
        catalogue.tool,
        registries.join(", "),
        if catalogue.sealed { ", encrypted" } else { "" },
        count(listing.images.len(), "image"),
        count(catalogue.volumes.len(), "volume"),
        bytes(listing.carried),
        bytes(listing.shared),
    );
    if !catalogue.builds_on.is_empty() {
        text.push_str(&format!(
            "It leaves out {} that the other side has, and builds on {}.\n",
            bytes(listing.left_out),
            catalogue.builds_on.join(", ")
        ));
    }
    text + &layers::text(&catalogue.deltas())
}
