//! Tags that belong to lists of what is attached.
//!
//! Where a registry leaves such lists to its clients, each is an index under a tag that is made of the
//! subject's digest; and an image that is named by its digest alone gets that very tag. A list that is there
//! keeps it: it names signatures, also those of others. The image gets the tag beside it then,
//! `sha256-<hash>.image`, so that no registry takes it for rubbish; any other image that wants the tag fails.
//!
//! Whether there is a list is asked when an image is looked up, and again right before its tag is set: what is
//! attached to it comes first, and its list with it.

use sealift_oci::{Digest, ManifestRef, Tag, is_referrers_tag, media_type, referrers_tag};
use sealift_store::{Error, ErrorKind, Operation, Result, Side};

use crate::{ImageRequest, Mirror};

/// How the tag ends that an image gets beside the list of what is attached to it. What registries and tools do
/// with cosign's endings is not done with this one.
const ENDING: &str = ".image";

impl ImageRequest {
    /// Returns the tag that the image leaves to the list of what is attached to it, where that is so.
    #[must_use]
    pub fn tag_of_list(&self) -> Option<Tag> {
        let tag = self.tag.as_ref()?.as_str().strip_suffix(ENDING)?.parse().ok()?;
        self.is_own(&tag).then_some(tag)
    }

    /// Tells whether the list of what is attached to this image has that tag.
    fn is_own(&self, tag: &Tag) -> bool {
        match &self.reference {
            ManifestRef::Digest(digest) => referrers_tag(digest).as_ref() == Some(tag),
            ManifestRef::Tag(_) => false,
        }
    }
}

impl Mirror {
    /// Gives an image another tag where a list of what is attached has its own at the target.
    ///
    /// # Errors
    /// When the list is that of another image.
    pub(crate) async fn beside_list(&self, request: &ImageRequest) -> Result<ImageRequest> {
        let mut request = request.clone();
        let Some(tag) = request.tag.clone().filter(is_referrers_tag) else { return Ok(request) };
        let list = self.list_at(&request, &tag).await.map_err(|error| error.on(Side::Target))?;
        let Some(list) = list else { return Ok(request) };
        if request.is_own(&tag) {
            request.tag = format!("{tag}{ENDING}").parse().ok();
            return Ok(request);
        }
        match self.source.source(&request.source).resolve(&request.reference).await {
            Ok(root) if root.digest != list => Err(self.taken(&request, &tag)),
            // It is the list itself that is wanted; and what cannot be found is told by who looks for it.
            _ => Ok(request),
        }
    }

    /// Finds the list of what is attached that has this tag at the target.
    async fn list_at(&self, request: &ImageRequest, tag: &Tag) -> Result<Option<Digest>> {
        let there = self.target.target(&request.target)?.stat_manifest(&tag.clone().into()).await?;
        let is_itself = |digest: Digest| request.reference == ManifestRef::Digest(digest);
        let Some(there) = there.filter(|it| it.media_type == media_type::OCI_INDEX && !is_itself(it.digest))
        else {
            return Ok(None);
        };
        let manifest = self.target.source(&request.target).manifest(&there.digest.into()).await?;
        Ok(manifest.is_referrers_list(tag).then_some(there.digest))
    }

    fn taken(&self, request: &ImageRequest, tag: &Tag) -> Error {
        Error::new(ErrorKind::Invalid, Operation::PushManifest)
            .at(self.target.place())
            .object(format_args!("{}:{tag}", request.target))
            .because("this tag has the list of what is attached to another image, and no image overwrites it")
            .on(Side::Target)
    }
}
