//! A directory in front of places that count, fail, spoil and fall silent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use sealift_oci::{Digest, ManifestRef, RepositoryName};
use tempfile::TempDir;

use super::{ReadThrough, Terms, Upstream};
use crate::conformance;
use crate::conformance::fixture::{self, tag};
use crate::{
    Action, Admin, Backoff, Counting, DirectoryStore, ErrorKind, Faults, MemoryStore, Method, PageRequest,
    Result, Source, Store, Target,
};

/// Several pieces of a file.
const LARGE: usize = 700_000;
/// Longer than any test.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Nothing is remembered, and nothing is waited for.
fn terms() -> Terms {
    let backoff = Backoff { first_wait: Duration::ZERO, ..Backoff::default() };
    let zero = Duration::ZERO;
    Terms {
        tag_ttl: zero,
        refusal: zero,
        patience: LONG,
        rest: zero,
        attempts: 3,
        backoff,
        ..Terms::default()
    }
}

/// A directory, and what is upstream of it.
struct Site {
    directory: TempDir,
    /// What upstream holds; it lies in a directory, too, and so comes in pieces.
    upstream: Arc<dyn Store>,
    counting: Arc<Counting>,
    through: ReadThrough,
    _upstream: TempDir,
}

impl Site {
    fn new(terms: Terms) -> Self {
        Self::with(terms, |upstream| upstream)
    }

    /// Puts something between the two.
    fn with(terms: Terms, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let (directory, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let upstream: Arc<dyn Store> = Arc::new(DirectoryStore::open(far.path()).unwrap());
        let counting = Arc::new(Counting::new(wrap(Arc::clone(&upstream))));
        let upstreams = vec![Upstream::new(Arc::clone(&counting) as _, None, None)];
        let through = through(&directory, upstreams, terms);
        Self { directory, upstream, counting, through, _upstream: far }
    }

    async fn push_blob(&self, content: &Bytes) -> Digest {
        fixture::push_blob(self.upstream.target(&name()).unwrap().as_ref(), content).await
    }

    fn source(&self) -> Arc<dyn Source> {
        self.through.source(&name())
    }

    /// What is kept, whatever upstream has.
    fn kept(&self) -> Arc<dyn Source> {
        DirectoryStore::open(self.directory.path()).unwrap().source(&name())
    }

    async fn kind_of_kept(&self, digest: &Digest) -> Option<ErrorKind> {
        self.kept().stat_blob(digest).await.err().map(|error| error.kind())
    }

    fn asked(&self, method: Method) -> u64 {
        self.counting.of(method).calls
    }
}

fn through(directory: &TempDir, upstreams: Vec<Upstream>, terms: Terms) -> ReadThrough {
    ReadThrough::new(Arc::new(DirectoryStore::open(directory.path()).unwrap()), upstreams, terms)
}

fn name() -> RepositoryName {
    "team/app".parse().unwrap()
}

fn named(text: &str) -> ManifestRef {
    tag(text).into()
}

async fn read(source: &dyn Source, digest: &Digest) -> Result<Bytes> {
    source.open_blob(digest, 0).await?.collect(LARGE).await
}

#[tokio::test]
async fn what_is_written_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(Arc::new(MemoryStore::new("upstream")), None, None);
    let store: Arc<dyn Store> = Arc::new(through(&root, vec![upstream], terms()));
    conformance::all(&store).await;
    conformance::strict(&store).await;
    conformance::lies_leave_nothing(store.as_ref()).await;
    conformance::deleting(store.as_ref()).await;
}

/// What is written upstream is read here.
#[derive(Debug)]
struct WrittenUpstream {
    upstream: Arc<dyn Store>,
    through: ReadThrough,
}

impl Store for WrittenUpstream {
    fn place(&self) -> &str {
        self.through.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        self.through.source(repository)
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        self.upstream.target(repository)
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.upstream.admin()
    }
}

