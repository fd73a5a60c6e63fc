//! `sealift doctor` against Debian's docker-registry.

use sealift_testbed::images::Size;
use sealift_testbed::peers::interop_wanted;

use crate::site::{Site, sealift};

/// It takes pushes and mounts, and deletes nothing unless it is told to: what stays is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_registry_is_looked_at_and_what_stays_there_is_named() {
    if !interop_wanted() {
        return;
    }
    let site = Site::new(Size::Small).await;
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    let run = sealift("doctor", &from, &to, &[], &[]).await.expect(0);
    for words in ["ok   pull ", "ok   push ", "ok   mount ", "signatures are listed by tags"] {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
    assert!(run.stdout.contains("warn delete ") && run.stdout.contains("left behind:"), "{}", run.stdout);
    assert_eq!(site.tagged(), [""; 0]);
}
