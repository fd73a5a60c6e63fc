//! How many requests a run makes, and over how many connections.

use std::collections::BTreeMap;

use sealift_testbed::http_proxy::{HttpProxy, RequestHead};
use sealift_testbed::tcp_proxy::TcpProxy;

use crate::site::{KNOWN, Site, sealift};

const THREE: [&str; 6] = ["--image", "arc-controller", "--image", "arc-dns", "--image", "arc-sqlmi"];

/// What a request is for, by its method and path.
fn kind(head: &RequestHead) -> String {
    let parts = ["/blobs/uploads/", "/blobs/", "/manifests/", "/tags/", "/referrers/"];
    let part = parts.into_iter().find(|part| head.path.contains(part)).unwrap_or(&head.path);
    format!("{} {}", head.method, part.trim_matches('/'))
}

fn counts(line: &HttpProxy) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in line.records() {
        *counts.entry(kind(&record.head)).or_default() += 1;
    }
    counts
}

/// Kinds of requests, and how many there are of each.
type Counted<'a> = &'a [(&'a str, usize)];

async fn mirror(site: &Site, source: &str, target: &str, more: &[&str]) {
    let place = ["--target-registry", target, "--target-repository", "site/arcdata"];
    let args = [&["mirror", "--tag", KNOWN, "--source-registry", source][..], &place, more].concat();
    sealift(&args, &[], None).await.expect(0);
    assert!(site.tagged("arc-dns", KNOWN).await.is_some());
}

/// Three images with seven distinct blobs, of which two more repositories need one.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_blob_costs_four_requests_a_mounted_one_and_what_is_there_two_for_each_image() {
    let site = Site::new().await;
    let expected = |counts: Counted| -> BTreeMap<String, usize> {
        counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
    };
    let survey = [("GET v2", 1), ("GET tags", 3), ("GET referrers", 3)];
    let runs: [(Counted, Counted); 2] = [
        (
            &[("GET manifests", 3), ("GET blobs", 7)],
            &[
                ("HEAD manifests", 3),
                // The wish to mount a blob from its own repository begins its upload; two of them are mounted.
                ("POST blobs/uploads", 7 + 2),
                ("PATCH blobs/uploads", 7),
                ("PUT blobs/uploads", 7),
                ("PUT manifests", 3),
            ],
        ),
        (&[("HEAD manifests", 3)], &[("HEAD manifests", 3)]),
    ];
    for (at_source, at_target) in runs {
        let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        let dry_run = [&THREE[..], &["--tag", KNOWN, "--dry-run", "--output", "json"]].concat();
        let planned = site.run("mirror", &dry_run).await.expect(0).json()["totals"]["requests"].as_u64();
        mirror(&site, &source.address().to_string(), &target.address().to_string(), &THREE).await;
        assert_eq!(planned, Some((source.records().len() + target.records().len()) as u64));
        assert_eq!(counts(&source), expected(&[at_source, &survey].concat()));
        assert_eq!(counts(&target), expected(&[at_target, &survey[..1]].concat()));
    }
}

/// Twenty images with 41 distinct blobs, two at a time.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again() {
    let site = Site::new().await;
    let source = TcpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
    let target = TcpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let more = ["--max-connections", "2"];
    mirror(&site, &source.address().to_string(), &target.address().to_string(), &more).await;
    for line in [source, target] {
        // A hundred requests and more each way. One that comes before a connection is given back opens another, which stays.
        let connections = line.counts().connections;
        assert!(connections <= 20, "{connections}");
    }
}
