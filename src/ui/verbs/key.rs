//! `key`: the secrets that open the repository.

use crate::crypto::KdfCost;
use crate::error::{Error, Kind, Result};
use crate::format::slot::Kdf;
use crate::id::SlotId;
use crate::repo::{Repository, SlotInfo};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords::{self, NewSecretArgs};
use crate::ui::text::{self, Columns};
use clap::{Args, Subcommand};
use serde::Serialize;

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// List the key slots
    List,
    /// Add a password or a key file
    Add(NewKeyArgs),
    /// Remove a password or key file
    Remove {
        /// The slot: the beginning of its id
        #[arg(value_name = "ID")]
        slot: String,
    },
    /// Replace the password or key file that is used now
    Passwd(NewKeyArgs),
}

/// What a new slot takes.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    #[command(flatten)]
    pub secret: NewSecretArgs,

    /// Name of the key slot
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub label: String,
}

#[derive(Serialize)]
struct SlotView {
    id: String,
    label: String,
    kind: &'static str,
    created: String,
    current: bool,
}

/// Does what is asked with keys.
pub fn run(app: &App, verb: &KeyVerb) -> Result<Done> {
    match verb {
        KeyVerb::List => list(app)?,
        KeyVerb::Add(args) => {
            let repository = app.repository()?;
            let id = add(app, &repository, args)?;
            tell(app, "key_added", "added key", id)?;
        }
        KeyVerb::Remove { slot } => remove(app, slot)?,
        KeyVerb::Passwd(args) => {
            let (repository, secret) = app.unlock()?;
            let old = repository.slot_of(&secret)?;
            let id = add(app, &repository, args)?;
            repository.remove_slot(old)?;
            tell(app, "key_changed", "the key is now", id)?;
        }
    }
    Ok(Done::All)
}

fn list(app: &App) -> Result<()> {
    let (repository, secret) = app.unlock()?;
    let current = repository.slot_of(&secret)?;
    let mut out = Out::new();
    let mut table = Columns::new(&["ID", "Kind", "Created", "Label"], &[]);
    for slot in repository.slots()? {
        let view = view(&slot, current);
        if app.global.json {
            out.json("key", &view)?;
        }
        let mark = if view.current { "*" } else { " " };
        let label = text::plain(&slot.label);
        table.row([
            format!("{mark}{}", slot.id.short()),
            view.kind.to_owned(),
            text::local(slot.created),
            label,
        ]);
    }
    if !app.global.json {
        for line in table.lines() {
            out.line(&line)?;
        }
    }
    out.finish()
}

fn view(slot: &SlotInfo, current: SlotId) -> SlotView {
    SlotView {
        id: slot.id.to_string(),
        label: slot.label.clone(),
        kind: match slot.kdf {
            Kdf::Argon2id { .. } => "password",
            Kdf::KeyFile => "key file",
        },
        created: text::rfc3339(slot.created),
        current: slot.id == current,
    }
}

fn add(app: &App, repository: &Repository, args: &NewKeyArgs) -> Result<SlotId> {
    let secret = passwords::another(&args.secret, &app.env)?;
    secret.put_to_use(|secret| repository.add_slot(secret, KdfCost::default(), &args.label))
}

fn remove(app: &App, name: &str) -> Result<()> {
    let (repository, secret) = app.unlock()?;
    let slots = repository.slots()?;
    let mut found = slots.iter().filter(|slot| slot.id.to_string().starts_with(name));
    let id = match (found.next(), found.next()) {
        (Some(slot), None) if !name.is_empty() => slot.id,
        (None, _) => {
            return Err(Error::new(Kind::NotFound, "find the key slot", name)
                .hint("`icecore key list` shows the slots"));
        }
        _ => {
            return Err(Error::new(Kind::InvalidInput, "find the key slot", name)
                .because("several ids begin like that")
                .hint("give more digits"));
        }
    };
    if slots.len() > 1 && repository.slot_of(&secret)? == id {
        return Err(Error::new(Kind::Refused, "remove the key slot", id)
            .because("it is the one that is used right now")
            .hint("open the repository with another key, or use `icecore key passwd`"));
    }
    repository.remove_slot(id)?;
    tell(app, "key_removed", "removed key", id)
}

fn tell(app: &App, message_type: &str, said: &str, id: SlotId) -> Result<()> {
    #[derive(Serialize)]
    struct Key {
        id: String,
    }
    let mut out = Out::new();
    if app.global.json {
        out.json(message_type, &Key { id: id.to_string() })?;
    } else if app.talks() {
        out.line(&format!("{said} {}", id.short()))?;
    }
    out.finish()
}
