//! Content that bundles carry as deltas, made from what it builds on. That may be carried as a delta itself, by the bundle
//! before, and so on: a chain, which is looked through before anything is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result};

use super::Shared;
use crate::catalogue::Content;
use crate::delta::{self, Bases, Delta, Need, OpenBase};
use crate::reader::{Bundle, beyond};

/// How many deltas content may be made from at most: two years of monthly updates of one layer, each of the one before, and
/// some.
const CHAIN_LIMIT: usize = 32;
/// How often deltas that others build on are undone for one content. One that is cut opens what it builds on again for
/// each run that lies before the one that was read, and `pack` makes few of them.
const OPENED_LIMIT: usize = 128;

/// A delta in a chain.
struct Link {
    bundle: Bundle,
    content: Content,
    delta: Delta,
    /// What is known of each of its bases.
    bases: Vec<Base>,
    need: Need,
}

/// What a delta builds on.
enum Base {
    /// A bundle has it whole, or it is somewhere else.
    Plain,
    /// A bundle carries it as a delta.
    Link(Arc<Link>),
    /// It is a delta that is not undone, and why.
    Refused(String),
}

/// Where a search through a chain is.
#[derive(Default)]
struct Search {
    /// What is being made from what is looked at.
    above: Vec<Digest>,
    /// How many deltas were found.
    count: usize,
}

impl Search {
    /// Finds the chain of content, if it is carried as a delta only.
    fn find(&mut self, shared: &Shared, digest: &Digest) -> std::result::Result<Option<Link>, String> {
        let found = shared.find(digest).filter(|(bundle, content)| bundle.is_readable(content));
        let Some((bundle, content)) = found else { return Ok(None) };
        let Some(Ok(delta)) = Delta::of(content) else { return Ok(None) };
        if self.above.contains(digest) {
            return Err(format!("{digest} builds on itself"));
        }
        self.count += 1;
        if self.count > CHAIN_LIMIT {
            return Err(format!("it takes more than {CHAIN_LIMIT} deltas, one made from the other"));
        }
        self.above.push(*digest);
        let bases: Vec<Base> = delta.bases.iter().map(|base| self.base(shared, &base.digest)).collect();
        self.above.pop();
        let needs: Vec<Need> = bases.iter().map(Base::need).collect();
        let need = delta.need(&needs);
        Ok(Some(Link { bundle: bundle.clone(), content: content.clone(), delta, bases, need }))
    }

    fn base(&mut self, shared: &Shared, digest: &Digest) -> Base {
        match self.find(shared, digest) {
            Ok(None) => Base::Plain,
            Ok(Some(link)) => Base::Link(Arc::new(link)),
            Err(reason) => Base::Refused(reason),
        }
    }
}

impl Base {
    fn need(&self) -> Need {
        match self {
            Self::Link(link) => link.need,
            Self::Plain | Self::Refused(_) => Need::default(),
        }
    }
}

impl Link {
    fn find(shared: &Shared, digest: &Digest) -> std::result::Result<Option<(Self, usize)>, String> {
        let mut search = Search::default();
        let found = search.find(shared, digest)?;
        Ok(found.map(|link| (link, search.count)))
    }

    /// Tells whether bundles have all that it is made from.
    fn is_complete(&self, shared: &Shared) -> bool {
        let is_there = |(base, known): (&delta::DeltaBase, &Base)| match known {
            Base::Plain => shared.has_whole(&base.digest),
            Base::Link(link) => link.is_complete(shared),
            Base::Refused(_) => false,
        };
        self.delta.bases.iter().zip(&self.bases).all(is_there)
    }

    /// What is known of a base.
    fn base(&self, digest: &Digest) -> &Base {
        let number = self.delta.bases.iter().position(|base| base.digest == *digest);
        number.and_then(|number| self.bases.get(number)).unwrap_or(&Base::Plain)
    }
}

