//! Sockets that systemd opened for this process (`sd_listen_fds(3)`): it may listen on ports that are not for
//! everybody, and while the server restarts nobody is turned away.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use super::Result;
use crate::environment::Environment;
use crate::errors::CommandError;

const HINT: &str = "A unit of systemd hands over TCP sockets: ListenStream=5000 in the .socket file.";

/// Takes the sockets that were handed over; none where nobody did.
pub(crate) fn take(environment: &Environment) -> Result<Vec<TcpListener>> {
    if !environment.variables.contains_key(OsStr::new("LISTEN_FDS")) {
        return Ok(Vec::new());
    }
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(handed.len());
    for index in 0..handed.len() {
        if let Some(socket) = handed.take_tcp_listener(index).map_err(refused)? {
            socket.set_nonblocking(true).map_err(refused)?;
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// Returns where sockets listen.
pub(crate) fn addresses(sockets: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    sockets.iter().map(|socket| socket.local_addr().map_err(refused)).collect()
}

fn refused(error: std::io::Error) -> CommandError {
    CommandError::usage(format_args!("a socket that was handed over cannot be used: {error}"), HINT)
}
