//! The names of the protocol's own headers; the ordinary ones are in [`http::header`].

use http::HeaderName;

/// The digest of the content that an answer carries or accepted ("Pulling manifests").
pub const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The subject that the registry read in a pushed manifest; without it the client keeps the list of
/// referrers itself ("Pushing Manifests with Subject").
pub const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A tag that the registry set in the same step as it took a manifest by its digest; one header for each
/// ("Pushing Manifests", from 1.2 on).
pub const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

/// The smallest chunk, in bytes, that the registry takes ("Pushing a blob in chunks").
pub const OCI_CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// Which filters the registry applied to a list of referrers ("Listing Referrers").
pub const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The value of [`OCI_FILTERS_APPLIED`] where the type of artifact was filtered by.
pub const FILTER_ARTIFACT_TYPE: &str = "artifactType";

/// The name of an upload; Docker's clients show it, none needs it.
pub const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The version of Docker's protocol. Some clients take a host for no registry where it is absent.
pub const DOCKER_DISTRIBUTION_API_VERSION: HeaderName =
    HeaderName::from_static("docker-distribution-api-version");

/// The value of [`DOCKER_DISTRIBUTION_API_VERSION`].
pub const API_VERSION: &str = "registry/2.0";
