use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::conformance::{self, fixture};
use crate::{Counting, MemoryStore, Method};

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn alias(registry: &str, repository: &str) -> String {
    alias_of(&registry.parse().unwrap(), &name(repository)).to_string()
}

fn memory(place: &str) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(place))
}

/// A place that is written directly and read through a switchboard, so that the whole contract can be asked
/// of what is read.
#[derive(Debug)]
struct ReadThere(Arc<dyn Store>);

impl Store for ReadThere {
    fn place(&self) -> &str {
        self.0.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        let alias = alias_of(&"ship.lan:5000".parse().unwrap(), repository);
        let inner = (Arc::clone(&self.0), repository.clone());
        let source = Switchboard::new(Connections::from([(alias.clone(), inner)])).source(&alias);
        assert_eq!(*source.repository(), alias);
        source
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        self.0.target(repository)
    }

    fn admin(&self) -> Arc<dyn Admin> {
        self.0.admin()
    }
}

#[tokio::test]
async fn what_is_read_through_it_keeps_the_contract() {
    let store: Arc<dyn Store> = Arc::new(ReadThere(memory("memory")));
    conformance::all(&store).await;
    conformance::strict(&store).await;
}

#[tokio::test]
async fn an_alias_reads_its_own_place_only() {
    let stores = ["docker.io", "quay.io"].map(|place| Arc::new(Counting::new(memory(place))));
    let repository = name("org/app");
    let mut connections = Connections::new();
    for store in &stores {
        let image = fixture::image(store.place());
        image.push(store.as_ref(), &repository, Some("1")).await;
        let alias = alias_of(&store.place().parse().unwrap(), &repository);
        connections.insert(alias, (Arc::clone(store) as Arc<dyn Store>, repository.clone()));
    }
    let switchboard = Switchboard::new(connections);
    assert_eq!(switchboard.place(), "docker.io, quay.io");
    for (read, other) in [(0, 1), (1, 0)] {
        stores.iter().for_each(|store| store.reset());
        let place = stores[read].place();
        let source = switchboard.source(&name(&format!("{place}/org/app")));
        let found = source.manifest(&fixture::tag("1").into()).await.unwrap();
        assert_eq!(found.digest(), fixture::image(place).digest());
        assert_eq!(stores[read].of(Method::Manifest).calls, 1);
        assert!(stores[other].tallies().is_empty());
        // The error of the place is not changed.
        let error = source.manifest(&fixture::tag("2").into()).await.unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::NotFound, Some(place)));
    }
}

#[tokio::test]
async fn what_is_not_connected_is_not_there() {
    let connections = Connections::from([(name("a.io/app"), (memory("a.io"), name("app")))]);
    let source = Switchboard::new(connections).source(&name("app"));
    assert_eq!(source.repository().as_str(), "app");
    assert!(!source.keeps_referrers_in_tags());
    let digest = Digest::sha256(b"");
    let tag = ManifestRef::Tag(fixture::tag("1"));
    let page = PageRequest::first();
    let errors = [
        (source.resolve(&tag).await.unwrap_err(), "look up app:1".to_owned()),
        (source.resolve(&digest.into()).await.unwrap_err(), format!("look up app@{digest}")),
        (source.manifest(&tag).await.unwrap_err(), "fetch manifest app:1".to_owned()),
        (source.stat_blob(&digest).await.unwrap_err(), format!("check blob app@{digest}")),
        (source.open_blob(&digest, 0).await.unwrap_err(), format!("fetch blob app@{digest}")),
        (source.tags(&page).await.unwrap_err(), "list the tags of app".to_owned()),
        (
            source.referrers(&digest, None, &page).await.unwrap_err(),
            format!("list what is attached to app@{digest}"),
        ),
    ];
    for (error, what) in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{what}");
        assert_eq!(error.to_string(), format!("a.io: cannot {what}: it is not there"));
    }
}

