//! `config init`: a first file.

use super::FileArgs;
use crate::agent::config::{Draft, to_be};
use crate::env::state;
use crate::error::{Attempt, Error, Kind, Result};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What `config init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folders, files and SQLite databases to begin with; PostgreSQL servers on this machine's sockets are
    /// found
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,

    #[command(flatten)]
    pub file: FileArgs,
}

/// Writes it, and says what comes next.
pub fn run(app: &App, args: &InitArgs) -> Result<Done> {
    let path = to_be(args.file.config.as_deref());
    let path = std::path::absolute(&path).attempt("understand", path.display())?;
    let repository = app.global.repo.as_deref().ok_or_else(|| {
        Error::new(Kind::InvalidInput, "write", path.display())
            .because("nobody says where the repository is to be")
            .hint("use --repo PLACE")
    })?;
    let password_file = match &app.global.password_file {
        Some(file) => std::path::absolute(file).attempt("understand", file.display())?,
        None => path.with_file_name("local.password"),
    };
    let draft = Draft::new(&args.sources, repository, &password_file)?;
    write(&path, &draft.text())?;
    if app.talks() {
        let mut out = Out::new();
        let (file, password) = (path.display(), password_file.display());
        out.line(&format!("{file} is written; look at it, and then:"))?;
        if !password_file.exists() {
            out.line(&format!("  (umask 077; head -c 24 /dev/urandom | base64 >{password})"))?;
        }
        out.line(&format!("  icecore -r {} -p {password} init", draft.repository))?;
        out.line("  icecore config check")?;
        out.line("  icecore run --all")?;
        out.finish()?;
    }
    Ok(Done::All)
}

/// A new file, for its owner alone.
fn write(path: &Path, text: &str) -> Result<()> {
    let subject = path.display();
    if let Some(folder) = path.parent() {
        state::private_folder(folder)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.attempt("create", &subject).map_err(|error| match error.kind() {
        Kind::AlreadyExists => error.hint("it stays as it is; --config names another"),
        _ => error,
    })?;
    file.write_all(text.as_bytes()).attempt("write", subject)
}
