//! What is measured, and the command line of each.

use std::io;
use std::path::PathBuf;

use sealift_testbed::images::RELEASE_TAG;

use super::yard::Yard;
use crate::contenders::{Ends, binary, blob_list, write};

/// How large the volumes are of the bundle that has volumes.
const VOLUME_SIZE: &str = "256MiB";

/// What a bundle looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A directory, and volumes of any size.
    Directory,
    /// One file.
    File,
    /// A directory with volumes of [`VOLUME_SIZE`].
    Volumes,
    /// A directory, encrypted.
    Sealed,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Pack,
    Verify,
    Load,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `curl` of each distinct blob into a file, which is synced; four at a time: no digests, no manifests.
    Fetch,
    /// `skopeo copy` of each image into one layout.
    SkopeoLayout,
    /// `skopeo copy` of each image into an archive of its own.
    SkopeoArchives,
    /// `sealift pack`.
    Pack(Form),
    /// `sealift pack` of the next release, without what the bundle of this one has.
    PackNext,
    /// `sha256sum` of a bundle's files, so many at a time.
    Sum(usize),
    /// `sealift verify`.
    Verify(Form),
    /// `curl` of each distinct blob into the registry, four at a time.
    Push,
    /// `skopeo copy` of each image out of the layout.
    SkopeoPush,
    /// `sealift load`.
    Load(Form),
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Directory, Self::File, Self::Volumes, Self::Sealed];

    fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "one file",
            Self::Volumes => "volumes of 256 MiB",
            Self::Sealed => "encrypted",
        }
    }

    fn place(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file.tar",
            Self::Volumes => "volumes",
            Self::Sealed => "sealed",
        }
    }
}

impl Step {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let pack = [Self::Fetch, Self::SkopeoLayout, Self::SkopeoArchives].into_iter();
        let pack = pack.chain(Form::ALL.map(Self::Pack)).chain([Self::PackNext]);
        let verify = [Self::Sum(1), Self::Sum(2)].into_iter().chain(Form::ALL.map(Self::Verify));
        let load = [Self::Push, Self::SkopeoPush].into_iter().chain(Form::ALL.map(Self::Load));
        pack.chain(verify).chain(load)
    }

    pub(crate) fn part(self) -> Part {
        match self {
            Self::Fetch | Self::SkopeoLayout | Self::SkopeoArchives | Self::Pack(_) | Self::PackNext => {
                Part::Pack
            }
            Self::Sum(_) | Self::Verify(_) => Part::Verify,
            Self::Push | Self::SkopeoPush | Self::Load(_) => Part::Load,
        }
    }

    /// Returns the step whose output this one reads.
    pub(crate) fn needs(self) -> Option<Self> {
        match self {
            Self::Verify(form) | Self::Load(form) => Some(Self::Pack(form)),
            Self::Sum(_) | Self::PackNext => Some(Self::Pack(Form::Directory)),
            Self::SkopeoPush => Some(Self::SkopeoLayout),
            _ => None,
        }
    }

    /// Tells whether the other steps of this part are held against it.
    pub(crate) fn is_floor(self) -> bool {
        matches!(self, Self::Fetch | Self::Sum(1) | Self::Push)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Fetch => "curl and sync, 4 at a time (the floor)".to_owned(),
            Self::SkopeoLayout => "skopeo copy --all to oci:".to_owned(),
            Self::SkopeoArchives => "skopeo copy --all to oci-archive:, one per image".to_owned(),
            Self::Pack(form) => format!("sealift pack, {}", form.name()),
            Self::PackNext => "sealift pack --since, 3 of 15 images changed".to_owned(),
            Self::Sum(1) => "sha256sum (the floor)".to_owned(),
            Self::Sum(count) => format!("sha256sum, {count} at a time"),
            Self::Verify(form) => format!("sealift verify, {}", form.name()),
            Self::Push => "curl, 4 at a time (the floor)".to_owned(),
            Self::SkopeoPush => "skopeo copy --all from oci:".to_owned(),
            Self::Load(form) => format!("sealift load, {}", form.name()),
        }
    }

    /// Where the step writes on the disk.
    pub(crate) fn output(self, yard: &Yard) -> Option<PathBuf> {
        let name = match self {
            Self::Fetch => "fetched",
            Self::SkopeoLayout => "layout",
            Self::SkopeoArchives => "archives",
            Self::Pack(form) => form.place(),
            Self::PackNext => "next",
            _ => return None,
        };
        Some(yard.path(name))
    }

    /// What it reads from the disk, beside the release itself.
    pub(crate) fn input(self, yard: &Yard) -> Option<PathBuf> {
        match self {
            Self::Verify(form) | Self::Load(form) => Some(yard.path(form.place())),
            Self::Sum(_) => Some(yard.path(Form::Directory.place())),
            Self::SkopeoPush => Some(yard.path("layout")),
            _ => None,
        }
    }

    /// Returns the command line; it finds its scratch space where the yard has it.
    pub(crate) fn command(self, yard: &Yard, ends: &Ends) -> io::Result<Vec<String>> {
        let command = match self {
            Self::Fetch => fetch(yard, ends)?,
            Self::Push => push(yard, ends)?,
            Self::SkopeoLayout | Self::SkopeoArchives | Self::SkopeoPush => self.skopeo(yard, ends)?,
            Self::Pack(form) => pack(yard, ends, "arcdata", form.place(), &form.options(yard)),
            Self::PackNext => {
                let since = yard.text(Form::Directory.place());
                let options = ["--since".to_owned(), since, "--assume-delivered".to_owned()];
                pack(yard, ends, "arcnext", "next", &options)
            }
            Self::Sum(count) => shell(format!(
                "cd {} && ls volume-* | xargs -P {count} -n 1 sha256sum",
                yard.text(Form::Directory.place())
            )),
            Self::Verify(form) => verify(yard, form),
            Self::Load(form) => load(yard, ends, form),
        };
        let scratch = format!("TMPDIR={}", yard.scratch().display());
        Ok(["env".to_owned(), scratch].into_iter().chain(command).collect())
    }

    fn skopeo(self, yard: &Yard, ends: &Ends) -> io::Result<Vec<String>> {
        let line = |name: &str| {
            let source = format!("docker://{}/arcdata/{name}:{RELEASE_TAG}", ends.source);
            let layout = format!("oci:{}:{name}", yard.text("layout"));
            let archive = format!("oci-archive:{}/{name}.tar:{name}", yard.text("archives"));
            let target = format!("docker://{}/site/{name}:{RELEASE_TAG}", ends.target);
            let (from, to) = match self {
                Self::SkopeoPush => (layout, target),
                Self::SkopeoLayout => (source, layout),
                _ => (source, archive),
            };
            format!("skopeo copy --all --src-tls-verify=false --dest-tls-verify=false {from} {to}\n")
        };
        let lines: String = yard.set.images().iter().map(|image| line(&image.name)).collect();
        let made = if self == Self::SkopeoArchives { yard.text("archives") } else { yard.text("layout") };
        let script = write(yard.root(), "skopeo.sh", &format!("set -e\nmkdir -p {made}\n{lines}"))?;
        Ok(["sh".to_owned(), script.display().to_string()].to_vec())
    }
}

