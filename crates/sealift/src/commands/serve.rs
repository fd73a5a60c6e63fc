//! `sealift serve`: a registry over a directory, or straight over bundles.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use sealift_bundle::{BundleError, BundleStore};
use sealift_registry::server::{Access, Keeper, RunningServer, Server, ServerConfig};
use sealift_store::accept::Sparse;
use sealift_store::{Depth, DirectoryStore, PageRequest, ReadOnly, ReadThrough, Store};
use tokio::net::TcpListener;

use super::carried::{self, Carried};
use super::freight::open_layout;
use super::guard::{self, Guard};
use super::laid_out::LaidOut;
use super::mirror::write;
use super::origins::Origins;
use super::{Result, bundle, hosts_toml, sockets, upstreams};
use crate::args::ServeArgs;
use crate::environment::Environment;
use crate::errors::{CommandError, Exit};
use crate::output::units::count;
use crate::stop::Stop;
use crate::ui::Ui;

/// How long requests under way may take when the server is to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(30);
/// How often uploads that nobody goes on with are looked for.
const EXPIRY: Duration = Duration::from_secs(60 * 60);
/// How many faults of a store are told when it is opened.
const TOLD: usize = 10;
/// In how many repositories an example is looked for.
const EXAMPLES: usize = 20;

/// Serves until somebody asks to stop.
pub(crate) async fn run(ui: &Arc<Ui>, args: &ServeArgs, environment: &mut Environment) -> Result<Exit> {
    let sockets = sockets::take(environment)?;
    let addresses = if sockets.is_empty() { args.listen.clone() } else { sockets::addresses(&sockets)? };
    if args.print_hosts_toml {
        let guard = Guard::new(ui, &args.guard, &addresses)?;
        write(ui, &hosts_toml::text(args, &guard, &addresses, &guard::machine())?)?;
        return Ok(Exit::Success);
    }
    refuse_insecure(args, &addresses)?;
    let guard = Guard::new(ui, &args.guard, &addresses)?;
    let stop = Stop::listen(ui);
    let opened = stop.unless_asked(open(ui, args, environment)).await??;
    let shown = Shown { scheme: guard.scheme(), authority: guard.authority.clone() };
    let config = config(ui, args, guard, &opened)?;
    let server = Server::new(Arc::clone(&opened.store), config);
    let running = listen_all(&server, sockets, &args.listen).await?;
    announce(ui, args, &opened, &shown, &running).await?;
    let expiring = opened.directory.map(|directory| tokio::spawn(expire(directory, args.upload_lifetime.0)));
    stop.asked().await;
    let ended = join_all(running.into_iter().map(|server| server.shutdown(LAST_REQUESTS))).await;
    if let Some(expiring) = expiring {
        expiring.abort();
    }
    if !ended.into_iter().all(|it| it) {
        ui.warning("requests that took too long were broken off");
    }
    Ok(Exit::Success)
}

/// Who reaches an address that is not this machine's own can read and change everything, or listen.
fn refuse_insecure(args: &ServeArgs, addresses: &[SocketAddr]) -> Result<()> {
    let reachable = addresses.iter().find(|address| !address.ip().is_loopback());
    match reachable.filter(|_| !args.insecure_listen && !args.guard.is_safe()) {
        Some(address) => Err(CommandError::usage(
            format_args!(
                "at {address} everybody who reaches this machine could read and write, or nothing is encrypted"
            ),
            "Add --htpasswd, and --tls-cert or --tls-self-signed; or --insecure-listen where that is meant; or listen on 127.0.0.1.",
        )),
        None => Ok(()),
    }
}

/// What is served.
struct Opened {
    store: Arc<dyn Store>,
    name: String,
    /// The directory, where it is written.
    directory: Option<Arc<DirectoryStore>>,
    /// The directory with what it fetches, where it does.
    through: Option<ReadThrough>,
    /// What is only read, where it is known from behind.
    kept: Kept,
}

/// What is served without being written.
#[derive(Default)]
enum Kept {
    Directory(Arc<DirectoryStore>),
    Bundles(BundleStore),
    Layout(LaidOut),
    #[default]
    Nothing,
}

impl Opened {
    /// What is here already; to look at it fetches nothing.
    fn shown(&self) -> Arc<dyn Store> {
        match &self.directory {
            Some(directory) => Arc::clone(directory) as Arc<dyn Store>,
            None => Arc::clone(&self.store),
        }
    }
}

