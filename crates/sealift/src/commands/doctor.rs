//! `sealift doctor`: looks at everything that a mirror run needs, one thing after the other, and says what to do
//! about what is wrong.
//!
//! | file | what it looks at |
//! |---|---|
//! | `network` | name, connection, TLS, clock, proxy |
//! | `source` | credentials, and the right to read |
//! | `target` | credentials, and the rights to push, mount and delete, tried in a scratch repository |
//! | `machine` | the disks of the state and of the spool |

mod findings;
mod machine;
mod network;
mod source;
mod target;

use std::sync::Arc;

use sealift_oci::Registry;
use sealift_registry::client::RegistryClient;
use sealift_store::{Error, Side};

use super::Result;
use super::job::{Goal, Job};
use super::mirror::write;
use crate::args::{DoctorArgs, Format};
use crate::ends::{Ends, SourceEnd};
use crate::environment::Environment;
use crate::errors::{Advice, Exit};
use crate::output::{doctor, json};
use crate::places::Connection;
use crate::stop::Stop;
use crate::ui::Ui;

pub(crate) use findings::{Check, Examination, Part, Verdict};

/// Looks at both ends and this machine.
pub(crate) async fn run(ui: &Arc<Ui>, args: &DoctorArgs, environment: &mut Environment) -> Result<Exit> {
    let examined = examine(ui, args, environment).await;
    match (&examined, args.output.output) {
        (Ok(found), Format::Json) => write(ui, &json::text(&json::DoctorReport::new(found)))?,
        (Err(error), Format::Json) => write(ui, &json::text(&json::DoctorReport::of_error(error)))?,
        (Ok(found), Format::Text) => write(ui, &doctor::text(found, ui.width()))?,
        (Err(_), Format::Text) => {}
    }
    examined.map(|found| found.exit())
}

async fn examine(ui: &Arc<Ui>, args: &DoctorArgs, environment: &mut Environment) -> Result<Examination> {
    let stop = Stop::listen(ui);
    // What is looked at once shall be told at once.
    let connection = Connection::read(&args.connection, environment)?.without_repeating();
    let settled = Job::settle(ui, &args.answers, &args.what, &connection, environment, Goal::Registry);
    let job = stop.unless_asked(settled).await??;
    let mut found = Examination::default();
    stop.unless_asked(source::examine(&job, &connection, &mut found)).await??;
    stop.unless_asked(target::examine(&job, &connection, !args.no_push, &mut found)).await??;
    found.parts.push(machine::examine(args, environment));
    Ok(found)
}

/// One end of a run that is looked at.
struct End<'a> {
    ends: &'a Ends,
    registry: &'a Registry,
    client: RegistryClient,
    side: Side,
}

impl End<'_> {
    /// Says what an error of this end means.
    fn failed(&self, name: &'static str, error: Error) -> Check {
        let error = error.on(self.side);
        let advice = self.ends.advice(&error);
        Check::failed(name, &error, advice)
    }
}

/// Lists the registries of the source.
fn registries(source: &SourceEnd) -> Vec<&Registry> {
    match source {
        SourceEnd::Place(place) => vec![&place.registry],
        SourceEnd::List(registries) => registries.keys().collect(),
        SourceEnd::Bundle(_) | SourceEnd::Repair(_) => Vec::new(),
    }
}

/// Words for what nobody advises on.
fn advice(exit: Exit, hint: &str) -> Advice {
    Advice { exit, hint: hint.to_owned() }
}
