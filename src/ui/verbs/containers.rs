//! Sources in containers: how they are captured, and what they stand for now.

use crate::containers::{CaptureOptions, ContainerSource, Engine, ResolvedSource};
use crate::error::Result;
use std::ffi::OsStr;
use std::path::PathBuf;

/// How containers are captured; a file of jobs says it, no flag does.
#[derive(Clone, Debug, Default)]
pub struct ContainerArgs {
    /// Where the engine listens, if not at a usual place.
    pub socket: Option<PathBuf>,
    /// How it is to be captured.
    pub options: CaptureOptions,
    /// Folders of databases that nobody dumps are refused under all sources.
    pub refuse_servers: bool,
}

impl ContainerArgs {
    /// The name of what is captured of containers, if a source is of those.
    pub fn name(source: &OsStr) -> Option<ContainerSource> {
        ContainerSource::of(source.to_str()?)
    }

    /// What a name stands for now, and the engine that says so. What these patterns leave out is left out.
    pub fn find(
        &self,
        name: &ContainerSource,
        exclude: &[String],
    ) -> Result<(Engine, ResolvedSource)> {
        let engine = Engine::connect(self.socket.as_deref())?;
        let without = exclude.iter().filter_map(|pattern| pattern.strip_prefix("volume:"));
        let without_volumes = without.map(str::to_owned).collect();
        let options = CaptureOptions { without_volumes, ..self.options.clone() };
        let found = engine.resolve(name, &options)?;
        Ok((engine, found))
    }
}
