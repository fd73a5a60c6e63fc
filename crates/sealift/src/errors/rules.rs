//! The table: what an error of a place means, and what the user can do next. The first row that fits counts.

use sealift_store::{ErrorKind, Side};

use super::Exit;

/// One row: which errors it is for, what they mean, what to do.
pub(super) struct Rule {
    /// Without a kind: any.
    pub(super) kind: Option<ErrorKind>,
    pub(super) side: Option<Side>,
    /// Words of which one must stand somewhere in the error and its causes, in lower case; none: any error.
    pub(super) words: &'static [&'static str],
    pub(super) exit: Exit,
    /// `{side}`, `{SIDE}` and `{place}` are filled in; `{host}` is where the place leads, or itself, and
    /// `{name}` that without its port; `{wait}` is how long the place asked to wait.
    pub(super) hint: &'static str,
}

pub(super) const ANY: &[&str] = &[];
/// A tag that is there and stays what it is: registries have many numbers and codes for that.
const IMMUTABLE: Rule = Rule {
    kind: None,
    side: TARGET,
    words: &["immutable", "it answers 412", "precondition", "tag_invalid"],
    exit: Exit::Failed,
    hint: "{place} lets nobody change a tag that is there. Delete the tag there, or let who runs {place} lift the rule on immutable tags; or mirror to another repository (--target-repository).",
};
pub(super) const WANTED_BY_THE_PROXY: Rule = rule(
    ErrorKind::Unauthenticated,
    None,
    &["the proxy "],
    Exit::Access,
    "Name the proxy's user and password in the variable that names the proxy (HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT), or leave {host} out of it by NO_PROXY.",
);
/// What is asked to find signatures.
const LISTING: &[&str] = &["cannot list what is attached to"];
/// What the engine says of an attachment that the target does not take.
const ATTACHMENT: &[&str] = &["it is an attachment of"];
const WITHOUT_ATTACHMENTS: &str = "{place} does not take this kind of attachment; another version or product may. --no-attachments goes on without signatures, attestations and SBOMs.";
const SOURCE: Option<Side> = Some(Side::Source);
const TARGET: Option<Side> = Some(Side::Target);

pub(super) const fn rule(
    kind: ErrorKind,
    side: Option<Side>,
    words: &'static [&'static str],
    exit: Exit,
    hint: &'static str,
) -> Rule {
    Rule { kind: Some(kind), side, words, exit, hint }
}

/// A row for errors of connecting, which clients give several kinds.
pub(super) const fn connecting(words: &'static [&'static str], hint: &'static str) -> Rule {
    Rule { kind: None, side: None, words, exit: Exit::Failed, hint }
}

