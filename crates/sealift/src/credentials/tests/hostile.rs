//! Files that are broken, too large, or made to do harm.

use proptest::prelude::*;

use super::super::Secret;
use super::super::file::AuthFile;
use super::*;

/// content → words of the error.
#[tokio::test]
async fn a_broken_file_is_named_with_the_place_where_it_breaks() {
    let secret = format!("\"{PASSWORD}\"");
    let encoded = ENCODED[1];
    let cases = [
        ("{\n  \"auths\": {,}\n}".to_owned(), "line 2, column 13: this is no JSON"),
        ("{\n \"auths\": {".to_owned(), "line 2, column 11: the JSON ends too early"),
        ("[]".to_owned(), "line 1, column"),
        (secret.clone(), "this is not what a file with credentials has here"),
        (format!("{{\"auths\":{secret}}}"), "this is not what a file with credentials has here"),
        (format!("{{\n\"credsStore\":\n[{secret}]}}"), "line 3, column"),
        (format!("{{\"credHelpers\":{{\"a\":{{\"b\":{secret}}}}}}}"), "this is not what"),
        (format!("{{\"auths\":{{\"reg.lan\":{secret}}}}}"), "`reg.lan` should hold texts named auth"),
        (format!("{{\"auths\":{{\"reg.lan\":{{\"auth\":[{secret}]}}}}}}"), "`reg.lan` should hold texts"),
        (format!("{{\"auths\":{{\"reg.lan\":{{\"auth\":\"{encoded}!\"}}}}}}"), "base64 of user:password"),
        (format!("{{\"auths\":{{\"reg.lan\":{{\"auth\":\"{}\"}}}}}}", ENCODED[0]), "base64 of user:password"),
        (format!("{secret}{{"), "line 1, column"),
        ("{".repeat(1000), "line 1, column"),
        ("[".repeat(500_000), "line 1, column"),
        (format!("{{\"x\":{}", "[".repeat(500_000)), "ends too early"),
    ];
    for (text, words) in cases {
        let home = Home::with_docker(&text);
        let error = home.find("reg.lan").await.unwrap_err();
        let told = told(&error);
        assert!(told.starts_with(home.path(DOCKER).to_str().unwrap()), "{told}");
        assert!(told.contains(words), "{text:.60}: {told}");
        assert_no_secret(&told);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_understood_is_not_overwritten() {
    for text in ["{\"auths\":[]}", "hello", "{\"auths\":{}"] {
        let home = Home::with_docker(text);
        home.keyring().store(&registry("reg.lan"), "a", &Secret::new("b")).await.unwrap_err();
        home.keyring().erase(&registry("reg.lan")).await.unwrap_err();
        assert_eq!(home.read(DOCKER), text);
    }
}

#[tokio::test]
async fn an_entry_of_another_registry_may_be_broken() {
    let home = Home::with_docker(r#"{"auths":{"other.lan":5,"reg.lan":{"auth":"YTpi"}}}"#);
    assert_eq!(home.shown("reg.lan").await, "a:b");
    home.keyring().store(&registry("reg.lan"), "a", &Secret::new("c")).await.unwrap();
    assert!(home.read(DOCKER).contains("\"other.lan\": 5"));
    // A broken entry is put right by a login.
    home.keyring().store(&registry("other.lan"), "a", &Secret::new("c")).await.unwrap();
    assert_eq!(home.shown("other.lan").await, "a:c");
}

#[tokio::test]
async fn files_are_bounded() {
    let fill = |size: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(size - 8));
    let home = Home::with_docker(&fill(1024 * 1024));
    assert_eq!(home.shown("reg.lan").await, "none");
    home.write(DOCKER, &fill(1024 * 1024 + 1));
    let error = home.find("reg.lan").await.unwrap_err().to_string();
    assert!(error.ends_with("is larger than 1048576 bytes, which no file with credentials is"), "{error}");
    let home = Home::new().set("REGISTRY_AUTH_FILE", "/dev/zero");
    assert!(home.find("reg.lan").await.unwrap_err().to_string().contains("/dev/zero is larger"));
}

#[tokio::test]
async fn what_is_no_text_and_what_is_no_file_are_errors() {
    let home = Home::with_docker("");
    assert_eq!(home.shown("reg.lan").await, "none");
    fs::write(home.path(DOCKER), b"{\n \"a\xff").unwrap();
    let error = home.find("reg.lan").await.unwrap_err().to_string();
    assert!(error.ends_with("config.json, line 2, column 4: this is not UTF-8"), "{error}");
    fs::remove_file(home.path(DOCKER)).unwrap();
    fs::create_dir(home.path(DOCKER)).unwrap();
    let error = told(&home.find("reg.lan").await.unwrap_err());
    assert!(error.contains("config.json cannot be read: "), "{error}");
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "[0-9]{1,3}",
        "\"[a-zA-Z0-9=:/<>.]{0,12}\"",
        Just("\"YTpi\"".to_owned()),
    ];
    let key = prop_oneof![
        Just("auths"),
        Just("credHelpers"),
        Just("credsStore"),
        Just("reg.lan"),
        Just("reg.lan/a"),
        Just("https://reg.lan/v1/"),
        Just("auth"),
        Just("identitytoken"),
        Just("username"),
        Just("password"),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::vec((key.clone(), inner.clone()), 0..4);
        let object = members.prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![4 => object, 1 => prop::collection::vec(inner, 0..3).prop_map(|it| format!("[{}]", it.join(",")))]
    })
}

/// Reads the bytes as a file, looks for a registry in them, and writes them again.
fn digest(bytes: &[u8]) {
    let home = Home::new();
    home.write(DOCKER, "");
    fs::write(home.path(DOCKER), bytes).unwrap();
    let Ok(Some(file)) = AuthFile::read(&home.path(DOCKER)) else { return };
    let (registry, repository) = (registry("reg.lan"), "a/b".parse().unwrap());
    let Ok(settings) = file.settings() else { return };
    let _ = settings.helper(&file, &registry);
    let _ = settings.find(&file, &registry, Some(&repository));
    let document = file.document().unwrap();
    file.write(&document).unwrap();
    let again = AuthFile::read(&home.path(DOCKER)).unwrap().unwrap();
    assert_eq!(settings.holds(&registry), again.settings().unwrap().holds(&registry));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        digest(&bytes);
    }

    #[test]
    fn any_json_is_read_without_panic(text in any_json(), cut in 0..100_usize) {
        digest(text.as_bytes());
        digest(&text.as_bytes()[..cut.min(text.len())]);
    }
}
