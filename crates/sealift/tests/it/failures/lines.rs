//! What stands between here and a registry: names, ports, certificates, proxies, silence.

use futures_util::{StreamExt, stream};
use sealift_testbed::http_proxy::{Action, HttpProxy};
use sealift_testbed::tls::Flaw;

use super::page::Row;
use super::{Told, hold_against_the_page, judged};
use crate::hostile_lines::Door;
use crate::site::{KNOWN, Site, sealift};

const NAME: &str = "arc-dns";
const AT_ONCE: usize = 4;

/// What is wrong with the line to the target.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// No name server has it.
    NoName,
    /// Nothing listens at the port.
    NoPort,
    /// A certificate with a flaw, of an authority that is known, or is not.
    Certificate(Flaw, bool),
    /// Plain HTTP where TLS is spoken.
    NoTls,
    /// TLS where plain HTTP is meant.
    OnlyTls,
    /// A proxy that is not there.
    NoProxy,
    /// A proxy that wants to know who asks, or that lets nobody through.
    Proxy(u16),
    /// Nothing is ever answered.
    Silence,
    /// The connection breaks at every request.
    Reset,
}

const CASES: &[(&str, Line, Told)] = &[
    ("a name that nobody knows", Line::NoName, told(1, "its name cannot be resolved", "this machine's DNS")),
    (
        "a port at which nothing listens",
        Line::NoPort,
        told(1, "the connection is refused", "Nothing listens at"),
    ),
    (
        "a certificate of an unknown authority",
        Line::Certificate(Flaw::None, false),
        told(1, "no authority that is known here has signed it", "--ca-file FILE"),
    ),
    (
        "a certificate that has expired, or a clock that is fast",
        Line::Certificate(Flaw::Expired, true),
        told(1, "has expired on", "Set this machine's clock right"),
    ),
    (
        "a certificate that is not valid yet, or a clock that is slow",
        Line::Certificate(Flaw::NotYetValid, true),
        told(1, "is not valid before", "Set this machine's clock right"),
    ),
    (
        "a certificate for another name",
        Line::Certificate(Flaw::WrongName, true),
        told(1, "is for another name", "Name the registry as its certificate does"),
    ),
    (
        "plain HTTP at a port that is asked by HTTPS",
        Line::NoTls,
        told(1, "it cannot be spoken to by TLS", "allow it with --plain-http"),
    ),
    (
        "HTTPS at a port that is asked by plain HTTP",
        Line::OnlyTls,
        told(1, "what it answers is not HTTP", "leave --plain-http"),
    ),
    (
        "a proxy that is not there",
        Line::NoProxy,
        told(1, "by way of the proxy", "Check the proxy that HTTPS_PROXY"),
    ),
    (
        "a proxy that wants a password",
        Line::Proxy(407),
        told(4, "wants a user and password", "Name the proxy's user and password"),
    ),
    (
        "a proxy that lets nobody through",
        Line::Proxy(403),
        told(1, "by way of the proxy", "Check the proxy that HTTPS_PROXY"),
    ),
    (
        "a registry that falls silent",
        Line::Silence,
        told(1, "nothing came for 2 seconds", "Check the network"),
    ),
    ("a connection that breaks", Line::Reset, told(1, "the connection broke", "Check the network")),
];

const fn told(code: i32, what: &'static str, hint: &'static str) -> Told {
    Told { code, what, hint }
}

/// A port at which nothing listens.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The address under a name, so that nothing is found out as on loopback, and how that is found.
fn named(address: &str) -> (String, Vec<String>) {
    let port = address.rsplit(':').next().unwrap();
    (format!("ship.example:{port}"), vec!["--resolve".to_owned(), "ship.example:127.0.0.1".to_owned()])
}

async fn check(name: &str, line: Line, expected: &Told) -> Result<Row, String> {
    let site = Site::with(&[(KNOWN, &[NAME])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let mut variables: Vec<(&str, String)> = Vec::new();
    let mut door = None;
    let text = |given: &[&str]| given.iter().map(|&it| it.to_owned()).collect::<Vec<String>>();
    let (target, more) = match line {
        Line::NoName => ("registry.ship.invalid".to_owned(), Vec::new()),
        Line::NoPort => (closed(), Vec::new()),
        Line::Certificate(flaw, is_known) => {
            let door = door.insert(Door::before(&site.target.address, flaw).await);
            let trust = if is_known { text(&["--ca-file", &door.authority]) } else { Vec::new() };
            (door.address.clone(), trust)
        }
        Line::NoTls => named(&site.target.address),
        Line::OnlyTls => {
            let door = door.insert(Door::before(&site.target.address, Flaw::None).await);
            let (name, mut more) = named(&door.address);
            more.extend(text(&["--plain-http", &name]));
            (name, more)
        }
        Line::NoProxy | Line::Proxy(_) => {
            let url = match line {
                Line::Proxy(status) => {
                    proxy.set_rule(move |_| Action::status(status));
                    proxy.url()
                }
                _ => format!("http://{}", closed()),
            };
            variables.push(("HTTPS_PROXY", url));
            ("registry.ship.example".to_owned(), Vec::new())
        }
        Line::Silence | Line::Reset => {
            let is_silence = matches!(line, Line::Silence);
            proxy.set_rule(move |_| if is_silence { Action::Stall } else { Action::Reset });
            let address = proxy.address().to_string();
            (address.clone(), text(&["--plain-http", &address]))
        }
    };
    let arguments = [
        &["mirror", "--source-registry", &site.source.address, "--target-registry", &target][..],
        &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", NAME, "--progress", "none"],
        &["--connect-timeout", "5", "--stall-timeout", "2"],
        &more.iter().map(String::as_str).collect::<Vec<&str>>(),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let run = sealift(&arguments.concat(), &variables, None).await;
    judged(name, &run, expected, (&target, "target"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_line_is_told_with_where_it_leads_and_what_to_do() {
    let checked = stream::iter(CASES).map(|(name, line, told)| check(name, *line, told)).buffered(AT_ONCE);
    hold_against_the_page("What lies between", checked.collect().await);
}
