use proptest::prelude::*;

use super::*;

/// Writes what was found, one on each line: the line, where, what, and `?` where it only looks like an image.
fn told(role: Role, text: &str) -> Vec<String> {
    let found = find(role, text.as_bytes()).unwrap();
    let told = found.findings.iter().map(|Finding { line, place, image, certainty }| {
        let mark = if *certainty == Certainty::Likely { "?" } else { "" };
        let image = match image {
            Image::Reference { reference, is_latest_implied } => {
                format!("{reference}{}", if *is_latest_implied { " (implied)" } else { "" })
            }
            Image::Unresolved { text, reason } => format!("{text} !{reason:?}"),
        };
        format!("{line} {place}{mark} {image}")
    });
    told.collect()
}

fn documents(text: &str) -> Vec<String> {
    told(Role::Documents, text)
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - image: busybox
  containers:
  - name: a
    image: nginx:1.25
    args: [-v, --reloader-image=quay.io/a/reload:v1, -image, quay.io/a/b:2, -x, c.d/e:3]
    env:
    - {name: RELATED_IMAGE_X, value: 'quay.io/a/x:1'}
    - {name: HOST, value: 'quay.io/a/y:1'}
  ephemeralContainers:
  - {image: 'quay.io/a/debug:1'}
  volumes:
  - name: data
    image: {reference: 'quay.io/a/data:1'}
";

#[test]
fn a_pod_names_its_images_in_all_its_places() {
    assert_eq!(
        documents(POD),
        [
            "6 Pod/web spec.initContainers[0].image docker.io/library/busybox:latest (implied)",
            "9 Pod/web spec.containers[0].image docker.io/library/nginx:1.25",
            "10 Pod/web spec.containers[0].args[1]? quay.io/a/reload:v1",
            "10 Pod/web spec.containers[0].args[3]? quay.io/a/b:2",
            "12 Pod/web spec.containers[0].env[0].value? quay.io/a/x:1",
            "15 Pod/web spec.ephemeralContainers[0].image quay.io/a/debug:1",
            "18 Pod/web spec.volumes[0].image.reference quay.io/a/data:1",
        ]
    );
}

#[test]
fn templates_of_pods_are_found_wherever_they_are() {
    let wrap = |kind: &str, path: &str| {
        let containers = "{containers: [{image: 'a/b:1'}]}";
        let nested =
            path.rsplit('.').fold(containers.to_owned(), |inner, name| format!("{{{name}: {inner}}}"));
        format!("apiVersion: x/v1\nkind: {kind}\nmetadata: {{name: n}}\nspec: {nested}\n")
    };
    for (kind, path) in [
        ("Deployment", "template.spec"),
        ("CronJob", "jobTemplate.spec.template.spec"),
        ("Rollout", "anything.at.all"),
    ] {
        let expected = format!("4 {kind}/n spec.{path}.containers[0].image docker.io/a/b:1");
        assert_eq!(documents(&wrap(kind, path)), [expected]);
    }
}

#[test]
fn lists_documents_and_json_are_the_same_to_it() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "N"}, "spec": {"containers": [{"image": "a/b:1"}]}}"#;
    let list = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}}"#,
        pod.replace('N', "x"),
        pod.replace('N', "y")
    );
    let each = ["x", "y"].map(|name| format!("1 Pod/{name} spec.containers[0].image docker.io/a/b:1"));
    assert_eq!(documents(&list), each);
    let several = format!("{}\n---\n# nothing\n---\n{}\n", pod.replace('N', "x"), pod.replace('N', "y"));
    let lines = [1, 5].map(|line| each[usize::from(line == 5)].replacen('1', &line.to_string(), 1));
    assert_eq!(documents(&several), lines);
}

