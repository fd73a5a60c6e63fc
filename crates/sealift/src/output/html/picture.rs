//! What was shared: a picture of images and the layers that several of them need, and the same as a table.
//!
//! A column is a layer. Where there are too many, layers that always go together share one, and the least of them have the
//! last. What only one image needs is a bar at its end: drawn as columns it would be a long diagonal that says nothing.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sealift_oci::media_type::is_image_config;

use super::sheet::{Row, Sheet};
use super::tables::sized;
use crate::output::json::Blob;
use crate::output::units::{bytes, count};

/// As many columns as stand beside the names on a printed page.
const COLUMNS: usize = 40;
/// As many rows as stand on one printed page: a picture is not cut.
const ROWS: usize = 40;
/// How many images of a layer are named in words.
const NAMED: usize = 16;
/// How many characters of a name are drawn.
const NAME: usize = 34;

/// Widths and heights, in pixels.
const ROW: usize = 18;
const COLUMN: usize = 13;
const LABEL: usize = 246;
const HEAD: usize = 92;
const OWN_BAR: usize = 80;
const OWN: usize = OWN_BAR + 84;

/// A layer, or several that are drawn as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Column {
    /// Positions in the content.
    blobs: Vec<usize>,
    images: Vec<usize>,
    bytes: u64,
}

/// How an image has a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Its bytes were fetched, counted with this image.
    Fetched,
    /// It was there with another image, or is just there, where nothing was carried.
    Shared,
    /// The target had it before the run.
    There,
    /// It did not come.
    Lacking,
}

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    let columns = columns(sheet.content);
    let rows = drawn(sheet);
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="shared" {
                h2 #shared { "What was shared" }
                p { (summary(sheet.content)) }
                @if rows.len() < sheet.images.len() {
                    p.quiet { (unread(sheet.images.len() - rows.len())) }
                }
                @if !columns.is_empty() {
                    (key(sheet.content))
                    @for part in rows.chunks(ROWS) { (figure(sheet, &columns, part)) }
                }
            }
        }
    }
}

/// The same as a table, behind that of the images.
pub(super) fn layers(sheet: &Sheet<'_>) -> Markup {
    let columns = columns(sheet.content);
    html! {
        @if !columns.is_empty() {
            section aria-labelledby="layers" {
                h2 #layers { "Shared layers" }
                (table(sheet, &columns))
            }
        }
    }
}

/// Lists the images whose content is known.
fn drawn(sheet: &Sheet<'_>) -> Vec<usize> {
    let mut known = vec![false; sheet.images.len()];
    for image in sheet.content.iter().flat_map(|blob| &blob.images) {
        if let Some(known) = known.get_mut(*image) {
            *known = true;
        }
    }
    known.iter().enumerate().filter_map(|(number, it)| it.then_some(number)).collect()
}

fn unread(number: usize) -> String {
    let subject = if number == 1 { "1 image is" } else { &format!("{number} images are") };
    format!("{subject} not in the picture: what was there before, or did not come, was not read.")
}

fn summary(content: &[Blob]) -> String {
    let layers: Vec<&Blob> = content.iter().filter(|blob| !is_image_config(&blob.media_type)).collect();
    let shared = layers.iter().filter(|blob| blob.images.len() > 1).count();
    let once = layers.iter().fold(0_u64, |sum, blob| sum.saturating_add(blob.bytes));
    let each = |blob: &&Blob| blob.bytes.saturating_mul(blob.images.len() as u64);
    let alone = layers.iter().map(each).fold(0_u64, u64::saturating_add);
    format!(
        "{}, of which several images need {shared}. Each counts once: {}; image by image it would be {}.",
        count(layers.len(), "distinct layer"),
        bytes(once),
        bytes(alone)
    )
}

/// Makes the columns: those that most images need first, and of those the largest.
fn columns(content: &[Blob]) -> Vec<Column> {
    let shared = content.iter().enumerate();
    let shared = shared.filter(|(_, blob)| blob.images.len() > 1 && !is_image_config(&blob.media_type));
    let mut columns: Vec<Column> = shared
        .map(|(at, blob)| Column { blobs: vec![at], images: blob.images.clone(), bytes: blob.bytes })
        .collect();
    if columns.len() > COLUMNS {
        columns = together(columns);
    }
    if columns.len() > COLUMNS {
        columns.sort_by_key(|it| std::cmp::Reverse(it.bytes.saturating_mul(it.images.len() as u64 - 1)));
        let rest = columns.split_off(COLUMNS - 1);
        columns.sort_by_key(|it| std::cmp::Reverse((it.images.len(), it.bytes)));
        columns.push(rest.into_iter().fold(Column::default(), Column::joined));
        return columns;
    }
    columns.sort_by_key(|it| std::cmp::Reverse((it.images.len(), it.bytes)));
    columns
}

