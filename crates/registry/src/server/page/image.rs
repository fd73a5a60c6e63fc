//! The page of one image: how to pull it, what it is made of, what is attached, and where it came from.

use std::collections::HashMap;

use http::StatusCode;
use maud::{Markup, html};
use sealift_oci::{Descriptor, Digest, ManifestRef, RepositoryName};
use sealift_store::{Operation, PageRequest, Source};

use super::describe::{Description, Single, describe};
use super::{Host, layout, shared, words};
use crate::server::answer::Answer;
use crate::server::error::{WireError, during};
use crate::server::keeper::Origin;
use crate::server::request::Call;

/// How many of the things that are attached are shown.
const ATTACHED: usize = 50;
/// The endings of the tags under which older tools keep what is attached.
const BESIDE: [(&str, &str); 3] =
    [("sig", "Signature (Sigstore)"), ("att", "Attestation"), ("sbom", "List of contents (SBOM)")];

/// Something that is attached to an image.
struct Attached {
    kind: &'static str,
    name: String,
    digest: Digest,
}

/// What the page shows.
struct Shown<'a> {
    repository: &'a RepositoryName,
    reference: &'a ManifestRef,
    host: &'a Host,
    description: Description,
    attached: Vec<Attached>,
    elsewhere: HashMap<Digest, Vec<RepositoryName>>,
    origin: Origin,
}

pub(super) async fn show(
    call: &Call,
    host: &Host,
    origin: Origin,
    repository: &RepositoryName,
    reference: &ManifestRef,
) -> Result<Answer, WireError> {
    let source = call.source(repository);
    let description = describe(source.as_ref(), reference).await.map_err(during(Operation::FetchManifest))?;
    let attached = attached(source.as_ref(), &description.descriptor.digest).await;
    let elsewhere = shared::elsewhere(call, repository, &description).await;
    let shown = Shown { repository, reference, host, description, attached, elsewhere, origin };
    let address = super::repository_address(repository);
    let title = format!("{repository}{}{reference}", shown.separator());
    layout::page(StatusCode::OK, &title, &[(repository.as_str(), &address)], &shown.content())
}

/// Lists what is attached: what names the image as its subject, and what lies beside it under a tag.
async fn attached(source: &dyn Source, subject: &Digest) -> Vec<Attached> {
    let page = source.referrers(subject, None, &PageRequest { limit: ATTACHED, after: None }).await;
    let mut all: Vec<_> = page.map(|page| page.items.iter().map(Attached::new).collect()).unwrap_or_default();
    for (ending, kind) in BESIDE {
        let tag = format!("{}-{}.{ending}", subject.algorithm().as_str(), subject.hex());
        let Ok(reference) = tag.parse::<ManifestRef>() else { continue };
        if let Ok(found) = source.resolve(&reference).await {
            all.push(Attached { kind, name: tag, digest: found.digest });
        }
    }
    all
}

impl Attached {
    fn new(descriptor: &Descriptor) -> Self {
        let name = descriptor.artifact_type.clone().unwrap_or_else(|| descriptor.media_type.clone());
        Self { kind: words::artifact(&name), name, digest: descriptor.digest }
    }
}

