//! One case: which request goes wrong, how, and for how long.

use sealift_testbed::http_proxy::{Action, RequestHead};

/// The kinds of requests that a run makes of its source, and of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SourceToken,
    Manifest,
    Blob,
    TargetToken,
    /// Is the manifest at the target already?
    Check,
    Mount,
    Upload,
    Finish,
    Push,
}

pub(super) const KINDS: [Kind; 9] = [
    Kind::SourceToken,
    Kind::Manifest,
    Kind::Blob,
    Kind::TargetToken,
    Kind::Check,
    Kind::Mount,
    Kind::Upload,
    Kind::Finish,
    Kind::Push,
];

impl Kind {
    pub(super) fn is_at_source(self) -> bool {
        matches!(self, Self::SourceToken | Self::Manifest | Self::Blob)
    }

    pub(super) fn is_token(self) -> bool {
        matches!(self, Self::SourceToken | Self::TargetToken)
    }

    /// Tells whether a request at its side is one of these.
    pub(super) fn is_of(self, head: &RequestHead) -> bool {
        let (method, path) = (head.method.as_str(), head.path.as_str());
        let is_upload = path.contains("/blobs/uploads/");
        match self {
            Self::SourceToken | Self::TargetToken => path == "/token",
            // Who does not show a token is sent to get one, and comes again.
            _ if !head.headers.contains_key("authorization") => false,
            Self::Manifest | Self::Check => matches!(method, "GET" | "HEAD") && path.contains("/manifests/"),
            Self::Blob => method == "GET" && path.contains("/blobs/sha256:"),
            Self::Mount => method == "POST" && is_upload,
            Self::Upload => method == "PATCH" && is_upload,
            Self::Finish => method == "PUT" && is_upload,
            Self::Push => method == "PUT" && path.contains("/manifests/"),
        }
    }

    /// Tells whether what it is answered with has a body.
    fn is_answered_at_length(self) -> bool {
        matches!(self, Self::SourceToken | Self::TargetToken | Self::Manifest | Self::Blob)
    }

    /// Tells whether it has a body.
    fn has_body(self) -> bool {
        matches!(self, Self::Upload | Self::Push)
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is closed without an answer.
    Closed,
    /// The same with a reset.
    Reset,
    /// Everything is done, and the answer does not come back.
    Lost,
    /// No answer comes.
    Silent,
    /// The head of the answer comes, and then the end of the connection.
    CutAtHead,
    /// Half of the answer comes.
    Cut,
    /// The same with a reset.
    CutByReset,
    /// Half of the answer comes, and then nothing.
    Stalled,
    /// One bit of the answer is another.
    Flipped,
    /// Half of the request arrives.
    SentCut,
    /// Half of the request arrives, and then nothing.
    SentStalled,
    /// One bit of the request is another when it arrives.
    SentFlipped,
    /// 401, and where to get a token: the one that was shown is no longer good.
    Stale,
    /// A status, and a body that repeats what was told in confidence.
    Status(u16),
    /// A status, and after how many seconds to come back.
    Later(u16, u32),
    /// A redirect to where it came from.
    Circle,
    /// A page of some proxy in place of the answer.
    Page,
}

const ANY: [Fault; 17] = [
    Fault::Closed,
    Fault::Reset,
    Fault::Lost,
    Fault::Silent,
    Fault::Stale,
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Status(504),
    Fault::Later(429, 0),
    Fault::Later(429, 600),
    Fault::Later(503, 0),
    Fault::Circle,
    Fault::Page,
];

const OF_ANSWERS: [Fault; 5] =
    [Fault::CutAtHead, Fault::Cut, Fault::CutByReset, Fault::Stalled, Fault::Flipped];

const OF_REQUESTS: [Fault; 3] = [Fault::SentCut, Fault::SentStalled, Fault::SentFlipped];

impl Fault {
    pub(super) fn is_silence(self) -> bool {
        matches!(self, Self::Silent | Self::Stalled | Self::SentStalled)
    }

    /// Tells whether another attempt can go well.
    fn passes(self) -> bool {
        !matches!(self, Self::Status(401 | 403 | 404) | Self::Later(_, 600) | Self::Circle | Self::Page)
    }