/// Puts the layers together that the same images need.
fn together(columns: Vec<Column>) -> Vec<Column> {
    let mut sets: BTreeMap<Vec<usize>, Column> = BTreeMap::new();
    for column in columns {
        let set = sets.entry(column.images.clone()).or_default();
        *set = std::mem::take(set).joined(column);
    }
    sets.into_values().collect()
}

impl Column {
    fn joined(mut self, other: Self) -> Self {
        self.blobs.extend(other.blobs);
        self.images.extend(other.images);
        self.images.sort_unstable();
        self.images.dedup();
        self.bytes = self.bytes.saturating_add(other.bytes);
        self
    }

    /// Says how an image has the column's layers: the most that was done for one of them.
    fn cell(&self, content: &[Blob], image: usize) -> Option<Cell> {
        let cells = self.blobs.iter().filter_map(|at| cell(content.get(*at)?, image));
        cells.min_by_key(|cell| *cell as usize)
    }
}

fn cell(blob: &Blob, image: usize) -> Option<Cell> {
    let position = blob.images.iter().position(|it| *it == image)?;
    let Some(ways) = blob.repositories else { return Some(Cell::Shared) };
    Some(match (ways.moved, ways.mounted + ways.read_back, ways.present) {
        (1.., _, _) if position == 0 => Cell::Fetched,
        (0, 0, 1..) => Cell::There,
        (0, 0, 0) => Cell::Lacking,
        _ => Cell::Shared,
    })
}

/// Explains the signs that occur.
fn key(content: &[Blob]) -> Markup {
    let is_verification = content.iter().all(|blob| blob.repositories.is_none());
    let occurs = |wanted| {
        let cells = content.iter().flat_map(|blob| blob.images.iter().filter_map(|image| cell(blob, *image)));
        cells.into_iter().any(|cell| cell == wanted)
    };
    let shared = if is_verification { "the image needs this layer" } else { "the same layer, used again" };
    let signs = [
        (Cell::Fetched, "fetched, counted with this image"),
        (Cell::Shared, shared),
        (Cell::There, "was at the target before"),
        (Cell::Lacking, "did not come"),
    ];
    html! {
        ul.key {
            @for (cell, words) in signs.into_iter().filter(|(cell, _)| occurs(*cell)) {
                li { svg width="14" height="14" viewBox="0 0 13 18" aria-hidden="true" { (sign(cell, 0, 0)) } (words) }
            }
        }
    }
}

fn figure(sheet: &Sheet<'_>, columns: &[Column], rows: &[usize]) -> Markup {
    let width = LABEL + columns.len() * COLUMN + OWN;
    let height = HEAD + rows.len() * ROW + 4;
    let own: Vec<(u64, usize)> = rows.iter().map(|image| own(sheet.content, *image)).collect();
    let largest = own.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0).max(1);
    let label = format!(
        "Picture: {} in rows, {} in columns; a sign where an image needs a layer. The table of shared layers has the same as text.",
        count(rows.len(), "image"),
        count(columns.len(), "shared layer")
    );
    html! {
        figure.picture tabindex="0" {
            svg role="img" aria-label=(label) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                (head(columns, rows.len()))
                @for (line, (image, own)) in rows.iter().zip(&own).enumerate() {
                    (row(sheet, columns, *image, line, *own, largest))
                }
            }
        }
    }
}

/// The numbers and sizes above the columns.
fn head(columns: &[Column], rows: usize) -> Markup {
    html! {
        @for (at, column) in columns.iter().enumerate() {
            @let x = LABEL + at * COLUMN;
            @if at % 2 == 1 { rect.band x=(x) y=(HEAD - 6) width=(COLUMN) height=(rows * ROW + 8) {} }
            text.head transform={ "translate(" (x + COLUMN - 3) " " (HEAD - 10) ") rotate(-90)" } {
                (at + 1) @if column.blobs.len() > 1 { " (" (column.blobs.len()) ")" } " · " (bytes(column.bytes))
            }
        }
        text.head x=(LABEL + columns.len() * COLUMN + 8) y=(HEAD - 10) { "its own layers" }
    }
}

