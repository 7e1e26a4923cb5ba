//! What belongs to no database: roles, memberships, tablespaces, as `pg_dumpall` writes it.

use crate::error::{Attempt, Error, Kind, Result};
use crate::limits::POSTGRES_GLOBALS_MAX;
use crate::postgres::{Settings, Tools, tools};
use crate::source::{ByteStream, FileProof, Got};
use std::io::Read;
use std::process::Command;

/// The last words of a complete one.
const COMPLETE: &str = "-- PostgreSQL database cluster dump complete";

/// Dumps them; where the passwords of roles may not be read, without these.
pub(super) fn open(tools: &Tools, settings: &Settings) -> Result<Box<dyn ByteStream>> {
    let command = || -> Result<Command> {
        let mut command = tools.connecting("pg_dumpall", settings)?;
        command.arg("--globals-only");
        Ok(command)
    };
    let mut warning = None;
    let dumped = match run(&mut command()?) {
        Err(error) if error.kind() == Kind::Denied && error.to_string().contains("pg_authid") => {
            warning = Some("the passwords of roles may not be read and are left out".to_owned());
            run(command()?.arg("--no-role-passwords"))
        }
        dumped => dumped,
    };
    let (text, warnings) = dumped.map_err(|error| {
        let hint = error.hint_text().unwrap_or("--no-globals leaves them out").to_owned();
        error.within("dump", "roles and tablespaces").hint(hint)
    })?;
    let warnings: Vec<String> = warning.into_iter().chain(warnings).collect();
    let warning =
        (!warnings.is_empty()).then(|| format!("roles and tablespaces: {}", warnings.join(" / ")));
    Ok(Box::new(Globals { text, at: 0, warning }))
}

fn run(command: &mut Command) -> Result<(Vec<u8>, Vec<String>)> {
    let mut running = tools::start(command)?;
    let mut text = Vec::new();
    let mut output = running.output()?.take(POSTGRES_GLOBALS_MAX + 1);
    output.read_to_end(&mut text).attempt("read the output of", "pg_dumpall")?;
    drop(output);
    if text.len() as u64 > POSTGRES_GLOBALS_MAX {
        return Err(Error::new(Kind::Unsupported, "keep", "roles and tablespaces")
            .because(format!("they take more than {POSTGRES_GLOBALS_MAX} bytes")));
    }
    let warnings = tools::finish(running)?;
    if !String::from_utf8_lossy(&text).contains(COMPLETE) {
        return Err(Error::new(Kind::SourceChanged, "take", "the output of pg_dumpall")
            .because("it does not end as a dump does"));
    }
    Ok((text, warnings))
}

struct Globals {
    text: Vec<u8>,
    at: usize,
    warning: Option<String>,
}

impl ByteStream for Globals {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let mut rest = self.text.get(self.at..).unwrap_or_default();
        match rest.read(buffer).attempt("read", "roles and tablespaces")? {
            0 => Ok(Got::End),
            length => {
                self.at += length;
                Ok(Got::Data(length))
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof { warning: self.warning, ..FileProof::default() })
    }
}
