//! `tag`: changes the tags of snapshots.

use super::filter::FilterArgs;
use crate::error::{Error, Kind, Result};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;

/// What `tag` takes.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id; without any, all that pass
    /// the filters
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    /// Add these tags, separated by commas; may be given several times
    #[arg(long, value_name = "TAG[,TAG...]", value_delimiter = ',')]
    pub add: Vec<String>,

    /// Remove these tags
    #[arg(long, value_name = "TAG[,TAG...]", value_delimiter = ',')]
    pub remove: Vec<String>,

    /// Replace all tags by these; by none with an empty one
    #[arg(long, value_name = "TAG[,TAG...]", value_delimiter = ',',
          conflicts_with_all = ["add", "remove"])]
    pub set: Vec<String>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Changes tags.
pub fn run(app: &App, args: &TagArgs) -> Result<Done> {
    let wrong = |reason: &str, hint: &str| {
        Err(Error::new(Kind::InvalidInput, "change", "tags").because(reason).hint(hint))
    };
    if args.add.is_empty() && args.remove.is_empty() && args.set.is_empty() {
        return wrong("no tag is named", "use --add, --remove or --set");
    }
    if args.names.is_empty() && args.filter.is_empty() {
        return wrong("no snapshot is named", "name some, or choose with --host, --tag or --path");
    }
    let repository = app.repository()?;
    let progress = app.progress()?;
    let (snapshots, unreadable) = args.filter.all(&repository, &args.names, &progress)?;
    let mut changed = 0;
    for stored in snapshots.iter() {
        let stored = stored?;
        let tags = args.change(&stored.snapshot.tags);
        changed += u64::from(repository.change_tags(&stored.snapshot, &tags)?);
    }
    let mut out = Out::new();
    match app.global.json {
        true => out.json("summary", &TagSummary { changed_snapshots: changed })?,
        false if app.talks() => {
            out.line(&format!("changed the tags of {}", text::count(changed, "snapshot")))?;
        }
        false => {}
    }
    out.finish()?;
    Ok(Done::incomplete_if(unreadable))
}

#[derive(Serialize)]
struct TagSummary {
    changed_snapshots: u64,
}

impl TagArgs {
    /// The tags that a snapshot shall have.
    fn change(&self, tags: &BTreeSet<String>) -> BTreeSet<String> {
        let named = |tags: &[String]| -> BTreeSet<String> {
            tags.iter().filter(|tag| !tag.is_empty()).cloned().collect()
        };
        if !self.set.is_empty() {
            return named(&self.set);
        }
        let removed = named(&self.remove);
        let left = tags.iter().filter(|tag| !removed.contains(*tag)).cloned();
        left.chain(named(&self.add)).collect()
    }
}
