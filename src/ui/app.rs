//! One run of the program: its global options, the repository that they name, and its progress display.

use super::cache;
use super::global::Global;
use super::out::{self, Tone};
use super::passwords;
use super::progress::{self, Progress};
use crate::agent::config::Config;
use crate::backend::{Backend, Location, Memory, Options, Rates};
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::monitor::Monitor;
use crate::ops::head::Head;
use crate::ops::heads::Heads;
use crate::ops::series::Chains;
use crate::repo::{Index, Repository};
use crate::source::Together;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One run of the program.
pub struct App {
    /// What every command takes.
    pub global: Global,
    /// Clock and randomness.
    pub env: Env,
    /// What stores read before the environment.
    variables: BTreeMap<String, String>,
}

impl App {
    /// A run with these options.
    pub fn new(global: Global) -> Self {
        App { global, env: Env::real(), variables: BTreeMap::new() }
    }

    /// The same, whose stores read these variables before the environment.
    pub fn with_variables(self, variables: BTreeMap<String, String>) -> Self {
        App { variables, ..self }
    }

    /// Where the repository lies.
    pub fn location(&self) -> Result<Location> {
        match &self.global.repo {
            Some(place) => Location::parse(place, &self.store_options()?),
            None => Err(Error::new(Kind::InvalidInput, "find", "the repository")
                .because("no place was named")
                .hint(match names_of_jobs().as_str() {
                    "" => "use --repo PLACE, or set ICECORE_REPOSITORY".to_owned(),
                    names => {
                        format!("use --repo with {names} of the file of jobs, or with a place")
                    }
                })),
        }
    }

    /// Whether a path is the folder of the repository, or would lie in it, by whatever mount.
    pub fn is_in_repository(&self, path: &Path) -> Result<bool> {
        let Location::Local(folder) = self.location()? else { return Ok(false) };
        let together = Together::default().keeping_out(&folder, Together::REPOSITORY);
        Ok(nearest(path).is_some_and(|real| together.kept_out_at(&real).is_some()))
    }

    /// What no source captures: what this machine has read of repositories, which it can read again.
    pub fn kept_out(&self) -> Together {
        let (cache, together) = (cache::place(&self.global), Together::default());
        cache.iter().fold(together, |all, it| all.keeping_out(it, "a cache of icecore"))
    }

    /// How stores are used, this repository's and any other that the command names.
    pub fn store_options(&self) -> Result<Options> {
        let bytes = |kib: Option<NonZeroU64>| kib.map(|kib| kib.get().saturating_mul(1024));
        let rates = Rates {
            upload: bytes(self.global.limit_upload),
            download: bytes(self.global.limit_download),
        };
        let options = Options::parse(&self.global.options, rates)?;
        Ok(options.with_variables(self.variables.clone()))
    }

    /// The store that the repository lies in.
    pub fn backend(&self) -> Result<Arc<dyn Backend>> {
        let opened = self.location()?.open().map_err(|error| match error.kind() {
            Kind::NoRepository if error.hint_text().is_none() => error
                .hint("is its disk mounted, and the name right? `icecore init` makes a new one"),
            _ => error,
        });
        Ok(Arc::from(opened?))
    }

    /// The store of a copy, its place made where it is missing; for a trial that place is imagined.
    pub fn target(&self, place: &str, dry_run: bool) -> Result<Arc<dyn Backend>> {
        let location = Location::parse(place, &self.store_options()?)?;
        match dry_run {
            false => Ok(Arc::from(location.create()?)),
            true => match location.open() {
                Err(error) if error.kind() == Kind::NoRepository => Ok(Arc::new(Memory::new())),
                opened => Ok(Arc::from(opened?)),
            },
        }
    }

    /// The repository, open, and the secret that opened it.
    pub fn unlock(&self) -> Result<(Repository, Secret)> {
        let backend = self.backend()?;
        let secret = passwords::existing(&self.global)?;
        Ok((self.open(backend, &secret)?, secret))
    }

    /// The repository in a store, with this machine's cache.
    pub fn open(&self, backend: Arc<dyn Backend>, secret: &Secret) -> Result<Repository> {
        let repository = Repository::open(backend, self.env.clone(), secret)?;
        Ok(match cache::folder(&self.global) {
            Some(folder) => repository.with_cache(&folder),
            None => repository,
        })
    }

    /// The repository, open.
    pub fn repository(&self) -> Result<Repository> {
        Ok(self.unlock()?.0)
    }

    /// What this host remembers of the repository; none if there is no place for it, or it cannot be
    /// read, which is told.
    pub fn heads(&self, repository: &Repository, progress: &Progress) -> Option<Heads> {
        let heads = Heads::load(&self.state_folder()?, repository.config().repository);
        heads.map_err(|error| unremembered(progress, &error)).ok()
    }

    /// What this host has seen of the repository.
    pub fn seen(&self, repository: &Repository, progress: &Progress) -> Vec<Head> {
        self.heads(repository, progress).map(|heads| heads.known()).unwrap_or_default()
    }

    /// Where this host remembers things; none if there is no place for it.
    pub fn state_folder(&self) -> Option<PathBuf> {
        let place = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
        self.global.state_dir.clone().or_else(|| {
            let state = place("XDG_STATE_HOME").map(PathBuf::from);
            let home = || Some(Path::new(&place("HOME")?).join(".local/state"));
            Some(state.or_else(home)?.join("icecore"))
        })
    }

    /// The same for what cannot do without.
    pub fn known_state_folder(&self) -> Result<PathBuf> {
        self.state_folder().ok_or_else(|| {
            Error::new(Kind::InvalidInput, "find", "the state folder")
                .hint("use --state-dir, or set ICECORE_STATE_DIR")
        })
    }

    /// Remembers what the repository shows now.
    pub fn remember(&self, heads: &Heads, chains: &Chains, accept: bool, progress: &Progress) {
        let done = heads.remember(chains, accept);
        done.unwrap_or_else(|error| unremembered(progress, &error));
    }

    /// The index; segments of it that are damaged are told, and what they named is not known.
    pub fn index(&self, repository: &Repository, progress: &Progress) -> Result<Index> {
        let mut index = repository.load_index()?;
        for (_, error) in index.take_troubles() {
            progress.trouble(&error);
        }
        Ok(index)
    }

    /// Shows progress and tells troubles, and hears Ctrl-C from now on.
    pub fn progress(&self) -> Result<Progress> {
        Progress::new(&self.global, self.env.clone())
    }

    /// Tells something to know about the command line.
    pub fn note(&self, text: &str) {
        match (self.global.quiet, self.global.json) {
            (true, _) => {}
            (false, true) => progress::say_note(text),
            (false, false) => out::tell(Tone::Warning, text),
        }
    }

    /// Whether results are printed as text, and were not silenced.
    pub fn talks(&self) -> bool {
        !self.global.json && !self.global.quiet
    }
}

/// Without it nothing fails but what it is for: to notice that a repository was rolled back.
fn unremembered(progress: &Progress, error: &Error) {
    progress
        .warn(&format!("this host does not remember what it has seen of the repository: {error}"));
}

/// Where the nearest folder above a path really lies that exists.
fn nearest(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find_map(|above| above.canonicalize().ok())
}

/// The repositories of the file of jobs as `--repo` takes them, if there is a file that can be used.
fn names_of_jobs() -> String {
    let file = std::env::var_os("ICECORE_CONFIG").map(PathBuf::from);
    let config = Config::load(file.as_deref());
    let names = config.iter().flat_map(|(config, _)| config.repository.keys());
    names.map(|name| format!("@{name}")).collect::<Vec<_>>().join(", ")
}
