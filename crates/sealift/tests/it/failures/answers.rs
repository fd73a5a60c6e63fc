//! What registries answer, in the words of the products that answer so.

use futures_util::{StreamExt, stream};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};

use super::page::Row;
use super::{Told, hold_against_the_page, judged};
use crate::site::{KNOWN, Site, sealift};

const NAME: &str = "arc-dns";
/// How many runs go on at the same time.
const AT_ONCE: usize = 4;

/// Which requests are answered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Manifest,
    Blob,
    Start,
    Body,
    Push,
    Token,
}

/// An answer, and what is told of it.
struct Case {
    name: &'static str,
    at: At,
    status: u16,
    /// The code and the message of the error.
    error: (&'static str, &'static str),
    header: (&'static str, &'static str),
    told: Told,
}

const NO_HEADER: (&str, &str) = ("x-nothing", "here");

const fn case(
    name: &'static str,
    (at, status): (At, u16),
    error: (&'static str, &'static str),
    (code, what, hint): (i32, &'static str, &'static str),
) -> Case {
    Case { name, at, status, error, header: NO_HEADER, told: Told { code, what, hint } }
}

const fn with(header: (&'static str, &'static str), case: Case) -> Case {
    Case { header, ..case }
}

/// One row for each failure.
const CASES: &[Case] = &[
    case(
        "wrong password",
        (At::Token, 401),
        ("UNAUTHORIZED", "incorrect username or password"),
        (4, "it answers 401 UNAUTHORIZED: incorrect username or password", "Check user and password"),
    ),
    case(
        "a token of Azure or Amazon that has ended",
        (At::Token, 401),
        ("UNAUTHORIZED", "authentication required: the token is expired"),
        (4, "the token is expired", "get a new one"),
    ),
    case(
        "no right to pull",
        (At::Manifest, 403),
        ("DENIED", "requested access to the resource is denied"),
        (4, "it answers 403 DENIED", "the right to pull"),
    ),
    case(
        "no right to push",
        (At::Start, 403),
        ("DENIED", "requested access to the resource is denied"),
        (4, "it answers 403 DENIED", "the right to push"),
    ),
    case(
        "the firewall of ACR",
        (At::Manifest, 403),
        ("DENIED", "client with IP '203.0.113.7' is not allowed access"),
        (4, "client with IP '203.0.113.7'", "has to let this machine's address in"),
    ),
    case(
        "the quota of Harbor",
        (At::Push, 403),
        ("DENIED", "adding 10 MiB of storage resource will exceed the configured upper limit of 1 GiB"),
        (1, "its quota is used up", "Make room at"),
    ),
    with(
        ("x-harbor-csrf-token", "x"),
        case(
            "a project that Harbor does not have",
            (At::Start, 401),
            ("UNAUTHORIZED", "unauthorized to access repository"),
            (4, "Harbor answers so, too, where the project is not there", "--create-repositories"),
        ),
    ),
    case(
        "a project that Harbor says it does not have",
        (At::Start, 404),
        ("NOT_FOUND", "project site not found"),
        (1, "the project has to be made there first", "--create-repositories"),
    ),
    case(
        "a repository that ECR does not have",
        (At::Start, 404),
        ("NAME_UNKNOWN", "The repository with name 'site/arcdata/arc-dns' does not exist in the registry"),
        (1, "the repository has to be made there first", "--create-repositories"),
    ),
    with(
        ("retry-after", "21600"),
        case(
            "the pull rate limit of Docker Hub",
            (At::Manifest, 429),
            ("TOOMANYREQUESTS", "You have reached your pull rate limit"),
            (1, "it asks to come back in 6 hours", "sealift login"),
        ),
    ),
    with(
        ("retry-after", "600"),
        case(
            "the throttle of a target",
            (At::Start, 429),
            ("TOOMANYREQUESTS", "throttled"),
            (1, "it answers 429 TOOMANYREQUESTS", "Wait 10 minutes, then run again"),
        ),
    ),
    case(
        "a full disk",
        (At::Body, 500),
        ("UNKNOWN", "write /var/lib/registry/data: no space left on device"),
        (1, "its disk is full", "Make room at"),
    ),
    case(
        "a full storage",
        (At::Body, 507),
        ("UNKNOWN", "insufficient storage"),
        (1, "its disk is full", "Make room at"),
    ),
    case(
        "no such tag",
        (At::Manifest, 404),
        ("MANIFEST_UNKNOWN", "manifest unknown"),
        (3, "missing at the source", "nothing has that tag there"),
    ),
    case(
        "a layer that the source has lost",
        (At::Blob, 404),
        ("BLOB_UNKNOWN", "blob unknown to registry"),
        (3, "it answers 404 BLOB_UNKNOWN", "has the image and has lost a part of it"),
    ),
    case(
        "a layer that the target has lost",
        (At::Push, 400),
        ("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
        (1, "it answers 400 MANIFEST_BLOB_UNKNOWN", "lost a part of what was pushed"),
    ),
    case(
        "an upload that another replica does not know",
        (At::Body, 404),
        ("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        (1, "it answers 404 BLOB_UPLOAD_UNKNOWN", "lost a part of what was pushed"),
    ),
    case(
        "a name that the target does not take",
        (At::Start, 400),
        ("NAME_INVALID", "invalid repository name"),
        (1, "it answers 400 NAME_INVALID", "does not take that name"),
    ),
    case(
        "a registry that is set to read-only",
        (At::Start, 503),
        ("UNAVAILABLE", "The system is in read only mode. Any modification is prohibited."),
        (1, "read only mode", "takes nothing for now"),
    ),
    case(
        "a registry that can only be read",
        (At::Start, 405),
        ("UNSUPPORTED", "The operation is unsupported."),
        (1, "it answers 405 UNSUPPORTED", "cannot do this"),
    ),
    case(
        "a body that is too large for a proxy",
        (At::Start, 413),
        ("", ""),
        (1, "takes no body", "client_max_body_size"),
    ),
    case(
        "a tag that is immutable",
        (At::Push, 400),
        (
            "TAG_INVALID",
            "The image tag already exists and cannot be overwritten because the tag is immutable",
        ),
        (1, "the tag is immutable", "lift the rule on immutable tags"),
    ),
    case(
        "a tag that Harbor holds",
        (At::Push, 412),
        ("PRECONDITION", "Failed to process request due to immutable tag"),
        (1, "it answers 412", "lift the rule on immutable tags"),
    ),
    case(
        "a manifest that the target does not understand",
        (At::Push, 400),
        ("MANIFEST_INVALID", "manifest invalid"),
        (1, "it answers 400 MANIFEST_INVALID", "does not take this manifest"),
    ),
    with(
        ("location", "http://127.0.0.1:9/elsewhere"),
        case(
            "storage elsewhere that cannot be reached",
            (At::Blob, 307),
            ("", ""),
            (1, "to which it leads", "allow that host in the firewall"),
        ),
    ),
    with(
        ("location", "http://169.254.169.254/latest"),
        case(
            "a redirect to where machines get their rights",
            (At::Blob, 307),
            ("", ""),
            (1, "the link-local or metadata address", "do not go on with"),
        ),
    ),
    case(
        "a page of a portal in place of an answer",
        (At::Start, 200),
        ("", ""),
        (1, "which is not what this request is answered with", "no proxy answers in its name"),
    ),
];

impl At {
    fn is_at_source(self) -> bool {
        matches!(self, Self::Manifest | Self::Blob | Self::Token)
    }

    fn is(self, head: &RequestHead) -> bool {
        let (method, path) = (head.method.as_str(), head.path.as_str());
        let is_upload = path.contains("/blobs/uploads/");
        match self {
            Self::Token => path == "/token",
            Self::Manifest => matches!(method, "GET" | "HEAD") && path.contains("/manifests/"),
            Self::Blob => method == "GET" && path.contains("/blobs/sha256:"),
            Self::Start => method == "POST" && is_upload && !is_mount(head),
            Self::Body => matches!(method, "PATCH" | "PUT" | "GET") && is_upload,
            Self::Push => method == "PUT" && path.contains("/manifests/"),
        }
    }
}

fn is_mount(head: &RequestHead) -> bool {
    head.query.as_ref().is_some_and(|query| query.contains("mount="))
}

impl Case {
    fn answer(&self) -> Action {
        let (code, message) = self.error;
        let body = match code {
            "" => "<html>a page</html>".to_owned(),
            _ => serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string(),
        };
        let headers = vec![(self.header.0.to_owned(), self.header.1.to_owned())];
        Action::Respond { status: self.status, headers, body: body.into() }
    }

    fn rule(&self, head: &RequestHead, address: &str) -> Action {
        if self.at.is(head) {
            return self.answer();
        }
        let wants_token = self.at == At::Token && !head.headers.contains_key("authorization");
        match self.at {
            _ if wants_token => {
                let realm = format!(r#"Bearer realm="http://{address}/token",service="proxy""#);
                let headers = vec![("www-authenticate".to_owned(), realm)];
                Action::Respond { status: 401, headers, body: bytes::Bytes::new() }
            }
            // So that uploads are begun without a mount.
            At::Start if is_mount(head) => Action::status(405),
            _ => Action::Pass,
        }
    }
}

/// Runs one case, and judges what is told.
async fn check(case: &'static Case) -> Result<Row, String> {
    let site = Site::with(&[(KNOWN, &[NAME])]).await;
    let behind = if case.at.is_at_source() { &site.source.address } else { &site.target.address };
    let proxy = HttpProxy::start(behind.parse().unwrap()).await.unwrap();
    let address = proxy.address().to_string();
    let own = address.clone();
    proxy.set_rule(move |head| case.rule(head, &own));
    let (source, target, side) = match case.at.is_at_source() {
        true => (&address, &site.target.address, "source"),
        false => (&site.source.address, &address, "target"),
    };
    let arguments = [
        &["mirror", "--source-registry", source, "--target-registry", target][..],
        &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", NAME],
        &["--plain-http", source, "--plain-http", target, "--progress", "none"],
    ];
    let variables = [("SOURCE_DOCKER_USERNAME", "user"), ("SOURCE_DOCKER_PASSWORD", "hunter2")];
    let run = sealift(&arguments.concat(), &variables, None).await;
    assert!(proxy.count(|record| case.at.is(&record.head)) > 0, "{} was never shown", case.name);
    assert!(!format!("{run:?}").contains("hunter2"), "{}", case.name);
    judged(case.name, &run, &case.told, (&address, side))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_told_with_where_it_came_from_and_what_to_do() {
    let checked = stream::iter(CASES).map(check).buffered(AT_ONCE);
    hold_against_the_page("What registries answer", checked.collect().await);
}