/// The rows, in their order.
pub(super) const RULES: &[Rule] = &[
    WANTED_BY_THE_PROXY,
    rule(
        ErrorKind::Unauthenticated,
        None,
        &["a client certificate"],
        Exit::Access,
        "Name the certificate and its key with --client-cert FILE and --client-key FILE, or put both into /etc/docker/certs.d/{place}.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        TARGET,
        &["amazon's api"],
        Exit::Access,
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and this machine's clock: keys that were given for some hours end, and so does a signature.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        None,
        &["expired"],
        Exit::Access,
        "The token has ended (Azure's last 3 hours, Amazon's 12): get a new one, and give it as the password with `sealift login {place}` or {SIDE}_DOCKER_PASSWORD. Then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        TARGET,
        &["harbor answers so, too"],
        Exit::Access,
        "Check user and password for the target (`sealift login`, or --target-username and TARGET_DOCKER_PASSWORD); if the project is not there, make it first: --create-repositories does so.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        SOURCE,
        &["harbor answers so, too"],
        Exit::Access,
        "Check user and password for the source, and the project's name (--source-repository): {place} has no such project, or hides it.",
    ),
    rule(
        ErrorKind::Denied,
        TARGET,
        &["amazon's api"],
        Exit::Access,
        "Let the keys have the right ecr:CreateRepository, or make the repositories with others (`aws ecr create-repository`) and leave out --create-repositories.",
    ),
    Rule {
        kind: None,
        side: TARGET,
        words: &["read only mode", "read-only mode", "readonly mode", "served read-only"],
        exit: Exit::Failed,
        hint: "{place} takes nothing for now: it is set to read-only, as for a backup or a garbage collection. Ask who runs it, then run the same command again.",
    },
    connecting(
        &["for tokens, by plain http"],
        "Passwords and tokens would go there unencrypted: who runs {place} has to name an https address for its tokens.",
    ),
    IMMUTABLE,
    connecting(
        &["the clock here is wrong"],
        "Set this machine's clock right; if it is right, who runs {place} has to renew the certificate.",
    ),
    connecting(
        &["certificate is for another name"],
        "Name the registry as its certificate does; --resolve HOST:IP says where that name is found.",
    ),
    connecting(
        &["certificate"],
        "If a private authority signed the registry's certificate, name the authority's own with --ca-file FILE.",
    ),
    connecting(
        &["the private address"],
        "A public registry is not followed into a private network. If {place} belongs to this network itself, say where it is with --resolve HOST:IP.",
    ),
    connecting(
        &["the link-local or metadata address"],
        "Machines get their rights there, and no registry keeps anything there: do not go on with {place}, and tell who runs it.",
    ),
    connecting(
        &["by way of the proxy"],
        "Check the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, or leave {place} out of it by NO_PROXY.",
    ),
    connecting(
        &["cannot be resolved", "dns error", "failed to lookup", "name or service not known"],
        "No such host is known here: check the name (--{side}-registry, {SIDE}_DOCKER_REGISTRY) and this machine's DNS.",
    ),
    connecting(
        &["connection refused", "connection is refused"],
        "Nothing listens at {place}: check the port, and that the registry runs.",
    ),
    connecting(
        &["spoken to by tls", "invalidcontenttype", "corrupt message"],
        "If plain HTTP is meant, allow it with --plain-http {place}.",
    ),
    connecting(
        &["cannot connect: it answers 400", "what it answers is not http"],
        "If {place} speaks TLS, leave --plain-http {place} out; else check that it is a container registry.",
    ),
    rule(
        ErrorKind::Invalid,
        None,
        &["characters that cannot be sent"],
        Exit::Usage,
        "Check the user: no name of one has a colon.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        None,
        LISTING,
        Exit::Access,
        "Check user and password for the {side}, and the right to see what is attached there; --no-attachments goes on without signatures, attestations and SBOMs.",
    ),
    rule(
        ErrorKind::Denied,
        None,
        LISTING,
        Exit::Access,
        "Ask who runs {place} for the right to see what is attached; --no-attachments goes on without signatures, attestations and SBOMs.",
    ),
    rule(
        ErrorKind::Unavailable,
        None,
        LISTING,
        Exit::Failed,
        "Run the same command again: what arrived is not moved again. If it stays, look at the log of {place}; --no-attachments goes on without signatures, attestations and SBOMs.",
    ),
    rule(
        ErrorKind::Invalid,
        None,
        LISTING,
        Exit::Failed,
        "Check that no proxy answers in the name of {place}; --no-attachments goes on without signatures, attestations and SBOMs.",
    ),
    rule(
        ErrorKind::Invalid,
        TARGET,
        &["it holds no list"],
        Exit::Failed,
        "Delete that tag at {place} and run the same command again: an image with something attached gets another one. --no-attachments goes on without signatures, attestations and SBOMs.",
    ),
    rule(
        ErrorKind::Invalid,
        TARGET,
        &["no image overwrites it"],
        Exit::Failed,
        "Take its line out of the list: what is attached comes with its image. Or name the image by its digest alone.",
    ),
    rule(ErrorKind::Invalid, TARGET, ATTACHMENT, Exit::Failed, WITHOUT_ATTACHMENTS),
    rule(ErrorKind::Unsupported, TARGET, ATTACHMENT, Exit::Failed, WITHOUT_ATTACHMENTS),
    rule(
        ErrorKind::Unavailable,
        None,
        &["it answers 5"],
        Exit::Failed,
        "{place} failed at its own work: look at its log and its disk, then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Unavailable,
        TARGET,
        &[".dkr.ecr"],
        Exit::Failed,
        "Check the network and that {place} works, and that the repository is there: Amazon ECR may hang up on who pushes into none; --create-repositories makes it. Then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Unavailable,
        None,
        ANY,
        Exit::Failed,
        "Check the network and that {place} works, then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Unauthenticated,
        None,
        ANY,
        Exit::Access,
        "Check user and password for the {side}: --{side}-username or {SIDE}_DOCKER_USERNAME, --{side}-password-stdin or {SIDE}_DOCKER_PASSWORD.",
    ),
    rule(
        ErrorKind::Denied,
        None,
        &["client with ip", "ip address"],
        Exit::Access,
        "The user is not in question: the registry's firewall is. Who runs {place} has to let this machine's address in.",
    ),
    rule(
        ErrorKind::Denied,
        SOURCE,
        ANY,
        Exit::Access,
        "The user may not read there. Ask who runs {place} for the right to pull, or check the repository's name.",
    ),
    rule(
        ErrorKind::Denied,
        None,
        ANY,
        Exit::Access,
        "The user may not write there. Ask who runs {place} for the right to push, or check the repository's name.",
    ),
    rule(
        ErrorKind::NotFound,
        SOURCE,
        &["blob_unknown", "cannot fetch blob"],
        Exit::Missing,
        "{place} has the image and has lost a part of it: tell who runs it. --image with the others' names goes on without this one.",
    ),
    rule(
        ErrorKind::NotFound,
        SOURCE,
        ANY,
        Exit::Missing,
        "The source lacks it. `sealift releases --source-registry {place}` lists the releases that are there.",
    ),
    rule(
        ErrorKind::NotFound,
        TARGET,
        &["blob_upload_", "blob_unknown"],
        Exit::Failed,
        "{place} lost a part of what was pushed: look at its log and its disk, then run the same command again.",
    ),
    rule(
        ErrorKind::NotFound,
        None,
        ANY,
        Exit::Failed,
        "Check the target's repository (--target-repository, TARGET_DOCKER_REPOSITORY). Where it has to be made first, --create-repositories makes Harbor's project, and with the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY the repository of Amazon ECR.",
    ),
    rule(
        ErrorKind::Mismatch,
        SOURCE,
        ANY,
        Exit::Difference,
        "The source, or a proxy before it, sends wrong content. Nothing wrong was kept. Run again; if it stays, tell who runs {place}.",
    ),
    rule(
        ErrorKind::Mismatch,
        TARGET,
        &["digest_invalid", "did not match", "what was uploaded", "what came has the digest"],
        Exit::Difference,
        "Something between here and {place} changes what passes: the target got other bytes than were sent, and kept none. Run the same command again; if it stays, look at proxies on the way.",
    ),
    rule(
        ErrorKind::Mismatch,
        TARGET,
        &["the tag is wrong now"],
        Exit::Difference,
        "Something between here and {place} changes what passes. Run the same command again: it sets the tag right.",
    ),
    rule(
        ErrorKind::Mismatch,
        None,
        ANY,
        Exit::Difference,
        "The content at the target is damaged. Delete it there, then mirror again with --recheck.",
    ),
    rule(
        ErrorKind::NoSpace,
        None,
        ANY,
        Exit::Failed,
        "Make room at {place}, then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Busy,
        SOURCE,
        &["pull rate limit"],
        Exit::Failed,
        "{place} counts what nobody in particular, or this user, pulls: sign in with `sealift login {place}`, or wait{wait}. Then run the same command again: what arrived is not moved again.",
    ),
    rule(
        ErrorKind::Busy,
        None,
        ANY,
        Exit::Failed,
        "{host} limits how much it is asked. Wait{wait}, then run again, with a smaller --max-connections.",
    ),
    rule(ErrorKind::ReadOnly, TARGET, ANY, Exit::Failed, "{place} can only be read. Choose another target."),
    rule(ErrorKind::ReadOnly, None, ANY, Exit::Failed, "{place} can only be read."),
    rule(
        ErrorKind::Unsupported,
        TARGET,
        &["no keys for amazon's api"],
        Exit::Access,
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where the keys have one); or run that command for each repository, then this one again without --create-repositories.",
    ),
    rule(
        ErrorKind::Unsupported,
        TARGET,
        &["takes no body of"],
        Exit::Failed,
        "Raise the limit on the size of a request at {place}, or at the proxy in front of it, above the largest layer: client_max_body_size of nginx (0 is no limit), proxy-body-size of its ingress.",
    ),
    rule(
        ErrorKind::Unsupported,
        TARGET,
        &["create-repository"],
        Exit::Failed,
        "Run that command for each repository, then this one again without --create-repositories.",
    ),
    rule(
        ErrorKind::Unsupported,
        None,
        &["schema 1"],
        Exit::Failed,
        "Ask the image's publisher for one in a current format; --image with the others' names goes on without it.",
    ),
    rule(
        ErrorKind::Unsupported,
        None,
        ANY,
        Exit::Failed,
        "{place} cannot do this; another version or product may.",
    ),
    rule(
        ErrorKind::Invalid,
        TARGET,
        &["name_invalid"],
        Exit::Failed,
        "{place} does not take that name: some want fewer or more parts, or a project first. Choose another with --target-repository.",
    ),
    rule(
        ErrorKind::Invalid,
        TARGET,
        &["manifest_invalid"],
        Exit::Failed,
        "{place} does not take this manifest, as older products do with new kinds: another version or product may. --image with the others' names goes on without it.",
    ),
    rule(
        ErrorKind::Invalid,
        None,
        ANY,
        Exit::Failed,
        "Check that {place} is a container registry, and that no proxy answers in its name.",
    ),
    rule(ErrorKind::Io, None, ANY, Exit::Failed, "Check this machine's disk and rights, then run again."),
];
