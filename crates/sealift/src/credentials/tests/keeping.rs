//! What keeping and forgetting make of files.

use std::os::unix::fs::symlink;

use super::super::{Origin, Secret};
use super::*;

fn password() -> Secret {
    Secret::new(PASSWORD)
}

fn entry() -> String {
    format!("\"auth\": \"{}=\"", ENCODED[1])
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_alone() {
    let home = Home::new();
    let origin = home.keyring().store(&registry("Reg.lan:5000"), "captain", &password()).await.unwrap();
    assert_eq!(origin, Origin::File(home.path(DOCKER)));
    assert!(origin.is_plain());
    assert_eq!(mode(&home.path(DOCKER)), 0o600);
    assert_eq!(mode(&home.path(".docker")), 0o700);
    let expected =
        format!("{{\n\t\"auths\": {{\n\t\t\"reg.lan:5000\": {{\n\t\t\t{}\n\t\t}}\n\t}}\n}}\n", entry());
    assert_eq!(home.read(DOCKER), expected);
    let lookup = home.find("reg.lan:5000/a/b").await.unwrap();
    assert_eq!(shown(&lookup.found), format!("captain:{PASSWORD}"));
    assert_no_secret(&format!("{lookup:?}"));
    assert_eq!(home.keyring().erase(&registry("reg.lan:5000")).await.unwrap(), [origin]);
    assert_eq!(home.read(DOCKER), "{\n\t\"auths\": {}\n}\n");
    let left: Vec<_> = fs::read_dir(home.path(".docker")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn what_is_not_ours_stays_as_it_is() {
    let text = "{\n  \"psFormat\": \"x\",\n  \"auths\": {\n    \"z.lan\": {\"auth\": \"eDp5\", \"extra\": 1.50},\n    \
        \"https://reg.lan/v1/\": {\"auth\": \"b2xkOm9sZA==\"},\n    \"reg.lan/team\": {\"auth\": \"eDp5\"},\n    \
        \"a.lan\": {}\n  },\n  \"HttpHeaders\": {\"b\": 1, \"a\": 2}\n}";
    let home = Home::with_docker(text);
    fs::set_permissions(home.path(DOCKER), fs::Permissions::from_mode(0o644)).unwrap();
    home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap();
    let kept = "{\n\t\"psFormat\": \"x\",\n\t\"auths\": {\n\t\t\"z.lan\": {\"auth\": \"eDp5\", \"extra\": 1.50},\n\t\t\
        \"reg.lan/team\": {\"auth\": \"eDp5\"},\n\t\t\"a.lan\": {}";
    let end = "\n\t},\n\t\"HttpHeaders\": {\"b\": 1, \"a\": 2}\n}\n";
    let added = format!(",\n\t\t\"reg.lan\": {{\n\t\t\t{}\n\t\t}}", entry());
    assert_eq!(home.read(DOCKER), format!("{kept}{added}{end}"));
    assert_eq!(mode(&home.path(DOCKER)), 0o600);
    home.keyring().erase(&registry("reg.lan")).await.unwrap();
    assert_eq!(home.read(DOCKER), format!("{kept}{end}"));
}

/// Where there is something already → where new credentials go.
#[tokio::test]
async fn credentials_go_to_where_they_are_found() {
    let old = r#"{"auths":{"reg.lan":{"username":"old","password":"old"}}}"#;
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], DOCKER),
        (&[(DOCKER, old), (RUNTIME, "{}")], DOCKER),
        (&[(DOCKER, old), (RUNTIME, old)], RUNTIME),
        (&[(CONFIG, old)], CONFIG),
        (&[(RUNTIME, r#"{"auths":{"reg.lan":{}, "other.lan":{"auth":"eDp5"}}}"#)], DOCKER),
        (&[(RUNTIME, r#"{"auths":{"reg.lan/team":{"auth":"eDp5"}}}"#)], DOCKER),
    ];
    for (files, expected) in cases {
        let home = Home::new();
        files.iter().for_each(|(name, text)| home.write(name, text));
        let origin = home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap();
        assert_eq!(origin, Origin::File(home.path(expected)), "{files:?}");
        let lookup = home.find("reg.lan").await.unwrap();
        assert_eq!(shown(&lookup.found), format!("captain:{PASSWORD}"), "{files:?}");
        // Forgetting looks everywhere.
        home.keyring().erase(&registry("reg.lan")).await.unwrap();
        assert_eq!(home.shown("reg.lan").await, "none", "{files:?}");
    }
}

#[tokio::test]
async fn the_file_that_is_named_takes_credentials_always() {
    let home = Home::with_docker(r#"{"credsStore":"test"}"#);
    home.helper("test", TEST_HELPER);
    let file = home.path("new/mine.json");
    let home = home.set("REGISTRY_AUTH_FILE", file.to_str().unwrap());
    let origin = home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap();
    assert_eq!(origin, Origin::File(file.clone()));
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(!home.has("bin/calls"));
}

#[tokio::test]
async fn dockers_own_registry_is_kept_under_the_name_that_docker_looks_for() {
    let home =
        Home::with_docker(r#"{"auths":{"docker.io":{"auth":"eDp5"},"index.docker.io":{"auth":"eDp5"}}}"#);
    home.keyring().store(&registry("docker.io"), "captain", &password()).await.unwrap();
    let expected = format!(
        "{{\n\t\"auths\": {{\n\t\t\"https://index.docker.io/v1/\": {{\n\t\t\t{}\n\t\t}}\n\t}}\n}}\n",
        entry()
    );
    assert_eq!(home.read(DOCKER), expected);
}

#[tokio::test]
async fn a_link_stays_a_link_and_a_device_a_device() {
    let home = Home::new();
    home.write("dotfiles/docker.json", "{}");
    fs::create_dir(home.path(".docker")).unwrap();
    symlink(home.path("dotfiles/docker.json"), home.path(DOCKER)).unwrap();
    home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap();
    assert!(home.path(DOCKER).is_symlink());
    assert!(home.read("dotfiles/docker.json").contains(&entry()));
    assert_eq!(mode(&home.path("dotfiles/docker.json")), 0o600);

    let home = Home::new().set("REGISTRY_AUTH_FILE", "/dev/null");
    assert_eq!(home.shown("reg.lan").await, "none");
    let error = home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap_err();
    assert!(
        told(&error).starts_with("/dev/null cannot be written: it is not a regular file"),
        "{}",
        told(&error)
    );
    assert!(!Path::new("/dev/null").is_file());
}

#[tokio::test]
async fn a_write_that_fails_changes_nothing_and_leaves_nothing() {
    let home = Home::new();
    home.write(".docker", "a file where the directory should be");
    let error = home.keyring().store(&registry("reg.lan"), "captain", &password()).await.unwrap_err();
    assert!(told(&error).contains(".docker/config.json cannot be written"), "{}", told(&error));
    assert_no_secret(&told(&error));
    assert_eq!(home.read(".docker"), "a file where the directory should be");
}

#[tokio::test]
async fn a_name_that_cannot_be_kept_is_refused() {
    for username in ["", "a:b"] {
        let home = Home::new();
        let error = home.keyring().store(&registry("reg.lan"), username, &password()).await.unwrap_err();
        assert_eq!(error.to_string(), "a user's name cannot have a colon, nor be empty");
        assert!(!home.has(DOCKER));
    }
}

#[tokio::test]
async fn forgetting_what_is_not_there_writes_nothing() {
    let text = r#"{"auths":{"reg.lan":{},"reg.lan/team":{"auth":"eDp5"}}}"#;
    let home = Home::with_docker(text);
    assert_eq!(home.keyring().erase(&registry("reg.lan")).await.unwrap(), []);
    assert_eq!(home.read(DOCKER), text);
}