#[tokio::test]
async fn what_is_fetched_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let upstream: Arc<dyn Store> = Arc::new(MemoryStore::new("upstream"));
    let upstreams = vec![Upstream::new(Arc::clone(&upstream), None, None)];
    let store: Arc<dyn Store> =
        Arc::new(WrittenUpstream { upstream, through: through(&root, upstreams, terms()) });
    conformance::all(&store).await;
    conformance::strict(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_are_one_request() {
    let site = Site::new(terms());
    let content = fixture::noise("layer", LARGE);
    let digest = site.push_blob(&content).await;
    let image = fixture::image("x");
    image.push(site.upstream.as_ref(), &name(), Some("t")).await;
    let source = site.source();
    for body in join_all((0..100).map(|_| read(source.as_ref(), &digest))).await {
        assert!(body.unwrap() == content);
    }
    assert_eq!((site.asked(Method::OpenBlob), site.asked(Method::StatBlob)), (1, 0));
    let by_digest = image.digest().into();
    for manifest in join_all((0..100).map(|_| source.manifest(&by_digest))).await {
        assert_eq!(manifest.unwrap(), image.manifest);
    }
    let by_tag = named("t");
    join_all((0..100).map(|_| source.resolve(&by_tag))).await.into_iter().for_each(|it| assert!(it.is_ok()));
    assert_eq!(site.counting.of_object(Method::Manifest, image.digest()).calls, 1);
    assert_eq!(site.counting.of(Method::OpenBlob).bytes, LARGE as u64);
}

/// As many as ask within the time for which a tag is believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_asked_once_in_its_time() {
    let site = Site::new(Terms { tag_ttl: LONG, ..terms() });
    let (old, new) = (fixture::image("old"), fixture::image("new"));
    old.push(site.upstream.as_ref(), &name(), Some("t")).await;
    let (source, by_tag) = (site.source(), named("t"));
    for _ in 0..2 {
        for manifest in join_all((0..100).map(|_| source.manifest(&by_tag))).await {
            assert_eq!(manifest.unwrap(), old.manifest);
        }
        new.push(site.upstream.as_ref(), &name(), Some("t")).await;
    }
    assert_eq!((site.asked(Method::Manifest), site.asked(Method::Resolve)), (1, 0));
    let upstreams = vec![Upstream::new(Arc::clone(&site.counting) as _, None, None)];
    let impatient = through(&site.directory, upstreams, terms()).source(&name());
    for _ in 0..2 {
        assert_eq!(impatient.manifest(&by_tag).await.unwrap(), new.manifest);
    }
    // What is here already is not read again.
    assert_eq!((site.asked(Method::Manifest), site.asked(Method::Resolve)), (2, 2));
}

