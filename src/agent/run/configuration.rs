//! The job's configuration, stored in its snapshots.

use super::Run;
use crate::env::Env;
use crate::error::Result;
use crate::source::{Documents, JOB_FOLDER, Source};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The document's name.
const NAME: &str = "job.toml";

/// What the file says of the job; none where something else stands at its place.
pub struct Configuration {
    text: Option<String>,
    env: Env,
}

impl Configuration {
    /// That of a run which captures these sources.
    pub fn of(run: &Run<'_>, sources: &[Box<dyn Source>]) -> Result<Self> {
        let env = run.context.env().clone();
        if let Some(taken) = sources.iter().find_map(|source| place_taken(&**source)) {
            run.context.monitor().note(&format!(
                "the snapshot does not say what the job is: {taken} is captured, and leaves {JOB_FOLDER} no place"
            ));
            return Ok(Configuration { text: None, env });
        }
        let text = run.config.of_job(run.name, run.job, &run.host())?;
        Ok(Configuration { text: Some(text), env })
    }

    /// The sources with it.
    pub fn beside(&self, mut sources: Vec<Box<dyn Source>>) -> Result<Vec<Box<dyn Source>>> {
        if let Some(text) = &self.text {
            let texts = BTreeMap::from([(NAME.to_owned(), text.clone().into_bytes())]);
            sources.push(Box::new(Documents::new(Path::new(JOB_FOLDER), texts, &self.env)?));
        }
        Ok(sources)
    }
}

/// Where a source stands, if no folder of documents can stand beside it.
fn place_taken(source: &dyn Source) -> Option<String> {
    let path = source.describe().path;
    let (at, place) = (Path::new(OsStr::from_bytes(&path)), Path::new(JOB_FOLDER));
    let overlaps = at.starts_with(place) || place.starts_with(at);
    overlaps.then(|| at.display().to_string())
}
