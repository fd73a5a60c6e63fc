//! A sample of what registries answer, through the whole binary: the exit code, the next step, and no secret
//! in any output. The full table of faults is tested with the client and the engine.

use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};

use crate::site::{KNOWN, Site, sealift};

const NAME: &str = "arc-dns";
const PASSWORD: &str = "tr0ub4dor&3";
/// `user:tr0ub4dor&3`
const BASIC: &str = "dXNlcjp0cjB1YjRkb3ImMw";

/// Where an answer goes wrong.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ping,
    Manifest,
    Blob,
    Start,
    Upload,
    Finish,
    Push,
}

const STEPS: [Step; 7] =
    [Step::Ping, Step::Manifest, Step::Blob, Step::Start, Step::Upload, Step::Finish, Step::Push];

impl Step {
    fn is_at_source(self) -> bool {
        matches!(self, Self::Ping | Self::Manifest | Self::Blob)
    }

    fn is(self, head: &RequestHead) -> bool {
        let (method, path) = (head.method.as_str(), head.path.as_str());
        let is_upload = path.contains("/blobs/uploads/");
        match self {
            Self::Ping => path == "/v2/",
            Self::Manifest => matches!(method, "GET" | "HEAD") && path.contains("/manifests/"),
            Self::Blob => method == "GET" && path.contains("/blobs/sha256:"),
            Self::Start => method == "POST" && is_upload,
            Self::Upload => method == "PATCH" && is_upload,
            Self::Finish => method == "PUT" && is_upload,
            Self::Push => method == "PUT" && path.contains("/manifests/"),
        }
    }
}

/// A registry that is so rude as to repeat what it was told in confidence.
fn refusal(status: u16) -> Action {
    let message = format!("user:{PASSWORD} came with Basic {BASIC}== and that is refused");
    let body = serde_json::json!({"errors": [{"code": "REFUSED", "message": message}]}).to_string();
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Action::Respond { status, headers, body: body.into() }
}

async fn check(step: Step, status: u16) {
    let site = Site::with(&[(KNOWN, &[NAME])]).await;
    let behind = if step.is_at_source() { &site.source.address } else { &site.target.address };
    let proxy = HttpProxy::start(behind.parse().unwrap()).await.unwrap();
    proxy.set_rule(move |head| if step.is(head) { refusal(status) } else { Action::Pass });
    let through = proxy.address().to_string();
    let (source, target) = match step.is_at_source() {
        true => (&through, &site.target.address),
        false => (&site.source.address, &through),
    };
    let arguments = [
        &["mirror", "-v", "--source-registry", source, "--target-registry", target][..],
        &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", NAME, "--output", "json"],
    ];
    let user = |side: &str| {
        [(format!("{side}_DOCKER_USERNAME"), "user"), (format!("{side}_DOCKER_PASSWORD"), PASSWORD)]
    };
    let variables = [user("SOURCE"), user("TARGET")].concat();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let run = sealift(&arguments.concat(), &variables, None).await;
    let output = format!("{}{}", run.stdout, run.stderr);
    assert!(!output.contains(PASSWORD) && !output.contains(BASIC), "{step:?} {status}: {output}");
    let arrived = site.tagged(NAME, KNOWN).await.is_some();
    let code = run.code.unwrap();
    match code {
        0 => assert!(arrived, "{step:?} {status}: {output}"),
        code => {
            assert!((1..=5).contains(&code) && code != 2 && !arrived, "{step:?} {status} {code}: {output}");
            assert!(run.stderr.contains("Hint: "), "{step:?} {status}: {output}");
        }
    }
    let expected = match (step, status) {
        (Step::Manifest | Step::Blob, 404) => Some(3),
        // A registry that is not there for a ping is spoken to all the same; a 401 without a challenge is not
        // answered with credentials that nobody asked for.
        (Step::Manifest | Step::Blob | Step::Upload | Step::Finish | Step::Push, 401 | 403) => Some(4),
        _ => None,
    };
    assert!(expected.is_none_or(|expected| expected == code), "{step:?} {status} {code}: {output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_ends_with_a_code_a_next_step_and_no_secret() {
    for step in STEPS {
        for status in [400, 401, 403, 404, 413] {
            check(step, status).await;
        }
    }
}
