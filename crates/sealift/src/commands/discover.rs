//! `sealift releases --discover`: everything that a registry lists, against the table.

use std::sync::Arc;

use sealift_store::Side;

use super::Result;
use super::job::look_up;
use super::mirror::write;
use crate::answers::Answer;
use crate::args::{AnswerArgs, Format, ReleasesArgs};
use crate::discovery::{Seen, look};
use crate::environment::Environment;
use crate::errors::Exit;
use crate::identity::Lookup;
use crate::output::{discovery, json};
use crate::places::Connection;
use crate::settings::{Asker, Given};
use crate::stop::Stop;
use crate::ui::Ui;

/// Reads every repository of the source, and shows what differs. That something differs is no failure.
pub(crate) async fn run(ui: &Arc<Ui>, args: &ReleasesArgs, environment: &mut Environment) -> Result<Exit> {
    Stop::listen(ui).unless_asked(compare(ui, args, environment)).await?
}

async fn compare(ui: &Ui, args: &ReleasesArgs, environment: &mut Environment) -> Result<Exit> {
    let connection = Connection::read(&args.connection, environment)?;
    let answers = AnswerArgs { source: args.source.clone(), ..AnswerArgs::default() };
    let given = Given::read(&Answer::SOURCE, &answers, environment)?;
    let mut place = Asker::new(given, None, ui).source()?;
    look_up(&Lookup::new(environment, ui), &mut place).await?;
    let store = connection.open(&place, Side::Source)?;
    let seen: Seen =
        look(ui, store.as_ref(), &place.repository).await.map_err(|error| place.refusal(error))?;
    match args.output.output {
        Format::Text => write(ui, &discovery::text(&place, &seen, ui.width()))?,
        Format::Json => write(ui, &json::text(&json::DiscoveryReport::new(&place, &seen)))?,
    }
    Ok(Exit::Success)
}