/// Tells whether content that is carried as a delta can be made with nothing but the bundles.
pub(super) fn is_complete(shared: &Shared, digest: &Digest) -> bool {
    let Ok(Some((link, count))) = Link::find(shared, digest) else { return false };
    let fits = |bases: &Bases| count == 1 || bases.memory.holds(link.need.most());
    shared.bases.as_ref().is_some_and(fits) && link.is_complete(shared)
}

/// Opens content that is carried as a delta.
pub(super) async fn open(
    shared: &Arc<Shared>,
    digest: &Digest,
    with: &Bases,
    offset: u64,
) -> Result<BlobBody> {
    let failed = |kind| Error::new(kind, Operation::FetchBlob);
    let found = Link::find(shared, digest).map_err(|reason| failed(ErrorKind::Invalid).because(reason))?;
    let (link, count) = found.ok_or_else(|| failed(ErrorKind::NotFound))?;
    if offset > link.content.size {
        return Err(beyond(link.content.size, offset));
    }
    let chain = Chain {
        shared: Arc::clone(shared),
        bases: with.clone(),
        fits: with.memory.holds(link.need.most()),
        opened: Arc::default(),
    };
    let share = with.memory.take_for(count, link.need.most()).await;
    chain.undo(&Arc::new(link), offset, Some(share)).await
}

/// What the links of a chain are undone with.
#[derive(Clone)]
struct Chain {
    shared: Arc<Shared>,
    bases: Bases,
    /// Whether the memory holds all of it.
    fits: bool,
    opened: Arc<AtomicUsize>,
}

impl Chain {
    async fn undo(&self, link: &Arc<Link>, offset: u64, share: Option<delta::Undoing>) -> Result<BlobBody> {
        let carried = link.bundle.read_carried(&link.content, &link.delta).await?;
        let below = Below { chain: self.clone(), link: Arc::clone(link) };
        let (content, with) = ((link.delta.clone(), link.content.size), (self.bases.threads, share));
        delta::open(content, offset, carried, with, below).await
    }

    /// Opens what others build on, from its first byte on.
    async fn open(&self, link: &Arc<Link>) -> Result<BlobBody> {
        let refused = |reason: String| {
            Err(Error::new(ErrorKind::Unsupported, Operation::FetchBlob)
                .because(reason)
                .object(link.content.digest))
        };
        if !self.fits {
            let need = link.need.most();
            return refused(format!(
                "it is made from a delta of a delta, which takes more memory than deltas may, {need} bytes and more; \
                 load the bundles one after the other"
            ));
        }
        if self.opened.fetch_add(1, Ordering::Relaxed) >= OPENED_LIMIT {
            return refused(format!("what it is made from had to be made {OPENED_LIMIT} times"));
        }
        self.undo(link, 0, None).await
    }
}

/// Where what a link builds on is.
struct Below {
    chain: Chain,
    link: Arc<Link>,
}

#[async_trait]
impl OpenBase for Below {
    /// Opens it from another bundle, which may be a repair, or from where the content is; else it is made.
    async fn open(&self, digest: &Digest) -> Result<(BlobBody, u64)> {
        let missing = || Error::new(ErrorKind::NotFound, Operation::FetchBlob).object(digest);
        // The catalogue lists what it builds on.
        let size = self.link.bundle.content(digest).map(|it| it.size).ok_or_else(missing)?;
        let (holder, content) = self.chain.shared.find(digest).ok_or_else(missing)?;
        if holder.is_readable(content) && content.encoding.is_none() {
            return Ok((holder.read(content, 0).await?, size));
        }
        let elsewhere = match self.chain.bases.lookup.open(digest).await {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            opened => return Ok((opened?, size)),
        };
        match self.link.base(digest) {
            Base::Plain => Err(elsewhere),
            Base::Link(link) => Ok((self.chain.open(link).await?, size)),
            Base::Refused(reason) => Err(missing().because(reason)),
        }
    }
}

#[cfg(test)]
mod tests;