#[test]
fn nothing_can_be_written() {
    let connections = Connections::from([(name("a.io/app"), (memory("a.io"), name("app")))]);
    let switchboard = Switchboard::new(connections);
    for alias in ["a.io/app", "app"] {
        let error = switchboard.target(&name(alias)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{alias}");
        assert_eq!(error.place(), Some("a.io"));
    }
}

#[tokio::test]
async fn the_aliases_are_listed_and_the_places_named() {
    let cases: [(&[&str], &str); 4] = [
        (&[], ""),
        (&["b.io"], "b.io"),
        (&["c.io", "a.io", "b.io", "a.io"], "a.io, b.io, c.io"),
        (&["e.io", "d.io", "c.io", "b.io", "a.io"], "a.io, b.io, c.io and 2 more"),
    ];
    for (places, expected) in cases {
        let connect =
            |(number, place): (usize, &&str)| (name(&format!("r{number}")), (memory(place), name("r")));
        let switchboard = Switchboard::new(places.iter().enumerate().map(connect).collect());
        assert_eq!(switchboard.place(), expected);
        let page = switchboard.admin().repositories(&PageRequest { limit: 3, after: None }).await.unwrap();
        let expected: Vec<_> = (0..places.len().min(3)).map(|number| name(&format!("r{number}"))).collect();
        assert_eq!(page.items, expected);
        assert_eq!(page.next.is_some(), places.len() > 3);
    }
}

#[test]
fn aliases_read_like_references() {
    let cases = [
        ("docker.io", "library/nginx", "docker.io/library/nginx"),
        ("Registry.Local:5000", "a", "registry.local__5000/a"),
        ("127.0.0.1:5000", "a/b", "127.0.0.1__5000/a/b"),
        ("localhost", "a", "localhost/a"),
        ("a--b.io", "c", "a--b.io/c"),
        ("my_host:5000", "a", "x_myz5fhostz3a5000/a"),
        ("_zoo_.io", "a", "x_z5fzzooz5f.io/a"),
        ("[fd00::7]:5000", "a", "x_z5bfd00z3az3a7z5dz3a5000/a"),
        ("[::1]", "a", "x_z5bz3az3a1z5d/a"),
        ("x:5000", "a", "x__5000/a"),
    ];
    for (registry, repository, expected) in cases {
        assert_eq!(alias(registry, repository), expected, "{registry}");
    }
    let long = "a".repeat(255);
    let expected = format!("sha256_{}", Digest::sha256(format!("a.io/{long}").as_bytes()).hex());
    assert_eq!(alias("a.io", &long), expected);
    assert_eq!(alias("a.io", &long[..250]).len(), 255);
}

/// Addresses that differ in one character, so that a form with holes would show.
const REGISTRY: &str = "[ax0_z]{1,3}([.][az_]{1,2}|-[a0]|__[0-9])?(:0?[1-9]{1,2})?|\\[(::|fd00::)[0-9a-f]\\](:[1-9])?\
    |z3a|x_z5fz|(x|sha256)(_|__)[0-9a]{1,2}";
const PATH: &str = "[az0](/[az0]|[.]z|_z|__[0-9]|-a){0,2}|a{240,255}|b{254}(/b)?";

proptest! {
    #[test]
    fn no_two_repositories_share_an_alias(names in proptest::collection::vec((REGISTRY, PATH), 1..60)) {
        let mut seen = HashMap::new();
        for (registry, path) in &names {
            let (Ok(registry), Ok(path)) = (registry.parse::<Registry>(), path.parse::<RepositoryName>()) else {
                continue;
            };
            let alias = alias_of(&registry, &path);
            prop_assert_eq!(alias.as_str().parse::<RepositoryName>().unwrap(), alias.clone());
            prop_assert_eq!(&alias, &alias_of(&registry, &path));
            let whole = (registry, path);
            let first = seen.entry(alias).or_insert_with(|| whole.clone());
            prop_assert_eq!(first, &whole);
        }
    }

    /// The escaped form can be read back, so it is never that of two addresses.
    #[test]
    fn an_escaped_address_reads_back(registry in REGISTRY) {
        let Ok(registry) = registry.parse::<Registry>() else { return Ok(()) };
        let text = escaped(registry.as_str());
        let (mut rest, mut back) = (&text[2..], String::new());
        while let Some(character) = rest.chars().next() {
            let length = match character {
                'z' if rest.starts_with("zz") => { back.push('z'); 2 }
                'z' => { back.push(char::from(u8::from_str_radix(&rest[1..3], 16).unwrap())); 3 }
                other => { back.push(other); 1 }
            };
            rest = &rest[length..];
        }
        prop_assert_eq!(back, registry.as_str());
        prop_assert!(text.parse::<RepositoryName>().is_ok(), "{}", text);
    }
}
