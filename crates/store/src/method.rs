//! The methods of the traits as values, for wrappers that script or count calls.

use crate::Operation;

/// A method of one of the traits. `stat_blob` is one method, whether it is asked of a source or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum Method {
    Resolve,
    Manifest,
    StatBlob,
    OpenBlob,
    Tags,
    Referrers,
    StatManifest,
    LinkBlob,
    BeginUpload,
    ResumeUpload,
    Append,
    Finish,
    Cancel,
    PutManifest,
    Repositories,
    DeleteManifest,
    DeleteBlob,
}

impl Method {
    /// Returns what an error of this method says was being done.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self {
            Self::Resolve | Self::StatManifest => Operation::Resolve,
            Self::Manifest => Operation::FetchManifest,
            Self::StatBlob => Operation::CheckBlob,
            Self::OpenBlob => Operation::FetchBlob,
            Self::Tags => Operation::ListTags,
            Self::Referrers => Operation::ListReferrers,
            Self::LinkBlob => Operation::MountBlob,
            Self::BeginUpload | Self::ResumeUpload | Self::Append | Self::Finish | Self::Cancel => {
                Operation::PushBlob
            }
            Self::PutManifest => Operation::PushManifest,
            Self::Repositories => Operation::ListRepositories,
            Self::DeleteManifest => Operation::DeleteManifest,
            Self::DeleteBlob => Operation::DeleteBlob,
        }
    }
}
