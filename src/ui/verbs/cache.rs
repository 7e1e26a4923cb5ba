//! `cache`: what this machine keeps of repositories, and how to be rid of it.

use crate::error::{Error, Kind, Result};
use crate::id::RepoId;
use crate::repo::{KeptCache, clear_cache, kept_caches};
use crate::text;
use crate::ui::app::App;
use crate::ui::cache;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use clap::Args;
use serde::Serialize;
use std::path::Path;

/// What `cache` takes.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// Remove what is kept: of all repositories, or of those whose ids begin like this
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub clear: Option<String>,
}

#[derive(Serialize)]
struct CacheView {
    repository: String,
    index: u64,
    records: u64,
    packs: u64,
    changed: String,
}

#[derive(Serialize)]
struct SummaryView {
    folder: String,
    bytes: u64,
    cleared: usize,
}

/// Shows or clears; no repository is asked anything.
pub fn run(app: &App, args: &CacheArgs) -> Result<Done> {
    let folder = cache::folder(&app.global).ok_or_else(|| {
        Error::new(Kind::InvalidInput, "find", "the cache folder").because(
            "there is none: --no-cache or an empty ICECORE_CACHE_DIR says so, or no home is known",
        )
    })?;
    let mut caches = kept_caches(&folder)?;
    if let Some(id) = &args.clear {
        caches.retain(|cache| cache.repository.to_string().starts_with(id.as_str()));
        if caches.is_empty() && !id.is_empty() {
            return Err(Error::new(Kind::NotFound, "clear the cache of", id)
                .because("nothing is kept of a repository of this id"));
        }
        let ids: Vec<RepoId> = caches.iter().map(|cache| cache.repository).collect();
        ids.into_iter().try_for_each(|id| clear_cache(&folder, id))?;
    }
    let mut out = Out::new();
    match app.global.json {
        true => json(&folder, &caches, args.clear.is_some(), &mut out)?,
        false if app.talks() => print(&folder, &caches, args.clear.is_some(), &mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::All)
}

fn print(folder: &Path, caches: &[KeptCache], cleared: bool, out: &mut Out) -> Result<()> {
    let bytes: u64 = caches.iter().map(KeptCache::bytes).sum();
    let (of, all) = (text::count(caches.len() as u64, "cache"), text::bytes(bytes));
    if cleared {
        return out.line(&format!("removed {of} in {}: {all}", folder.display()));
    }
    let mut table =
        Columns::new(&["Repository", "Index", "Records", "Packs", "Changed"], &[1, 2, 3]);
    for cache in caches {
        table.row(vec![
            cache.repository.to_string(),
            text::figure(cache.index),
            text::figure(cache.records),
            text::figure(cache.packs),
            text::local(cache.changed),
        ]);
    }
    if !caches.is_empty() {
        out.table(&table)?;
    }
    out.line(&format!("{all} in {of} in {}", folder.display()))
}

fn json(folder: &Path, caches: &[KeptCache], cleared: bool, out: &mut Out) -> Result<()> {
    for cache in caches {
        let view = CacheView {
            repository: cache.repository.to_string(),
            index: cache.index,
            records: cache.records,
            packs: cache.packs,
            changed: text::rfc3339(cache.changed),
        };
        out.json("cache", &view)?;
    }
    let bytes = caches.iter().map(KeptCache::bytes).sum();
    let cleared = if cleared { caches.len() } else { 0 };
    out.json("summary", &SummaryView { folder: folder.display().to_string(), bytes, cleared })
}
