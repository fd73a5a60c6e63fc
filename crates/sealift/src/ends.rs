//! Both ends of a transfer, as reports and hints name them.

use sealift_store::{Error, ErrorKind, Side};

use crate::errors::{Advice, CommandError};
use crate::settings::PlaceSettings;

/// Both ends of a transfer.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Where from.
    pub(crate) source: PlaceSettings,
    /// Where to.
    pub(crate) target: PlaceSettings,
}

impl Ends {
    /// Says what an error means for the user; where credentials are at fault, also where they came from.
    pub(crate) fn advice(&self, error: &Error) -> Advice {
        match error.side() {
            Some(Side::Target) => self.target.advice(error),
            _ => self.source.advice(error),
        }
    }
}

impl PlaceSettings {
    /// Says what an error of this place means for the user.
    pub(crate) fn advice(&self, error: &Error) -> Advice {
        let mut advice = Advice::of(error);
        let is_about_access = matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied);
        if let (true, Some(note)) = (is_about_access, self.identity.note(&self.registry)) {
            advice.hint = format!("{note} {}", advice.hint);
        }
        advice
    }

    /// Ends a command for an error of this place.
    pub(crate) fn refusal(&self, error: Error) -> CommandError {
        let advice = self.advice(&error);
        CommandError::Place(error, advice)
    }
}
