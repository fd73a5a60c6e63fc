//! Lists and their pages: links are followed within the registry, and nowhere else.

use sealift_oci::{Descriptor, Digest, media_type};
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
    let source = source(client);
    let page = |page: PageRequest| {
        let source = &source;
        async move { source.referrers(&digest(), kind, &page).await }
    };
    let listed = collect_pages(Operation::ListReferrers, page).await;
    listed.map(|listed| listed.len()).map_err(|error| error.kind())
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

/// Who has listed the tags need not ask for one that is not there.
#[tokio::test]
async fn the_list_under_a_tag_is_a_page_of_its_own() {
    let peer = peer().await;
    peer.on(&format!("GET /v2/a/b/referrers/{}", digest()), reply(404));
    let source = source(&peer.client());
    let first = source.referrers(&digest(), None, &PageRequest::first()).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some() && source.keeps_referrers_in_tags(), "{first:?}");
    peer.finish();
}

#[tokio::test]
async fn a_refusal_is_not_nothing_attached() {
    let list = format!("GET /v2/a/b/referrers/{}", digest());
    let tag = format!("GET /v2/a/b/manifests/sha256-{}", digest().hex());
    let cases = [(401, ErrorKind::Unauthenticated), (403, ErrorKind::Denied), (429, ErrorKind::Busy)];
    for (status, kind) in cases {
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

/// What is answered to the question, and whether it is asked again for another subject.
#[tokio::test]
async fn a_registry_that_does_not_know_the_question_has_the_list_under_a_tag() {
    let list = format!("GET /v2/a/b/referrers/{}", digest());
    let tag = format!("GET /v2/a/b/manifests/sha256-{}", digest().hex());
    let page = || reply(200).header("content-type", "text/html").body("<html>");
    let json = |body: &str| reply(200).header("content-type", "application/json").body(body.to_owned());
    let cases = [
        (reply(400).body("bad request"), false),
        (reply(400).error("DIGEST_INVALID", "no such algorithm"), true),
        (reply(404).error("NAME_UNKNOWN", ""), true),
        (reply(405).error("UNSUPPORTED", ""), false),
        (reply(406), false),
        (reply(501), false),
        (reply(303), false),
        (reply(302).header("location", "ftp://elsewhere.example/"), false),
        (page(), false),
        (json("{}"), true),
        (json(r#"{"manifests":[]}"#), true),
    ];
    for (answer, asks_again) in cases {
        let peer = peer().await;
        let client = peer.client();
        peer.on(&list, answer.clone());
        peer.on(&tag, index());
        assert_eq!(referrers(&client, None).await, Ok(2), "{answer:?}");
        if asks_again {
            peer.on(&list, index());
        } else {
            peer.on(&tag, index());
        }
        assert_eq!(referrers(&client, None).await, Ok(2), "{answer:?}");
        peer.finish();
    }
    // A list is a list, whatever its type is said to be; and one of the right type that is none is a fault.
    for (answer, expected) in [
        (index().replace("content-type", "application/json"), Ok(2)),
        (page().replace("content-type", media_type::OCI_INDEX), Err(ErrorKind::Invalid)),
    ] {
        let peer = peer().await;
        peer.on(&list, answer);
        assert_eq!(referrers(&peer.client(), None).await, expected);
        peer.finish();
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_not_its_beginning() {
    let list = format!("GET /v2/a/b/referrers/{}", digest());
    let peer = peer().await;
    peer.on(&list, index().header("link", format!("</v2/a/b/referrers/{}?last=x>; rel=next", digest())));
    peer.on(&format!("{list}?last=x"), reply(404));
    let (client, first) = (peer.client(), PageRequest::first());
    let source = source(&client);
    let next = source.referrers(&digest(), None, &first).await.unwrap().next;
    let error = source.referrers(&digest(), None, &PageRequest { after: next, ..first }).await.unwrap_err();
    assert!(error.to_string().contains("breaks off"), "{error}");
    peer.finish();
}

/// An image can have the tag of its own list, or of another's.
#[tokio::test]
async fn an_image_under_the_tag_is_no_list() {
    let platform = json!({"os": "linux", "architecture": "amd64"});
    let mut entry = serde_json::to_value(referrer("1", "x")).unwrap();
    entry["artifactType"].take();
    entry["platform"] = platform;
    let of_platforms = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [entry]});
    let (bare, subject) =
        (json!({"schemaVersion": 2, "manifests": [referrer("1", "x")]}).to_string(), digest());
    for (content, subject) in
        [(of_platforms.to_string(), subject), (bare.clone(), Digest::sha256(bare.as_bytes()))]
    {
        let peer = peer().await;
        peer.on(&format!("GET /v2/a/b/referrers/{subject}"), reply(404));
        let tag = format!("GET /v2/a/b/manifests/sha256-{}", subject.hex());
        peer.on(&tag, reply(200).header("content-type", media_type::OCI_INDEX).body(content));
        let source = source(&peer.client());
        let page = |page: PageRequest| {
            let source = &source;
            async move { source.referrers(&subject, None, &page).await }
        };
        assert_eq!(collect_pages(Operation::ListReferrers, page).await.unwrap(), []);
        peer.finish();
    }
}
