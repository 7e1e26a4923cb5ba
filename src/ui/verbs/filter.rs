//! The flags that choose snapshots: by host, tag, path and job.

use crate::agent::config::JOB_LABEL;
use crate::error::{Attempt, Result};
use crate::monitor::Monitor;
use crate::ops::select::{self, Filter};
use crate::ops::tag_list::TagList;
use crate::repo::{Repository, Snapshots, StoredSnapshot};
use crate::ui::progress::Progress;
use clap::Args;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Which snapshots are meant.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which snapshots")]
pub struct FilterArgs {
    /// Only snapshots of this host; may be given several times
    #[arg(short = 'H', long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Only snapshots with all of these tags, separated by commas; may be given several times
    #[arg(long = "tag", value_name = "TAG[,TAG...]")]
    pub tags: Vec<TagList>,

    /// Only snapshots that include this path; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Only snapshots of this job of the file of jobs
    #[arg(long = "job", value_name = "JOB")]
    pub job: Option<String>,
}

impl FilterArgs {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        let all = self.hosts.is_empty() && self.tags.is_empty() && self.paths.is_empty();
        all && self.job.is_none()
    }

    /// The one snapshot that `name` means; those that cannot be read are told.
    pub fn one(
        &self,
        repository: &Repository,
        name: &str,
        progress: &Progress,
    ) -> Result<StoredSnapshot> {
        select::find(repository, name, &self.filter()?, |error| progress.trouble(&error))
    }

    /// The snapshots that `names` mean, or all, newest first; and whether any could not be read,
    /// which is told.
    pub fn all<'r>(
        &self,
        repository: &'r Repository,
        names: &[String],
        progress: &Progress,
    ) -> Result<(Snapshots<'r>, bool)> {
        let mut unreadable = false;
        let snapshots = select::find_all(repository, names, &self.filter()?, |error| {
            unreadable = true;
            progress.trouble(&error);
        })?;
        Ok((snapshots, unreadable))
    }

    /// The filter; paths are taken from the current folder on.
    pub fn filter(&self) -> Result<Filter> {
        let absolute = |path: &PathBuf| {
            let path = std::path::absolute(path).attempt("understand", path.display())?;
            Ok(path.as_os_str().as_bytes().to_vec())
        };
        Ok(Filter {
            hosts: self.hosts.clone(),
            tags: self.tags.clone(),
            paths: self.paths.iter().map(absolute).collect::<Result<_>>()?,
            labels: self.job.iter().map(|job| (JOB_LABEL.to_owned(), job.clone())).collect(),
        })
    }
}
