//! `config init`: a first file.

use super::FileArgs;
use crate::agent::config::{Draft, to_be};
use crate::containers::Engine;
use crate::env::state;
use crate::error::{Attempt, Error, Kind, Result};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What `config init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What to begin with, in the words of `backup`: folders, files, `compose:PROJECT` ...; without any, all
    /// Compose projects of this machine. PostgreSQL servers on its sockets are found, too
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub file: FileArgs,
}

/// Writes it, and says what comes next.
pub fn run(app: &App, args: &InitArgs) -> Result<Done> {
    let path = to_be(args.file.config.as_deref());
    let path = std::path::absolute(&path).attempt("understand", path.display())?;
    let repository = app.global.repo.as_deref().ok_or_else(|| {
        Error::new(Kind::InvalidInput, "write", path.display())
            .because("no repository was named")
            .hint("use --repo PLACE")
    })?;
    let password_file = match &app.global.password_file {
        Some(file) => std::path::absolute(file).attempt("understand", file.display())?,
        None => path.with_file_name("local.password"),
    };
    let (sources, unasked) = match args.sources.is_empty() {
        true => projects(),
        false => (args.sources.clone(), None),
    };
    let draft = Draft::new(&sources, repository, &password_file)?;
    if draft.sources.is_empty() {
        let reason =
            "no source was named, and neither a Compose project nor a PostgreSQL server is here";
        let reason = match unasked {
            Some(error) => format!("{reason}: {error}"),
            None => reason.to_owned(),
        };
        return Err(Error::new(Kind::InvalidInput, "write", path.display())
            .because(reason)
            .hint("name what is to be backed up: `icecore config init /srv/app`"));
    }
    write(&path, &draft.text())?;
    if app.talks() {
        let mut out = Out::new();
        let quoted = |path: &Path| text::for_shell(&path.display().to_string());
        let (file, password) = (quoted(&path), quoted(&password_file));
        // Nothing else will know where a file lies that was named here alone.
        let is_known = args.file.config.is_none() || std::env::var_os("ICECORE_CONFIG").is_some();
        let config = if is_known { String::new() } else { format!(" --config {file}") };
        out.line(&format!("{} is written; look at it, and then:", path.display()))?;
        if !password_file.exists() {
            out.line(&format!("  (umask 077; head -c 24 /dev/urandom | base64 >{password})"))?;
        }
        let repository = text::for_shell(&draft.repository);
        out.line(&format!("  icecore -r {repository} -p {password} init"))?;
        out.line(&format!("  icecore config check{config}"))?;
        out.line(&format!("  icecore run --all{config}"))?;
        out.finish()?;
    }
    Ok(Done::All)
}

/// The Compose projects of this machine as sources; or why they are not known.
fn projects() -> (Vec<String>, Option<Error>) {
    match Engine::connect(None).and_then(|engine| engine.projects()) {
        Ok(names) => (names.iter().map(|name| format!("compose:{name}")).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    }
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
