//! What registries answer where they should not, at every step of a run, through the whole binary: the exit
//! code, the next step, and no secret in any output. The full table of faults is tested with the client and
//! the engine.

use futures_util::{StreamExt, stream};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};

use crate::site::{KNOWN, Run, Site, sealift};

const NAME: &str = "arc-dns";
/// With all that words are cut at, that is escaped somewhere, or that is joined.
const PASSWORD: &str = "tr0=ub4?dor$&\"3\"  and 'so on', for longer than most";
/// `user:` and the password.
const BASIC: &str = "dXNlcjp0cjA9dWI0P2RvciQmIjMiICBhbmQgJ3NvIG9uJywgZm9yIGxvbmdlciB0aGFuIG1vc3Q";
/// The password alone.
const ENCODED: &str = "dHIwPXViND9kb3IkJiIzIiAgYW5kICdzbyBvbicsIGZvciBsb25nZXIgdGhhbiBtb3N0";
/// So much of a secret tells of it.
const TELLING: usize = 6;
/// How many cases run at the same time.
const AT_ONCE: usize = 4;

/// Where an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ping,
    Token,
    Tags,
    Manifest,
    Blob,
    Mount,
    Start,
    Upload,
    Finish,
    Push,
}

/// What the answer is.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A status, with an error that repeats what was told in confidence.
    Refused(u16),
    /// A status, and the wish to be asked again in ten minutes.
    Later(u16),
    /// A redirect to where it came from.
    Circle,
    /// A page of some proxy in place of the answer.
    Page,
}

const FAULTS: [Fault; 10] = [
    Fault::Refused(400),
    Fault::Refused(401),
    Fault::Refused(403),
    Fault::Refused(404),
    Fault::Refused(413),
    Fault::Refused(507),
    Fault::Later(429),
    Fault::Later(503),
    Fault::Circle,
    Fault::Page,
];