impl Form {
    fn options(self, yard: &Yard) -> Vec<String> {
        match self {
            Self::Directory | Self::File => Vec::new(),
            Self::Volumes => vec!["--volume-size".to_owned(), VOLUME_SIZE.to_owned()],
            Self::Sealed => vec!["--encrypt-to".to_owned(), yard.recipient.clone()],
        }
    }

    /// What opens it.
    fn identity(self, yard: &Yard) -> Vec<String> {
        match self {
            Self::Sealed => vec!["--identity".to_owned(), yard.text("identity")],
            _ => Vec::new(),
        }
    }
}

fn fetch(yard: &Yard, ends: &Ends) -> io::Result<Vec<String>> {
    let to = yard.text("fetched");
    let one = format!("curl -sf -o {to}/$2 http://{}/v2/arcdata/$1/blobs/$2 && sync {to}/$2\n", ends.source);
    each_blob(yard, "fetch.sh", &one, &format!("mkdir {to}"))
}

fn push(yard: &Yard, ends: &Ends) -> io::Result<Vec<String>> {
    let one = format!(
        "location=$(curl -sf -o /dev/null -X POST -w '%header{{location}}' http://{}/v2/floor/blobs/uploads/)\n\
         curl -sf -o /dev/null -T {}/blobs/sha256/${{2#sha256:}} \"$location&digest=$2\"\n",
        ends.target,
        yard.set.directory().display(),
    );
    each_blob(yard, "push.sh", &one, ":")
}

/// Runs a script for each distinct blob, four at a time.
fn each_blob(yard: &Yard, name: &str, script: &str, before: &str) -> io::Result<Vec<String>> {
    let script = write(yard.root(), name, script)?;
    let list = write(yard.root(), "blobs", &blob_list(&yard.set))?;
    Ok(shell(format!("{before} && xargs -P 4 -n 2 sh {} < {}", script.display(), list.display())))
}

fn shell(script: String) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

fn pack(yard: &Yard, ends: &Ends, repository: &str, to: &str, options: &[String]) -> Vec<String> {
    let fixed = ["pack", "--source-registry", &ends.source, "--plain-http", &ends.source];
    let what = ["--source-repository", repository, "--source-tag", RELEASE_TAG, "--to", &yard.text(to)];
    sealift(fixed.into_iter().chain(what), options)
}

fn verify(yard: &Yard, form: Form) -> Vec<String> {
    sealift(["verify", &yard.text(form.place())].into_iter(), &form.identity(yard))
}

fn load(yard: &Yard, ends: &Ends, form: Form) -> Vec<String> {
    let bundle = yard.text(form.place());
    let fixed = ["load", &bundle, "--target-registry", &ends.target, "--plain-http", &ends.target];
    let receipt = yard.text("receipt.json");
    let more = ["--target-repository", "site", "--receipt", &receipt];
    sealift(fixed.into_iter().chain(more), &form.identity(yard))
}

fn sealift<'a>(arguments: impl Iterator<Item = &'a str>, options: &[String]) -> Vec<String> {
    let binary = binary().display().to_string();
    let arguments = arguments.map(str::to_owned).chain(options.iter().cloned());
    std::iter::once(binary).chain(arguments).collect()
}