impl Shown<'_> {
    fn separator(&self) -> char {
        match self.reference {
            ManifestRef::Tag(_) => ':',
            ManifestRef::Digest(_) => '@',
        }
    }

    fn content(&self) -> Markup {
        html! {
            h1.name {
                (self.repository)
                span.tag { (self.separator()) (self.reference) }
            }
            (self.pull())
            (self.facts())
            (self.attachments())
            section aria-labelledby="made" {
                h2 #made { @if self.description.is_index { "Platforms" } @else { "Layers" } }
                @for image in &self.description.images { (self.image(image)) }
                @if self.description.left_out > 0 {
                    p.quiet {
                        (words::count(self.description.left_out, "more image", "more images"))
                        " of this index, not here or not shown."
                    }
                }
            }
        }
    }

    fn pull(&self) -> Markup {
        let Host { registry, is_secure } = self.host;
        let name = format!("{registry}/{}{}{}", self.repository, self.separator(), self.reference);
        let (podman, ctr) = if *is_secure { ("", "") } else { ("--tls-verify=false ", "--plain-http ") };
        let commands = [
            ("Docker", format!("docker pull {name}")),
            ("Podman", format!("podman pull {podman}{name}")),
            ("containerd", format!("ctr images pull {ctr}{name}")),
        ];
        html! {
            section.pull aria-labelledby="pull" {
                h2 #pull { "Pull" }
                dl {
                    @for (tool, command) in &commands {
                        div { dt { (tool) } dd { pre tabindex="0" { code { (command) } } } }
                    }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        let Description { descriptor, .. } = &self.description;
        let platforms = self.description.platforms();
        let Origin { within, arrived, written, bundle, source } = &self.origin;
        html! {
            section aria-labelledby="facts" {
                h2 #facts { "About" }
                dl.facts {
                    div.wide { dt { "Digest" } dd { code.digest { (descriptor.digest) } } }
                    div { dt { "Size" } dd { (words::size(self.description.size())) } }
                    @if !platforms.is_empty() {
                        div { dt { "Platforms" } dd { (platforms.join(", ")) } }
                    }
                    @if let Some(created) = self.description.created().and_then(words::written_time) {
                        div { dt { "Built" } dd { (created) } }
                    }
                    @if let Some(within) = within { div { dt { "Lies in" } dd { (within) } } }
                    @if let Some(arrived) = arrived {
                        div { dt { "Arrived here" } dd { (words::time(*arrived)) } }
                    }
                    @if let Some(written) = written.as_deref().and_then(words::written_time) {
                        div { dt { "Packed" } dd { (written) } }
                    }
                    @if let Some(bundle) = bundle { div { dt { "With the bundle" } dd { (bundle) } } }
                    @if let Some(source) = source { div { dt { "From" } dd { (source) } } }
                    div.wide { dt { "Type" } dd { code { (descriptor.media_type) } } }
                }
            }
        }
    }

    fn attachments(&self) -> Markup {
        html! {
            section aria-labelledby="attached" {
                h2 #attached { "Signatures and other attachments" }
                @if self.attached.is_empty() {
                    p.quiet { "Nothing is attached." }
                } @else {
                    ul.attached {
                        @for it in &self.attached {
                            li {
                                a href=(super::image_address(self.repository, &it.digest.to_string())) { (it.kind) }
                                span.quiet { (it.name) }
                                code.digest { (it.digest) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn image(&self, image: &Single) -> Markup {
        let size = image.blobs.iter().map(|blob| blob.size).fold(image.size, u64::saturating_add);
        let name = match &image.platform {
            Some(platform) => platform.to_string(),
            None if image.is_attestation => "What the build says of itself".to_owned(),
            None => "No platform named".to_owned(),
        };
        let layers: Vec<_> = image.blobs.iter().skip(1).collect();
        html! {
            details.image open[!self.description.is_index] {
                summary {
                    strong { (name) } " "
                    span.quiet { (words::size(size)) " · " (words::count(layers.len(), "layer", "layers")) }
                }
                @if self.description.is_index {
                    p { a href=(super::image_address(self.repository, &image.digest.to_string())) {
                        code.digest { (image.digest) }
                    } }
                }
                ol.layers { @for layer in &layers { (self.layer(layer, &layers)) } }
            }
        }
    }

    fn layer(&self, layer: &Descriptor, all: &[&Descriptor]) -> Markup {
        let largest = all.iter().map(|layer| layer.size).max().unwrap_or(1).max(1);
        let places = self.elsewhere.get(&layer.digest).map(Vec::as_slice).unwrap_or_default();
        html! {
            li {
                (bar(layer.size, largest))
                span.size { (words::size(layer.size)) }
                code.digest { (layer.digest) }
                @if !places.is_empty() {
                    span.also {
                        "also in "
                        @for (number, place) in places.iter().take(shared::NAMED).enumerate() {
                            @if number > 0 { ", " }
                            a href=(super::repository_address(place)) { (place) }
                        }
                        @if places.len() > shared::NAMED { span.together { " and " (places.len() - shared::NAMED) " more" } }
                    }
                }
            }
        }
    }
}

/// Draws how large a layer is beside the largest one. The number stands beside it, so nobody has to see it.
fn bar(size: u64, largest: u64) -> Markup {
    let part = u128::from(size) * 100 / u128::from(largest.max(1));
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect width=(part.clamp(1, 100)) height="8" {}
        }
    }
}
