//! `login`, `logout` and `whoami`, at a registry that knows one captain.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::site::{Run, sealift, write_program};

const PASSWORD: &str = "hunter2-p&ss";
/// base64 of "captain:hunter2-p&ss".
const ENCODED: &str = "Y2FwdGFpbjpodW50ZXIyLXAmc3M=";

/// Answers every request by whether the captain sends it.
async fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let is_captain = String::from_utf8(head).unwrap().contains(&format!("Basic {ENCODED}\r\n"));
                let status = if is_captain {
                    "200 OK"
                } else {
                    "401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\""
                };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

struct Sailor {
    home: TempDir,
    registry: String,
}

impl Sailor {
    async fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), registry: registry().await }
    }

    async fn run(&self, args: &[&str], stdin: Option<&str>) -> Run {
        let home = self.home.path().to_str().unwrap();
        let path = format!("{home}/bin:/usr/bin:/bin");
        let run = sealift(args, &[("HOME", home), ("PATH", &path)], stdin).await;
        let redact = |text: &str| text.replace(home, "~").replace(&self.registry, "REGISTRY");
        let run = Run { stdout: redact(&run.stdout), stderr: redact(&run.stderr), ..run };
        for secret in [PASSWORD, "aHVudGVyMi1wJnNz", "Y2FwdGFpbjpodW50ZXIyLXAmc3M"] {
            assert!(!format!("{run:?}").contains(secret), "{run:?}");
        }
        run
    }

    async fn login(&self, password: &str) -> Run {
        let args = ["login", &self.registry, "--plain-http", &self.registry];
        self.run(&[&args[..], &["--username", "captain", "--password-stdin"]].concat(), Some(password)).await
    }

    fn file(&self) -> std::path::PathBuf {
        self.home.path().join(".docker/config.json")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_kept_shown_and_forgotten() {
    let sailor = Sailor::new().await;
    let whoami = ["whoami", &sailor.registry];
    let run = sailor.run(&whoami, None).await.expect(4);
    assert!(run.stderr.starts_with("error: no credentials are kept for REGISTRY\n"), "{}", run.stderr);

    let run = sailor.login(&format!("{PASSWORD}\r\nmore\n")).await.expect(0);
    let (first, warning) = run.stderr.split_once('\n').unwrap();
    assert_eq!(first, "logged in to REGISTRY as captain; kept in ~/.docker/config.json");
    assert!(warning.starts_with("warning: ~/.docker/config.json is not encrypted"), "{warning}");
    assert_eq!(sailor.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(sailor.file()).unwrap().contains(ENCODED));

    let run = sailor.run(&whoami, None).await.expect(0);
    assert_eq!(run.stdout, "user: captain\nkept: ~/.docker/config.json, not encrypted\n");
    assert_eq!(run.stderr, "");

    let logout = ["logout", &sailor.registry];
    let run = sailor.run(&logout, None).await.expect(0);
    assert_eq!(run.stderr, "logged out of REGISTRY; removed from ~/.docker/config.json\n");
    assert_eq!(sailor.run(&logout, None).await.expect(0).stderr, "nothing was kept for REGISTRY\n");
    sailor.run(&whoami, None).await.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_refuses_is_not_kept() {
    let sailor = Sailor::new().await;
    let run = sailor.login("wrong").await.expect(4);
    assert!(run.stderr.contains("Check user and password for REGISTRY. Nothing was kept."), "{}", run.stderr);
    assert!(!sailor.file().exists());
}

/// arguments, input → words of the error.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_everything_must_be_given() {
    let sailor = Sailor::new().await;
    let cases: [(&[&str], Option<&str>, &str); 7] = [
        (&["login", "reg.lan"], None, "the user is not given"),
        (&["login", "reg.lan", "-u", "captain"], None, "the password is not given"),
        (&["login", "reg.lan", "-u", "captain", "--password-stdin"], Some("\n"), "the password is empty"),
        (&["login", "reg.lan", "-u", "captain", "--password-stdin"], Some(""), "the password is empty"),
        (&["login", "reg.lan", "-u", "a:b", "--password-stdin"], Some(PASSWORD), "cannot have a colon"),
        (&["login", "https://reg.lan"], None, "a registry reads HOST or HOST:PORT"),
        (&["whoami"], None, "HOST"),
    ];
    for (args, stdin, words) in cases {
        let run = sailor.run(args, stdin).await.expect(2);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_named() {
    let sailor = Sailor::new().await;
    std::fs::create_dir(sailor.home.path().join(".docker")).unwrap();
    std::fs::write(sailor.file(), format!("{{\"auths\": \"{PASSWORD}\"}}")).unwrap();
    for command in ["whoami", "logout"] {
        let run = sailor.run(&[command, "reg.lan"], None).await.expect(2);
        assert!(run.stderr.starts_with("error: ~/.docker/config.json, line 1, column "), "{}", run.stderr);
    }
}

/// Docker's programs: `store` gets JSON, and what it complains of is told without what it was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_keeps_the_password_or_nobody_does() {
    let sailor = Sailor::new().await;
    let bin = sailor.home.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir(sailor.home.path().join(".docker")).unwrap();
    let config = "{\"credsStore\": \"chest\"}";
    std::fs::write(sailor.file(), config).unwrap();
    let helper = bin.join("docker-credential-chest");
    let write = |script: &str| write_program(&helper, script);
    write("base64 -w 8 >&2; printf '\\033[2J' >&2; exit 1");
    let run = sailor.login(&format!("{PASSWORD}\n")).await.expect(2);
    assert!(
        run.stderr.contains("docker-credential-chest fails: its message has the password"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains('\u{1b}'));
    assert_eq!(std::fs::read_to_string(sailor.file()).unwrap(), config);
    write(
        "case \"$1\" in store) cat > \"$HOME/kept\";; get) cat \"$HOME/kept\";; erase) rm \"$HOME/kept\";; esac",
    );
    let run = sailor.login(&format!("{PASSWORD}\n")).await.expect(0);
    let words = "logged in to REGISTRY as captain; kept in docker-credential-chest (named in ~/.docker/config.json)\n";
    assert_eq!(run.stderr, words);
    assert_eq!(std::fs::read_to_string(sailor.file()).unwrap(), config);
    let run = sailor.run(&["whoami", &sailor.registry], None).await.expect(0);
    assert!(run.stdout.starts_with("user: captain\nkept: docker-credential-chest"), "{}", run.stdout);
    sailor.run(&["logout", &sailor.registry], None).await.expect(0);
    assert!(!sailor.home.path().join("kept").exists());
}
