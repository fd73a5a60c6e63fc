//! `TestBlobAPIs`: every way to push a blob, ranges, special contents, wrong digests.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method};
use sealift_oci::{Algorithm, Digest};
use sealift_store::conformance::fixture;

use crate::api::{Answer, Repository, send};

/// The smallest chunks that the suite sends.
const CHUNK: usize = 1024;

pub(crate) async fn all([one, two]: &[Repository<'_>; 2], algorithm: Algorithm) {
    let content = |name: &str, size| {
        let content = fixture::noise(&format!("{name} {algorithm:?}"), size);
        (Digest::of(algorithm, &content), content)
    };
    let (missing, _) = content("get-missing", 512);
    one.get(&format!("blobs/{missing}")).await.expect(404);
    for name in
        ["post only", "post+put", "chunked single", "stream", "mount", "mount anonymous", "mount missing"]
    {
        let (digest, content) = content(name, 512);
        let pushed = match name {
            "post only" => post_only(one, &digest, &content).await,
            "post+put" => post_put(one, &digest, content.clone()).await,
            "chunked single" => chunked(one, &digest, &content, Way::default()).await,
            "stream" => streamed(one, &digest, &content).await,
            _ => mounted(name, one, two, &digest, &content).await,
        };
        one.assert_pushed(&pushed, &digest, &content).await;
        finished(one, two, &digest, &content).await;
    }
    cancelled(one).await;
    let minimum = one.begin("").await.0.header("oci-chunk-min-length").parse().unwrap_or(0);
    let three = 3 * CHUNK.max(minimum) - 5;
    for (name, way) in [
        ("chunked multi", Way::default()),
        ("chunked multi and put chunk", Way { puts_last: true, ..Way::default() }),
        ("chunked out-of-order", Way { is_out_of_order: true, ..Way::default() }),
        ("chunked out-of-order and put chunk", Way { puts_last: true, is_out_of_order: true }),
    ] {
        let (digest, content) = content(name, three);
        let pushed = chunked(one, &digest, &content, way).await;
        one.assert_pushed(&pushed, &digest, &content).await;
        finished(one, two, &digest, &content).await;
    }
    ranges(one, &content("range requests", 2048)).await;
    for content in ["", "{}"].map(Bytes::from) {
        let digest = Digest::of(algorithm, &content);
        one.push_blob(&digest, &content).await;
        finished(one, two, &digest, &content).await;
    }
    wrong_digests(one, algorithm, three).await;
}

/// It can be asked for and pulled; deleted, it is gone at once.
async fn finished(one: &Repository<'_>, two: &Repository<'_>, digest: &Digest, content: &Bytes) {
    one.assert_blob(digest, content).await;
    let target = format!("blobs/{digest}");
    one.delete(&target).await.expect(202);
    one.head(&target).await.expect(404);
    // What was mounted stays where it came from.
    if two.head(&target).await.status == 200 {
        two.assert_blob(digest, content).await;
        two.delete(&target).await.expect(202);
    }
    two.head(&target).await.expect(404);
}

async fn post_only(one: &Repository<'_>, digest: &Digest, content: &Bytes) -> Answer {
    let target = format!("/v2/{}/blobs/uploads/?digest={digest}", one.name);
    let request = one.api.request(Method::POST, &target).body(content.clone());
    send(request.header("content-type", "application/octet-stream")).await
}

async fn post_put(one: &Repository<'_>, digest: &Digest, content: Bytes) -> Answer {
    let (begun, location) = one.begin("").await;
    begun.expect(202);
    one.finish(&location, digest, content.into(), None).await
}

/// One PATCH without a length and without a range.
async fn streamed(one: &Repository<'_>, digest: &Digest, content: &Bytes) -> Answer {
    let query = format!("?digest-algorithm={}", digest.algorithm().as_str());
    let (begun, location) = one.begin(&query).await;
    begun.expect(202);
    let pieces: Vec<std::io::Result<Bytes>> =
        content.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = Body::wrap_stream(stream::iter(pieces).boxed());
    let patched = send(one.api.request(Method::PATCH, &location).body(body)).await.expect(202);
    one.finish(patched.header("location"), digest, Body::default(), None).await
}

async fn mounted(
    name: &str,
    one: &Repository<'_>,
    two: &Repository<'_>,
    digest: &Digest,
    content: &Bytes,
) -> Answer {
    if name != "mount missing" {
        two.push_blob(digest, content).await;
    }
    let from = if name == "mount anonymous" { String::new() } else { format!("&from={}", two.name) };
    let (answer, location) = one.begin(&format!("?mount={digest}{from}")).await;
    if name != "mount missing" {
        return answer;
    }
    answer.expect(202);
    one.finish(&location, digest, content.clone().into(), None).await
}

async fn cancelled(one: &Repository<'_>) {
    let (begun, location) = one.begin("").await;
    begun.expect(202);
    one.api.ask(Method::DELETE, &location).await.expect(204);
    one.api.ask(Method::GET, &location).await.expect(404);
}

/// How chunks are sent.
#[derive(Clone, Copy, Default)]
struct Way {
    /// The last chunk is in the PUT.
    puts_last: bool,
    /// Before each chunk a wrong one is tried.
    is_out_of_order: bool,
}

async fn chunked(one: &Repository<'_>, digest: &Digest, content: &Bytes, way: Way) -> Answer {
    let (begun, mut location) = one.begin("").await;
    let minimum: usize = begun.header("oci-chunk-min-length").parse().unwrap_or(0);
    begun.expect(202);
    let size = (content.len() / 3 + 1).max(minimum).max(CHUNK).min(content.len());
    let mut start = 0;
    while start < content.len() {
        if way.is_out_of_order {
            let wrong = if start + size >= content.len() { 0 } else { start + size };
            location = wrong_chunk(one, &location, digest, content, (wrong, size), way, start).await;
        }
        let end = (start + size).min(content.len());
        let (range, piece) = (format!("{start}-{}", end - 1), content.slice(start..end));
        if way.puts_last && end == content.len() {
            return one.finish(&location, digest, piece.into(), Some(&range)).await;
        }
        let request = one.api.request(Method::PATCH, &location).header("content-range", &range).body(piece);
        let patched = send(request).await.expect(202);
        assert_eq!(patched.header("range"), format!("0-{}", end - 1));
        location = patched.header("location").to_owned();
        start = end;
    }
    one.finish(&location, digest, Body::default(), None).await
}

/// It is refused, and the status says where to go on.
async fn wrong_chunk(
    one: &Repository<'_>,
    location: &str,
    digest: &Digest,
    content: &Bytes,
    (wrong, size): (usize, usize),
    way: Way,
    held: usize,
) -> String {
    if wrong == held {
        return location.to_owned();
    }
    let end = (wrong + size).min(content.len());
    let (range, piece) = (format!("{wrong}-{}", end - 1), content.slice(wrong..end));
    // The status is asked for at the address of the request that was refused.
    let (refused, asked) = if way.puts_last && end == content.len() {
        let refused = one.finish(location, digest, piece.into(), Some(&range)).await;
        (refused, format!("{location}?digest={digest}"))
    } else {
        let request = one.api.request(Method::PATCH, location).header("content-range", &range);
        (send(request.body(piece)).await, location.to_owned())
    };
    assert_eq!(refused.expect(416).header("location"), location);
    let status = one.api.ask(Method::GET, &asked).await.expect(204);
    if held > 0 {
        assert_eq!(status.header("range"), format!("0-{}", held - 1));
    }
    status.header("location").to_owned()
}

async fn ranges(one: &Repository<'_>, (digest, content): &(Digest, Bytes)) {
    one.push_blob(digest, content).await;
    for (range, expected) in [
        ("bytes=500-1499", Some(500..1500)),
        ("bytes=500-", Some(500..2048)),
        ("bytes=-500", Some(1548..2048)),
        ("bytes=2000-5000", Some(2000..2048)),
        ("bytes=500-0", None),
        ("bytes=5000-10000", None),
    ] {
        let answer = one.get_part(digest, range).await;
        let Some(expected) = expected else {
            assert_eq!(answer.expect(416).header("content-range"), "bytes */2048");
            continue;
        };
        assert_eq!((answer.status, &answer.body), (206, &content.slice(expected.clone())), "{range}");
        assert_eq!(answer.header("content-length"), expected.len().to_string());
        let told = format!("bytes {}-{}/2048", expected.start, expected.end - 1);
        assert_eq!(answer.header("content-range"), told);
    }
    one.delete(&format!("blobs/{digest}")).await.expect(202);
}

/// Whichever way it comes, content of another digest is refused and not kept.
async fn wrong_digests(one: &Repository<'_>, algorithm: Algorithm, size: usize) {
    for name in ["post only", "post+put", "chunked", "chunked and put chunk", "stream"] {
        let right = fixture::noise(&format!("bad digest {name} {algorithm:?}"), size);
        let digest = Digest::of(algorithm, &right);
        let wrong = Bytes::from([&right[..], b"oh no"].concat());
        let answer = match name {
            "post only" => post_only(one, &digest, &wrong).await,
            "post+put" => post_put(one, &digest, wrong.clone()).await,
            "chunked" => chunked(one, &digest, &wrong, Way::default()).await,
            "stream" => streamed(one, &digest, &wrong).await,
            _ => chunked(one, &digest, &wrong, Way { puts_last: true, ..Way::default() }).await,
        };
        assert_eq!(answer.expect(400).json()["errors"][0]["code"], "DIGEST_INVALID", "{name}");
        one.head(&format!("blobs/{digest}")).await.expect(404);
        one.head(&format!("blobs/{}", Digest::of(algorithm, &wrong))).await.expect(404);
    }
}
