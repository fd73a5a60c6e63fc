//! `sealift serve --print-hosts-toml`: the file that sends containerd to the registry.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use sealift_kit::hosts_toml::{self, Hosts};

use super::Result;
use super::guard::Guard;
use crate::args::ServeArgs;
use crate::errors::CommandError;

/// Returns the file for a registry that is started with these arguments.
pub(crate) fn text(
    args: &ServeArgs,
    guard: &Guard,
    addresses: &[SocketAddr],
    machine: &str,
) -> Result<String> {
    let host = host(addresses, args.guard.tls_name.first().map(String::as_str), machine)?;
    let authority = guard.authority.as_deref().map(absolute).transpose()?;
    render(&format!("{}://{host}", guard.scheme()), &host, authority.as_deref(), !args.read_only)
}

/// Returns what nodes call the registry: by the name that its certificate has, or where it listens for others.
fn host(addresses: &[SocketAddr], name: Option<&str>, machine: &str) -> Result<String> {
    let outside = addresses.iter().find(|address| !address.ip().is_loopback());
    let address = outside.or(addresses.first()).filter(|address| address.port() != 0);
    let Some(address) = address else {
        return Err(CommandError::usage(
            "--print-hosts-toml needs the port that is listened on",
            "Name it with --listen, as in --listen 10.0.0.1:5000.",
        ));
    };
    let name = name.or_else(|| address.ip().is_unspecified().then_some(machine));
    Ok(match name.map(|name| (name, name.parse::<IpAddr>())) {
        Some((_, Ok(ip))) => SocketAddr::new(ip, address.port()).to_string(),
        Some((name, Err(_))) => format!("{name}:{}", address.port()),
        None => address.to_string(),
    })
}

fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path);
    Ok(path
        .map_err(|error| CommandError::Machine("the working directory is gone", error))?
        .display()
        .to_string())
}

/// `server` is the registry itself, so that a node asks nobody else where something is missing.
fn render(url: &str, host: &str, authority: Option<&str>, takes_pushes: bool) -> Result<String> {
    let copied =
        authority.map(|path| format!("\nCopy {path} to each node, and write below where it lies there."));
    let comment = format!(
        "/etc/containerd/certs.d/REGISTRY/hosts.toml on each node. REGISTRY is {host}, or what the images'\n\
         names begin with, such as mcr.microsoft.com. containerd 1.x reads it where config_path is\n\
         /etc/containerd/certs.d, and so do `ctr images pull --hosts-dir` and nerdctl.{}",
        copied.unwrap_or_default(),
    );
    let hosts = Hosts { server: url, prefix: None, takes_pushes, ca: authority };
    hosts_toml::render(&comment, &hosts).map_err(|error| {
        CommandError::usage(error, "Name the certificates' directory without control characters.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(addresses: &[&str], name: Option<&str>) -> Option<String> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        host(&addresses, name, "ship").ok()
    }

    #[test]
    fn nodes_are_sent_where_they_get() {
        for (addresses, name, expected) in [
            (&["127.0.0.1:5000"][..], None, Some("127.0.0.1:5000")),
            (&["127.0.0.1:5000", "10.0.0.1:443"], None, Some("10.0.0.1:443")),
            (&["0.0.0.0:5000"], None, Some("ship:5000")),
            (&["[::1]:5000"], None, Some("[::1]:5000")),
            (&["0.0.0.0:5000"], Some("registry.ship.lan"), Some("registry.ship.lan:5000")),
            (&["10.0.0.1:5000"], Some("registry.ship.lan"), Some("registry.ship.lan:5000")),
            (&["[::]:5000"], Some("fd00::1"), Some("[fd00::1]:5000")),
            (&["10.0.0.1:0"], None, None),
            (&[], None, None),
        ] {
            assert_eq!(host_of(addresses, name).as_deref(), expected, "{addresses:?} {name:?}");
        }
    }

    #[test]
    fn the_file_says_where_and_whom_to_trust() {
        let plain = render("http://127.0.0.1:5000", "127.0.0.1:5000", None, true).unwrap();
        let (comment, file) = plain.split_at(plain.find("server").unwrap());
        assert!(comment.lines().all(|line| line.starts_with("# ")) && comment.contains("127.0.0.1:5000"));
        assert!(file.ends_with("capabilities = [\"pull\", \"resolve\", \"push\"]\n"), "{file}");
        let safe = render("https://a:1", "a:1", Some("/srv/a \"b\"/ca.crt"), false).unwrap();
        assert!(safe.contains("capabilities = [\"pull\", \"resolve\"]\n"), "{safe}");
        assert!(safe.ends_with("\nca = '/srv/a \"b\"/ca.crt'\n"), "{safe}");
    }
}
