//! `init`: creates a repository, after trying out what its store can be trusted with.

use crate::backend::{Location, probe, track_by_lfs};
use crate::error::{Error, Kind, Result};
use crate::repo::{InitOptions, Repository, refuse_begun, refuse_occupied};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords::{self, NewSecretArgs};
use clap::Args;
use serde::Serialize;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// What `init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub secret: NewSecretArgs,

    /// Name of the first key slot
    #[arg(long, default_value = "first", value_name = "TEXT")]
    pub label: String,

    /// Tell Git, in whose work tree the folder lies, to track packs by Git LFS
    #[arg(long)]
    pub git_lfs: bool,
}

#[derive(Serialize)]
struct Initialized {
    id: String,
    repository: String,
    single_writer: bool,
    listing_after_write: bool,
}

/// Creates a repository.
pub fn run(app: &App, args: &InitArgs) -> Result<Done> {
    let location = app.location()?;
    let backend = Arc::from(location.create()?);
    refuse_occupied(&*backend)?;
    if args.git_lfs {
        track_by_lfs(local_folder(&location)?)?;
    }
    if args.secret.makes_key_file() {
        refuse_begun(&*backend)?;
    }
    let capabilities = probe(&*backend, &app.env)?;
    let secret = passwords::first(&app.global, &args.secret, &app.env)?;
    let label = args.label.clone();
    let options = InitOptions { label, capabilities, ..InitOptions::default() };
    let repository =
        secret.put_to_use(|secret| Repository::init(backend, app.env.clone(), secret, &options))?;
    let config = repository.config();
    let place = repository.backend().describe();
    let mut out = Out::new();
    if app.global.json {
        let id = config.repository.to_string();
        let (single_writer, listing_after_write) =
            (config.single_writer, config.listing_after_write);
        out.json(
            "initialized",
            &Initialized { id, repository: place, single_writer, listing_after_write },
        )?;
    } else if app.talks() {
        out.prose(&format!("created repository {} at {place}", config.repository.short()))?;
        out.prose("Without its password or key file nobody can read it: keep a copy elsewhere.")?;
    }
    if config.single_writer {
        app.note("this store cannot create exclusively: it takes one writer at a time");
    }
    if !config.listing_after_write {
        app.note("this store lists late: nothing can be collected in it");
    }
    out.finish()?;
    Ok(Done::All)
}

/// Git has folders of this machine alone.
fn local_folder(location: &Location) -> Result<&Path> {
    let elsewhere = |place: &dyn Display| {
        Err(Error::new(Kind::InvalidInput, "track by Git LFS", place)
            .because("it is no folder of this machine"))
    };
    match location {
        Location::Local(path) => Ok(path),
        Location::Http(place) => elsewhere(place),
        Location::Sftp(place) => elsewhere(place),
    }
}
