//! Templates that are no YAML yet: every line that gives a field an image is looked at by itself.

use super::word::{is_image_field, likely};
use super::{Certainty, Finding};

/// Tells whether a text has something that Helm fills in.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Finds the lines that name an image.
pub(super) fn find(text: &str) -> Vec<Finding> {
    let findings = (1..).zip(text.lines()).filter_map(|(line, text)| {
        let (name, value) = field(text)?;
        let image = likely(value)?;
        Some(Finding { line, place: name.to_owned(), image, certainty: Certainty::Likely })
    });
    findings.take(super::FINDING_LIMIT).collect()
}

/// Takes a line apart that gives a field of that kind a value.
fn field(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("- ").map_or(line, str::trim_start);
    let (name, value) = line.split_once(':')?;
    let name = unquoted(name.trim_end());
    if !is_image_field(name) || !value.starts_with([' ', '\t']) {
        return None;
    }
    let value = value.split(" #").next().unwrap_or_default().trim();
    Some((name, unquoted(value)))
}

/// A template that is one expression may hold quotes of its own, and those around it come off all the same.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Image;

    #[test]
    fn lines_are_looked_at_one_by_one() {
        for (line, expected) in [
            ("image: nginx:1", "docker.io/library/nginx:1"),
            ("  - image: \"quay.io/a/b:1\" # why", "quay.io/a/b:1"),
            ("'image': 'quay.io/a/b:1'", "quay.io/a/b:1"),
            ("initImage: quay.io/a/b:1", "quay.io/a/b:1"),
            ("image: \"{{ .Values.a }}:{{ .Values.b }}\"", "{{ .Values.a }}:{{ .Values.b }}"),
            ("image: {{ include \"x.image\" . | quote }}", "{{ include \"x.image\" . | quote }}"),
            ("{{- if .Values.image }}", "-"),
            ("image:", "-"),
            ("image:nginx", "-"),
            ("imagePullPolicy: Always", "-"),
            ("# image: nginx:1", "-"),
            ("kind: Deployment", "-"),
        ] {
            let found = find(line);
            let told = found.first().map_or("-".to_owned(), |it| match &it.image {
                Image::Reference { reference, .. } => reference.to_string(),
                Image::Unresolved { text, .. } => text.clone(),
            });
            assert_eq!(told, expected, "{line}");
        }
        assert_eq!(find("a: b\n\nimage: x:1\n")[0].line, 3);
    }
}
