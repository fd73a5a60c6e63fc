//! Which of several files and entries is found.

use super::super::{Origin, Warning};
use super::*;

/// An entry for a user without a password that anybody wants.
fn auths(entries: &[(&str, &str)]) -> String {
    let entry = |(key, user): &(&str, &str)| format!(r#""{key}":{{"username":"{user}","password":"x"}}"#);
    format!("{{\"auths\":{{{}}}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn files_are_asked_in_order_and_the_first_that_has_something_counts() {
    let home = Home::new().set("REGISTRY_AUTH_FILE", "");
    assert_eq!(home.shown("reg.lan").await, "none");
    for (name, user) in [(DOCKER, "docker"), (CONFIG, "config"), (RUNTIME, "runtime")] {
        home.write(name, &auths(&[("reg.lan", user), (&format!("{user}.lan"), user)]));
        let lookup = home.find("reg.lan").await.unwrap();
        assert_eq!(shown(&lookup.found), format!("{user}:x"));
        assert_eq!(lookup.origin, Some(Origin::File(home.path(name))));
        assert_eq!(lookup.warnings, []);
    }
    assert_eq!(home.shown("docker.lan").await, "docker:x");
    let file = home.path("mine.json").to_str().unwrap().to_owned();
    let home = home.set("REGISTRY_AUTH_FILE", &file);
    assert_eq!(home.shown("reg.lan").await, "runtime:x");
    home.write("mine.json", &auths(&[("reg.lan", "mine")]));
    assert_eq!(home.shown("reg.lan").await, "mine:x");
    assert_eq!(home.shown("docker.lan").await, "docker:x");
    assert_eq!(home.shown("other.lan").await, "none");
}

#[tokio::test]
async fn the_longest_path_that_has_something_wins() {
    let text = r#"{"auths":{
        "https://reg.lan/v1/":{"username":"old","password":"x"},
        "reg.lan/team/app":{"username":"app","password":"x"},
        "reg.lan":{"username":"all","password":"x"},
        "reg.lan/team/empty":{},
        "reg.lan/team":{"username":"team","password":"x"},
        "https://legacy.lan/v2/":{"username":"legacy","password":"x"}}}"#;
    let home = Home::with_docker(text);
    for (name, expected) in [
        ("reg.lan", "all:x"),
        ("reg.lan/other", "all:x"),
        ("reg.lan/team", "team:x"),
        ("reg.lan/team/app", "app:x"),
        ("reg.lan/team/app/part", "app:x"),
        ("reg.lan/team/apple", "team:x"),
        ("reg.lan/team/empty", "team:x"),
        ("legacy.lan/any", "legacy:x"),
        ("reg.lan:5000", "none"),
    ] {
        assert_eq!(home.shown(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn repositories_share_the_longest_path_that_has_an_entry_in_any_file() {
    let home = Home::with_docker(&auths(&[("reg.lan/team", "team"), ("reg.lan", "all"), ("reg.lan/x", "x")]));
    home.write(CONFIG, &auths(&[("reg.lan/team/app", "app"), ("other.lan/lone", "other")]));
    home.write(RUNTIME, "no JSON");
    let paths = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        let paths = home.keyring().paths(&registry("reg.lan"), &names);
        paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(paths(&["lone", "teams", "app"]), "");
    assert_eq!(paths(&["team/app/part", "team/app", "team/apple", "lone"]), "team team/app");
    home.write(RUNTIME, "{}");
    for (name, path) in [("team/app/part", "team/app"), ("team/apple", "team"), ("x", "x")] {
        let [own, shared] = [name, path].map(|name| format!("reg.lan/{name}"));
        assert_eq!(home.shown(&own).await, home.shown(&shared).await);
    }
}

#[tokio::test]
async fn docker_hub_has_many_names() {
    for key in ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"] {
        let home = Home::with_docker(&auths(&[(key, "hub")]));
        for registry in ["docker.io", "index.docker.io", "registry-1.docker.io", "docker.io/library/x"] {
            assert_eq!(home.shown(registry).await, "hub:x", "{key} {registry}");
        }
    }
}

#[tokio::test]
async fn helpers_come_before_entries_and_the_one_for_the_registry_before_the_one_for_all() {
    let says = |user: &str| format!(r#"cat >/dev/null; echo '{{"Username":"{user}","Secret":"x"}}'"#);
    let entries = r#""auths":{"reg.lan":{"username":"entry","password":"x"},"h.lan":{}}"#;
    for (helpers, expected) in [
        ("", "entry:x"),
        (r#""credsStore":"all","#, "all:x"),
        (r#""credsStore":"","#, "entry:x"),
        (r#""credsStore":null,"credHelpers":null,"#, "entry:x"),
        (r#""credHelpers":{"reg.lan":"own"},"#, "own:x"),
        (r#""credHelpers":{"https://reg.lan/":"own"},"#, "own:x"),
        (r#""credHelpers":{"reg.lan":"own"},"credsStore":"all","#, "own:x"),
        (r#""credHelpers":{"other.lan":"own"},"credsStore":"all","#, "all:x"),
        // Set to nothing takes the registry out.
        (r#""credHelpers":{"reg.lan":""},"credsStore":"all","#, "entry:x"),
        // A helper that has nothing lets the entry count.
        (r#""credHelpers":{"reg.lan":"none"},"credsStore":"all","#, "entry:x"),
        (r#""credHelpers":{"reg.lan":"empty"},"#, "entry:x"),
    ] {
        let home = Home::with_docker(&format!("{{{helpers}{entries}}}"));
        home.helper("own", &says("own"));
        home.helper("all", &says("all"));
        home.helper("none", "echo credentials not found in native keychain; exit 1");
        home.helper("empty", r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#);
        assert_eq!(home.shown("reg.lan/a/b").await, expected, "{helpers}");
    }
}

#[tokio::test]
async fn tokens_are_told_from_passwords() {
    let acr = "00000000-0000-0000-0000-000000000000";
    for (username, expected) in
        [("me", "me:s".to_owned()), ("<token>", "- token s".to_owned()), (acr, format!("{acr} token s"))]
    {
        let home = Home::with_docker(r#"{"credsStore":"x"}"#);
        home.helper("x", &format!(r#"echo '{{"Username":"{username}","Secret":"s"}}'"#));
        assert_eq!(home.shown("reg.lan").await, expected);
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_warned_of_where_it_gives_a_password() {
    for (file_mode, is_warned) in
        [(0o600, false), (0o400, false), (0o644, true), (0o640, true), (0o604, true)]
    {
        let home = Home::with_docker(&auths(&[("reg.lan", "me")]));
        let file = home.path(DOCKER);
        fs::set_permissions(&file, fs::Permissions::from_mode(file_mode)).unwrap();
        let warnings = home.find("reg.lan").await.unwrap().warnings;
        let expected = Warning::Exposed { file, mode: file_mode };
        assert_eq!(warnings, if is_warned { vec![expected] } else { vec![] }, "{file_mode:o}");
        assert_eq!(home.find("other.lan").await.unwrap().warnings, []);
    }
}

#[tokio::test]
async fn a_missing_helper_for_all_is_a_warning_and_one_for_the_registry_an_error() {
    let home =
        Home::with_docker(r#"{"credsStore":"desktop","auths":{"reg.lan":{"username":"a","password":"x"}}}"#);
    let lookup = home.find("reg.lan").await.unwrap();
    assert_eq!(shown(&lookup.found), "a:x");
    assert_eq!(
        lookup.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!("docker-credential-desktop, which {} names, is not installed", home.path(DOCKER).display())]
    );
    let home = Home::with_docker(r#"{"credHelpers":{"reg.lan":"ecr-login"}}"#);
    let error = home.find("reg.lan").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the credential helper docker-credential-ecr-login is not installed: it is not on the PATH"
    );
    assert_eq!(home.shown("other.lan").await, "none");
}

#[tokio::test]
async fn without_any_home_nothing_is_found_and_nothing_can_be_kept() {
    let keyring = Keyring::new(Surroundings::new(Default::default()));
    assert!(keyring.find(&registry("reg.lan"), None).await.unwrap().found.is_none());
    let error = keyring.store(&registry("reg.lan"), "me", &super::super::Secret::new("x")).await.unwrap_err();
    assert!(error.to_string().contains("HOME"), "{error}");
}
