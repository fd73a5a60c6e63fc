//! `--create-repositories`: makes at the target what some registries want to be there before a push. It runs
//! when it is known what will be pushed, and when every limit allows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use sealift_mirror::{Mirror, Plan, State, Step, Survey, Surveyed, Weight};
use sealift_oci::RepositoryName;
use sealift_registry::client::{Amazon, AmazonKeys, Created, RegistryClient, Secret};
use sealift_store::{Error, ErrorKind, MemoryStore, Side};

use super::Result;
use super::dry_run::check;
use super::job::Job;
use crate::errors::CommandError;
use crate::places::Connection;
use crate::size::Size;
use crate::stop::Stop;
use crate::ui::Ui;

/// What makes repositories at the target.
#[derive(Debug)]
pub(super) struct Creation {
    client: RegistryClient,
    amazon: Option<Amazon>,
    /// What is known to be there.
    there: BTreeSet<String>,
}

impl Creation {
    pub(super) fn new(
        job: &Job,
        connection: &Connection,
        variables: &HashMap<OsString, OsString>,
    ) -> Result<Self> {
        let Some(target) = job.ends.target.place() else {
            return Err(CommandError::usage("--create-repositories is for registries", "Leave it out."));
        };
        let credentials = target.identity.credentials.clone();
        let client = connection.client(&target.registry, credentials, Some(Side::Target))?;
        Ok(Self { client, amazon: amazon(variables), there: BTreeSet::new() })
    }

    /// Makes what the images need that a plan copies. What is there already needs nothing.
    pub(super) async fn make(&mut self, ui: &Ui, plan: &Plan) -> Result<()> {
        let images = plan.groups.iter().flat_map(|group| &group.images);
        let copied = images.filter(|image| matches!(image.step, Step::Copy { .. }));
        self.make_all(ui, copied.map(|image| &image.request.target)).await.map(drop)
    }

    /// Some registries refuse to speak of what is not there yet: Harbor answers 401 of every image of a
    /// project that it lacks. Then nothing can be planned before the project is made, and the limit is
    /// held against all that is selected, because nothing of it can be there.
    pub(super) async fn admit(
        &mut self,
        ui: &Ui,
        job: &Job,
        survey: Survey,
        limit: Option<Size>,
        stop: &Stop,
    ) -> Result<Survey> {
        let hidden: Vec<&RepositoryName> = images(&survey).filter_map(hidden).collect();
        if hidden.is_empty() {
            return Ok(survey);
        }
        if limit.is_some() {
            let nothing = Arc::new(MemoryStore::new(job.ends.target.name()));
            let mirror = Mirror { target: nothing, observer: Arc::new(()), ..job.mirror.clone() };
            let all = stop.unless_asked(mirror.survey(&job.selection)).await?;
            check(Weight { fetch: Plan::new(all).totals().bytes, ..Weight::default() }, limit)?;
        }
        if self.make_all(ui, hidden.into_iter()).await? == 0 {
            return Ok(survey);
        }
        stop.unless_asked(job.mirror.survey(&job.selection)).await
    }

    /// Makes each thing once, and returns how many were made.
    async fn make_all(&mut self, ui: &Ui, names: impl Iterator<Item = &RepositoryName>) -> Result<usize> {
        let things: BTreeMap<&str, &RepositoryName> =
            names.map(|name| (self.client.made_for(name), name)).collect();
        let mut made = 0;
        for (thing, name) in things {
            if !self.there.insert(thing.to_owned()) {
                continue;
            }
            let created = self.client.create_repository(name, self.amazon.as_ref()).await;
            match created.map_err(|error| error.on(Side::Target))? {
                Created::Made => {
                    made += 1;
                    ui.status(format_args!("Made {thing} at the target."));
                }
                Created::Existed => {}
                // It is so with all of them.
                Created::OnPush => break,
            }
        }
        Ok(made)
    }
}

fn images(survey: &Survey) -> impl Iterator<Item = &Surveyed> {
    survey.groups.iter().flat_map(|group| &group.images)
}

/// Returns the repository of an image of which the target refuses to say whether it is there.
fn hidden(image: &Surveyed) -> Option<&RepositoryName> {
    let is_hidden = |error: &Error| {
        let kinds = [ErrorKind::Unauthenticated, ErrorKind::Denied, ErrorKind::NotFound];
        error.side() == Some(Side::Target) && kinds.contains(&error.kind())
    };
    match &image.state {
        State::Failed(error) if is_hidden(error) => Some(&image.request.target),
        _ => None,
    }
}

/// Reads Amazon's keys in the variables of its own tools; set to nothing is not set.
fn amazon(variables: &HashMap<OsString, OsString>) -> Option<Amazon> {
    let set = |name: &str| {
        let value = variables.get(OsStr::new(name))?.to_str()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let id = set("AWS_ACCESS_KEY_ID")?;
    let secret = Secret::new(set("AWS_SECRET_ACCESS_KEY")?);
    let session = set("AWS_SESSION_TOKEN").map(Secret::new);
    let endpoint = set("AWS_ENDPOINT_URL_ECR").or_else(|| set("AWS_ENDPOINT_URL"));
    Some(Amazon { keys: AmazonKeys { id, secret, session }, endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_amazons_own_tools() {
        let read = |set: &[(&str, &str)]| {
            let variables = set.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let amazon = amazon(&variables)?;
            let secret = amazon.keys.secret.expose().to_owned();
            let session = amazon.keys.session.map(|it| it.expose().to_owned());
            Some((amazon.keys.id, secret, session, amazon.endpoint))
        };
        let text = |text: &str| text.to_owned();
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"));
        assert_eq!(read(&[id]), None);
        assert_eq!(read(&[id, ("AWS_SECRET_ACCESS_KEY", "")]), None);
        assert_eq!(read(&[id, secret, ("AWS_SESSION_TOKEN", "")]), Some((text("a"), text("s"), None, None)));
        let all = [id, secret, ("AWS_SESSION_TOKEN", "t"), ("AWS_ENDPOINT_URL", "https://x")];
        let expected = Some((text("a"), text("s"), Some(text("t")), Some(text("https://x"))));
        assert_eq!(read(&all), expected);
        let closer = [&all[..], &[("AWS_ENDPOINT_URL_ECR", "https://y")]].concat();
        assert_eq!(read(&closer).unwrap().3.as_deref(), Some("https://y"));
    }
}
