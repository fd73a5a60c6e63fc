//! Lists and their pages: links are followed within the registry, and nowhere else.

use sealift_oci::{Descriptor, media_type};
use sealift_store::{Error, ErrorKind, Operation, PageRequest, Store, collect_pages};
use serde_json::json;

use super::peer::{Peer, Reply, reply};
use super::{digest, source};
use crate::client::RegistryClient;

async fn peer() -> Peer {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer
}

async fn tags(client: &RegistryClient) -> Result<Vec<String>, Error> {
    let source = source(client);
    let fetch = |page: PageRequest| {
        let source = &source;
        async move { source.tags(&PageRequest { limit: 2, ..page }).await }
    };
    let tags = collect_pages(Operation::ListTags, fetch).await?;
    Ok(tags.iter().map(ToString::to_string).collect())
}

const TAGS: &str = "GET /v2/a/b/tags/list?n=2";

fn list(tags: &str) -> Reply {
    reply(200).body(format!(r#"{{"name":"a/b","tags":{tags}}}"#))
}

#[tokio::test]
async fn pages_go_on_where_the_link_says() {
    let peer = peer().await;
    let absolute = format!("<{}/v2/a/b/tags/list?n=2&last=d&x=y>; rel=\"next\"", peer.url());
    peer.on(TAGS, list(r#"["a","b"]"#).header("link", r#"</v2/a/b/tags/list?n=2&last=b>; rel="next""#));
    peer.on("GET /v2/a/b/tags/list?n=2&last=b", list(r#"["c","d"]"#).header("link", absolute));
    peer.on("GET /v2/a/b/tags/list?n=2&last=d&x=y", list(r#"["e"]"#).header("link", "<?last=e>; rel=next"));
    peer.on("GET /v2/a/b/tags/list?last=e", list("[]"));
    assert_eq!(tags(&peer.client()).await.unwrap(), ["a", "b", "c", "d", "e"]);
    peer.finish();
}

#[tokio::test]
async fn links_that_lead_elsewhere_are_refused() {
    for link in [
        "<https://elsewhere.example/v2/a/b/tags/list>; rel=next",
        "<//elsewhere.example/v2/>; rel=next",
        "</other/path>; rel=next",
        "<ftp://x/v2/>; rel=next",
    ] {
        let peer = peer().await;
        peer.on(TAGS, list("[]").header("link", link));
        let error = tags(&peer.client()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{link}");
        peer.finish();
    }
    let peer = peer().await;
    let page = PageRequest { limit: 2, after: Some("//elsewhere.example/v2/".to_owned()) };
    assert_eq!(source(&peer.client()).tags(&page).await.unwrap_err().kind(), ErrorKind::Invalid);
    peer.finish();
}

#[tokio::test]
async fn lists_are_read_leniently() {
    let cases =
        [("null", vec![]), (r#"["a",null,"sha256:0123","b c",7,"d"]"#, vec!["a", "d"]), ("[]", vec![])];
    for (text, expected) in cases {
        let peer = peer().await;
        peer.on(TAGS, list(text));
        assert_eq!(tags(&peer.client()).await.unwrap(), expected, "{text}");
        peer.finish();
    }
    let cases = [
        (reply(200).body("<html>"), ErrorKind::Invalid),
        (reply(200).body(vec![b' '; 17 * 1024 * 1024]), ErrorKind::Invalid),
        (reply(404).error("NAME_UNKNOWN", ""), ErrorKind::NotFound),
    ];
    for (answer, kind) in cases {
        let peer = peer().await;
        peer.on(TAGS, answer);
        assert_eq!(tags(&peer.client()).await.unwrap_err().kind(), kind);
        peer.finish();
    }
}

#[tokio::test]
async fn the_catalog_may_be_missing() {
    let peer = peer().await;
    peer.on("GET /v2/_catalog?n=1000", reply(200).body(r#"{"repositories":["a/b","BAD","c"]}"#));
    peer.on("GET /v2/_catalog?n=1000&last=c", reply(404));
    let admin = peer.client().admin();
    let found = admin.repositories(&PageRequest::first()).await.unwrap().items;
    assert_eq!(found, ["a/b", "c"].map(|name| name.parse().unwrap()));
    let behind = PageRequest { after: Some("c".to_owned()), ..PageRequest::first() };
    let error = admin.repositories(&behind).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    peer.finish();
}

fn referrer(content: &str, kind: &str) -> Descriptor {
    let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes());
    descriptor.artifact_type = Some(kind.to_owned());
    descriptor
}

fn index() -> Reply {
    let manifests = [referrer("1", "x/sig"), referrer("2", "x/bill")];
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
    reply(200).header("content-type", media_type::OCI_INDEX).body(index.to_string())
}

async fn referrers(client: &RegistryClient, kind: Option<&str>) -> Result<usize, ErrorKind> {
    let page = source(client).referrers(&digest(), kind, &PageRequest::first()).await;
    page.map(|page| page.items.len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn referrers_are_filtered_here_unless_they_were() {
    let plain = format!("GET /v2/a/b/referrers/{}", digest());
    let filtered = format!("{plain}?artifactType=x%2Fsig");
    let peer = peer().await;
    let client = peer.client();
    for (request, answer, kind, count) in [
        (&plain, index(), None, 2),
        (&filtered, index(), Some("x/sig"), 1),
        (&filtered, index().header("oci-filters-applied", "other, artifactType"), Some("x/sig"), 2),
    ] {
        peer.on(request, answer);
        assert_eq!(referrers(&client, kind).await, Ok(count));
    }
    peer.finish();
}

#[tokio::test]
async fn a_registry_without_the_list_has_it_under_a_tag() {
    let list = format!("GET /v2/a/b/referrers/{}", digest());
    let tag = format!("GET /v2/a/b/manifests/sha256-{}", digest().hex());
    let peer = peer().await;
    let client = peer.client();
    peer.on(&list, reply(404).error("NAME_UNKNOWN", ""));
    peer.on(&tag, reply(404).error("MANIFEST_UNKNOWN", ""));
    assert_eq!(referrers(&client, None).await, Ok(0));
    peer.on(&list, reply(404).body("404 page not found"));
    peer.on(&tag, index());
    assert_eq!(referrers(&client, None).await, Ok(2));
    // It is not asked again for what it does not know.
    peer.on(&tag, index());
    assert_eq!(referrers(&client, Some("x/bill")).await, Ok(1));
    peer.finish();
}

#[tokio::test]
async fn a_refusal_is_not_nothing_attached() {
    let list = format!("GET /v2/a/b/referrers/{}", digest());
    let tag = format!("GET /v2/a/b/manifests/sha256-{}", digest().hex());
    for (status, kind) in [(403, ErrorKind::Denied), (429, ErrorKind::Busy), (400, ErrorKind::Invalid)] {
        for is_late in [false, true] {
            let peer = peer().await;
            if is_late {
                peer.on(&list, reply(404));
            }
            let refused = if is_late { &tag } else { &list };
            peer.on(refused, reply(status).header("retry-after", "1000"));
            assert_eq!(referrers(&peer.client(), None).await, Err(kind));
            peer.finish();
        }
    }
}
