//! What is typed about who may ask a registry, and about what is written down of it.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};
use sealift_registry::server::{Prefix, Rule};

#[derive(Debug, Default, Group)]
pub(crate) struct GuardArgs {
    /// Serve over TLS with this certificate, PEM, and those between it and its
    /// authority; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Who may ask")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, PEM, unencrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Who may ask")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve over TLS with a certificate of an authority that is made in this
    /// directory; clients are handed its ca.crt
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "tls_cert", help_heading = "Who may ask")]
    pub(crate) tls_self_signed: Option<PathBuf>,
    /// A name or address that clients call the server by; repeatable
    /// [default: this machine's name, localhost, and what is listened on]
    #[arg(long, value_name = "NAME", requires = "tls_self_signed", help_heading = "Who may ask")]
    pub(crate) tls_name: Vec<String>,
    /// Ask for users and passwords of this file, which `htpasswd -B` writes; read
    /// again when it changes
    #[arg(long, value_name = "FILE", help_heading = "Who may ask")]
    pub(crate) htpasswd: Option<PathBuf>,
    /// Let a user, or * for all, read or write the repositories at and below a
    /// prefix, or * for all; repeatable. Without it users may do everything
    #[arg(long, value_name = "USER:PREFIX:read|write", requires = "htpasswd", help_heading = "Who may ask")]
    pub(crate) allow: Vec<Rule>,
    /// Let everybody read, without a password, what is at and below a prefix, or
    /// everything; repeatable
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, require_equals = true, default_missing_value = "*",
        requires = "htpasswd", help_heading = "Who may ask")]
    pub(crate) anonymous_pull: Vec<Prefix>,
    /// The most connections at once, over all addresses; further ones wait
    #[arg(long, value_name = "NUMBER", default_value = "400", value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Who may ask")]
    pub(crate) max_connections: u16,
    /// Write a line for every request to this file, or to stdout with -
    #[arg(long, value_name = "FILE", help_heading = "What is written down")]
    pub(crate) access_log: Option<PathBuf>,
    /// How the lines of --access-log are written
    #[arg(
        long,
        value_enum,
        default_value = "combined",
        requires = "access_log",
        help_heading = "What is written down"
    )]
    pub(crate) access_log_format: AccessLogFormat,
    /// Tell on the page which bundle brought an image, by this receipt of
    /// `sealift load`; repeatable, the oldest first
    #[arg(long, value_name = "FILE", conflicts_with = "read_only", help_heading = "What is written down")]
    pub(crate) receipt: Vec<PathBuf>,
}

impl GuardArgs {
    /// Tells whether who listens on the way learns nothing, and who has no password can change nothing.
    pub(crate) fn is_safe(&self) -> bool {
        (self.tls_cert.is_some() || self.tls_self_signed.is_some()) && self.htpasswd.is_some()
    }
}

/// How requests are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLogFormat {
    /// One JSON object a line
    Json,
    /// As web servers do
    #[default]
    Combined,
}
