//! The list of `sealift images`, as text: references, and behind each where it was found.

use crate::harvest::{Harvest, Place};

/// Writes a list that `--images-file` takes: what is no image is a comment.
pub(crate) fn text(harvest: &Harvest) -> String {
    let mut text = String::new();
    for (reference, places) in &harvest.images {
        let Some(place) = places.iter().find(|place| place.is_certain).or(places.first()) else { continue };
        let more = match places.len() {
            1 => String::new(),
            more => format!(", and {} more", more - 1),
        };
        text += &format!("{reference}  # {}{}{more}\n", remark(place), spot(place));
    }
    for (name, reason, place) in &harvest.unresolved {
        text += &format!("# not resolved: {name}: {reason}: {}\n", spot(place));
    }
    text
}

/// What to know of an image that is not as sure as the others.
fn remark(place: &Place) -> &'static str {
    match (place.is_certain, place.is_latest_implied) {
        (_, true) => "no tag is written, which means latest: ",
        (false, false) => "looks like an image: ",
        (true, false) => "",
    }
}

fn spot(place: &Place) -> String {
    let Place { file, line, place, .. } = place;
    // A line break in a name would end the comment.
    format!("{file}:{line} {place}").chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_catalog::ImageList;
    use sealift_catalog::images::Unresolved;

    fn place(file: &str, is_certain: bool, is_latest_implied: bool) -> Place {
        Place {
            file: file.to_owned(),
            line: 3,
            place: "Pod/x spec".to_owned(),
            is_certain,
            is_latest_implied,
        }
    }

    #[test]
    fn the_list_is_one_that_a_mirror_takes() {
        let mut harvest = Harvest::default();
        for (reference, places) in [
            ("a.io/x:1", vec![place("likely\nb:1", false, false), place("a", true, false)]),
            ("a.io/y:1", vec![place("a", false, false)]),
            ("a.io/z:latest", vec![place("a", true, true)]),
        ] {
            harvest.images.insert(reference.parse().unwrap(), places);
        }
        let unresolved = ("{{ x }}".to_owned(), Unresolved::NoTag, place("b\nc:1", true, false));
        harvest.unresolved.push(unresolved);
        let text = text(&harvest);
        assert_eq!(
            text,
            "a.io/x:1  # a:3 Pod/x spec, and 1 more\n\
             a.io/y:1  # looks like an image: a:3 Pod/x spec\n\
             a.io/z:latest  # no tag is written, which means latest: a:3 Pod/x spec\n\
             # not resolved: {{ x }}: neither a tag nor a digest is given; a chart often means its appVersion then: b c:1:3 Pod/x spec\n"
        );
        assert_eq!(ImageList::parse(&text).unwrap().images().len(), 3);
    }
}
