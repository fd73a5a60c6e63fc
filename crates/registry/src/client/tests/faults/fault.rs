//! One case: what goes wrong, at which step of a mirror run, and whether it does so once or always.

use super::http::{Answered, Asked, Output};

/// The steps of a run: requests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Ping,
    Token,
    Tags,
    Manifest,
    Blob,
    Mount,
    Start,
    Upload,
    Finish,
    PutManifest,
}

impl Step {
    /// Tells whether it is one of GET and HEAD, whose redirects are followed.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Ping | Self::Token | Self::Tags | Self::Manifest | Self::Blob)
    }
}

/// What a run asks of its source, and of its target.
pub(super) const SOURCE_STEPS: [Step; 5] = [Step::Ping, Step::Token, Step::Tags, Step::Manifest, Step::Blob];
pub(super) const TARGET_STEPS: [Step; 8] = [
    Step::Ping,
    Step::Token,
    Step::Manifest,
    Step::Mount,
    Step::Start,
    Step::Upload,
    Step::Finish,
    Step::PutManifest,
];

/// Every status that registries are known to answer with, and some that only a proxy would.
pub(super) const STATUSES: [u16; 28] = [
    200, 201, 202, 204, 206, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 408, 410, 411, 413, 416,
    429, 500, 501, 502, 503, 504, 507,
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another status, with a page of a proxy, or with an error of the protocol. Where it is a success, the
    /// answer is what it was.
    Status(u16, Body),
    /// A redirect to the registry itself, for ever.
    Circle(u16),
    /// A redirect to another host that has the content.
    Elsewhere(u16),
    /// 429 or 503, and when to come back.
    Wait(u16, Wait),
    /// The body ends before its length.
    Cut,
    /// The body goes on behind its length.
    TooLong,
    /// The length is one too small.
    SaysLess,
    /// The body never ends.
    Endless,
    /// The head comes and the body does not.
    Stalled,
    /// Nothing comes.
    Silent,
    /// The connection is closed without an answer.
    Dropped,
    /// What comes is not HTTP.
    Garbage,
    /// The body is said to be compressed.
    Gzip,
    /// Every header comes twice.
    Doubled,
    /// Two lengths that differ.
    TwoLengths,
    /// A header of a megabyte.
    HugeHeader,
    /// Ten thousand headers.
    ManyHeaders,
    /// No header but the length.
    NoHeaders,
    /// Another body, of the length that is said.
    Other(&'static str),
    /// 413 for a request with more bytes, as of a proxy; any other one passes.
    Limit(usize),
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Page,
    /// It repeats what it was sent, as some do.
    Coded,
}

/// How a server asks to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Seconds(u32),
    /// A date in the past.
    Date,
    /// A date far in the future.
    LongDate,
}

/// Bodies that are not what they should be.
pub(super) const OTHER_BODIES: [&str; 5] =
    ["", "<html>no</html>", "{\"token\":7,\"tags\":7", "deep", "utf-8"];

/// Every fault.
pub(super) fn faults() -> Vec<Fault> {
    use Fault::{
        Circle, Cut, Doubled, Dropped, Elsewhere, Endless, Garbage, Gzip, HugeHeader, ManyHeaders, NoHeaders,
        Other, SaysLess, Silent, Stalled, Status, TooLong, TwoLengths,
    };
    let plain = [
        Cut,
        TooLong,
        SaysLess,
        Endless,
        Stalled,
        Silent,
        Dropped,
        Garbage,
        Gzip,
        Doubled,
        TwoLengths,
        HugeHeader,
        ManyHeaders,
        NoHeaders,
    ];
    let waits = [Wait::Seconds(0), Wait::Seconds(600), Wait::Date, Wait::LongDate];
    let mut faults: Vec<Fault> = plain.into_iter().chain(OTHER_BODIES.map(Other)).collect();
    faults.extend([301, 307].map(Circle).into_iter().chain([302, 307].map(Elsewhere)));
    faults.extend(STATUSES.map(|status| Status(status, Body::Page)));
    faults.extend([400, 401, 403, 404, 416, 500].map(|status| Status(status, Body::Coded)));
    for status in [429, 503] {
        faults.extend(waits.map(|wait| Fault::Wait(status, wait)));
    }
    faults
}

impl Fault {
    /// Tells whether it is one for this request.
    pub(super) fn hits(self, asked: &Asked) -> bool {
        match self {
            Self::Limit(limit) => asked.body.len() > limit,
            _ => true,
        }
    }

    /// Tells whether the registry does not do what was asked.
    pub(super) fn is_refusal(self) -> bool {
        match self {
            Self::Status(status, _) => !(200..300).contains(&status),
            Self::Limit(_) | Self::Circle(_) | Self::Elsewhere(_) | Self::Wait(..) => true,
            _ => false,
        }
    }

