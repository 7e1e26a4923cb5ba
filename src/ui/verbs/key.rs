//! `key`: the secrets that open the repository.

use crate::crypto::{KdfCost, Secret, slot};
use crate::error::{Error, Kind, Result};
use crate::format::slot::Kdf;
use crate::id::SlotId;
use crate::monitor::Monitor;
use crate::repo::{Repository, SlotInfo};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords::{self, NewSecretArgs};
use crate::ui::table::Columns;
use clap::{Args, Subcommand};
use serde::Serialize;

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// List the key slots
    List,
    /// Add a password or a key file
    Add(NewKeyArgs),
    /// Remove a password or key file, or what stands among the slots without counting
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
struct SlotView<'s> {
    id: String,
    label: &'s str,
    kind: &'static str,
    created: String,
    current: bool,
    state: &'static str,
}

/// Does what is asked with keys.
pub fn run(app: &App, verb: &KeyVerb) -> Result<Done> {
    match verb {
        KeyVerb::List => list(app),
        KeyVerb::Add(args) => add(app, args),
        KeyVerb::Remove { slot } => remove(app, slot),
        KeyVerb::Passwd(args) => replace(app, args),
    }
}

fn list(app: &App) -> Result<Done> {
    let repository = app.repository()?;
    let slots = repository.slots()?;
    let mut out = Out::new();
    let mut table = Columns::new(&["ID", "Kind", "Created", "State", "Label"], &[]);
    for slot in &slots {
        let view = view(slot, repository.slot());
        if app.global.json {
            out.json("key", &view)?;
        }
        let mark = if view.current { "*" } else { " " };
        let created = slot.slot.as_ref().map(|slot| text::local(slot.created));
        table.row([
            format!("{mark}{}", slot.id.short()),
            view.kind.to_owned(),
            created.unwrap_or_default(),
            view.state.to_owned(),
            text::plain(view.label),
        ]);
    }
    if !app.global.json {
        out.table(&table)?;
    }
    out.finish()?;
    let counting = slots.iter().filter(|slot| slot.counts);
    let unreadable: Vec<_> = counting.filter_map(|slot| slot.slot.as_ref().err()).collect();
    let progress = app.progress()?;
    unreadable.iter().for_each(|error| progress.trouble(error));
    Ok(Done::incomplete_if(!unreadable.is_empty()))
}

fn view(info: &SlotInfo, current: SlotId) -> SlotView<'_> {
    let slot = info.slot.as_ref();
    SlotView {
        id: info.id.to_string(),
        label: slot.map_or("", |slot| &slot.label),
        kind: match slot.map(|slot| slot.kdf) {
            Ok(Kdf::Argon2id { .. }) => "password",
            Ok(Kdf::KeyFile) => "key file",
            Err(_) => "unknown",
        },
        created: slot.map_or_else(|_| String::new(), |slot| text::rfc3339(slot.created)),
        current: info.id == current,
        state: match slot {
            _ if !info.counts => "does not count",
            Ok(_) => "counts",
            Err(error) if error.kind() == Kind::NotFound => "missing",
            Err(_) => "unreadable",
        },
    }
}

fn add(app: &App, args: &NewKeyArgs) -> Result<Done> {
    let repository = app.repository()?;
    slot::check_label(&args.label)?;
    let secret = passwords::another(&args.secret, &app.env)?;
    let id = secret.put_to_use(|secret| {
        refuse_known(&repository, secret, None)?;
        repository.add_slot(secret, KdfCost::default(), &args.label)
    })?;
    tell(app, "key_added", "added key", id, None)
}

fn replace(app: &App, args: &NewKeyArgs) -> Result<Done> {
    let repository = app.repository()?;
    slot::check_label(&args.label)?;
    let secret = passwords::another(&args.secret, &app.env)?;
    let (id, deleted) = secret.put_to_use(|secret| {
        // The same secret once more is a new derivation of it.
        refuse_known(&repository, secret, Some(repository.slot()))?;
        repository.replace_slot(secret, KdfCost::default(), &args.label)
    })?;
    tell(app, "key_changed", "the key is now", id, Some(deleted))
}

/// A secret with two slots would go on opening the repository once one of them is removed or replaced.
fn refuse_known(repository: &Repository, secret: &Secret, but: Option<SlotId>) -> Result<()> {
    match repository.slot_of(secret).filter(|id| Some(*id) != but) {
        None => Ok(()),
        Some(id) => Err(Error::new(Kind::Refused, "add the password or key file", "")
            .because(format!("it opens the key slot {} already", id.short()))
            .hint("choose another one, or `icecore key remove` that slot first")),
    }
}

fn remove(app: &App, name: &str) -> Result<Done> {
    let repository = app.repository()?;
    let id = find(&repository.slots()?, name)?;
    let deleted = repository.remove_slot(id)?;
    tell(app, "key_removed", "removed key", id, Some(deleted))
}

fn find(slots: &[SlotInfo], name: &str) -> Result<SlotId> {
    let mut found = slots.iter().filter(|slot| slot.id.to_string().starts_with(name));
    match (found.next(), found.next()) {
        (Some(slot), None) if !name.is_empty() => Ok(slot.id),
        (None, _) => Err(Error::new(Kind::NotFound, "find the key slot", name)
            .hint("`icecore key list` shows the slots")),
        _ => Err(Error::new(Kind::InvalidInput, "find the key slot", name)
            .because("several ids begin like that")
            .hint("give more digits")),
    }
}

/// What was done to a slot; `deleted` says of one that counts no longer whether it is gone.
fn tell(
    app: &App,
    message_type: &str,
    said: &str,
    id: SlotId,
    deleted: Option<bool>,
) -> Result<Done> {
    #[derive(Serialize)]
    struct Key {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        retained_by_store: Option<bool>,
    }
    let mut out = Out::new();
    if app.global.json {
        let retained_by_store = deleted.map(|deleted| !deleted);
        out.json(message_type, &Key { id: id.to_string(), retained_by_store })?;
    } else if app.talks() {
        out.prose(&format!("{said} {}", id.short()))?;
        if deleted.is_some() {
            out.prose(
                "A copy of the old slot still opens the repository with its old secret: the keys are \
                 the same.",
            )?;
        }
    }
    if deleted == Some(false) {
        app.note("the store keeps the old slot; it counts no longer, but it holds the keys");
    }
    out.finish()?;
    Ok(Done::All)
}
