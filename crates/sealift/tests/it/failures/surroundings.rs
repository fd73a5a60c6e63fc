//! What is wrong on this machine: files with credentials, helpers, certificates, answers.

use sealift_testbed::http_proxy::{Action, HttpProxy};

use super::{Told, complaint};
use crate::site::{KNOWN, Site, sealift, write_program};

/// What is in the way: a file below the home directory, its content, more arguments, and what is told.
const CASES: &[(&str, &str, &[&str], Told)] = &[
    (
        ".docker/config.json",
        r#"{"credsStore":"broken"}"#,
        &[],
        Told { code: 2, what: "docker-credential-broken", hint: "to see what is wrong with it" },
    ),
    (
        ".docker/config.json",
        r#"{"auths":"#,
        &[],
        Told { code: 2, what: "the JSON ends too early", hint: "Put the file right" },
    ),
    (
        "ca.pem",
        "no certificate",
        &["--ca-file", "ca.pem"],
        Told { code: 2, what: "it has no certificate in PEM form", hint: "" },
    ),
    ("ca.pem", "", &["--ca-file", "elsewhere.pem"], Told { code: 2, what: "elsewhere.pem", hint: "" }),
    ("x", "", &["--state", "x"], Told { code: 2, what: "--state", hint: "Name a directory to write to" }),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_this_machine_is_told_by_its_file() {
    for (file, content, more, told) in CASES {
        let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::create_dir_all(path(file).parent().unwrap()).unwrap();
        std::fs::write(path(file), content).unwrap();
        write_program(&path("docker-credential-broken"), "echo 'it broke' >&2; exit 3");
        let named: Vec<String> = more
            .iter()
            .map(|it| if it.starts_with('-') { (*it).to_owned() } else { path(it).display().to_string() })
            .collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let directory = home.path().display().to_string();
        let search = format!("{directory}:/usr/bin:/bin");
        let variables = [("HOME", directory.as_str()), ("PATH", search.as_str())];
        let given = [&["--tag", KNOWN, "--image", "arc-dns"][..], &named].concat();
        let run = site.run_with("mirror", &given, &variables).await;
        // The file, or the helper that it names, is where it is.
        let wrong = complaint(&run, told, told.what, "");
        assert_eq!(wrong, None, "{content}");
        assert!(site.tagged("arc-dns", KNOWN).await.is_none());
    }
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