    /// Makes what goes out of what should.
    pub(super) fn output(self, answered: Answered, asked: &Asked, elsewhere: &str) -> Output {
        let is_head = answered.is_head;
        let head = |status: u16| Answered { is_head, ..Answered::new(status) };
        let refusal = match self {
            Self::Status(200..300, _) => return Output::Bytes(self.of_status(answered).to_bytes()),
            Self::Limit(_) => head(413).body("<html>a proxy</html>"),
            Self::Status(status, Body::Page) => head(status).body("<html>a proxy</html>"),
            Self::Status(status, Body::Coded) => {
                let message = format!("you sent {:?}", asked.header("authorization"));
                let body = serde_json::json!({"errors": [{"code": code(status), "message": message}]});
                head(status).header("Content-Type", "application/json").body(body.to_string())
            }
            Self::Circle(status) => head(status).header("Location", &asked.target),
            Self::Elsewhere(status) => {
                head(status).header("Location", format!("{elsewhere}{}", asked.target))
            }
            Self::Wait(status, wait) => head(status).header("Retry-After", wait.text()),
            _ => return self.broken(answered),
        };
        let length = refusal.body.len();
        Output::Bytes(refusal.header("Content-Length", length).to_bytes())
    }

    fn of_status(self, answered: Answered) -> Answered {
        match self {
            Self::Status(status @ 204, _) => {
                Answered { status, body: Vec::new(), ..answered }.without_length()
            }
            Self::Status(status, _) => Answered { status, ..answered },
            _ => answered,
        }
    }

    fn broken(self, answered: Answered) -> Output {
        let length = answered.body.len();
        Output::Bytes(match self {
            Self::Cut => {
                let half = answered.body[..length / 2].to_vec();
                answered.length(length.max(5)).body(half).to_bytes()
            }
            Self::TooLong => [answered.to_bytes(), b"more than was said".to_vec()].concat(),
            Self::SaysLess => answered.length(length.saturating_sub(1)).to_bytes(),
            Self::Endless => {
                let chunked = answered.without_length().header("Transfer-Encoding", "chunked").body("");
                return Output::Endless(chunked.to_bytes());
            }
            Self::Stalled => return Output::Stalled(answered.length(length.max(5)).body("").to_bytes()),
            Self::Silent => return Output::Stalled(Vec::new()),
            Self::Dropped => Vec::new(),
            Self::Garbage => b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
            Self::Gzip => {
                // A stored block (RFC 1952; RFC 1951, section 3.2.4); nobody is to read it.
                let packed = [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..], &answered.body].concat();
                let length = packed.len();
                answered.body(packed).length(length).header("Content-Encoding", "gzip").to_bytes()
            }
            Self::Doubled => {
                let doubled = answered.headers.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
                Answered { headers: doubled, ..answered }.to_bytes()
            }
            Self::TwoLengths => answered.header("Content-Length", length + 1).to_bytes(),
            Self::HugeHeader => answered.header("X-Huge", "x".repeat(1024 * 1024)).to_bytes(),
            Self::ManyHeaders => {
                let many = (0..10_000).map(|number| (format!("X-{number}"), String::new()));
                let headers = answered.headers.iter().cloned().chain(many).collect();
                Answered { headers, ..answered }.to_bytes()
            }
            Self::NoHeaders => {
                let is_length = |it: &(String, String)| it.0 == "Content-Length";
                let headers = answered.headers.iter().filter(|it| is_length(it)).cloned().collect();
                Answered { headers, ..answered }.to_bytes()
            }
            Self::Other(body) => {
                let body = match body {
                    "deep" => "[".repeat(30_000).into_bytes(),
                    "utf-8" => b"{\"token\":\"\xff\xfe\",\"tags\":[\"\xff\"]}".to_vec(),
                    other => other.as_bytes().to_vec(),
                };
                let length = body.len();
                answered.body(body).length(length).to_bytes()
            }
            _ => answered.to_bytes(),
        })
    }
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "MANIFEST_INVALID",
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        416 => "RANGE_INVALID",
        _ => "UNKNOWN",
    }
}

impl Wait {
    fn text(self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date => "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
            Self::LongDate => "Fri, 01 Jan 2100 00:00:00 GMT".to_owned(),
        }
    }

    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::Seconds(600) | Self::LongDate)
    }
}

impl Answered {
    fn without_length(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "Content-Length");
        self
    }

    fn length(self, length: usize) -> Self {
        self.without_length().header("Content-Length", length)
    }
}

/// A fault at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Whether the registry with the fault is the source of the run, or else its target.
    pub(super) is_source: bool,
    pub(super) step: Step,
    pub(super) fault: Fault,
    pub(super) always: bool,
}

/// Every fault at every step, once and always.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (is_source, steps) in [(true, &SOURCE_STEPS[..]), (false, &TARGET_STEPS[..])] {
        for &step in steps {
            for fault in faults() {
                cases.extend([false, true].map(|always| Case { is_source, step, fault, always }));
            }
        }
    }
    cases
}
