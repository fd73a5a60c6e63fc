//! Pages for people: what is here, what it is made of, and how to pull it.
//!
//! Everything is made on the server, escaped by the templates, and bounded: pages of lists, looks into
//! images, questions to the store. There is no script and nothing to build. Who may not read a repository
//! does not see it.

mod describe;
mod image;
mod index;
mod layout;
mod repository;
mod search;
mod shared;
mod words;

use http::{Method, Request, StatusCode};
use sealift_oci::{ManifestRef, Registry, RepositoryName};

pub use words::artifact as artifact_name;

use super::answer::Answer;
use super::auth::Right;
use super::connection::Connection;
use super::error::WireError;
use super::keeper::Origin;
use super::request::{Call, asked_registry};
use index::Search;

/// The path above the pages of repositories.
const REPOSITORY: &str = "/repository/";

/// A page, and where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    view: View,
    /// What the client calls this server.
    registry: Option<Registry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum View {
    Index(Search),
    Repository {
        name: RepositoryName,
        after: Option<String>,
    },
    Image {
        name: RepositoryName,
        reference: ManifestRef,
    },
    /// An address that cannot be of a repository or image.
    Nowhere,
    Style,
    Icon,
}

/// What to call this server in a command.
#[derive(Debug)]
struct Host {
    registry: String,
    is_secure: bool,
}

impl Page {
    /// Reads the address of a page; `None` where it is none.
    pub(super) fn parse<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri();
        let view = View::parse(uri.path(), uri.query().unwrap_or_default())?;
        Some(Self { view, registry: asked_registry(request) })
    }
}

impl View {
    fn parse(path: &str, query: &str) -> Option<Self> {
        let pairs = || url::form_urlencoded::parse(query.as_bytes());
        let get = |key: &str| pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
        match path {
            "/" => return Some(Self::Index(Search::new(get("q"), get("after")))),
            layout::STYLE_PATH => return Some(Self::Style),
            layout::ICON_PATH => return Some(Self::Icon),
            _ => {}
        }
        let Ok(name) = path.strip_prefix(REPOSITORY)?.parse() else { return Some(Self::Nowhere) };
        Some(match get("image").map(|reference| reference.parse()) {
            Some(Ok(reference)) => Self::Image { name, reference },
            Some(Err(_)) => Self::Nowhere,
            None => Self::Repository { name, after: get("after") },
        })
    }
}

/// Answers with a page.
pub(super) async fn handle(connection: &Connection, call: &Call, page: Page) -> Result<Answer, WireError> {
    if ![Method::GET, Method::HEAD].contains(&call.method) {
        return Err(WireError::method("GET, HEAD"));
    }
    let shown = match &page.view {
        View::Style => layout::style(),
        View::Icon => layout::icon(),
        View::Nowhere => layout::missing("Not found", "There is no such page."),
        View::Index(search) => {
            call.caller.check_registry()?;
            index::show(call, search).await
        }
        View::Repository { name, after } => {
            call.caller.check_repository(Right::Read, name)?;
            repository::show(call, name, after.clone()).await
        }
        View::Image { name, reference } => {
            call.caller.check_repository(Right::Read, name)?;
            let host = Host::new(connection, page.registry.as_ref());
            let origin = origin(connection, call, name, reference).await;
            image::show(call, &host, origin, name, reference).await
        }
    };
    match shown {
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            layout::missing("Not found", "This repository or image is not here.")
        }
        shown => shown,
    }
}

impl Host {
    /// A client that does not say what it calls this server is told a word to replace.
    fn new(connection: &Connection, registry: Option<&Registry>) -> Self {
        let registry = registry.map_or("REGISTRY", Registry::as_str).to_owned();
        Self { registry, is_secure: connection.is_secure }
    }
}

/// Asks who keeps the store where an image came from.
async fn origin(
    connection: &Connection,
    call: &Call,
    name: &RepositoryName,
    reference: &ManifestRef,
) -> Origin {
    let Some(keeper) = &connection.shared.config.keeper else { return Origin::default() };
    match call.source(name).resolve(reference).await {
        Ok(found) => keeper.origin(name, &found.digest).await,
        Err(_) => Origin::default(),
    }
}

fn repository_address(name: &RepositoryName) -> String {
    format!("{REPOSITORY}{name}")
}

fn page_address(name: &RepositoryName, after: &str) -> String {
    address(name, "after", after)
}

fn image_address(name: &RepositoryName, reference: &str) -> String {
    address(name, "image", reference)
}

fn address(name: &RepositoryName, key: &str, value: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(key, value).finish();
    format!("{REPOSITORY}{name}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        let name = |text: &str| text.parse::<RepositoryName>().unwrap();
        let index = |words: &str| Some(View::Index(Search::new(Some(words.to_owned()), None)));
        let image =
            |reference: &str| Some(View::Image { name: name("a/b"), reference: reference.parse().unwrap() });
        let cases = [
            ("/", "", index("")),
            ("/", "q=%20x+y%3Cb%3E&more=1", index("x y<b>")),
            ("/style.css", "", Some(View::Style)),
            ("/repository/a/b", "", Some(View::Repository { name: name("a/b"), after: None })),
            ("/repository/a/b", "image=v1", image("v1")),
            ("/repository/a/b", "image=v1&image=v2", image("v1")),
            ("/repository/a/b", "image=..%2f", Some(View::Nowhere)),
            ("/repository/", "", Some(View::Nowhere)),
            ("/repository/A", "", Some(View::Nowhere)),
            ("/repository/a/../b", "", Some(View::Nowhere)),
            ("/repository/a%2fb", "", Some(View::Nowhere)),
            ("/repository", "", None),
            ("/v2/", "", None),
            ("/v2/a/manifests/t", "", None),
            ("/else", "", None),
        ];
        for (path, query, expected) in cases {
            assert_eq!(View::parse(path, query), expected, "{path}?{query}");
        }
    }

    #[test]
    fn addresses_lead_back() {
        let name: RepositoryName = "a/b".parse().unwrap();
        let address = image_address(&name, "sha256:00");
        assert_eq!(address, "/repository/a/b?image=sha256%3A00");
        assert_eq!(page_address(&name, "a&b"), "/repository/a/b?after=a%26b");
    }
}
