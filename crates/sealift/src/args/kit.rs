//! What is typed for what comes before a mirror and after it: finding images, pinning them, and using them.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};
use sealift_oci::Registry;

use super::{AnswerArgs, ConnectionArgs, OutputArgs, TalkArgs, WhatArgs};

#[derive(Debug, Group)]
#[command(after_help = "\
Where an image was found stands behind it as a comment, so the output is a list
that --images-file takes as it is. What cannot be resolved is a comment of its own.

Examples:
  sealift images ./manifests > images.txt
  sealift images app-1.2.tgz --values site.yaml
  kubectl get pods -A -o json | sealift images -
  sealift images control.json --output json")]
pub(crate) struct ImagesArgs {
    /// A file, a directory or a packaged chart; - is standard input; repeatable.
    /// Manifests, Compose files, kustomizations, Helm charts, Azure Arc's
    /// control.json
    #[arg(value_name = "FILE|DIR|-", required = true)]
    pub(crate) places: Vec<PathBuf>,
    /// Values for charts, as `helm template` takes them; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,
    /// Do not run helm, even if it is there: look into values and templates
    #[arg(long)]
    pub(crate) no_helm: bool,
    /// End with code 1 if something cannot be resolved
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Debug, Group)]
#[command(after_help = "\
The text is a list of the source's images with their digests, which --images-file
takes. The document of --output json is what `sealift kit --lock` takes.

Examples:
  sealift lock --tag v1.42.0_2025-10-14 \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata
  sealift lock --images-file images.txt --at source
  sealift lock --images-file images.txt --output json \\
      --target-registry registry.ship.lan:5000 --target-repository site")]
pub(crate) struct LockArgs {
    /// Where the digests are asked for
    #[arg(long, value_enum, value_name = "SIDE", default_value_t = LockSide::Target)]
    pub(crate) at: LockSide,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// Which end is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LockSide {
    /// The registry that was mirrored to
    #[default]
    Target,
    /// The registry that is mirrored from
    Source,
}

#[derive(Debug, Group)]
#[command(after_help = "\
No registry is asked. README.txt in the directory says what to do, in order.

Examples:
  sealift kit --for azure-arc --tag v1.42.0_2025-10-14 --to ./kit \\
      --target-registry registry.ship.lan:5000 --target-repository arcdata
  pass ship | sealift kit --for azure-arc --to ./kit --target-username captain \\
      --target-password-stdin --target-registry registry.ship.lan:5000 \\
      --target-repository arcdata
  sealift kit --for azure-arc --profile site.yaml --to ./kit
  sealift kit --for kubernetes --images-file images.txt --to ./kit \\
      --target-registry registry.ship.lan:5000 --target-repository site
  sealift kit --for kubernetes --lock lock.json --to ./kit")]
pub(crate) struct KitArgs {
    /// Who is to pull from the target
    #[arg(long = "for", value_enum, value_name = "CONSUMER")]
    pub(crate) consumer: Consumer,
    /// Where the files go: a directory, which is made where it is missing
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) to: PathBuf,
    /// Write into a directory that is not empty, over files of the same names
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    /// What this profile takes, and its answers where no flag and no variable
    /// gives one (`-` is standard input)
    #[arg(long, value_name = "FILE", help_heading = "What was mirrored")]
    pub(crate) profile: Option<PathBuf>,
    /// The images that FILE lists (`-` is standard input), as they were mirrored
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source_registry", "source_repository"],
        help_heading = "What was mirrored")]
    pub(crate) images_file: Option<PathBuf>,
    /// The images of this document of `sealift lock --output json`, with their
    /// digests
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images_file", "source_tag", "source_registry",
        "source_repository", "target_tag"], help_heading = "What was mirrored")]
    pub(crate) lock: Option<PathBuf>,
    /// The namespace of the data controller
    #[arg(long, value_name = "NAME", default_value = "arc", help_heading = "The cluster")]
    pub(crate) namespace: String,
    /// What the data controller is called
    #[arg(long, value_name = "NAME", default_value = "arc", help_heading = "The cluster")]
    pub(crate) controller: String,
    /// Where nodes have the certificates of the registry's authority
    #[arg(long, value_name = "PATH", help_heading = "The cluster")]
    pub(crate) node_ca: Option<String>,
    /// Nodes speak plain HTTP with this registry; repeatable
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "The cluster")]
    pub(crate) plain_http: Vec<Registry>,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// Who pulls from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consumer {
    /// A data controller of Azure Arc-enabled data services
    AzureArc,
    /// The nodes of any cluster: containerd, CRI-O, k3s, RKE2, OpenShift; and
    /// Kustomize
    Kubernetes,
}