#[test]
fn custom_resources_only_look_like_it_and_definitions_name_nothing() {
    let custom = "apiVersion: x/v1\nkind: Prometheus\nmetadata: {name: p}\nspec:\n  image: quay.io/p/p:v1\n  \
                  sidecarImage: quay.io/p/s\n  image2: {repository: a/b, tag: v1}\n  vmImage: ami-12\n";
    assert_eq!(
        documents(custom),
        [
            "5 Prometheus/p spec.image? quay.io/p/p:v1",
            "6 Prometheus/p spec.sidecarImage? quay.io/p/s !NoTag",
            "7 Prometheus/p spec.image2? docker.io/a/b:v1",
        ]
    );
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                      metadata: {name: d}\nspec: {properties: {image: 'a/b:1'}}\n";
    assert!(documents(definition).is_empty());
}

#[test]
fn compose_files_name_the_images_of_their_services() {
    let compose = "services:\n  web:\n    image: nginx\n  own:\n    build: .\n    image: a/own:1\n  db:\n    \
                   image: 'postgres:${PG:-16}'\n  none: {build: .}\n";
    assert_eq!(
        documents(compose),
        [
            "3 services.web.image docker.io/library/nginx:latest (implied)",
            "6 services.own.image? docker.io/a/own:1",
            "8 services.db.image postgres:${PG:-16} !Template",
        ]
    );
}

#[test]
fn kustomizations_name_what_they_change_to() {
    let kustomization = "images:\n- {name: nginx, newTag: '1.25'}\n- {name: a, newName: quay.io/x/a}\n\
                         - {name: b, newName: quay.io/x/b, newTag: 1.10}\n- {name: c}\n";
    assert_eq!(
        documents(kustomization),
        [
            "2 images[0] docker.io/library/nginx:1.25",
            "3 images[1] quay.io/x/a !OnlyName",
            "4 images[2] quay.io/x/b:1.1 !Fraction",
        ]
    );
    assert_eq!(
        documents("components:\n- images: ['quay.io/a/b:1', x]\n"),
        ["2 components[0].images[0]? quay.io/a/b:1"]
    );
}

fn controller(docker: &str) -> String {
    format!(
        "{{\"apiVersion\": \"arcdata.microsoft.com/v5\", \"kind\": \"DataController\",\n\
         \"metadata\": {{\"name\": \"arc\"}}, \"spec\": {{\"docker\": {docker}}}}}"
    )
}

