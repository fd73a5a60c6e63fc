//! Who may ask the registry that is served, over what, and where it is written down.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sealift_registry::server::{
    Access, AccessLog, Auth, FileError, Notices, Rights, SelfSigned, ServerConfig, Tls,
};

use super::Result;
use crate::args::{AccessLogFormat, GuardArgs};
use crate::errors::CommandError;
use crate::ui::Ui;

/// Where Linux keeps the name of the machine.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// What every machine calls itself.
const LOCALHOST: &str = "localhost";

/// What stands between clients and the store.
pub(crate) struct Guard {
    tls: Option<Arc<Tls>>,
    auth: Option<Arc<Auth>>,
    log: Option<AccessLog>,
    connections: u16,
    /// What clients have to trust, where it was made here.
    pub(crate) authority: Option<PathBuf>,
}

impl Guard {
    /// Reads and makes the files that were named.
    pub(crate) fn new(ui: &Arc<Ui>, args: &GuardArgs, listen: &[SocketAddr]) -> Result<Self> {
        let hearing = Arc::clone(ui);
        let notices: Notices = Arc::new(move |line| hearing.warning(line));
        let (pair, authority) = pair(args, listen)?;
        let tls =
            pair.map(|(certificate, key)| Tls::open(&certificate, &key, Arc::clone(&notices)).map(Arc::new));
        const PAIR: &str =
            "--tls-cert names a PEM file with the certificate, --tls-key one with its key, unencrypted.";
        Ok(Self {
            tls: tls.transpose().map_err(|error| unusable(&error, PAIR))?,
            auth: auth(args, notices)?,
            log: args.access_log.as_deref().map(|path| log(ui, path, args.access_log_format)).transpose()?,
            connections: args.max_connections,
            authority,
        })
    }

    /// Returns how addresses of the server begin.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Adds it to what a server is told; `heard` hears of requests too.
    pub(crate) fn into_config(self, heard: AccessLog) -> ServerConfig {
        let log = self.log;
        let access: AccessLog = Arc::new(move |access: &Access| {
            heard(access);
            if let Some(log) = &log {
                log(access);
            }
        });
        ServerConfig {
            connections: self.connections.into(),
            tls: self.tls,
            auth: self.auth,
            access: Some(access),
            ..ServerConfig::default()
        }
    }
}

type Pair = (PathBuf, PathBuf);

/// Returns the certificate and its key, and the authority where both were made here.
fn pair(args: &GuardArgs, listen: &[SocketAddr]) -> Result<(Option<Pair>, Option<PathBuf>)> {
    if let Some(directory) = &args.tls_self_signed {
        let names = if args.tls_name.is_empty() { usual_names(listen) } else { args.tls_name.clone() };
        let files = SelfSigned::prepare(directory, &names, SystemTime::now()).map_err(|error| {
            let hint =
                "--tls-self-signed names a directory that can be written; names are host names or addresses.";
            CommandError::usage(with_cause(&error), hint)
        })?;
        return Ok((Some((files.certificate(), files.key())), Some(files.authority())));
    }
    Ok((args.tls_cert.clone().zip(args.tls_key.clone()), None))
}

/// What clients on this machine and beside it call it.
fn usual_names(listen: &[SocketAddr]) -> Vec<String> {
    let mut names = vec![LOCALHOST.to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let listened = listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    names.extend(listened.map(|ip| ip.to_string()));
    names.extend(Some(machine()).filter(|name| name != LOCALHOST));
    names
}

/// What this machine calls itself, where that is a name that others may use.
pub(crate) fn machine() -> String {
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let name = Some(host.trim()).filter(|name| !name.is_empty() && is_name(name));
    name.unwrap_or(LOCALHOST).to_owned()
}

fn auth(args: &GuardArgs, notices: Notices) -> Result<Option<Arc<Auth>>> {
    let Some(path) = &args.htpasswd else { return Ok(None) };
    let rights = Rights { rules: args.allow.clone(), anonymous_pull: args.anonymous_pull.clone() };
    const HINT: &str = "Make it with `htpasswd -B -c FILE USER`, of the package apache2-utils.";
    let auth = Auth::open(path, rights, notices).map_err(|error| unusable(&error, HINT))?;
    Ok(Some(Arc::new(auth)))
}

fn unusable(error: &FileError, hint: &str) -> CommandError {
    CommandError::usage(error, hint)
}

fn with_cause(error: &impl std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn log(ui: &Arc<Ui>, path: &Path, format: AccessLogFormat) -> Result<AccessLog> {
    let write = writer(ui, path)?;
    Ok(Arc::new(move |access: &Access| {
        let line = match format {
            AccessLogFormat::Json => access.to_json(),
            AccessLogFormat::Combined => access.to_combined(),
        };
        write(format!("{line}\n"));
    }))
}

/// Lines are appended, each at once, so that other programs may cut the file while it is written. What cannot
/// be written is lost: nobody waits for a log.
fn writer(ui: &Arc<Ui>, path: &Path) -> Result<impl Fn(String) + Send + Sync + use<>> {
    let file = if path == Path::new("-") { None } else { Some(Mutex::new(open(path)?)) };
    let ui = Arc::clone(ui);
    Ok(move |line: String| match &file {
        Some(file) => {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = file.write_all(line.as_bytes());
        }
        None => {
            let _ = ui.data(&line);
        }
    })
}

fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| {
        let message = format_args!("--access-log {}: {error}", path.display()).to_string();
        CommandError::usage(message, "Name a file that can be written, or - for stdout.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_called_by_what_it_listens_on() {
        let listen = ["0.0.0.0:1", "192.0.2.7:1", "127.0.0.1:1"].map(|it| it.parse().unwrap());
        let names = usual_names(&listen);
        assert_eq!(names[..4], ["localhost", "127.0.0.1", "::1", "192.0.2.7"]);
        assert!(names.iter().all(|name| name != "0.0.0.0"));
    }
}
