//! What a release has beside the binary: its container image, and its list of contents (SBOM). `make dist` runs it.
//!
//! What goes in comes as arguments, the time too, so the same binary gives the same bytes on every machine.

mod image;
mod lock;
mod sbom;

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most that is read of a list of crates; ours has some tens of kilobytes.
const TREE_LIMIT: u64 = 16 * 1024 * 1024;

/// Makes parts of a release.
#[derive(Debug, Parser)]
enum Part {
    /// Write the container image of a static binary, as an OCI image layout
    Image {
        /// The binary
        #[arg(long, value_name = "FILE")]
        binary: PathBuf,
        /// When it counts as made, in seconds since 1970
        #[arg(long, value_name = "SECONDS")]
        created: i64,
        /// Where the layout goes
        #[arg(long, value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Write the list of contents as SPDX 2.3; `cargo tree --prefix depth --format '{p}|{l}|{r}'` comes on
    /// standard input
    Sbom {
        /// The lock file that has the crates' checksums
        #[arg(long, value_name = "FILE")]
        lock: PathBuf,
        /// When it counts as made, in seconds since 1970
        #[arg(long, value_name = "SECONDS")]
        created: i64,
        /// The version of the Rust standard library in the binary
        #[arg(long, value_name = "VERSION")]
        rust: String,
        /// The version of the C library in the binary
        #[arg(long, value_name = "VERSION")]
        glibc: String,
        /// SHA-256 of the binary
        #[arg(long, value_name = "HEX")]
        sha256: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Part::parse() {
        Part::Image { binary, created, to } => {
            let content = std::fs::read(&binary).with_context(|| binary.display().to_string())?;
            image::write(&content, &written(created)?, &to).await
        }
        Part::Sbom { lock, created, rust, glibc, sha256 } => {
            let mut tree = String::new();
            io::stdin().take(TREE_LIMIT).read_to_string(&mut tree)?;
            let lock = std::fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
            let release = sbom::Release { created: written(created)?, rust, glibc, sha256 };
            let document = sbom::document(&tree, &lock::checksums(&lock), &release)?;
            Ok(io::stdout().write_all(format!("{document:#}\n").as_bytes())?)
        }
    }
}

fn written(seconds: i64) -> Result<String> {
    Ok(OffsetDateTime::from_unix_timestamp(seconds)?.format(&Rfc3339)?)
}
