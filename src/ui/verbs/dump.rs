//! `dump`: a file of a snapshot, or a folder as an archive, on standard output or into a new file.

use super::filter::FilterArgs;
use crate::error::{Attempt, Error, Kind, Result};
use crate::ops::damage::record_damage;
use crate::ops::dump::dump;
use crate::ops::select::SnapshotPath;
use crate::repo::Reader;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::{self, Out};
use clap::Args;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What `dump` takes.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// `latest`, `latest~N`, `latest@TIME` or the beginning of an id; also SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,

    /// The file, absolute, or a folder, which becomes an archive of tar; not needed if the snapshot is one of either
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Write a new file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub target: Option<PathBuf>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Writes it out.
pub fn run(app: &App, args: &DumpArgs) -> Result<Done> {
    let mut wanted = SnapshotPath::from(args.snapshot.as_bytes());
    if let Some(path) = &args.path {
        if wanted.path.is_some() {
            return Err(Error::new(Kind::InvalidInput, "dump", path.display())
                .because("a path was named twice"));
        }
        wanted.path = Some(path.as_os_str().as_bytes().to_vec());
    }
    if args.target.is_none() && out::is_terminal() {
        return Err(Error::new(Kind::Refused, "dump", "to a terminal")
            .because("bytes of a file can disturb it")
            .hint("redirect the output, or use --target FILE"));
    }
    let repository = app.repository()?;
    let progress = app.progress()?;
    let stored = args.filter.one(&repository, &wanted.snapshot, &progress)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let dumped = match &args.target {
        None => dump(&reader, &stored.snapshot, &wanted, &mut Out::new(), &progress),
        Some(target) => {
            into_file(target, |file| dump(&reader, &stored.snapshot, &wanted, file, &progress))
        }
    };
    record_damage(&repository, &index, &progress);
    dumped.map(|_| Done::All)
}

/// A new file, which goes again if it could not be filled.
fn into_file(
    target: &Path,
    fill: impl FnOnce(&mut BufWriter<std::fs::File>) -> Result<u64>,
) -> Result<u64> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
    let mut file = BufWriter::with_capacity(1 << 20, file.attempt("create", target.display())?);
    let written = fill(&mut file).and_then(|length| {
        file.get_ref().sync_all().attempt("write", target.display()).map(|()| length)
    });
    written.inspect_err(|_| {
        // Half a file would pass for a whole one; the first error is what matters.
        let _ = std::fs::remove_file(target);
    })
}