    /// What the proxy does; `half` is half of the body that breaks.
    pub(super) fn action(self, half: u64, path: &str, challenge: &str, secrets: &str) -> Action {
        match self {
            Self::Closed => Action::Close,
            Self::Reset => Action::Reset,
            Self::Lost => Action::LoseAnswer,
            Self::Silent => Action::Stall,
            Self::CutAtHead => Action::CutBodyAfter(0),
            Self::Cut => Action::CutBodyAfter(half),
            Self::CutByReset => Action::ResetBodyAfter(half),
            Self::Stalled => Action::StallBodyAfter(half),
            Self::Flipped => Action::FlipBit(half),
            Self::SentCut => Action::CutRequestAfter(half),
            Self::SentStalled => Action::StallRequestAfter(half),
            Self::SentFlipped => Action::FlipRequestBit(half),
            Self::Stale => respond(401, ("www-authenticate", challenge), String::new()),
            Self::Status(status) => respond(status, ("content-type", "application/json"), refusal(secrets)),
            Self::Later(status, seconds) => {
                respond(status, ("retry-after", &seconds.to_string()), refusal(secrets))
            }
            Self::Circle => respond(307, ("location", path), String::new()),
            Self::Page => respond(200, ("content-type", "text/html"), "<html>a proxy</html>".to_owned()),
        }
    }
}

/// An error of the protocol, by a registry that repeats what it was sent.
fn refusal(secrets: &str) -> String {
    let message = format!("{secrets} is refused");
    serde_json::json!({"errors": [{"code": "REFUSED", "message": message}]}).to_string()
}

pub(super) fn respond(status: u16, header: (&str, &str), body: String) -> Action {
    Action::Respond { status, headers: vec![(header.0.to_owned(), header.1.to_owned())], body: body.into() }
}

/// Which request of its kind goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    First,
    Middle,
    Last,
}

/// A fault at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) fault: Fault,
    pub(super) position: Position,
    /// Whether all requests of the kind go wrong from this one on.
    pub(super) for_ever: bool,
}

impl Case {
    /// Tells whether there is no excuse: what went wrong once goes well when it is tried again.
    pub(super) fn must_arrive(&self) -> bool {
        let is_final = match self.fault {
            // To who gives tokens, nobody can show a better one.
            Fault::Stale => self.kind.is_token(),
            fault => !fault.passes(),
        };
        !self.for_ever && !is_final
    }

    /// Tells whether it takes long: each of many requests is tried to its end before there is a way around it,
    /// or an error.
    pub(super) fn is_slow(&self) -> bool {
        let is_many = self.kind.is_token() || matches!(self.kind, Kind::Mount | Kind::Blob);
        self.for_ever && is_many && self.position != Position::Last
    }

    /// Tells whether it is answered by somebody who is alive and asks to come back: nothing but the number of
    /// attempts ends that.
    pub(super) fn is_put_off(&self) -> bool {
        matches!(self.fault, Fault::Later(_, 0))
    }

    /// Tells whether the tag may point at what the line made of the manifest: a registry takes what comes
    /// under a tag for what was meant. It is told, and the next run sets it right.
    pub(super) fn spoils_tags(&self) -> bool {
        self.kind == Kind::Push && self.fault == Fault::SentFlipped && self.for_ever
    }

    /// The number of the request that goes wrong first.
    pub(super) fn number(&self, of: usize) -> usize {
        match self.position {
            Position::First => 0,
            Position::Middle => of / 2,
            Position::Last => of - 1,
        }
    }
}

/// Every fault at every kind of request and position, once and for ever.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        let answers = OF_ANSWERS.iter().filter(|_| kind.is_answered_at_length());
        let requests = OF_REQUESTS.iter().filter(|_| kind.has_body());
        for &fault in ANY.iter().chain(answers).chain(requests) {
            for position in [Position::First, Position::Middle, Position::Last] {
                cases.extend([false, true].map(|for_ever| Case { kind, fault, position, for_ever }));
            }
        }
    }
    cases
}

/// What breaks for ever when all of a blob was sent, or much of it: each attempt moves as many bytes again.
pub(super) fn large_cases() -> Vec<Case> {
    let is_large = |case: &Case| {
        let is_upload = matches!(case.kind, Kind::Upload | Kind::Finish);
        is_upload && case.for_ever && case.position == Position::First
    };
    cases().into_iter().filter(is_large).collect()
}
