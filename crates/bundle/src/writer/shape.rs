//! What of an unfinished bundle has to be as it is asked for, so that it can be gone on with.

use std::path::Path;

use super::journal::Head;
use super::sealing::{KeptSealing, names};
use crate::error::{BundleError, Result};
use crate::seal::{Lock, Recipient};

/// What a bundle is to be like, before it is written.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The most bytes of a volume, in a directory.
    pub volume_size: Option<u64>,
    /// Who can open it.
    pub opened_by: OpenedBy,
}

/// Who can open a bundle.
#[derive(Clone, Debug, Default)]
pub enum OpenedBy {
    /// Everybody.
    #[default]
    All,
    /// Each of these.
    Recipients(Vec<Recipient>),
    /// Who knows a passphrase, which is not asked for yet.
    Passphrase,
}

impl Shape {
    pub(super) fn new(volume_size: Option<u64>, lock: Option<&Lock>) -> Self {
        let opened_by = match lock {
            None => OpenedBy::All,
            Some(Lock::Recipients(recipients)) => OpenedBy::Recipients(recipients.clone()),
            Some(Lock::Passphrase(_)) => OpenedBy::Passphrase,
        };
        Self { volume_size, opened_by }
    }

    /// Refuses an unfinished bundle of another shape; whether a passphrase is the same is not known here.
    pub(super) fn check(&self, path: &Path, left: &Head) -> Result<()> {
        let kept = left.sealing.as_ref().map(KeptSealing::recipients);
        let is_same = kept.map(<[String]>::to_vec) == self.opened_by.recipients();
        self.refuse_other(path, left, is_same)
    }

    /// Refuses an unfinished bundle of another shape, or under another passphrase.
    pub(super) fn check_with(&self, path: &Path, left: &Head, lock: Option<&Lock>) -> Result<()> {
        let is_same = match (&left.sealing, lock) {
            (Some(kept), Some(lock)) => kept.is_for(path, lock)?,
            (None, None) => true,
            _ => false,
        };
        self.refuse_other(path, left, is_same)
    }

    fn refuse_other(&self, path: &Path, left: &Head, is_same_lock: bool) -> Result<()> {
        if left.volume_size == self.volume_size && is_same_lock {
            return Ok(());
        }
        let (mut there, mut asked) = (Vec::new(), Vec::new());
        if left.volume_size != self.volume_size {
            there.push(size_words(left.volume_size));
            asked.push(size_words(self.volume_size));
        }
        if !is_same_lock {
            let [left, wanted] =
                [left.sealing.as_ref().map(|it| it.recipients().to_vec()), self.opened_by.recipients()]
                    .map(lock_words);
            let another = if left == wanted { ", another one" } else { "" };
            asked.push(wanted + another);
            there.push(left);
        }
        let (there, asked) = (there.join(" and "), asked.join(" and "));
        let reason = format!(
            "the unfinished bundle there is {there}, and what is asked for is {asked}; go on with what it is, or delete it"
        );
        Err(BundleError::NotABundle { path: path.to_owned(), reason })
    }
}

impl OpenedBy {
    /// Lists who can open it: nobody by name where there is a passphrase, and `None` where all can.
    fn recipients(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Recipients(recipients) => Some(names(recipients)),
            Self::Passphrase => Some(Vec::new()),
        }
    }
}

fn size_words(size: Option<u64>) -> String {
    match size {
        Some(size) => format!("in volumes of {size} bytes"),
        None => "in volumes of no set size".to_owned(),
    }
}

fn lock_words(recipients: Option<Vec<String>>) -> String {
    match recipients.as_deref() {
        None => "not encrypted".to_owned(),
        Some([]) => "encrypted under a passphrase".to_owned(),
        Some(recipients) => format!("encrypted to {}", recipients.join(", ")),
    }
}
