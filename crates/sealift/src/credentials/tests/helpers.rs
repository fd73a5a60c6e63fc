//! Helper programs that work, that fail, and that do worse.

use super::super::{HELPER_TIME_LIMIT, Origin, Secret};
use super::*;
use crate::errors::CommandError;

const CAPTAIN: &str = "captain";

fn password() -> Secret {
    Secret::new(PASSWORD)
}

#[tokio::test]
async fn a_helper_keeps_finds_and_forgets() {
    let home = Home::with_docker(r#"{"credsStore":"test"}"#);
    home.helper("test", TEST_HELPER);
    let keyring = home.keyring();
    let origin = Origin::Helper { program: "docker-credential-test".to_owned(), file: home.path(DOCKER) };
    for name in ["reg.lan:5000", "docker.io"] {
        let registry = registry(name);
        assert_eq!(home.shown(name).await, "none");
        assert_eq!(keyring.store(&registry, CAPTAIN, &password()).await.unwrap(), origin);
        assert!(!origin.is_plain());
        let lookup = home.find(name).await.unwrap();
        assert_eq!(shown(&lookup.found), format!("{CAPTAIN}:{PASSWORD}"));
        assert_eq!(lookup.origin.as_ref(), Some(&origin));
        assert_no_secret(&format!("{lookup:?} {keyring:?} {}", origin));
        assert_eq!(keyring.erase(&registry).await.unwrap(), std::slice::from_ref(&origin));
        assert_eq!(home.shown(name).await, "none");
        // What is not there is not erased.
        assert_eq!(keyring.erase(&registry).await.unwrap(), []);
    }
    assert_eq!(home.read(DOCKER), r#"{"credsStore":"test"}"#);
    let calls = home.read("bin/calls");
    assert_eq!(calls.lines().filter(|line| *line == "erase").count(), 2);
}

#[tokio::test]
async fn a_helper_gets_what_docker_gives_it() {
    let home = Home::with_docker(r#"{"credsStore":"log"}"#);
    home.helper("log", r#"cat >> "$HOME/$1"; echo '{"Username":"a","Secret":"b"}'"#);
    let registry = registry("docker.io");
    home.keyring().store(&registry, "a\"b", &Secret::new("p\\\n\u{e9}")).await.unwrap();
    let stored = home.read("store");
    assert!(
        stored.starts_with(r#"{"ServerURL":"https://index.docker.io/v1/","Username":"a\"b""#),
        "{stored}"
    );
    assert!(stored.ends_with("\"Secret\":\"p\\\\\\n\u{e9}\"}\n"), "{stored}");
    home.shown("docker.io").await;
    assert_eq!(home.read("get"), "https://index.docker.io/v1/");
    home.keyring().erase(&registry).await.unwrap();
    assert_eq!(home.read("erase"), "https://index.docker.io/v1/docker.io");
}

#[tokio::test]
async fn a_password_that_goes_to_a_helper_does_not_stay_in_the_file() {
    let text = format!(
        r#"{{"auths":{{"https://reg.lan/v1/":{{"auth":"{}=="}},"a":{{}}}},"credsStore":"test","x":1}}"#,
        ENCODED[1]
    );
    let home = Home::with_docker(&text);
    home.helper("test", TEST_HELPER);
    home.keyring().store(&registry("reg.lan"), CAPTAIN, &password()).await.unwrap();
    let text = home.read(DOCKER);
    assert_no_secret(&text);
    assert!(text.contains("\"reg.lan\": {}") && text.contains("\"credsStore\": \"test\""), "{text}");
    assert_eq!(home.shown("reg.lan").await, format!("{CAPTAIN}:{PASSWORD}"));
}

/// script → words of the error.
#[tokio::test]
async fn a_helper_that_fails_is_an_error_without_secrets() {
    let answer = format!(r#"{{"Username":"{CAPTAIN}","Secret":"{PASSWORD}"}}"#);
    let cases = [
        ("echo the keychain is locked; exit 1".to_owned(), "fails: the keychain is locked"),
        ("echo gpg: no key >&2; exit 2".to_owned(), "fails: gpg: no key"),
        ("exit 3".to_owned(), "fails: it gives no reason"),
        ("kill -9 $$".to_owned(), "fails: it gives no reason"),
        (format!("echo '{answer}'; echo broken >&2; exit 1"), "fails: broken"),
        (format!("echo '{PASSWORD}'"), "answers something that is no credentials"),
        (format!("echo '\"{PASSWORD}\"'"), "answers something that is no credentials"),
        (
            format!(r#"echo '{{"Username":"x","Secret":["{PASSWORD}"]}}'"#),
            "answers something that is no credentials",
        ),
        (format!("echo '{answer}{answer}'"), "answers something that is no credentials"),
        ("true".to_owned(), "answers something that is no credentials"),
        ("printf '\\377\\376'".to_owned(), "answers something that is no credentials"),
        (format!("yes '{PASSWORD}'"), "answers more than credentials can be"),
    ];
    for (script, words) in cases {
        let home = Home::with_docker(r#"{"credsStore":"bad"}"#);
        home.helper("bad", &script);
        let error = home.find("reg.lan").await.unwrap_err();
        let text = told(&error);
        assert!(
            text.contains(&format!("the credential helper docker-credential-bad {words}")),
            "{script}: {text}"
        );
        assert_no_secret(&text);
        assert!(home.keyring().erase(&registry("reg.lan")).await.is_err());
    }
}

#[tokio::test]
async fn a_helper_that_repeats_the_password_is_not_repeated() {
    for script in ["cat >&2; exit 1", "cat; exit 1", "sed 's/.*Secret\":\"//' | base64 >&2; exit 1"] {
        let home = Home::with_docker(r#"{"credsStore":"bad"}"#);
        home.helper("bad", script);
        let error = home.keyring().store(&registry("reg.lan"), CAPTAIN, &password()).await.unwrap_err();
        assert_no_secret(&told(&error));
        // And it is not kept in plain text instead.
        assert_no_secret(&home.read(DOCKER));
    }
}

#[tokio::test]
async fn a_lot_of_complaints_do_no_harm() {
    let home = Home::with_docker(r#"{"credsStore":"loud"}"#);
    home.helper(
        "loud",
        "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo '{\"Username\":\"a\",\"Secret\":\"b\"}'",
    );
    assert_eq!(home.shown("reg.lan").await, "a:b");
}

#[tokio::test]
async fn a_helper_need_not_read_what_it_is_told() {
    let home = Home::with_docker(r#"{"credsStore":"deaf"}"#);
    home.helper("deaf", "exec <&-; exit 0");
    let long = Secret::new("x".repeat(1_000_000));
    home.keyring().store(&registry("reg.lan"), CAPTAIN, &long).await.unwrap();
}

/// Tells whether a process runs; one that has ended and is not waited for yet does not.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|text| !text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

/// Who has ended may take a moment to be gone.
async fn gone(pid: &str) {
    let ended = async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap_or_else(|_| panic!("{pid} still runs"));
}

/// It has a child, which keeps the pipes open, and so does that one's child.
const SLOW: &str = r#"
echo $$ > "$HOME/pid"
(sleep 600 & echo $! > "$HOME/grandchild.new"; mv "$HOME/grandchild.new" "$HOME/grandchild"; sleep 600) &
wait
"#;

/// Waits until the helper has started all that it starts.
async fn started(home: &Home) {
    while !home.has("grandchild") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_slow_helper_is_ended_with_all_that_it_started() {
    let home = Home::with_docker(r#"{"credsStore":"slow"}"#);
    home.helper("slow", SLOW);
    let (keyring, registry) = (home.keyring(), registry("reg.lan"));
    let pass = async {
        started(&home).await;
        tokio::time::pause();
        tokio::time::advance(HELPER_TIME_LIMIT).await;
        tokio::time::resume();
    };
    let (found, ()) = tokio::join!(keyring.find(&registry, None), pass);
    assert_eq!(
        found.unwrap_err().to_string(),
        "the credential helper docker-credential-slow did not answer within 30 s"
    );
    gone(&home.read("pid")).await;
    gone(&home.read("grandchild")).await;
}

#[tokio::test]
async fn a_helper_that_nobody_waits_for_is_ended_with_all_that_it_started() {
    let home = Home::with_docker(r#"{"credsStore":"slow"}"#);
    home.helper("slow", SLOW);
    let (keyring, registry) = (home.keyring(), registry("reg.lan"));
    tokio::select! {
        found = keyring.find(&registry, None) => panic!("{found:?}"),
        () = started(&home) => {}
    }
    gone(&home.read("pid")).await;
    gone(&home.read("grandchild")).await;
}

/// Some helpers start an agent that is there for the next one.
#[tokio::test]
async fn what_a_helper_that_answers_leaves_behind_may_stay() {
    let home = Home::with_docker(r#"{"credsStore":"agent"}"#);
    let answer = r#"echo '{"Username":"a","Secret":"b"}'"#;
    home.helper(
        "agent",
        &format!("sleep 600 >/dev/null 2>&1 </dev/null & echo $! > \"$HOME/agent\"; {answer}"),
    );
    assert_eq!(home.shown("reg.lan").await, "a:b");
    let agent = home.read("agent");
    assert!(runs(&agent), "{agent} was ended");
    assert!(Command::new("kill").arg(agent.trim()).status().unwrap().success());
}

#[tokio::test]
async fn a_helper_that_the_user_breaks_off_is_no_failure_of_the_helper() {
    let home = Home::with_docker(r#"{"credsStore":"asks"}"#);
    home.helper("asks", "kill -INT $$");
    let error = home.find("reg.lan").await.unwrap_err();
    assert!(matches!(CommandError::from(error), CommandError::Interrupted));
}

#[tokio::test]
async fn a_helper_that_cannot_start_is_an_error() {
    let home = Home::with_docker(r#"{"credsStore":"odd"}"#);
    home.helper("odd", "");
    let script = "printf '#!/nowhere/interpreter\\n' > \"$1\"";
    let path = home.path("bin/docker-credential-odd");
    let status = Command::new("sh").args(["-c", script, "sh", path.to_str().unwrap()]).status().unwrap();
    assert!(status.success());
    let error = home.find("reg.lan").await.unwrap_err().to_string();
    assert!(error.contains("docker-credential-odd does not start: No such file"), "{error}");
}

#[tokio::test]
async fn a_helper_is_a_name_and_no_path() {
    for name in ["../evil", "a/b", "a b", ";id"] {
        let home = Home::with_docker(&format!(r#"{{"credsStore":"{name}"}}"#));
        let error = home.find("reg.lan").await.unwrap_err().to_string();
        assert!(error.ends_with(": `credsStore` does not name a helper"), "{error}");
    }
}