async fn open(ui: &Ui, args: &ServeArgs, environment: &mut Environment) -> Result<Opened> {
    let names: Vec<String> = args.places.iter().map(|path| path.display().to_string()).collect();
    let name = names.join(" and ");
    if args.read_only {
        let (store, kept) = open_to_read(ui, args, environment).await?;
        return Ok(Opened { store, name, directory: None, through: None, kept });
    }
    let [path] = args.places.as_slice() else {
        return Err(CommandError::usage(
            "one directory is served, and several are given",
            "Bundles are served with --read-only.",
        ));
    };
    refuse_bundle(path, args, environment).await?;
    let sparse = if args.allow_missing_blobs { Sparse::Everything } else { Sparse::Indexes };
    let directory = Arc::new(DirectoryStore::create(path)?.taking(sparse));
    check(ui, &directory).await?;
    let through = upstreams::open(ui, &args.upstreams, &directory, environment).await?;
    let store: Arc<dyn Store> = match &through {
        Some(through) => Arc::new(through.clone()),
        None => Arc::clone(&directory) as Arc<dyn Store>,
    };
    Ok(Opened { store, name, directory: Some(directory), through, kept: Kept::Nothing })
}

/// Repositories are not mixed into what was packed.
async fn refuse_bundle(path: &Path, args: &ServeArgs, environment: &mut Environment) -> Result<()> {
    let hint = "Add --read-only to serve it as it is; `sealift load BUNDLE --into DIRECTORY` brings it into a directory.";
    let refusal = |what: &str| Err(CommandError::usage(format_args!("{} is {what}", path.display()), hint));
    if path.is_file() {
        return refusal("a file, and not a directory");
    }
    if path.join("oci-layout").is_file() {
        return refusal("an OCI image layout");
    }
    match bundle::open(path, &args.open, environment).await {
        Err(CommandError::Bundle(BundleError::NotABundle { .. } | BundleError::Io { .. }, _)) => Ok(()),
        _ => refusal("a bundle"),
    }
}

/// Opens bundles as one place; else the one layout or directory that is named.
async fn open_to_read(
    ui: &Ui,
    args: &ServeArgs,
    environment: &mut Environment,
) -> Result<(Arc<dyn Store>, Kept)> {
    let mut bundles = Vec::new();
    for path in &args.places {
        let error = match bundle::open(path, &args.open, environment).await {
            Ok(opened) => {
                bundle::tell_damage(ui, &opened, &opened.damage().await?);
                bundles.push(opened);
                continue;
            }
            Err(error) => error,
        };
        let is_none = matches!(error, CommandError::Bundle(BundleError::NotABundle { .. }, _));
        // What has no signature is not taken for trusted.
        if !is_none || args.places.len() > 1 || args.open.trust.is_some() {
            return Err(error);
        }
        return match open_layout(path).await? {
            Some(layout) => Ok((Arc::new(layout.clone()), Kept::Layout(LaidOut::new(layout, path)))),
            None if path.is_dir() => open_directory(ui, path).await,
            None => Err(error),
        };
    }
    let store = carried::store(bundles, super::deltas::memory(None, 1));
    let unsupported = carried::unsupported(&store);
    if unsupported > 0 {
        ui.warning(format_args!(
            "{} cannot be pulled: carried as deltas of what none of these bundles has whole. Serve the bundles before \
             this one, too, or bring all into a directory with `sealift load BUNDLE --into DIRECTORY`.",
            count(unsupported, "blob")
        ));
    }
    Ok((Arc::new(store.clone()), Kept::Bundles(store)))
}

async fn open_directory(ui: &Ui, path: &Path) -> Result<(Arc<dyn Store>, Kept)> {
    let directory = Arc::new(DirectoryStore::open(path)?);
    check(ui, &directory).await?;
    let store = ReadOnly::new(Arc::clone(&directory) as Arc<dyn Store>);
    Ok((Arc::new(store), Kept::Directory(directory)))
}

/// What is broken is told, and the rest is served.
async fn check(ui: &Ui, directory: &DirectoryStore) -> Result<()> {
    let found = directory.check(Depth::Quick).await?;
    for finding in found.findings.iter().take(TOLD) {
        ui.warning(finding);
    }
    if !found.findings.is_empty() {
        ui.note(format_args!(
            "{} found. `sealift verify {}` finds everything that is wrong; push the images that are named again.",
            count(found.findings.len(), "fault"),
            directory.root().display()
        ));
    }
    Ok(())
}

fn config(ui: &Arc<Ui>, args: &ServeArgs, guard: Guard, opened: &Opened) -> Result<ServerConfig> {
    let ui = Arc::clone(ui);
    let access = move |access: &Access| {
        let status = access.status.map_or("-".to_owned(), |status| status.as_u16().to_string());
        let line = format!("{} {} {status} {} bytes", access.method, access.path, access.bytes_out);
        match &access.error {
            Some(error) if access.status.is_none_or(|status| status.is_server_error()) => {
                ui.warning(format_args!("{line}: {error}"));
            }
            Some(error) => ui.detail(format_args!("{line}: {error}")),
            None => ui.detail(line),
        }
    };
    let (keeper, shown) = (keeper(opened, &args.guard.receipt)?, Some(opened.shown()));
    Ok(ServerConfig {
        uploads: args.max_uploads.into(),
        upload_lifetime: args.upload_lifetime.0,
        blob_limit: args.max_blob_size.0,
        deletes: args.allow_delete,
        keeper,
        shown,
        ..guard.into_config(Arc::new(access))
    })
}