/// A manifest has the length that its descriptor says, so that a bit is all that differs.
#[tokio::test]
async fn what_is_spoilt_on_the_way_is_not_kept_and_not_served_as_whole() {
    for offset in [0, 300_000, LARGE as u64 - 1] {
        let spoil = |inner| Arc::new(Faults::new(inner, move |_| Action::FlipBit(offset))) as Arc<dyn Store>;
        let site = Site::with(terms(), spoil);
        let content = fixture::noise("layer", LARGE);
        let digest = site.push_blob(&content).await;
        let error = read(site.source().as_ref(), &digest).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Unavailable), "{error:?}");
        assert_eq!(site.kind_of_kept(&digest).await, Some(ErrorKind::NotFound));

        // The next upstream has it right.
        let [bad, good] = [Arc::clone(&site.counting) as Arc<dyn Store>, Arc::clone(&site.upstream)]
            .map(|store| Upstream::new(store, None, None));
        let both = through(&site.directory, vec![bad, good], terms());
        let shared = Arc::clone(&both.shared);
        shared.bring(&name(), &digest).await.unwrap();
        assert!(read(both.source(&name()).as_ref(), &digest).await.unwrap() == content);
        assert!(read(site.kept().as_ref(), &digest).await.unwrap() == content);
    }
    let site =
        Site::with(terms(), |inner| Arc::new(Faults::first(inner, Method::Manifest, Action::FlipBit(9))));
    let image = fixture::image("x");
    image.push(site.upstream.as_ref(), &name(), Some("t")).await;
    for reference in [named("t"), image.digest().into()] {
        assert_eq!(site.source().manifest(&reference).await.unwrap_err().kind(), ErrorKind::Mismatch);
        assert_eq!(site.kept().resolve(&reference).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(site.source().manifest(&named("t")).await.unwrap(), image.manifest);
}

#[tokio::test]
async fn what_breaks_off_is_gone_on_with() {
    let cut = |inner| Arc::new(Faults::first(inner, Method::OpenBlob, Action::CutBodyAfter(300_000))) as _;
    let site = Site::with(terms(), cut);
    let content = fixture::noise("layer", LARGE);
    let digest = site.push_blob(&content).await;
    assert!(read(site.source().as_ref(), &digest).await.unwrap() == content);
    // Who follows may have all before everybody sees it.
    site.through.shared.bring(&name(), &digest).await.unwrap();
    assert!(read(site.kept().as_ref(), &digest).await.unwrap() == content);
    assert_eq!(site.counting.of(Method::OpenBlob).bytes, LARGE as u64, "nothing comes twice");

    let always = |inner| Arc::new(Faults::new(inner, |_| Action::CutBodyAfter(1))) as _;
    let site = Site::with(terms(), always);
    let digest = site.push_blob(&content).await;
    assert_eq!(read(site.source().as_ref(), &digest).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(site.kind_of_kept(&digest).await, Some(ErrorKind::NotFound));
    assert_eq!(site.asked(Method::OpenBlob), u64::from(terms().attempts));
}

/// Who waits reads what has come, also from the middle, while the rest is waited for.
#[tokio::test]
async fn what_has_come_is_read_while_the_rest_is_on_its_way() {
    let cut = |inner| Arc::new(Faults::first(inner, Method::OpenBlob, Action::CutBodyAfter(600_000))) as _;
    let backoff = Backoff { first_wait: LONG, longest_wait: LONG, ..Backoff::default() };
    let site = Site::with(Terms { backoff, ..terms() }, cut);
    let content = fixture::noise("layer", LARGE);
    let digest = site.push_blob(&content).await;
    for offset in [0, 500_000] {
        let body = site.source().open_blob(&digest, offset).await.unwrap();
        assert_eq!(body.length(), Some(LARGE as u64 - offset));
        let (mut stream, mut at) = (body.into_stream(), usize::try_from(offset).unwrap());
        while at < 600_000 {
            let piece = stream.try_next().await.unwrap().unwrap();
            assert!(piece == content[at..at + piece.len()]);
            at += piece.len();
        }
        assert_eq!(site.source().stat_blob(&digest).await.unwrap(), LARGE as u64);
    }
    let behind = site.source().open_blob(&digest, LARGE as u64 + 1).await;
    assert_eq!(behind.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!((site.asked(Method::OpenBlob), site.asked(Method::StatBlob)), (1, 0));
}

#[tokio::test]
async fn who_leaves_does_not_end_it_for_others() {
    let site = Site::new(terms());
    let content = fixture::noise("layer", LARGE);
    let digest = site.push_blob(&content).await;
    let first = site.source();
    let leaving = tokio::spawn(async move { first.open_blob(&digest, 0).await });
    while site.asked(Method::OpenBlob) == 0 {
        tokio::task::yield_now().await;
    }
    leaving.abort();
    assert!(read(site.source().as_ref(), &digest).await.unwrap() == content);
    assert_eq!(site.asked(Method::OpenBlob), 1);
}

/// A place that answers every question alike.
fn refusing(kind: ErrorKind) -> impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> {
    move |inner| Arc::new(Faults::new(inner, move |_| Action::Fail(kind)))
}

#[tokio::test]
async fn what_upstream_refuses_is_told_and_what_is_kept_is_served() {
    for (kind, is_old) in [
        (ErrorKind::NotFound, false),
        (ErrorKind::Unauthenticated, true),
        (ErrorKind::Denied, true),
        (ErrorKind::Busy, true),
        (ErrorKind::Unavailable, true),
    ] {
        let site = Site::with(terms(), refusing(kind));
        let (kept, missing) = (fixture::image("kept"), fixture::image("missing"));
        let earlier = through(
            &site.directory,
            vec![Upstream::new(Arc::clone(&site.upstream), None, None)],
            Terms { tag_ttl: LONG, ..terms() },
        );
        kept.push(site.upstream.as_ref(), &name(), Some("t")).await;
        assert_eq!(earlier.source(&name()).manifest(&named("t")).await.unwrap(), kept.manifest);
        let (source, other) = (site.source(), missing.digest());
        for reference in [named("u"), other.into()] {
            assert_eq!(source.manifest(&reference).await.unwrap_err().kind(), kind);
            assert_eq!(source.resolve(&reference).await.unwrap_err().kind(), kind);
        }
        // Who asks this pushes, most often.
        let asked = if kind == ErrorKind::Unavailable { ErrorKind::NotFound } else { kind };
        assert_eq!(source.stat_blob(&other).await.unwrap_err().kind(), asked);
        assert_eq!(source.open_blob(&other, 0).await.unwrap_err().kind(), kind);
        assert_eq!(source.manifest(&named("t")).await.unwrap(), kept.manifest);
        assert_eq!(source.resolve(&kept.digest().into()).await.unwrap().digest, kept.digest());
        assert_eq!(source.tags(&PageRequest::first()).await.unwrap().items, [tag("t")]);
        let age = site.through.age(&name(), &tag("t")).await;
        assert_eq!(age.is_some(), is_old, "{kind:?}");
        assert_eq!(site.through.age(&name(), &tag("never")).await, None);
    }
}

#[tokio::test]
async fn one_that_could_not_say_counts_more_than_one_that_lacks_it() {
    let root = tempfile::tempdir().unwrap();
    let empty: Arc<dyn Store> = Arc::new(MemoryStore::new("empty"));
    let silent = refusing(ErrorKind::Unavailable)(Arc::clone(&empty));
    for stores in [[Arc::clone(&empty), Arc::clone(&silent)], [silent, empty]] {
        let upstreams = stores.map(|store| Upstream::new(store, None, None)).into();
        let source = through(&root, upstreams, terms()).source(&name());
        let error = source.manifest(&named("t")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

/// What cannot be reached does not hold up what another one has.
#[tokio::test]
async fn one_that_is_silent_is_asked_last_for_a_while() {
    let root = tempfile::tempdir().unwrap();
    let silent = refusing(ErrorKind::Unavailable)(Arc::new(MemoryStore::new("silent")));
    let counting = Arc::new(Counting::new(silent));
    let sound: Arc<dyn Store> = Arc::new(MemoryStore::new("sound"));
    for name_of_tag in ["a", "b", "c"] {
        fixture::image(name_of_tag).push(sound.as_ref(), &name(), Some(name_of_tag)).await;
    }
    let upstreams = [Arc::clone(&counting) as Arc<dyn Store>, sound];
    let upstreams = upstreams.map(|store| Upstream::new(store, None, None)).into();
    let source = through(&root, upstreams, Terms { rest: LONG, ..terms() }).source(&name());
    for name_of_tag in ["a", "b", "c"] {
        assert_eq!(source.manifest(&named(name_of_tag)).await.unwrap(), fixture::image(name_of_tag).manifest);
    }
    assert_eq!(counting.of(Method::Manifest).calls, 1);
    // What nobody else has is worth a question.
    assert_eq!(source.manifest(&named("d")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(counting.of(Method::Manifest).calls, 2);
}

/// With the link down, a push finds what is here and sends the rest; and what is here shows what is attached.
#[tokio::test]
async fn pushes_and_what_is_kept_need_no_link() {
    let root = tempfile::tempdir().unwrap();
    let silent = refusing(ErrorKind::Unavailable)(Arc::new(MemoryStore::new("silent")));
    let store = through(&root, vec![Upstream::new(silent, None, None)], terms());
    let source = store.source(&name());
    let blob = Digest::sha256(b"nobody has it here");
    assert_eq!(source.stat_blob(&blob).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(source.open_blob(&blob, 0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let image = fixture::image("x");
    image.push(&store, &name(), Some("t")).await;
    let attached = source.referrers(&image.digest(), None, &PageRequest::first()).await.unwrap();
    assert!(attached.items.is_empty());
    let other = source.referrers(&blob, None, &PageRequest::first()).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Unavailable, "nobody knows");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_forgotten_after_seconds() {
    let refusal = Duration::from_secs(2);
    let site = Site::new(Terms { refusal, ..terms() });
    let image = fixture::image("x");
    let source = site.source();
    assert_eq!(source.manifest(&named("t")).await.unwrap_err().kind(), ErrorKind::NotFound);
    image.push(site.upstream.as_ref(), &name(), Some("t")).await;
    assert_eq!(source.manifest(&named("t")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(site.asked(Method::Manifest), 1);
    tokio::time::advance(refusal).await;
    assert_eq!(source.manifest(&named("t")).await.unwrap(), image.manifest);
}

#[tokio::test]
async fn who_is_silent_is_not_asked_about_every_tag() {
    let root = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(root.path()).unwrap();
    let image = fixture::image("x");
    for name_of_tag in ["a", "b", "c"] {
        image.push(&store, &name(), Some(name_of_tag)).await;
    }
    let silent = refusing(ErrorKind::Unavailable)(Arc::new(MemoryStore::new("silent")));
    let counting = Arc::new(Counting::new(silent));
    let upstreams = vec![Upstream::new(Arc::clone(&counting) as _, None, None)];
    let source = through(&root, upstreams, Terms { rest: LONG, ..terms() }).source(&name());
    for name_of_tag in ["a", "b", "c"] {
        assert_eq!(source.manifest(&named(name_of_tag)).await.unwrap(), image.manifest);
    }
    assert_eq!(source.tags(&PageRequest::first()).await.unwrap().items.len(), 3);
    assert_eq!((counting.of(Method::Resolve).calls, counting.of(Method::Tags).calls), (1, 0));
    // What is not here is worth a question.
    assert!(source.manifest(&named("d")).await.is_err());
    assert_eq!(counting.of(Method::Manifest).calls, 1);
}

/// Who thinks for long about a tag does not hold up who pulls it.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_waited_for_where_there_is_one() {
    let slow = |inner| Arc::new(Faults::new(inner, |_| Action::Delay(LONG))) as Arc<dyn Store>;
    let site = Site::with(Terms { patience: Duration::from_secs(5), ..terms() }, slow);
    let image = fixture::image("x");
    image.push(site.through.local.as_ref(), &name(), Some("t")).await;
    let begin = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(site.source().manifest(&named("t")).await.unwrap(), image.manifest);
        assert!(site.through.age(&name(), &tag("t")).await.is_some());
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "only the first waits");
    assert_eq!(site.asked(Method::Resolve), 1);
}

/// Who pushes asks for each blob and sends what is not there; upstream has one of them.
#[tokio::test]
async fn a_manifest_that_is_pushed_brings_what_was_taken_for_there() {
    let site = Site::new(terms());
    let image = fixture::image("x");
    let (first, rest) = image.blobs.split_first().unwrap();
    let digest = site.push_blob(first).await;
    assert_eq!(site.source().stat_blob(&digest).await.unwrap(), first.len() as u64);
    let target = site.through.target(&name()).unwrap();
    let refused = target.put_manifest(&image.manifest, Some(&tag("t"))).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
    for blob in rest {
        fixture::push_blob(target.as_ref(), blob).await;
    }
    target.put_manifest(&image.manifest, Some(&tag("t"))).await.unwrap();
    assert_eq!(site.kind_of_kept(&digest).await, None);
    assert_eq!(site.source().manifest(&named("t")).await.unwrap(), image.manifest);
}

#[tokio::test]
async fn only_what_is_mapped_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("upstream"));
    let image = fixture::image("x");
    image.push(memory.as_ref(), &"library/x".parse().unwrap(), Some("t")).await;
    let counting = Arc::new(Counting::new(memory));
    let upstream = Upstream::new(Arc::clone(&counting) as _, "hub".parse().ok(), None);
    let store = through(&root, vec![upstream], terms());
    for (repository, is_there) in [("library/x", false), ("hub/library/x", true), ("hub", false)] {
        let found = store.source(&repository.parse().unwrap()).manifest(&named("t")).await;
        assert_eq!(found.is_ok(), is_there, "{repository}");
    }
    assert!(counting.tallies().keys().all(|it| it.repository == "library/x".parse().ok()));
}
