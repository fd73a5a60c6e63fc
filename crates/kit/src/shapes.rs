//! Checks YAML against the published shapes of its kinds: which fields there are, and of which type. A field that is
//! misspelt, or stands one level too high, is found like this; a cluster would drop it without a word.

use serde_json::Value;

/// The fields of each kind that a kit uses. `[]` is each item of a list, `*` any name; behind the colon stands the type.
///
/// Sources: the API reference of Kubernetes 1.31 for Secret v1 and Job batch/v1, `config/v1` of openshift/api for the two
/// mirror sets, the types of Kustomize 5 for Component, the data controller's published manifests, and the page of k3s about
/// private registries.
const SHAPES: &[(&str, &[&str])] = &[
    ("v1 Secret", &["type:string", "data.*:string", "stringData.*:string"]),
    (
        "batch/v1 Job",
        &[
            "spec.backoffLimit:number",
            "spec.template.spec.imagePullSecrets[].name:string",
            "spec.template.spec.containers[].name:string",
            "spec.template.spec.containers[].image:string",
            "spec.template.spec.containers[].imagePullPolicy:string",
            "spec.template.spec.containers[].command[]:string",
            "spec.template.spec.containers[].args[]:string",
            "spec.template.spec.restartPolicy:string",
            "spec.template.spec.serviceAccountName:string",
        ],
    ),
    (
        "arcdata.microsoft.com/v5 DataController",
        &["spec.docker.registry:string", "spec.docker.repository:string", "spec.docker.imageTag:string"],
    ),
    (
        "config.openshift.io/v1 ImageDigestMirrorSet",
        &[
            "spec.imageDigestMirrors[].source:string",
            "spec.imageDigestMirrors[].mirrors[]:string",
            "spec.imageDigestMirrors[].mirrorSourcePolicy:string",
        ],
    ),
    (
        "config.openshift.io/v1 ImageTagMirrorSet",
        &[
            "spec.imageTagMirrors[].source:string",
            "spec.imageTagMirrors[].mirrors[]:string",
            "spec.imageTagMirrors[].mirrorSourcePolicy:string",
        ],
    ),
    (
        "kustomize.config.k8s.io/v1alpha1 Component",
        &[
            "images[].name:string",
            "images[].newName:string",
            "images[].newTag:string",
            "images[].digest:string",
        ],
    ),
    (
        REGISTRIES,
        &["mirrors.*.endpoint[]:string", "mirrors.*.rewrite.*:string", "configs.*.tls.ca_file:string"],
    ),
];
/// What k3s and RKE2 read, which is no object and does not say what it is.
pub(crate) const REGISTRIES: &str = "registries.yaml";
/// What every object has.
const COMMON: &[&str] =
    &["apiVersion:string", "kind:string", "metadata.name:string", "metadata.namespace:string"];

/// Lists what is wrong with an object of a cluster.
pub(crate) fn mistakes(text: &str) -> Vec<String> {
    let document: Value = serde_saphyr::from_str(text).unwrap();
    let kind = format!("{} {}", document["apiVersion"].as_str().unwrap(), document["kind"].as_str().unwrap());
    mistakes_of(&kind, &document, COMMON)
}

/// Lists what is wrong with a file of k3s.
pub(crate) fn mistakes_for_k3s(text: &str) -> Vec<String> {
    mistakes_of(REGISTRIES, &serde_saphyr::from_str(text).unwrap(), &[])
}

fn mistakes_of(kind: &str, document: &Value, common: &[&str]) -> Vec<String> {
    let Some((_, shape)) = SHAPES.iter().find(|(name, _)| *name == kind) else {
        return vec![format!("{kind} is no kind that is known")];
    };
    let mut mistakes = Vec::new();
    walk(document, "", &mut |found| {
        if !shape.iter().chain(common).any(|allowed| fits(found, allowed)) {
            mistakes.push(found.to_owned());
        }
    });
    mistakes
}

fn walk(value: &Value, path: &str, tell: &mut impl FnMut(&str)) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                // A name with dots in it is one name.
                walk(value, &format!("{path}{dot}{}", name.replace('.', "·")), tell);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), tell)),
        Value::String(_) => tell(&format!("{path}:string")),
        Value::Number(_) => tell(&format!("{path}:number")),
        Value::Bool(_) => tell(&format!("{path}:boolean")),
        Value::Null => tell(&format!("{path}:null")),
    }
}

fn fits(found: &str, allowed: &str) -> bool {
    let Some((front, back)) = allowed.split_once('*') else { return found == allowed };
    let Some(rest) = found.strip_prefix(front) else { return false };
    // A name may have a colon in it, so it ends where the next part begins, or before the type.
    let end = if back.starts_with(':') { rest.rfind(':') } else { rest.find('.') };
    let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
    !name.is_empty() && !name.contains('.') && fits(rest, back)
}

#[test]
fn mistakes_are_found() {
    let job =
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {backofLimit: 0, backoffLimit: 'no'}\n";
    assert_eq!(mistakes(job), ["spec.backofLimit:number", "spec.backoffLimit:string"]);
    assert_eq!(
        mistakes("apiVersion: v1\nkind: Secret\ndata: {.x: z}\nstringData: {a: {b: c}}\n"),
        ["stringData.a.b:string"]
    );
    assert_eq!(mistakes("apiVersion: v1\nkind: Pod\n"), ["v1 Pod is no kind that is known"]);
    assert_eq!(
        mistakes_for_k3s(
            "mirrors: {'a.b:5': {endpoints: [x], rewrite: {'^a/(.*)$': b}}}\nconfigs: {'a:5': {tls: {ca: x}}}"
        ),
        ["configs.a:5.tls.ca:string", "mirrors.a·b:5.endpoints[]:string"]
    );
}
