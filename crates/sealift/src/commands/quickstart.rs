//! `sealift quickstart`: the whole way on one machine, over real HTTP, with the very code of `mirror` and
//! `verify`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sealift_catalog::{Release, SOURCE_REPOSITORY};
use sealift_oci::{Registry, RepositoryName};
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::{DirectoryStore, Side, Store};
use tokio::net::TcpListener;

use super::Result;
use super::job::Job;
use super::mirror::{Terms, transfer, write};
use super::record::Outlet;
use super::verify::compare;
use crate::args::{Format, QuickstartArgs, WhatArgs};
use crate::errors::{CommandError, Exit};
use crate::identity::Identity;
use crate::output::units::{count, seconds};
use crate::places::Connection;
use crate::quickstart::{build, newest_listed, publish};
use crate::settings::{PlaceSettings, Settings};
use crate::stop::Stop;
use crate::ui::Ui;

/// Shows it all on this machine.
pub(crate) async fn run(ui: &Arc<Ui>, args: &QuickstartArgs) -> Result<Exit> {
    let stop = Stop::listen(ui);
    let release = newest_listed()
        .ok_or_else(|| CommandError::usage("no release with a list of images is known", "Update sealift."))?;
    let target = DirectoryStore::create(&args.dir).map_err(|error| error.on(Side::Target))?;
    let target = Served::start(Arc::new(target), args.port).await?;
    let source = Served::start(make(ui, release).await?, 0).await?;
    let settings = Settings {
        source: source.settings()?,
        target: Some(target.settings()?),
        tags: vec![release.tag.clone()],
        target_tag: None,
    };
    let job = Job::of_releases(ui, settings, &WhatArgs::default(), &Connection::default())?;
    let outlet = Outlet::plain("quickstart", Format::Text);
    let terms = Terms { allow_missing: false, max_bytes: None, creation: None, outlet: outlet.clone() };
    let mirrored = transfer(ui, &job, terms, &stop).await?;
    if mirrored != Exit::Success {
        return Ok(mirrored);
    }
    write(ui, "\n")?;
    let verified = compare(ui, &job, true, &outlet, &stop).await?;
    if verified != Exit::Success {
        ui.note(format_args!("Or delete {} and run quickstart again.", args.dir.display()));
        return Ok(verified);
    }
    write(ui, &how_to_pull(&args.dir, release, args.serve.then_some(&target.address)))?;
    if args.serve {
        ui.status(format_args!("Serving {} at {} until Ctrl-C.", args.dir.display(), target.address));
        stop.asked().await;
    }
    Ok(Exit::Success)
}

async fn make(ui: &Ui, release: &Release) -> Result<Arc<dyn Store>> {
    let began = Instant::now();
    let images = build(release);
    let made = count(images.len(), "image");
    let store = publish(release, images, &repository()?).await?;
    ui.status(format_args!("Made {made} shaped like {} in {}.", release.tag, seconds(began.elapsed())));
    Ok(store)
}

/// A registry in this process.
struct Served {
    address: Registry,
    _server: RunningServer,
}

impl Served {
    async fn start(store: Arc<dyn Store>, port: u16) -> Result<Self> {
        let failed = |error| CommandError::Machine("no registry can be served on 127.0.0.1", error);
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?.to_string();
        let server = Server::new(store, ServerConfig::default()).serve(listener).map_err(failed)?;
        Ok(Self { address: name(&address)?, _server: server })
    }

    fn settings(&self) -> Result<PlaceSettings> {
        Ok(PlaceSettings {
            registry: self.address.clone(),
            repository: repository()?,
            identity: Identity::default(),
        })
    }
}

fn repository() -> Result<RepositoryName> {
    name(SOURCE_REPOSITORY)
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| CommandError::usage(format_args!("{text}: {error}"), "Report this."))
}

/// Shows commands that take an image out of the target.
fn how_to_pull(directory: &Path, release: &Release, served: Option<&Registry>) -> String {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let layout = directory.join(SOURCE_REPOSITORY).join("arc-sqlmi/_layout");
    let (tag, layout) = (&release.tag, layout.display());
    match served {
        None => format!(
            "\nThe target is a directory of OCI image layouts. To take an image out of it:\n  \
             skopeo inspect oci:{layout}:{tag}\n  \
             podman pull oci:{layout}:{tag}\n\
             To pull from it as from any registry, keep it up:\n  \
             sealift quickstart --serve --port 5000\n"
        ),
        Some(address) => {
            let image = format!("{address}/{SOURCE_REPOSITORY}/arc-sqlmi");
            format!(
                "\nThe target is a registry at {address}. To pull from it:\n  \
                 skopeo inspect --tls-verify=false docker://{image}:{tag}\n  \
                 podman pull --tls-verify=false {image}:{tag}\n  \
                 ctr images pull --plain-http {image}:{tag}\n  \
                 curl http://{address}/v2/{SOURCE_REPOSITORY}/arc-controller/tags/list\n"
            )
        }
    }
}