/// An exit code, and words of the hint that comes with it.
type End = (i32, &'static str);

const FINE: End = (0, "");
const STRANGE: End = (1, "is a container registry");
const WHO: End = (4, "Check user and password");
const NO_PULL: End = (4, "the right to pull");
const NO_PUSH: End = (4, "the right to push");
const LACKS: End = (3, "has lost a part of it");
const NO_TAG: End = (3, "nothing has that tag there");
const NO_PLACE: End = (1, "Check the target's repository");
const CANNOT: End = (1, "cannot do this");
const NARROW: End = (1, "client_max_body_size");
const FULL: End = (1, "Make room at");
const LATER: End = (1, "limits how much it is asked. Wait 10 minutes, then");
const TLS: End = (1, "speaks TLS, leave --plain-http");
const LOST: End = (1, "lost a part of what was pushed");
const WRONG: End = (5, "sends wrong content");

/// How each step ends with each of [`FAULTS`].
const ENDS: [(Step, [End; FAULTS.len()]); 10] = [
    // Who answers is there, in whatever words; but so do those who speak TLS answer plain HTTP.
    (Step::Ping, [TLS, FINE, FINE, FINE, FINE, FINE, LATER, LATER, STRANGE, FINE]),
    // A service that gives no token, in whatever words, means the credentials.
    (Step::Token, [WHO, WHO, NO_PULL, WHO, WHO, FULL, LATER, LATER, STRANGE, STRANGE]),
    // What hangs on tags is asked for one by one then.
    (Step::Tags, [FINE, FINE, FINE, FINE, FINE, FINE, LATER, LATER, FINE, FINE]),
    (Step::Manifest, [STRANGE, WHO, NO_PULL, NO_TAG, CANNOT, FULL, LATER, LATER, STRANGE, STRANGE]),
    (Step::Blob, [STRANGE, WHO, NO_PULL, LACKS, CANNOT, FULL, LATER, LATER, STRANGE, WRONG]),
    // A mount that fails in any way means: upload instead. Only who is told to come back later waits.
    (Step::Mount, [FINE, FINE, FINE, FINE, FINE, FINE, LATER, FINE, FINE, FINE]),
    (Step::Start, [STRANGE, WHO, NO_PUSH, NO_PLACE, NARROW, FULL, LATER, LATER, STRANGE, STRANGE]),
    (Step::Upload, [STRANGE, WHO, NO_PUSH, NO_PLACE, NARROW, FULL, LATER, LATER, STRANGE, STRANGE]),
    (Step::Finish, [STRANGE, WHO, NO_PUSH, NO_PLACE, NARROW, FULL, LATER, LATER, STRANGE, LOST]),
    (Step::Push, [STRANGE, WHO, NO_PUSH, NO_PLACE, NARROW, FULL, LATER, LATER, STRANGE, STRANGE]),
];

impl Step {
    fn is_at_source(self) -> bool {
        matches!(self, Self::Ping | Self::Token | Self::Tags | Self::Manifest | Self::Blob)
    }

    fn is(self, head: &RequestHead) -> bool {
        let (method, path) = (head.method.as_str(), head.path.as_str());
        let is_upload = path.contains("/blobs/uploads/");
        match self {
            Self::Ping => path == "/v2/",
            Self::Token => path == "/token",
            Self::Tags => path.ends_with("/tags/list"),
            Self::Manifest => matches!(method, "GET" | "HEAD") && path.contains("/manifests/"),
            Self::Blob => method == "GET" && path.contains("/blobs/sha256:"),
            Self::Mount => method == "POST" && is_mount(head),
            Self::Start => method == "POST" && is_upload && !is_mount(head),
            Self::Upload => method == "PATCH" && is_upload,
            Self::Finish => method == "PUT" && is_upload,
            Self::Push => method == "PUT" && path.contains("/manifests/"),
        }
    }
}

fn is_mount(head: &RequestHead) -> bool {
    head.query.as_ref().is_some_and(|query| query.contains("mount="))
}

fn respond(status: u16, header: (&str, &str), body: String) -> Action {
    Action::Respond { status, headers: vec![(header.0.to_owned(), header.1.to_owned())], body: body.into() }
}

impl Fault {
    fn action(self, path: &str) -> Action {
        // The last one stands where a long message is cut.
        let filler = "x".repeat(300 - 2 * TELLING);
        let message = format!("user:{PASSWORD} came with Basic {BASIC}== or {ENCODED} and that is refused");
        let message = format!("{}{PASSWORD}, {message}", if path.contains("/blobs/") { &filler } else { "" });
        let error = serde_json::json!({"errors": [{"code": "REFUSED", "message": message}]}).to_string();
        match self {
            Self::Refused(status) => respond(status, ("content-type", "application/json"), error),
            Self::Later(status) => respond(status, ("retry-after", "600"), error),
            Self::Circle => respond(307, ("location", path), String::new()),
            Self::Page => respond(200, ("content-type", "text/html"), "<html>a proxy</html>".to_owned()),
        }
    }
}

/// Answers one step wrong, and all others as they should be.
fn rule(step: Step, fault: Fault, head: &RequestHead, address: &str) -> Action {
    if step.is(head) {
        return fault.action(&head.path);
    }
    match step {
        // So that a token is asked for, and uploads are begun without a mount.
        Step::Token if !head.headers.contains_key("authorization") => {
            let realm = format!(r#"Bearer realm="http://{address}/token",service="proxy""#);
            respond(401, ("www-authenticate", &realm), String::new())
        }
        Step::Start if is_mount(head) => Action::status(405),
        _ => Action::Pass,
    }
}

/// Mirrors an image by way of a proxy before one end.
async fn run_by(site: &Site, is_source: bool, proxy: &HttpProxy) -> Run {
    let through = proxy.address().to_string();
    let (source, target) = match is_source {
        true => (&through, &site.target.address),
        false => (&site.source.address, &through),
    };
    let arguments = [
        &["mirror", "-v", "--source-registry", source, "--target-registry", target][..],
        &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", NAME, "--output", "json"],
        // It is not to be found out here.
        &["--plain-http", source, "--plain-http", target],
    ];
    let user = |side: &str| {
        [(format!("{side}_DOCKER_USERNAME"), "user"), (format!("{side}_DOCKER_PASSWORD"), PASSWORD)]
    };
    let variables = [user("SOURCE"), user("TARGET")].concat();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    sealift(&arguments.concat(), &variables, None).await
}

async fn run(site: &Site, step: Step, fault: Fault) -> Run {
    let behind = if step.is_at_source() { &site.source.address } else { &site.target.address };
    let proxy = HttpProxy::start(behind.parse().unwrap()).await.unwrap();
    let address = proxy.address().to_string();
    proxy.set_rule(move |head| rule(step, fault, head, &address));
    let run = run_by(site, step.is_at_source(), &proxy).await;
    assert!(proxy.count(|record| step.is(&record.head)) > 0, "{step:?} {fault:?} was never shown");
    run
}

/// Runs one case, and returns what is wrong with its end.
async fn check(step: Step, fault: Fault, (code, words): End) -> Option<String> {
    let site = Site::with(&[(KNOWN, &[NAME])]).await;
    let run = run(&site, step, fault).await;
    let output = format!("{}{}", run.stdout, run.stderr);
    let is_there = site.tagged(NAME, KNOWN).await.is_some();
    let hints: Vec<&str> = run.stderr.lines().filter(|line| line.contains("Hint: ")).collect();
    let what = match run.code {
        _ if [PASSWORD, BASIC, ENCODED].iter().any(|it| output.contains(&it[..TELLING])) => {
            "it tells a secret"
        }
        found if found != Some(code) => "another exit code",
        _ if run.json()["exitCode"] != code => "another exit code in the document",
        _ if is_there != (code == 0) => "the tag",
        _ if code != 0 && !hints.iter().any(|hint| hint.contains(words)) => "the hint",
        _ => return None,
    };
    Some(format!("{step:?} {fault:?} should end with {code} {words:?}: {what}\n{:?}\n{output}", run.code))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_at_every_step_ends_with_a_code_a_next_step_and_no_secret() {
    let cases =
        ENDS.into_iter().flat_map(|(step, ends)| FAULTS.into_iter().zip(ends).map(move |it| (step, it)));
    let ended = stream::iter(cases).map(|(step, (fault, end))| check(step, fault, end));
    let wrong: Vec<String> =
        ended.buffer_unordered(AT_ONCE).filter_map(|wrong| async { wrong }).collect().await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// Who takes a blob only in one PUT, and no large one, gets it in no way: the limit has to be raised.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_no_chunk_gets_around_is_told_with_its_size() {
    let site = Site::with(&[(KNOWN, &[NAME])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(|head| {
        let length = head.headers.get("content-length").and_then(|it| it.to_str().unwrap().parse().ok());
        match head.method.as_str() {
            "PATCH" => Action::status(405),
            "PUT" if length > Some(10_000_u64) => {
                respond(413, ("content-type", "text/html"), "<html>".to_owned())
            }
            _ => Action::Pass,
        }
    });
    let run = run_by(&site, false, &proxy).await.expect(1);
    let words = "it answers 413 (the registry, or a proxy in front of it, takes no body of 50000 bytes)";
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(run.stderr.contains("At the target, for 1 image: arc-dns"), "{}", run.stderr);
    assert!(run.stderr.contains("above the largest layer: client_max_body_size"), "{}", run.stderr);
    assert_eq!(run.json()["failures"][0]["kind"], "unsupported");
    assert_eq!(site.tagged(NAME, KNOWN).await, None);
}