fn row(
    sheet: &Sheet<'_>,
    columns: &[Column],
    image: usize,
    line: usize,
    (own, layers): (u64, usize),
    largest: u64,
) -> Markup {
    let y = HEAD + line * ROW;
    let end = LABEL + columns.len() * COLUMN + 8;
    let bar = usize::try_from(u128::from(own) * OWN_BAR as u128 / u128::from(largest)).unwrap_or(OWN_BAR);
    html! {
        @if line % 2 == 1 { rect.stripe x="0" y=(y) width=(end + OWN) height=(ROW) {} }
        @if let Some(it) = sheet.images.get(image) {
            text.name x=(LABEL - 8) y=(y + 13) { title { (it.target) } (label(it, is_one_release(sheet))) }
        }
        @for (at, column) in columns.iter().enumerate() {
            @if let Some(cell) = column.cell(sheet.content, image) { (sign(cell, LABEL + at * COLUMN, y)) }
        }
        @if own > 0 {
            rect.own x=(end) y=(y + 5) width=(bar.max(1)) height=(ROW - 9) {}
            text.size x=(end + bar.max(1) + 5) y=(y + 13) { (bytes(own)) @if layers > 1 { " in " (layers) } }
        }
    }
}

/// Signs differ in form, not in colour alone.
fn sign(cell: Cell, x: usize, y: usize) -> Markup {
    match cell {
        Cell::Fetched => html! { rect.fetched x=(x + 1) y=(y + 3) width="11" height="12" rx="1.5" {} },
        Cell::Shared => {
            html! { rect.again x={ (x + 2) ".25" } y={ (y + 4) ".25" } width="8.5" height="9.5" rx="1.5" {} }
        }
        Cell::There => html! { circle.there cx={ (x + 6) ".5" } cy=(y + 9) r="3" {} },
        Cell::Lacking => {
            let path = format!("M{} {}l7 8m0 -8l-7 8", x + 3, y + 5);
            html! { path.lacking d=(path) {} }
        }
    }
}

/// Returns the bytes of the layers that only this image needs, and how many they are.
fn own(content: &[Blob], image: usize) -> (u64, usize) {
    let own = content.iter().filter(|blob| blob.images == [image] && !is_image_config(&blob.media_type));
    own.fold((0, 0), |(sum, number), blob| (blob.bytes.saturating_add(sum), number + 1))
}

fn is_one_release(sheet: &Sheet<'_>) -> bool {
    sheet.images.windows(2).all(|pair| pair[0].release == pair[1].release)
}

/// Shortens a name in its middle: products share their beginnings, tags lie at the end.
fn label(row: &Row<'_>, is_one_release: bool) -> String {
    let name = match row.release {
        Some(release) if !is_one_release => format!("{} {release}", row.name),
        Some(_) => row.name.to_owned(),
        None => row.target.to_owned(),
    };
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= NAME {
        return name;
    }
    let half = NAME / 2;
    let (begin, end) = (&characters[..half], &characters[characters.len() - half + 1..]);
    begin.iter().chain(&['…']).chain(end).collect()
}

fn table(sheet: &Sheet<'_>, columns: &[Column]) -> Markup {
    html! {
        table role="table" {
            caption { "The layers that several images need, by the columns of the picture" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Layer" }
                    th scope="col" role="columnheader" { "How it came" }
                    th.number scope="col" role="columnheader" { "Size" }
                }
            }
            @for (number, column) in columns.iter().enumerate() { (group(sheet, column, number + 1)) }
        }
    }
}

