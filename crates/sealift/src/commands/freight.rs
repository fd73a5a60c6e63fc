//! What `load`, `inspect` and `verify` read: bundles, or a plain OCI image layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_bundle::{Bundle, BundleError, LayoutStore, OpenOptions};
use sealift_oci::RepositoryName;

use super::{Result, bundle, prefix, verify_directory};
use crate::args::OpenArgs;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::observe::reading;
use crate::ui::Ui;

/// What is read.
#[derive(Debug)]
pub(crate) enum Freight {
    /// Bundles, read as one.
    Bundles(Vec<Bundle>),
    /// A plain OCI image layout.
    Layout(LayoutStore),
}

impl Freight {
    /// Returns the bundles; none of a layout.
    pub(super) fn bundles(&self) -> &[Bundle] {
        match self {
            Self::Bundles(bundles) => bundles,
            Self::Layout(_) => &[],
        }
    }
}

/// Opens what was named: bundles, or one layout.
pub(super) async fn open(
    ui: &Arc<Ui>,
    paths: &[PathBuf],
    args: &OpenArgs,
    environment: &mut Environment,
) -> Result<Freight> {
    paths.iter().try_for_each(|path| refuse_unreadable(path))?;
    let mut bundles = Vec::new();
    for path in paths {
        let opened = match layout_named(path) {
            Some(_) => {
                // A bundle whose end is damaged would pass for the layout that it is as well.
                bundle_named(ui, path).await?;
                Err(no_bundle(path))
            }
            None => open_bundle(ui, path, args, environment).await,
        };
        match opened {
            Ok(opened) => bundles.push(opened),
            Err(error) => {
                let layout = layout_instead(path, error, args).await?;
                if paths.len() > 1 {
                    return Err(CommandError::usage(
                        format_args!("{}: a plain OCI image layout is taken alone", path.display()),
                        "Take the bundles and the layout in two runs.",
                    ));
                }
                return Ok(Freight::Layout(layout));
            }
        }
    }
    Ok(Freight::Bundles(bundles))
}

async fn open_bundle(
    ui: &Arc<Ui>,
    path: &Path,
    args: &OpenArgs,
    environment: &mut Environment,
) -> Result<Bundle> {
    bundle::with_keys(path, args, environment, async |options| {
        // It is over when a passphrase is asked for.
        let options = OpenOptions { progress: Some(reading(ui)), ..options.clone() };
        Bundle::open(path, &options).await
    })
    .await
}

/// Refuses what is no path, and a pipe: a bundle says at its end where everything lies.
pub(super) fn refuse_unreadable(path: &Path) -> Result<()> {
    match path == Path::new("-") {
        true => Err(CommandError::usage(
            "a bundle cannot be read from a pipe: what lies where stands at its end",
            "Write it to a file first, `cat > release.tar`, and name the file.",
        )),
        false => prefix::refuse_foreign_source(path),
    }
}

/// Returns the file that `oci-archive:` names, where that is a bundle. One that is damaged is refused.
pub(super) async fn bundle_named<'a>(ui: &Arc<Ui>, path: &'a Path) -> Result<Option<&'a Path>> {
    let named = path.to_str().and_then(|text| text.strip_prefix("oci-archive:")).map(Path::new);
    let Some(file) = named.filter(|file| file.is_file()) else { return Ok(None) };
    let options = OpenOptions { progress: Some(reading(ui)), ..OpenOptions::default() };
    Ok(Bundle::is_one(file, &options).await?.then_some(file))
}

/// `oci:DIRECTORY` and `oci-archive:FILE` are layouts, as other tools call them.
fn layout_named(path: &Path) -> Option<&Path> {
    let text = path.to_str()?;
    text.strip_prefix("oci:").or_else(|| text.strip_prefix("oci-archive:")).map(Path::new)
}

/// Opens a plain layout where no bundle is; `error` is why it is none, and is told where it is no layout either. Nobody
/// signs a layout.
pub(super) async fn layout_instead(path: &Path, error: CommandError, args: &OpenArgs) -> Result<LayoutStore> {
    // What `pack` is still at is told as that.
    let is_unfinished = path.extension().is_some_and(|extension| extension == "part");
    let is_none = matches!(error, CommandError::Bundle(BundleError::NotABundle { .. }, _)) && !is_unfinished;
    let layout = match layout_named(path) {
        Some(named) => read_layout(named).await?,
        None if !is_none => return Err(error),
        None => match open_layout(path).await? {
            Some(layout) => layout,
            None => return Err(verify_directory::instead(path).await.unwrap_or(error)),
        },
    };
    match args.trust {
        Some(_) => Err(CommandError::from(BundleError::Untrusted {
            path: path.to_owned(),
            reason: "it is a plain OCI image layout, and those have no signature".to_owned(),
        })),
        None => Ok(layout),
    }
}

/// Opens a plain layout, if it is one.
pub(super) async fn open_layout(path: &Path) -> Result<Option<LayoutStore>> {
    match path.join("oci-layout").is_file() || path.is_file() {
        true => read_layout(path).await.map(Some),
        false => Ok(None),
    }
}

/// Reads a layout. Images that have no full name in it are called like the directory or the file.
async fn read_layout(path: &Path) -> Result<LayoutStore> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let stem = whole.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let main: RepositoryName = stem.parse().or_else(|_| "image".parse()).map_err(|error| {
        CommandError::usage(format_args!("{}: {error}", path.display()), "Give it another name.")
    })?;
    Ok(match path.is_file() {
        true => LayoutStore::open_archive(path, &main).await?,
        false => LayoutStore::open(path, &main).await?,
    })
}

/// Tells whether a path is called as layouts are, and is no bundle.
pub(super) fn is_layout_named(path: &Path) -> bool {
    layout_named(path).is_some()
}

/// Says of what is called a layout that it is no bundle.
pub(super) fn no_bundle(path: &Path) -> CommandError {
    BundleError::NotABundle { path: path.to_owned(), reason: "it is no bundle".to_owned() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_named_as_other_tools_do() {
        for (text, expected) in [
            ("oci:./layout", Some("./layout")),
            ("oci-archive:/mnt/a.tar", Some("/mnt/a.tar")),
            ("./oci", None),
            ("release.tar", None),
        ] {
            assert_eq!(layout_named(Path::new(text)), expected.map(Path::new), "{text}");
        }
    }

    #[test]
    fn a_pipe_is_refused() {
        assert!(refuse_unreadable(Path::new("-")).is_err());
        assert!(refuse_unreadable(Path::new("./-")).is_ok());
    }
}
