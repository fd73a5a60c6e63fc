//! What is wrong on this machine: files with credentials, helpers, certificates, answers.

use futures_util::{StreamExt, stream};
use sealift_testbed::http_proxy::{Action, HttpProxy};

use super::page::Row;
use super::{Told, complaint, hold_against_the_page, judged};
use crate::site::{KNOWN, Run, Site, sealift, write_program};

const AT_ONCE: usize = 4;

/// What is in the way.
struct Case {
    name: &'static str,
    /// A file below the home directory, and its content.
    file: (&'static str, &'static str),
    arguments: &'static [&'static str],
    told: Told,
}

const fn case(
    name: &'static str,
    file: (&'static str, &'static str),
    arguments: &'static [&'static str],
    (what, hint): (&'static str, &'static str),
) -> Case {
    Case { name, file, arguments, told: Told { code: 2, what, hint } }
}

const CASES: &[Case] = &[
    case(
        "a credential helper that breaks",
        (".docker/config.json", r#"{"credsStore":"broken"}"#),
        &[],
        ("docker-credential-broken", "to see what is wrong with it"),
    ),
    case(
        "a file with credentials that cannot be read",
        (".docker/config.json", r#"{"auths":"#),
        &[],
        ("the JSON ends too early", "Put the file right"),
    ),
    case(
        "a file of certificates without one",
        ("ca.pem", "no certificate"),
        &["--ca-file", "ca.pem"],
        ("it has no certificate in PEM form", "Name a PEM file"),
    ),
    case(
        "a file that is not there",
        ("ca.pem", ""),
        &["--ca-file", "elsewhere.pem"],
        ("elsewhere.pem", "Name a PEM file"),
    ),
    case(
        "a directory that is none",
        ("x", ""),
        &["--state", "x"],
        ("--state", "Name a directory to write to"),
    ),
];

async fn check(case: &Case) -> Result<Row, String> {
    let Case { name, file: (file, content), arguments, told } = case;
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    std::fs::create_dir_all(path(file).parent().unwrap()).unwrap();
    std::fs::write(path(file), content).unwrap();
    write_program(&path("docker-credential-broken"), "echo 'it broke' >&2; exit 3");
    let named: Vec<String> = arguments
        .iter()
        .map(|it| if it.starts_with('-') { (*it).to_owned() } else { path(it).display().to_string() })
        .collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let directory = home.path().display().to_string();
    let search = format!("{directory}:/usr/bin:/bin");
    let variables = [("HOME", directory.as_str()), ("PATH", search.as_str())];
    let given = [&["--tag", KNOWN, "--image", "arc-dns"][..], &named].concat();
    let run = site.run_with("mirror", &given, &variables).await;
    assert!(site.tagged("arc-dns", KNOWN).await.is_none(), "{name}");
    let run = Run { stderr: run.stderr.replace(&directory, "~"), ..run };
    // The file, or the helper that it names, is where it is.
    judged(name, &run, told, (told.what, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_this_machine_is_told_by_its_file() {
    let checked = stream::iter(CASES).map(check).buffered(AT_ONCE);
    hold_against_the_page("What is wrong on this machine", checked.collect().await);
}

/// What a helper would know is not known where it is not installed: the run goes on as nobody, and ends where somebody
/// is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_is_not_installed_is_told_before_the_registry_refuses_nobody() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(|_| {
        let headers = vec![("www-authenticate".to_owned(), "Basic realm=\"ship\"".to_owned())];
        Action::Respond { status: 401, headers, body: bytes::Bytes::new() }
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    std::fs::write(home.path().join(".docker/config.json"), r#"{"credsStore":"nowhere"}"#).unwrap();
    let address = proxy.address().to_string();
    let given = [
        &["mirror", "--source-registry", &site.source.address, "--target-registry", &address][..],
        &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", "arc-dns"],
        &["--plain-http", &address],
    ];
    let variables = [("HOME", home.path().to_str().unwrap())];
    let run = sealift(&given.concat(), &variables, None).await;
    let hint = format!("No credentials are kept for {address}; `sealift login {address}` keeps some.");
    assert!(run.stderr.contains(&hint), "{}", run.stderr);
    let told = Told { code: 4, what: "docker-credential-nowhere", hint: "No credentials are kept for" };
    assert_eq!(complaint(&run, &told, "is not installed", "At the target"), None);
}
