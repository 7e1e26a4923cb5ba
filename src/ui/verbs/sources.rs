//! The sources that a command line names, and how they are captured.

use super::containers::ContainerArgs;
use super::patterns::Patterns;
use super::postgres::{DumpArgs, ToolArgs};
use super::source_lists::{ListArgs, refuse_foreign};
use crate::containers::{ContainerSource, Folder, Server, prefix};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{PartKind, SourceName};
use crate::ops::amount::size;
use crate::source::files::{FilesOptions, FilesSource};
use crate::source::sqlite::{SqliteOptions, SqliteReader, Verify};
use crate::source::stdin::StreamSource;
use crate::source::{Documents, SqliteSource};
use crate::source::{Source, Together};
use clap::{Args, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is to be captured.
#[derive(Debug, Default, Args)]
pub struct SourceArgs {
    /// Files and folders; `sqlite:PATH` for a database alone; `postgres-dump:URL` for databases of
    /// a PostgreSQL server; `volume:NAME`, `container:NAME` and `compose:PROJECT` for what containers
    /// of Docker and Podman hold; with --stdin-from-command, after `--`, the command and its arguments
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<OsString>,

    #[command(flatten)]
    pub lists: ListArgs,

    /// Save standard input, alone or beside other sources
    #[arg(long, conflicts_with = "stdin_from_command")]
    pub stdin: bool,

    /// Save the output of a command, which must end well
    #[arg(long)]
    pub stdin_from_command: bool,

    /// Name of the stream in the snapshot
    #[arg(long, value_name = "NAME", default_value = "stdin")]
    pub stdin_filename: OsString,

    /// Leave out what matches this pattern; may be given several times
    #[arg(short, long, value_name = "PATTERN", help_heading = "Files")]
    pub exclude: Vec<String>,

    /// Leave out what matches a pattern in this file; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub exclude_file: Vec<PathBuf>,

    /// Like --exclude, whether letters are large or small
    #[arg(long, value_name = "PATTERN", help_heading = "Files")]
    pub iexclude: Vec<String>,

    /// Like --exclude-file, whether letters are large or small
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub iexclude_file: Vec<PathBuf>,

    /// Leave out the content of caches: folders with a CACHEDIR.TAG
    #[arg(long, help_heading = "Files")]
    pub exclude_caches: bool,

    /// Leave out the content of folders that hold such a file, which begins with HEADER if given
    #[arg(long, value_name = "NAME[:HEADER]", help_heading = "Files")]
    pub exclude_if_present: Vec<OsString>,

    /// Leave out files larger than this: a number of bytes, or with k, M, G or T
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Files")]
    pub exclude_larger_than: Option<u64>,

    /// Stay on the file system of each source
    #[arg(short = 'x', long, help_heading = "Files")]
    pub one_file_system: bool,

    /// Let SQLite check each database while it is read, and mark damaged ones
    #[arg(long, value_enum, default_value = "off", value_name = "HOW", help_heading = "Databases")]
    pub verify_source: VerifySource,

    /// Record the number of rows of each table
    #[arg(long, help_heading = "Databases")]
    pub row_counts: bool,

    /// Read databases on network and host-shared file systems, too, where locks may not hold
    #[arg(long, help_heading = "Databases")]
    pub allow_network_fs: bool,

    /// Save databases like any other file: wrong if one is written to meanwhile
    #[arg(long, help_heading = "Databases")]
    pub no_sqlite: bool,

    #[command(flatten)]
    pub dump: DumpArgs,

    #[command(flatten)]
    pub tools: ToolArgs,

    /// Whether they may have become empty
    #[arg(skip)]
    pub allow_empty: bool,

    /// How containers are captured
    #[arg(skip)]
    pub containers: ContainerArgs,
}

/// How much a database is checked while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VerifySource {
    /// Not at all
    #[default]
    Off,
    /// `PRAGMA quick_check`
    Quick,
    /// `PRAGMA integrity_check`
    Full,
}

impl SourceArgs {
    /// Whether the sources can be read a second time.
    pub fn can_be_read_again(&self) -> bool {
        !self.stdin && !self.lists.use_stdin()
    }

    /// The sources, none of them read yet. `together` knows what none of them captures.
    pub fn open(&self, env: &Env, together: Together) -> Result<Vec<Box<dyn Source>>> {
        self.open_beside(env, &Arc::new(together))
    }

    /// The same beside others.
    pub fn open_beside(&self, env: &Env, together: &Arc<Together>) -> Result<Vec<Box<dyn Source>>> {
        let name = self.stdin_filename.as_bytes();
        let of_server = |source: &OsString| {
            source.as_bytes().starts_with(b"postgres-dump:")
                || ContainerArgs::name(source).is_some()
        };
        if self.stdin_from_command && !self.sources.is_empty() {
            self.dump.refuse_without_server(&self.tools)?;
            return Ok(vec![Box::new(StreamSource::command(name, &self.sources, env)?)]);
        }
        let listed = self.lists.read()?;
        if self.sources.is_empty() && listed.is_empty() && !self.stdin {
            return Err(Error::new(Kind::InvalidInput, "back up", "nothing")
                .because("no source was named")
                .hint("name files or folders, or use --stdin"));
        }
        let named = self.sources.iter().chain(&listed);
        if !named.clone().any(of_server) {
            self.dump.refuse_without_server(&self.tools)?;
        }
        let mut sources = Vec::new();
        for source in named {
            match ContainerArgs::name(source) {
                Some(name) => sources.extend(self.of_containers(&name, env, together)?),
                None => sources.push(self.source(source, env, together)?),
            }
        }
        if self.stdin {
            sources.push(Box::new(StreamSource::stdin(name, env)?));
        }
        Ok(sources)
    }

