use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{Kind, testing};

const PASSWORD: &str = "s3cret: \"päss\"";

struct Site {
    place: Place,
    repository: RepositoryName,
    tag: Tag,
}

impl Site {
    fn new(registry: &str, repository: &str) -> Self {
        Self {
            place: Place { registry: registry.parse().unwrap(), is_plain_http: false, ca: None },
            repository: repository.parse().unwrap(),
            tag: "v1.42.0_2025-10-14".parse().unwrap(),
        }
    }

    fn files(&self, username: Option<&str>, password: Option<&str>) -> Vec<File> {
        let (place, repository, tag) = (&self.place, &self.repository, &self.tag);
        let kit =
            ArcKit { place, repository, tag, namespace: "arc", controller: "arc-dc", username, password };
        files(&kit).unwrap()
    }
}

fn file<'a>(files: &'a [File], path: &str) -> &'a File {
    files.iter().find(|file| file.path == path).unwrap()
}

fn yaml(files: &[File], path: &str) -> Value {
    serde_saphyr::from_str(&file(files, path).content).unwrap()
}

#[test]
fn the_kit_is_the_published_one() {
    testing::check(
        "azure-arc",
        &Site::new("registry.ship.lan:5000", "offline/arcdata").files(Some("captain"), None),
    );
    let mut site = Site::new("ship.azurecr.io", "arcdata");
    site.place.ca = Some("/etc/ship.crt".to_owned());
    testing::check("azure-arc-with-password", &site.files(Some("it's me"), Some(PASSWORD)));
}

/// The same two places, the same three names, everywhere.
#[test]
fn everything_names_the_same_image_and_the_same_secret() {
    let files = Site::new("registry.ship.lan:5000", "offline/arcdata").files(None, None);
    let image = "registry.ship.lan:5000/offline/arcdata/arc-bootstrapper:v1.42.0_2025-10-14";
    for path in ["bootstrapper-job.yaml", "bootstrapper-upgrade-job.yaml"] {
        let pod = &yaml(&files, path)["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!((&container["image"], &container["args"][1]), (&image.into(), &image.into()), "{path}");
        assert_eq!(pod["imagePullSecrets"][0]["name"], PULL_SECRET, "{path}");
    }
    assert!(file(&files, "extension.sh").content.contains(&format!("systemDefaultValues.image={image} ")));
    let block: Value = serde_json::from_str(&file(&files, "control-docker.json").content).unwrap();
    let patch: Value = serde_json::from_str(&file(&files, "control-patch.json").content).unwrap();
    assert_eq!(block["spec"]["docker"], patch["patch"][0]["value"]);
    assert_eq!(block["spec"]["credentials"]["dockerRegistry"], PULL_SECRET);
    for (field, expected) in [
        ("registry", "registry.ship.lan:5000"),
        ("repository", "offline/arcdata"),
        ("imageTag", "v1.42.0_2025-10-14"),
    ] {
        assert_eq!(block["spec"]["docker"][field], expected);
        assert_eq!(yaml(&files, "data-controller-upgrade.yaml")["spec"]["docker"][field], expected);
    }
    assert_eq!(block["spec"]["docker"]["imagePullPolicy"], "Always");
}

#[test]
fn a_password_is_in_the_secret_and_nowhere_else() {
    let files = Site::new("ship.lan", "arcdata").files(Some("me"), Some(PASSWORD));
    let secret = yaml(&files, "arc-private-registry.yaml");
    let config = STANDARD.decode(secret["data"][".dockerconfigjson"].as_str().unwrap()).unwrap();
    let account = &serde_json::from_slice::<Value>(&config).unwrap()["auths"]["ship.lan"];
    assert_eq!((&account["username"], &account["password"]), (&"me".into(), &PASSWORD.into()));
    let auth = STANDARD.decode(account["auth"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(auth).unwrap(), format!("me:{PASSWORD}"));
    for other in files.iter().filter(|file| file.path != "arc-private-registry.yaml") {
        assert!(!other.content.contains("s3cret") && other.kind != Kind::Secret, "{}", other.path);
    }
    assert_eq!(file(&files, "arc-private-registry.yaml").kind, Kind::Secret);
    assert!(!format!("{files:?}").contains("ZXRzMw"), "what is printed has no content");
}

#[test]
fn without_a_password_place_holders_say_so() {
    let files = Site::new("ship.lan", "arcdata").files(None, None);
    let secret = yaml(&files, "arc-private-registry.yaml");
    let config: Value =
        serde_json::from_str(secret["stringData"][".dockerconfigjson"].as_str().unwrap()).unwrap();
    assert_eq!(config["auths"]["ship.lan"]["password"], "REPLACE-THIS-PASSWORD");
    assert!(config["auths"]["ship.lan"]["auth"].is_null());
}

/// Shells that have never seen the words find no mistake in the scripts, and refuse to go on without a password.
#[test]
fn scripts_are_scripts_and_want_a_password() {
    let files = Site::new("[::1]:5000", "a/b").files(Some("$(touch x) it's"), None);
    for script in files.iter().filter(|file| file.kind == Kind::Script) {
        let run = |args: &[&str]| {
            let mut command = std::process::Command::new("sh");
            command.args(args).args(["-c", &script.content]).env_remove("DOCKER_PASSWORD").output().unwrap()
        };
        assert!(run(&["-n"]).status.success(), "{}", script.content);
        if script.content.contains("DOCKER_PASSWORD") {
            let refused = run(&[]);
            assert!(!refused.status.success());
            assert!(String::from_utf8_lossy(&refused.stderr).contains("DOCKER_PASSWORD"), "{refused:?}");
        }
    }
}

proptest! {
    /// Whatever a user is called, the YAML says it.
    #[test]
    fn any_user_and_password_survive(username in "\\PC{1,20}", password in "\\PC{1,20}") {
        let files = Site::new("ship.lan", "arcdata").files(Some(&username), Some(&password));
        let secret = yaml(&files, "arc-private-registry.yaml");
        let config = STANDARD.decode(secret["data"][".dockerconfigjson"].as_str().unwrap()).unwrap();
        let account = &serde_json::from_slice::<Value>(&config).unwrap()["auths"]["ship.lan"];
        prop_assert_eq!(account["username"].as_str(), Some(username.as_str()));
        prop_assert_eq!(account["password"].as_str(), Some(password.as_str()));
    }
}