/// Finds who knows what is served from behind.
fn keeper(opened: &Opened, receipts: &[PathBuf]) -> Result<Option<Arc<dyn Keeper>>> {
    if let Some(directory) = &opened.directory {
        let origins = Origins::read(Arc::clone(directory), receipts)?;
        return Ok(Some(Arc::new(origins.behind(opened.through.clone()))));
    }
    Ok(match &opened.kept {
        Kept::Directory(directory) => {
            Some(Arc::new(Origins::read(Arc::clone(directory), receipts)?.read_only()))
        }
        Kept::Bundles(bundles) => Some(Arc::new(Carried(bundles.clone()))),
        Kept::Layout(layout) => Some(Arc::new(layout.clone())),
        Kept::Nothing => None,
    })
}

/// Listens on what was handed over, or else on what was named.
async fn listen_all(
    server: &Server,
    sockets: Vec<std::net::TcpListener>,
    addresses: &[SocketAddr],
) -> Result<Vec<RunningServer>> {
    let mut running = Vec::new();
    if sockets.is_empty() {
        for address in addresses {
            running.push(listen(server, *address).await?);
        }
    }
    for socket in sockets {
        let listener = TcpListener::from_std(socket).and_then(|listener| server.serve(listener));
        running.push(listener.map_err(|error| CommandError::Machine("a socket cannot be used", error))?);
    }
    Ok(running)
}

async fn listen(server: &Server, address: SocketAddr) -> Result<RunningServer> {
    let failed = |error: std::io::Error| {
        CommandError::usage(
            format_args!("nobody can listen on {address}: {error}"),
            "Name another address or port with --listen.",
        )
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    server.serve(listener).map_err(failed)
}

/// How the registry is reached.
struct Shown {
    scheme: &'static str,
    /// What clients have to trust.
    authority: Option<PathBuf>,
}

/// Says where the registry is, and how to pull from it or to push to it.
async fn announce(
    ui: &Ui,
    args: &ServeArgs,
    opened: &Opened,
    shown: &Shown,
    running: &[RunningServer],
) -> Result<()> {
    for server in running {
        write(ui, &format!("Serving {} at {}://{}\n", opened.name, shown.scheme, server.local_addr()))?;
    }
    if let Some(authority) = &shown.authority {
        write(ui, &format!("Clients have to trust {}\n", authority.display()))?;
    }
    // Over TLS, tools need no word more.
    let is_plain = shown.scheme == "http";
    let (podman, ctr) = if is_plain { (" --tls-verify=false", " --plain-http") } else { ("", "") };
    let Some(address) = running.first().map(|server| reached(server.local_addr())) else { return Ok(()) };
    let plain = if is_plain { format!("--plain-http {address} ") } else { String::new() };
    let example = example(opened.shown().as_ref()).await;
    let text = match example {
        Some(image) => format!(
            "To pull from it:\n  \
             podman pull{podman} {address}/{image}\n  \
             ctr images pull{ctr} {address}/{image}\n  \
             skopeo inspect{podman} docker://{address}/{image}\n"
        ),
        None if args.read_only => "It has no tags.\n".to_owned(),
        None => format!(
            "It is empty. To push to it:\n  \
             podman push{podman} IMAGE {address}/IMAGE\n  \
             sealift mirror {plain}--target-registry {address}\n  \
             sealift load BUNDLE --into {}\n",
            opened.name
        ),
    };
    write(ui, &text)
}

/// An address that stands for all of them is no address to go to.
fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

/// Finds some image with a tag. What cannot be read is no example, and no reason not to serve the rest.
async fn example(store: &dyn Store) -> Option<String> {
    let page = PageRequest { limit: EXAMPLES, after: None };
    for repository in store.admin().repositories(&page).await.ok()?.items {
        let tags = store.source(&repository).tags(&PageRequest::first()).await;
        if let Some(tag) = tags.ok().and_then(|page| page.items.into_iter().next_back()) {
            return Some(format!("{repository}:{tag}"));
        }
    }
    None
}

/// Forgets uploads that nobody goes on with, now and then.
async fn expire(directory: Arc<DirectoryStore>, lifetime: Duration) {
    let mut ticks = tokio::time::interval(EXPIRY.min(lifetime.max(Duration::from_secs(1))));
    loop {
        ticks.tick().await;
        // What fails here fails for who pushes, too, and that is told.
        let _ = directory.expire_uploads(lifetime, SystemTime::now()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_go_to_is_named() {
        for (address, expected) in
            [("0.0.0.0:5", "127.0.0.1:5"), ("[::]:5", "127.0.0.1:5"), ("10.0.0.1:5", "10.0.0.1:5")]
        {
            assert_eq!(reached(address.parse().unwrap()).to_string(), expected);
        }
    }
}