#[test]
fn a_data_controller_means_every_image_of_its_release() {
    let docker = r#"{"registry": "ship.lan:5000", "repository": "a/b", "imageTag": "v1.42.0_2025-10-14"}"#;
    let found = documents(&controller(docker));
    assert_eq!(found.len(), 20);
    assert_eq!(
        found[0],
        "2 DataController/arc spec.docker ship.lan:5000/a/b/arc-bootstrapper:v1.42.0_2025-10-14"
    );
    let docker = r#"{"registry": "r.io", "repository": "a", "imageTag": "v1.46.0_2026-05-12"}"#;
    assert_eq!(
        documents(&controller(docker)),
        [
            "2 DataController/arc spec.docker r.io/a/arc-controller:v1.46.0_2026-05-12",
            "2 DataController/arc spec.docker r.io/a/arc-bootstrapper:v1.46.0_2026-05-12",
            "2 DataController/arc spec.docker r.io/a/*:v1.46.0_2026-05-12 !UnknownRelease",
        ]
    );
    for (docker, expected) in [
        (r#"{"imageTag": "v1.42.0_2025-10-14"}"#, "v1.42.0_2025-10-14 !OnlyTag"),
        (r#"{"registry": "{{R}}", "repository": "a", "imageTag": "v1"}"#, "{{R}}/a/*:v1 !Template"),
        (
            r#"{"registry": "r.io", "repository": "A", "imageTag": "v1"}"#,
            "r.io/A/*:v1 !Malformed(Name(Repository))",
        ),
    ] {
        assert_eq!(documents(&controller(docker)), [format!("2 DataController/arc spec.docker {expected}")]);
    }
    assert!(documents(&controller(r#"{"socket": "/run/docker.sock"}"#)).is_empty());
}

#[test]
fn values_are_put_together_and_templates_read_by_lines() {
    let values = "image:\n  registry: quay.io\n  repository: a/b\n  tag: v1\nsidecar:\n  repository: a/c\n  tag: 1.10\n\
                  metrics:\n  image: a/m:2\n";
    assert_eq!(
        told(Role::Values, values),
        ["2 image? quay.io/a/b:v1", "6 sidecar? a/c:1.1 !Fraction", "9 metrics.image? docker.io/a/m:2",]
    );
    let template =
        "{{- if .Values.x }}\nspec:\n  image: \"{{ .Values.image }}\"\n  image: quay.io/a/b:1\n{{- end }}\n";
    assert_eq!(
        told(Role::Template, template),
        ["3 image? {{ .Values.image }} !Template", "4 image? quay.io/a/b:1",]
    );
}

/// Manifests with a place-holder or two are no YAML, and still name images.
#[test]
fn documents_that_are_templates_are_read_by_lines() {
    let found = find(Role::Documents, b"{{ if x }}\nimage: a/b:1\n").unwrap();
    assert!(found.by_lines && found.findings.len() == 1);
    let found =
        find(Role::Documents, b"metadata: {namespace: {{N}}}\nspec: {containers: [{image: 'a/b:1'}]}\n");
    assert!(!found.unwrap().by_lines);
}

#[test]
fn charts_say_which_images_they_have() {
    let chart = "name: c\nannotations:\n  artifacthub.io/images: |\n    - name: a\n      image: quay.io/a/b:1\n    \
                 - image: nginx:2\n  other: |\n    - image: x:1\n";
    assert_eq!(
        told(Role::Chart, chart),
        [
            "5 annotations.artifacthub.io/images quay.io/a/b:1",
            "6 annotations.artifacthub.io/images docker.io/library/nginx:2",
        ]
    );
    assert!(told(Role::Chart, "annotations: {images: 'a: b: c'}").is_empty());
}

#[test]
fn what_cannot_be_read_is_said() {
    assert_eq!(find(Role::Documents, b"\xff\xfe"), Err(Unreadable::NoText));
    assert!(
        matches!(find(Role::Documents, b"a: b: c"), Err(Unreadable::Yaml(error)) if error.line == Some(1))
    );
    for nothing in ["", "null", "just words", "[1, 2]", "services: [x]", "kind: Pod"] {
        assert!(documents(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn what_is_shown_carries_no_control_characters() {
    let found = find(Role::Documents, b"spec: {containers: [{image: \"a\\e[2J{{ x }}\"}]}").unwrap();
    assert!(matches!(&found.findings[0].image, Image::Unresolved { text, .. } if !text.contains('\u{1b}')));
}

proptest! {
    /// Whatever is read: no panic, every line is one of the text, and a reference is one that lists take.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[-a-z:{}\\[\\]\"'\n /.$#]{0,200}") {
        for role in [Role::Documents, Role::Values, Role::Template, Role::Chart] {
            let Ok(found) = find(role, text.as_bytes()) else { continue };
            for finding in found.findings {
                prop_assert!(finding.line <= text.lines().count() as u64 + 1);
                if let Image::Reference { reference, .. } = finding.image {
                    prop_assert!(crate::ImageList::parse(&reference.to_string()).is_ok());
                }
            }
        }
    }

    /// An image that stands in a container is found as it is written, however the rest looks.
    #[test]
    fn an_image_in_a_container_is_found(name in "[a-z]{1,8}(/[a-z]{1,8}){0,2}", tag in "[a-z][a-z0-9.]{0,8}", noise in "[a-z]{1,6}") {
        let text = format!("{noise}: [1, {noise}]\nspec:\n  containers:\n  - {noise}: x\n    image: quay.io/{name}:{tag}\n");
        let found = find(Role::Documents, text.as_bytes()).unwrap();
        let expected = Image::Reference { reference: format!("quay.io/{name}:{tag}").parse().unwrap(), is_latest_implied: false };
        prop_assert_eq!(found.findings.iter().filter(|it| it.line == 5 && it.image == expected).count(), 1);
    }
}
