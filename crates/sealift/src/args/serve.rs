//! What is typed for the registry on this machine, and for the directory that it keeps.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as Group;

use super::{GuardArgs, OpenArgs, TalkArgs, UpstreamArgs};
use crate::age::Age;
use crate::size::Size;

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  sealift serve ./store
  sealift serve ./store --allow-delete --listen 127.0.0.1:5000
  sealift serve ./store --listen 0.0.0.0:5000 --htpasswd ./users \\
      --tls-self-signed ./tls --tls-name registry.ship.lan
  sealift serve ./store --upstream quay.io --upstream hub=docker.io --tag-ttl 1h
  sealift serve --read-only ./october ./november --trust sealift.pub
  sealift serve --read-only ./release --listen 0.0.0.0:5000 --insecure-listen
  sealift serve --print-hosts-toml --listen 10.0.0.1:5000 > hosts.toml")]
pub(crate) struct ServeArgs {
    /// The directory of the registry, which is made where it is missing. With
    /// --read-only a bundle, and several count as one
    #[arg(value_name = "DIRECTORY|BUNDLE", required_unless_present = "print_hosts_toml")]
    pub(crate) places: Vec<PathBuf>,
    /// Serve what is there and take nothing: bundles straight from their volumes,
    /// an OCI image layout, or a directory
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Where to listen; repeatable. Port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000", help_heading = "Who may ask")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Listen also where others can reach it without TLS, or without a password
    #[arg(long, help_heading = "Who may ask")]
    pub(crate) insecure_listen: bool,
    /// Print the hosts.toml that sends containerd here when it is started with these
    /// options, and serve nothing
    #[arg(long, help_heading = "Who may ask")]
    pub(crate) print_hosts_toml: bool,
    #[command(flatten)]
    pub(crate) guard: GuardArgs,
    /// Let clients delete tags, manifests and blobs
    #[arg(long, conflicts_with = "read_only", help_heading = "What is taken")]
    pub(crate) allow_delete: bool,
    /// Take manifests although blobs of them are missing. Indexes without some of
    /// their images are always taken
    #[arg(long, conflicts_with = "read_only", help_heading = "What is taken")]
    pub(crate) allow_missing_blobs: bool,
    /// Forget uploads that rest longer: 7d, 12h, 30m
    #[arg(long, value_name = "AGE", default_value = "7d", help_heading = "What is taken")]
    pub(crate) upload_lifetime: Age,
    /// The most uploads that are open at once; one caller may have a quarter of them
    #[arg(long, value_name = "NUMBER", default_value = "10000", conflicts_with = "read_only",
        value_parser = clap::value_parser!(u16).range(1..), help_heading = "What is taken")]
    pub(crate) max_uploads: u16,
    /// The largest blob that is taken: 20GB, 500MiB
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256GiB",
        conflicts_with = "read_only",
        help_heading = "What is taken"
    )]
    pub(crate) max_blob_size: Size,
    #[command(flatten)]
    pub(crate) upstreams: UpstreamArgs,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
It can run beside `sealift serve` and `sealift load --into`: what is younger than
--grace stays, for a push may be about to link to it.

Examples:
  sealift gc ./store --dry-run
  sealift gc ./store --untagged --grace 7d")]
pub(crate) struct GcArgs {
    /// The directory of the registry
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// Tell what would go; remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also remove manifests that no tag leads to, and that are attached to none
    /// that stays
    #[arg(long)]
    pub(crate) untagged: bool,
    /// Keep what is younger: 24h, 30m, 7d; never less than 10m
    #[arg(long, value_name = "AGE", default_value = "24h")]
    pub(crate) grace: Age,
    /// Remove uploads that rest longer
    #[arg(long, value_name = "AGE", default_value = "7d")]
    pub(crate) upload_lifetime: Age,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}
