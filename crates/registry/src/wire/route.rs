//! The endpoints of the protocol: a request's path and query as a value, and back ("Endpoints").

use std::fmt;

use sealift_oci::{Digest, ManifestRef, RepositoryName, Tag};
use sealift_store::UploadId;

use super::query::{self, Query};
use super::{ErrorCode, PageQuery, UploadStart, percent};

/// One endpoint with its parameters, whatever the method. It prints as path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/<name>/manifests/<reference>`
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// The tag or digest.
        reference: ManifestRef,
    },
    /// `/v2/<name>/manifests/<digest>?tag=<tag>&tag=<tag>`: a manifest that gets tags where it is pushed.
    TaggedManifest {
        /// The repository.
        repository: RepositoryName,
        /// The digest.
        digest: Digest,
        /// At least one tag, none of them twice.
        tags: Vec<Tag>,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`
    Uploads {
        /// The repository.
        repository: RepositoryName,
        /// What is asked for.
        start: UploadStart,
    },
    /// `/v2/<name>/blobs/uploads/<id>`: the location that this server gives an upload. Clients take a
    /// location as it comes.
    Upload {
        /// The repository.
        repository: RepositoryName,
        /// The upload.
        id: UploadId,
        /// The digest of the whole, where the upload is to end.
        digest: Option<Digest>,
    },
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        repository: RepositoryName,
        /// Which part.
        page: PageQuery,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        repository: RepositoryName,
        /// The manifest whose referrers are listed.
        subject: Digest,
        /// The only type of artifact wanted.
        artifact_type: Option<String>,
        /// Which part; the specification has only links here, this server puts its place into them.
        page: PageQuery,
    },
    /// `/v2/_catalog`, which Docker's registry has and the specification has not.
    Catalog {
        /// Which part.
        page: PageQuery,
    },
}

/// Why path and query are no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No endpoint has this path.
    #[error("there is no such endpoint")]
    Unknown,
    /// An escape is malformed, or hides a slash, a dot segment or a control character.
    #[error("the escapes in the path or query are malformed")]
    Encoding,
    /// The repository's name is malformed.
    #[error("the name of a repository is malformed")]
    Name,
    /// The tag is malformed.
    #[error("the tag is malformed")]
    Tag,
    /// More tags are to be set at once than anybody needs.
    #[error("these are too many tags at once")]
    TooManyTags,
    /// The digest is malformed, or its algorithm unknown.
    #[error("the digest is malformed")]
    Digest,
    /// The name of an upload is malformed.
    #[error("the name of the upload is malformed")]
    Upload,
    /// The number of entries wanted is no number.
    #[error("the number of entries is malformed")]
    Limit,
}

impl RouteError {
    /// Returns the code to answer with: one of the specification's, which has none for tags and numbers.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Unknown => ErrorCode::NameUnknown,
            Self::Encoding | Self::Name => ErrorCode::NameInvalid,
            Self::Tag | Self::TooManyTags => ErrorCode::ManifestInvalid,
            Self::Digest => ErrorCode::DigestInvalid,
            Self::Upload => ErrorCode::BlobUploadUnknown,
            Self::Limit => ErrorCode::Unsupported,
        }
    }
}

impl Route {
    /// Reads a request's path and query, both as they were sent.
    ///
    /// # Errors
    /// When no endpoint has this path, or a parameter is malformed.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, RouteError> {
        let query = Query(query);
        match path.strip_prefix("/v2").ok_or(RouteError::Unknown)? {
            "" | "/" => Ok(Self::Ping),
            "/_catalog" => Ok(Self::Catalog { page: PageQuery::parse(query)? }),
            rest => {
                let rest = rest.strip_prefix('/').ok_or(RouteError::Unknown)?;
                Self::parse_in_repository(rest, query)
            }
        }
    }

    /// Names have slashes, so a path is read from its right end. What decides is the part before the last:
    /// no two endpoints share it, whatever the repository is called.
    fn parse_in_repository(path: &str, query: Query<'_>) -> Result<Self, RouteError> {
        // Docker's clients write the slash behind `uploads`, others leave it out.
        if let Some(name) = strip_uploads(path) {
            return Ok(Self::Uploads { repository: parse_name(name)?, start: UploadStart::parse(query)? });
        }
        let (head, last) = path.rsplit_once('/').ok_or(RouteError::Unknown)?;
        let (name, resource) = head.rsplit_once('/').ok_or(RouteError::Unknown)?;
        match resource {
            "manifests" => Self::parse_manifest(name, last, query),
            "blobs" => Ok(Self::Blob { repository: parse_name(name)?, digest: parse_digest(last)? }),
            "tags" if last == "list" => {
                Ok(Self::Tags { repository: parse_name(name)?, page: PageQuery::parse(query)? })
            }
            "referrers" => Ok(Self::Referrers {
                repository: parse_name(name)?,
                subject: parse_digest(last)?,
                artifact_type: query.get("artifactType")?.filter(|text| !text.is_empty()),
                page: PageQuery::parse(query)?,
            }),
            "uploads" => Self::parse_upload(name, last, query),
            _ => Err(RouteError::Unknown),
        }
    }

    /// Beside a tag in the path, tags in the query mean nothing.
    fn parse_manifest(name: &str, reference: &str, query: Query<'_>) -> Result<Self, RouteError> {
        let repository = parse_name(name)?;
        let reference = decode_segment(reference)?;
        let error = if reference.contains(':') { RouteError::Digest } else { RouteError::Tag };
        let reference = reference.parse().map_err(|_| error)?;
        if let ManifestRef::Digest(digest) = reference {
            let tags = query.tags()?;
            if !tags.is_empty() {
                return Ok(Self::TaggedManifest { repository, digest, tags });
            }
        }
        Ok(Self::Manifest { repository, reference })
    }

    /// An upload's name is the place's own and may have any character, so it may have escaped slashes.
    fn parse_upload(head: &str, id: &str, query: Query<'_>) -> Result<Self, RouteError> {
        let name = head.strip_suffix("/blobs").ok_or(RouteError::Unknown)?;
        let repository = parse_name(name)?;
        let id = percent::decode(id).map_err(|_| RouteError::Encoding)?;
        let id = id.parse().map_err(|_| RouteError::Upload)?;
        Ok(Self::Upload { repository, id, digest: query.parse("digest", RouteError::Digest)? })
    }

    /// Returns the repository that the route is in; ping and catalog are in none.
    #[must_use]
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Ping | Self::Catalog { .. } => None,
            Self::Manifest { repository, .. }
            | Self::TaggedManifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Uploads { repository, .. }
            | Self::Upload { repository, .. }
            | Self::Tags { repository, .. }
            | Self::Referrers { repository, .. } => Some(repository),
        }
    }

    /// Returns path and query, as a request's target or the reference in a `Location` or `Link`.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        self.to_string()
    }

    fn path(&self) -> String {
        match self {
            Self::Ping => "/v2/".to_owned(),
            Self::Manifest { repository, reference } => format!("/v2/{repository}/manifests/{reference}"),
            Self::TaggedManifest { repository, digest, .. } => format!("/v2/{repository}/manifests/{digest}"),
            Self::Blob { repository, digest } => format!("/v2/{repository}/blobs/{digest}"),
            Self::Uploads { repository, .. } => format!("/v2/{repository}/blobs/uploads/"),
            Self::Upload { repository, id, .. } => {
                format!("/v2/{repository}/blobs/uploads/{}", percent::encode(id.as_str(), ""))
            }
            Self::Tags { repository, .. } => format!("/v2/{repository}/tags/list"),
            Self::Referrers { repository, subject, .. } => format!("/v2/{repository}/referrers/{subject}"),
            Self::Catalog { .. } => "/v2/_catalog".to_owned(),
        }
    }

    fn pairs(&self) -> Vec<(&'static str, Option<String>)> {
        let text = |digest: &Option<Digest>| digest.as_ref().map(ToString::to_string);
        match self {
            Self::Ping | Self::Manifest { .. } | Self::Blob { .. } => Vec::new(),
            Self::TaggedManifest { tags, .. } => {
                tags.iter().map(|tag| ("tag", Some(tag.to_string()))).collect()
            }
            Self::Uploads { start, .. } => vec![
                ("mount", text(&start.mount)),
                ("from", start.from.as_ref().map(ToString::to_string)),
                ("digest", text(&start.digest)),
                ("digest-algorithm", start.algorithm.map(|it| it.as_str().to_owned())),
            ],
            Self::Upload { digest, .. } => vec![("digest", text(digest))],
            Self::Tags { page, .. } | Self::Catalog { page } => page_pairs(page, None),
            Self::Referrers { artifact_type, page, .. } => page_pairs(page, artifact_type.as_ref()),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())?;
        query::write(f, &self.pairs())
    }
}

fn page_pairs(page: &PageQuery, artifact_type: Option<&String>) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("artifactType", artifact_type.cloned()),
        ("n", page.limit.map(|limit| limit.to_string())),
        ("last", page.last.clone()),
    ]
}

fn strip_uploads(path: &str) -> Option<&str> {
    path.strip_suffix('/').unwrap_or(path).strip_suffix("/blobs/uploads")
}

/// Decodes one segment of a path; what an escape hid must not change how the path was taken apart.
fn decode_segment(segment: &str) -> Result<String, RouteError> {
    let decoded = percent::decode(segment).map_err(|_| RouteError::Encoding)?;
    if decoded.contains('/') || decoded == "." || decoded == ".." {
        return Err(RouteError::Encoding);
    }
    Ok(decoded)
}

fn parse_name(path: &str) -> Result<RepositoryName, RouteError> {
    let segments: Result<Vec<String>, RouteError> = path.split('/').map(decode_segment).collect();
    segments?.join("/").parse().map_err(|_| RouteError::Name)
}

fn parse_digest(segment: &str) -> Result<Digest, RouteError> {
    decode_segment(segment)?.parse().map_err(|_| RouteError::Digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option;
    use proptest::prelude::*;
    use sealift_oci::Algorithm;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(target: &str) -> Result<Route, RouteError> {
        match target.split_once('?') {
            Some((path, query)) => Route::parse(path, Some(query)),
            None => Route::parse(target, None),
        }
    }

    #[test]
    fn routes_print_as_they_parse() {
        let cases = [
            ("/v2", "/v2/"),
            ("/v2/", "/v2/"),
            ("/v2/a/b/c/manifests/v1.0", "/v2/a/b/c/manifests/v1.0"),
            ("/v2/a/tags/list/manifests/list", "/v2/a/tags/list/manifests/list"),
            ("/v2/a/blobs/uploads", "/v2/a/blobs/uploads/"),
            ("/v2/a/blobs/uploads/?mount=&from=b%2Fc&x=%", "/v2/a/blobs/uploads/?from=b%2Fc"),
            ("/v2/a/blobs/uploads/?mount=sha256:12&from=..", "/v2/a/blobs/uploads/"),
            ("/v2/a/blobs/uploads/?mount=%zz&from=%00", "/v2/a/blobs/uploads/"),
            ("/v2/blobs/blobs/uploads/x%2Fy", "/v2/blobs/blobs/uploads/x%2Fy"),
            ("/v2/blobs/uploads/tags/list?n=5&last=v1", "/v2/blobs/uploads/tags/list?n=5&last=v1"),
            ("/v2/%61/tags/list?n=&last=", "/v2/a/tags/list"),
            ("/v2/_catalog?n=0", "/v2/_catalog?n=0"),
            ("/v2/a/tags/list?n=1&n=x", "/v2/a/tags/list?n=1"),
        ];
        for (target, printed) in cases {
            assert_eq!(parse(target).map(|it| it.path_and_query()).as_deref(), Ok(printed), "{target}");
        }
        for (query, printed) in [("?tag=", ""), ("?tag=1&tag=b%2E&x=y&tag=1", "?tag=1&tag=b.")] {
            let target = format!("/v2/a/manifests/{DIGEST}");
            let parsed = parse(&format!("{target}{query}"));
            match printed {
                "" => assert_eq!(parsed, Err(RouteError::Tag), "an empty tag is none"),
                _ => assert_eq!(parsed.unwrap().path_and_query(), target + printed),
            }
        }
        let target = format!("/v2/a/referrers/{DIGEST}?artifactType=application/a+json");
        let Ok(Route::Referrers { artifact_type, .. }) = parse(&target) else { panic!("{target}") };
        assert_eq!(artifact_type.as_deref(), Some("application/a+json"));
    }

    #[test]
    fn what_is_no_route_is_refused() {
        let long = format!("/v2/{}/tags/list", "a".repeat(300));
        let cases = [
            ("", RouteError::Unknown),
            ("/", RouteError::Unknown),
            ("/v1/", RouteError::Unknown),
            ("/v2x", RouteError::Unknown),
            ("/v2//", RouteError::Unknown),
            ("/v2/a", RouteError::Unknown),
            ("/v2/_catalog/", RouteError::Unknown),
            ("/v2/a/tags/list/", RouteError::Unknown),
            ("/v2/a/tags/other", RouteError::Unknown),
            ("/v2/a/uploads/x", RouteError::Unknown),
            ("/v2/tags/list", RouteError::Unknown),
            ("/v2//tags/list", RouteError::Name),
            ("/v2/A/tags/list", RouteError::Name),
            ("/v2/a//b/tags/list", RouteError::Name),
            (&long, RouteError::Name),
            ("/v2/../tags/list", RouteError::Encoding),
            ("/v2/a/%2e%2e/b/tags/list", RouteError::Encoding),
            ("/v2/a%2fb/tags/list", RouteError::Encoding),
            ("/v2/a%00/tags/list", RouteError::Encoding),
            ("/v2/a%/tags/list", RouteError::Encoding),
            ("/v2/a/manifests/.x", RouteError::Tag),
            ("/v2/a/manifests/", RouteError::Tag),
            ("/v2/a/manifests/a%2fb", RouteError::Encoding),
            ("/v2/a/manifests/sha256:12", RouteError::Digest),
            ("/v2/a/blobs/x", RouteError::Digest),
            ("/v2/a/blobs/", RouteError::Digest),
            ("/v2/a/referrers/md5:x", RouteError::Digest),
            ("/v2/a/blobs/uploads/?digest=x", RouteError::Digest),
            ("/v2/a/blobs/uploads/?digest-algorithm=md5", RouteError::Digest),
            ("/v2/a/blobs/uploads/x?digest=x", RouteError::Digest),
            ("/v2/a/blobs/uploads/a%20b", RouteError::Upload),
            ("/v2/a/blobs/uploads/%00", RouteError::Encoding),
            ("/v2/a/tags/list?n=-1", RouteError::Limit),
            ("/v2/a/tags/list?n=+1", RouteError::Limit),
            ("/v2/a/tags/list?last=%zz", RouteError::Encoding),
        ];
        for (target, error) in cases {
            assert_eq!(parse(target), Err(error), "{target}");
        }
        let tags: String = (0..101).map(|number| format!("&tag={number}")).collect();
        let target = format!("/v2/a/manifests/{DIGEST}?x{tags}");
        assert_eq!(parse(&target), Err(RouteError::TooManyTags));
        let hidden = format!("/v2/a/manifests/%00{DIGEST}");
        assert_eq!(parse(&hidden), Err(RouteError::Encoding));
    }

    fn names() -> impl Strategy<Value = RepositoryName> {
        let word = "tags|list|blobs|uploads|manifests|referrers|[a-z0-9]{1,4}([._-][a-z0-9]{1,3})?";
        proptest::collection::vec(word, 1..5).prop_map(|words| words.join("/").parse().unwrap())
    }

    fn digests() -> impl Strategy<Value = Digest> {
        any::<(bool, [u8; 4])>().prop_map(|(long, bytes)| {
            Digest::of(if long { Algorithm::Sha512 } else { Algorithm::Sha256 }, &bytes)
        })
    }

    fn references() -> impl Strategy<Value = ManifestRef> {
        let tags = "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}|list|uploads";
        prop_oneof![digests().prop_map(ManifestRef::from), tags.prop_map(|tag| tag.parse().unwrap())]
    }

    fn pages() -> impl Strategy<Value = PageQuery> {
        (option::of(any::<usize>()), option::of("\\PC{1,20}"))
            .prop_map(|(limit, last)| PageQuery { limit, last })
    }

    fn starts() -> impl Strategy<Value = UploadStart> {
        let algorithm = option::of(proptest::sample::select(&Algorithm::ALL[..]));
        (option::of(digests()), option::of(names()), option::of(digests()), algorithm)
            .prop_map(|(mount, from, digest, algorithm)| UploadStart { mount, from, digest, algorithm })
    }

    fn routes() -> impl Strategy<Value = Route> {
        let ids = "[!-~]{1,60}".prop_map(|id| id.parse().unwrap());
        prop_oneof![
            Just(Route::Ping),
            pages().prop_map(|page| Route::Catalog { page }),
            (names(), references())
                .prop_map(|(repository, reference)| Route::Manifest { repository, reference }),
            (names(), digests(), proptest::collection::btree_set("[a-z0-9_][A-Za-z0-9._-]{0,9}", 1..5))
                .prop_map(|(repository, digest, tags)| {
                    let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
                    Route::TaggedManifest { repository, digest, tags }
                }),
            (names(), digests()).prop_map(|(repository, digest)| Route::Blob { repository, digest }),
            (names(), starts()).prop_map(|(repository, start)| Route::Uploads { repository, start }),
            (names(), ids, option::of(digests())).prop_map(|(repository, id, digest)| Route::Upload {
                repository,
                id,
                digest
            }),
            (names(), pages()).prop_map(|(repository, page)| Route::Tags { repository, page }),
            (names(), digests(), option::of("\\PC{1,30}"), pages()).prop_map(
                |(repository, subject, artifact_type, page)| {
                    Route::Referrers { repository, subject, artifact_type, page }
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_is_built_parses_back(route in routes()) {
            let target = route.path_and_query();
            prop_assert!(target.parse::<http::Uri>().is_ok(), "{}", target);
            prop_assert_eq!(parse(&target), Ok(route), "{}", target);
        }

        #[test]
        fn parsing_never_panics(
            path in "\\PC{0,40}|/v2/[a-z/%0-9.]{0,20}/(blobs|manifests|tags|uploads|referrers)/[a-z:/%0-9.]{0,20}",
            query in option::of("\\PC{0,40}|(n|last|mount|from|digest)=[a-z%0-9&=+]{0,20}"),
        ) {
            let _ = Route::parse(&path, query.as_deref());
        }
    }
}