    /// The same sources once more, to see how much there will be to read; none if some of them
    /// cannot say that before they are read.
    pub fn open_to_scan(
        &self,
        opened: &[Box<dyn Source>],
        env: &Env,
        together: Together,
    ) -> Option<Vec<Box<dyn Source>>> {
        if self.sources.iter().any(|source| ContainerArgs::name(source).is_some()) {
            return None;
        }
        let together = Arc::new(together);
        let again = |source: &dyn Source| -> Option<Box<dyn Source>> {
            let SourceName { kind, path, .. } = source.describe();
            let path = Path::new(OsStr::from_bytes(&path));
            match kind {
                PartKind::Files => {
                    Some(Box::new(FilesSource::new(path, self.files(env, &together).ok()?).ok()?))
                }
                PartKind::Sqlite => {
                    let source = SqliteSource::new(path, self.reader().ok()?).ok()?;
                    Some(Box::new(source.beside(together.clone())))
                }
                PartKind::Stdin | PartKind::PostgresDump => None,
            }
        };
        opened.iter().map(|source| again(&**source)).collect()
    }

    fn source(
        &self,
        source: &OsStr,
        env: &Env,
        together: &Arc<Together>,
    ) -> Result<Box<dyn Source>> {
        refuse_foreign(source)?;
        if let Some(path) = source.as_bytes().strip_prefix(b"sqlite:") {
            let path = Path::new(OsStr::from_bytes(path));
            let source = SqliteSource::new(path, self.reader()?)?;
            return Ok(Box::new(source.beside(together.clone())));
        }
        if let Some(url) = source.as_bytes().strip_prefix(b"postgres-dump:") {
            return self.dump.source(url, &self.tools, self.row_counts, env);
        }
        let options = self.files(env, together)?;
        Ok(Box::new(FilesSource::new(Path::new(source), options)?))
    }

    /// What a name stands for now, as sources: databases first, so that no row of them names a file that is
    /// captured before it is there.
    fn of_containers(
        &self,
        name: &ContainerSource,
        env: &Env,
        together: &Arc<Together>,
    ) -> Result<Vec<Box<dyn Source>>> {
        let (engine, found) = self.containers.find(name, &self.exclude)?;
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        for Server { name, container, user, data } in found.servers {
            together.add_dumped(&data);
            let prefix = prefix(&engine, &container)?;
            sources.push(self.dump.source_in(&name, &user, prefix, self.row_counts, env)?);
        }
        for Folder { path, stored, is_quiesced } in found.folders {
            let refuse_servers = !self.containers.options.raw && !is_quiesced;
            let files = self.files(env, together)?;
            let options = FilesOptions { stored, refuse_servers, is_quiesced, ..files };
            sources.push(Box::new(FilesSource::new(&path, options)?));
        }
        if !found.documents.is_empty() {
            let texts = found.documents.into_iter().map(|document| (document.name, document.text));
            let documents = Documents::new(&found.place, texts.collect(), env)?;
            sources.push(Box::new(documents.warning(found.warnings)));
        }
        Ok(sources)
    }

    fn reader(&self) -> Result<SqliteReader> {
        SqliteReader::of_this_program(SqliteOptions {
            verify: match self.verify_source {
                VerifySource::Off => Verify::No,
                VerifySource::Quick => Verify::Quick,
                VerifySource::Full => Verify::Full,
            },
            row_counts: self.row_counts,
            force: self.allow_network_fs,
        })
    }

    fn files(&self, env: &Env, together: &Arc<Together>) -> Result<FilesOptions> {
        let excludes = Patterns {
            given: &self.exclude,
            files: &self.exclude_file,
            any_case: &self.iexclude,
            any_case_files: &self.iexclude_file,
        };
        let mut markers: Vec<Marker> =
            self.exclude_if_present.iter().map(|text| marker(text)).collect();
        if self.exclude_caches {
            markers.push((b"CACHEDIR.TAG".to_vec(), Some(CACHE_TAG.to_vec())));
        }
        let mut options = FilesOptions {
            excludes: excludes.read()?,
            exclude_if_present: markers,
            larger_than: self.exclude_larger_than,
            one_file_system: self.one_file_system,
            stored: None,
            allow_empty: self.allow_empty,
            refuse_servers: self.containers.refuse_servers,
            is_quiesced: self.containers.options.is_quiesced,
            sqlite: None,
            together: together.clone(),
            env: env.clone(),
        };
        if !self.no_sqlite {
            let reader = self.reader()?;
            options.sqlite = Some(Arc::new(move |file| reader.read(file)));
        }
        Ok(options)
    }
}

/// A file that marks a folder: its name, and how it begins.
type Marker = (Vec<u8>, Option<Vec<u8>>);

/// How a CACHEDIR.TAG begins (https://bford.info/cachedir/).
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// `NAME` or `NAME:HEADER`.
fn marker(text: &OsStr) -> Marker {
    let mut parts = text.as_bytes().splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default().to_vec();
    (name, parts.next().map(<[u8]>::to_vec))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A marker file is a name, and a header only after a colon.
    #[test]
    fn markers_are_understood() {
        assert_eq!(marker(OsStr::new("CACHEDIR.TAG")), (b"CACHEDIR.TAG".to_vec(), None));
        assert_eq!(marker(OsStr::new("a:b:c")), (b"a".to_vec(), Some(b"b:c".to_vec())));
    }
}