/// The layers of a column, and the images that need them.
fn group(sheet: &Sheet<'_>, column: &Column, number: usize) -> Markup {
    let blobs = || column.blobs.iter().filter_map(|at| sheet.content.get(*at));
    let is_one_set = blobs().all(|blob| blob.images == column.images);
    html! {
        tbody role="rowgroup" {
            tr.release role="row" {
                th scope="rowgroup" role="rowheader" colspan="3" {
                    "Column " (number) ", needed by " (count(column.images.len(), "image"))
                    @if is_one_set { span.used { (users(sheet, &column.images)) } }
                    @else { span.used { "the least of them, some by these images and some by others" } }
                }
            }
            @for blob in blobs() {
                tr role="row" {
                    th scope="row" role="rowheader" {
                        code.digest { (blob.digest) }
                        @if !is_one_set { span.used { (users(sheet, &blob.images)) } }
                    }
                    td role="cell" data-label="How it came" { (came(blob)) }
                    td.number role="cell" data-label="Size" { (sized(blob.bytes)) }
                }
            }
        }
    }
}

/// Names the images that need a layer, where they are not too many to read.
fn users(sheet: &Sheet<'_>, images: &[usize]) -> String {
    let is_one_release = is_one_release(sheet);
    let rows = images.iter().take(NAMED).filter_map(|at| sheet.images.get(*at));
    let names = rows.map(|row| label(row, is_one_release)).collect::<Vec<_>>().join(", ");
    match images.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Says how a layer came, in a few words.
fn came(blob: &Blob) -> String {
    let Some(ways) = blob.repositories else { return "–".to_owned() };
    let parts = [
        (ways.moved, "fetched once".to_owned()),
        (ways.mounted, format!("linked {}", times(ways.mounted))),
        (ways.read_back, format!("read back {}", times(ways.read_back))),
        (ways.present, format!("there {}", times(ways.present))),
        (ways.skipped, "left out".to_owned()),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, words)| words).collect();
    if parts.is_empty() { "did not come".to_owned() } else { parts.join(", ") }
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json::Ways;

    fn blob(bytes: u64, images: &[usize], ways: Option<Ways>) -> Blob {
        Blob {
            digest: format!("sha256:{bytes:064x}"),
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            bytes,
            images: images.to_vec(),
            repositories: ways,
        }
    }

    #[test]
    fn columns_are_the_shared_layers_and_never_too_many() {
        let few = [blob(5, &[0], None), blob(7, &[0, 1], None), blob(3, &[0, 1, 2], None)];
        let made: Vec<Vec<usize>> = columns(&few).into_iter().map(|it| it.blobs).collect();
        assert_eq!(made, [vec![2], vec![1]], "the layer of one image alone is no column");
        // Sixty layers that the same two images need are one column; sixty pairs are more than there is room for.
        let same: Vec<Blob> = (1..=60).map(|size| blob(size, &[0, 1], None)).collect();
        assert_eq!(columns(&same).len(), 1);
        let pairs: Vec<Blob> = (0..60).map(|at| blob(at as u64 + 1, &[at, at + 1], None)).collect();
        let made = columns(&pairs);
        assert_eq!(made.len(), COLUMNS);
        assert_eq!(made.iter().map(|it| it.blobs.len()).sum::<usize>(), 60, "none is lost");
        assert_eq!(made[COLUMNS - 1].blobs.len(), 60 - (COLUMNS - 1), "the least have the last");
    }

    #[test]
    fn a_cell_says_how_the_layer_came() {
        let ways = |moved, mounted, present| Some(Ways { moved, mounted, present, ..Ways::default() });
        for (ways, expected) in [
            (ways(1, 1, 0), [Some(Cell::Fetched), Some(Cell::Shared), None]),
            (ways(0, 0, 2), [Some(Cell::There), Some(Cell::There), None]),
            (ways(0, 0, 0), [Some(Cell::Lacking), Some(Cell::Lacking), None]),
            (ways(0, 2, 0), [Some(Cell::Shared), Some(Cell::Shared), None]),
            (None, [Some(Cell::Shared), Some(Cell::Shared), None]),
        ] {
            let blob = blob(1, &[3, 4], ways);
            assert_eq!([cell(&blob, 3), cell(&blob, 4), cell(&blob, 5)], expected, "{ways:?}");
        }
    }

    #[test]
    fn long_names_keep_both_ends() {
        let row = |target| Row { target, ..Row::bare() };
        assert_eq!(label(&row("a/b:v1"), true), "a/b:v1");
        let long = label(&row("mirror/team/an-application-of-many-words:v1.2.3-rc.1"), true);
        assert_eq!(long, "mirror/team/an-ap…ords:v1.2.3-rc.1");
        assert_eq!(long.chars().count(), NAME);
    }
}
