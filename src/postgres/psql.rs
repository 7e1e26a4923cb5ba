//! A session that `psql` holds, where the server's socket is out of reach, as in a container: statements go
//! into its standard input, and what it prints comes back.

use super::sqlstate;
use super::tools::{Tools, start};
use super::{Row, Settings};
use crate::env::Running;
use crate::error::{Error, Kind, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use tokio_postgres::error::SqlState;

/// What stands between columns and between rows, and for NULL.
const COLUMN: char = '\u{1f}';
const ROW: char = '\u{1e}';
const NULL: &str = "\u{1d}";

/// What the first answer ends with; those after it end with a word that nobody could know before.
const FIRST_END: &str = "\u{1c}end";

/// Longest answer.
const ANSWER_MAX: u64 = 256 << 20;

/// A session.
pub(super) struct Psql {
    running: Option<Running>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    end: String,
}

/// Why a statement failed.
pub(super) struct Refusal {
    pub(super) state: Option<SqlState>,
    pub(super) reason: String,
}

impl Psql {
    /// Begins one with the database of `settings`.
    pub(super) fn start(settings: &Settings, prefix: &[String]) -> Result<Self> {
        let mut command = Tools::by(prefix.to_vec()).connecting("psql", settings)?;
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        command.arg(format!("--field-separator={COLUMN}"));
        command.arg(format!("--record-separator={ROW}"));
        command.args(["--pset".to_owned(), format!("null={NULL}")]);
        command.stdin(Stdio::piped());
        let mut running = start(&mut command)?;
        let (input, output) = (running.input()?, BufReader::new(running.output()?));
        let mut psql = Psql { running: Some(running), input, output, end: FIRST_END.to_owned() };
        let rows = psql.ask("SELECT pg_catalog.gen_random_uuid()", settings)?;
        let word = rows.ok().and_then(|rows| Some(rows.first()?.get(0)?.to_owned()));
        psql.end = format!("{FIRST_END}{}", word.unwrap_or_default());
        Ok(psql)
    }

    /// The rows that statements yield, or why the last of them failed.
    ///
    /// # Errors
    /// If the session is gone.
    pub(super) fn ask(
        &mut self,
        statements: &str,
        settings: &Settings,
    ) -> Result<Result<Vec<Row>, Refusal>> {
        match self.exchange(statements) {
            Ok(Some((answer, verdict))) => Ok(match verdict.split_once(' ') {
                Some(("true", verdict)) => {
                    let (state, reason) = verdict.split_once(' ').unwrap_or((verdict, ""));
                    let state = (state.len() == 5).then(|| SqlState::from_code(state));
                    Err(Refusal { state, reason: reason.trim().to_owned() })
                }
                _ => Ok(rows(&answer)),
            }),
            Ok(None) => Err(self.ended(settings, None)),
            Err(cause) => Err(self.ended(settings, Some(cause))),
        }
    }

    /// What it prints for statements, and what it says of the last of them; none if it has ended.
    fn exchange(&mut self, statements: &str) -> std::io::Result<Option<(String, String)>> {
        let Psql { input, output, end, .. } = self;
        write!(
            input,
            "{statements}\n;\n\\echo '{end}' :ERROR :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo '{end}'\n"
        )?;
        input.flush()?;
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        while ends.len() < 2 {
            let from = bytes.len();
            if output.by_ref().take(ANSWER_MAX).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes.get(from..).is_some_and(|line| line.starts_with(end.as_bytes())) {
                ends.push((from, bytes.len()));
            }
            if bytes.len() as u64 > ANSWER_MAX {
                return Err(std::io::Error::other("its answer is too long"));
            }
        }
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default()).into_owned()
        };
        let [(said, _), (over, _)] = ends.as_slice() else { return Ok(None) };
        let verdict = text(said + end.len(), *over);
        Ok(Some((text(0, *said), verdict.trim_start().to_owned())))
    }

    /// Why it is gone.
    fn ended(&mut self, settings: &Settings, cause: Option<std::io::Error>) -> Error {
        let error = |kind| Error::new(kind, "ask PostgreSQL by psql at", settings.server_name());
        let ended = self.running.take().map(Running::wait);
        match ended {
            Some(Ok(ended)) => {
                let said = ended.said.trim();
                let (kind, hint) = match () {
                    () if said.contains("executable file not found")
                        || said.contains("no such file") =>
                    {
                        (
                            Kind::NotFound,
                            Some(
                                "its container has no psql: name one that has, or `postgres-dump:URL`",
                            ),
                        )
                    }
                    () if said.contains("password") || said.contains("authentication failed") => (
                        Kind::Denied,
                        Some(
                            "the role is that of POSTGRES_USER in the container, and its password that of \
                              POSTGRES_PASSWORD, where its pg_hba.conf asks for one",
                        ),
                    ),
                    () if said.contains("does not exist") => (Kind::NotFound, None),
                    () => sqlstate::of_tool(said),
                };
                let error = error(kind).because(ended.to_string());
                hint.into_iter().fold(error, Error::hint)
            }
            Some(Err(error)) => error,
            None => cause
                .into_iter()
                .fold(error(Kind::Failed).because("the session is gone"), Error::caused_by),
        }
    }
}

impl Drop for Psql {
    /// Whatever becomes of what runs it, psql itself ends, and with it its transaction.
    fn drop(&mut self) {
        let _ = self.input.write_all(b"\\q\n").and_then(|()| self.input.flush());
    }
}

/// The rows of an answer.
fn rows(answer: &str) -> Vec<Row> {
    let Some(answer) = answer.strip_suffix('\n') else { return Vec::new() };
    let column = |text: &str| (text != NULL).then(|| text.to_owned());
    answer.split(ROW).map(|row| Row(row.split(COLUMN).map(column).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows and columns are told apart, NULL from an empty text, and no row from an empty one.
    #[test]
    fn answers_are_understood() {
        let texts = |answer: &str| -> Vec<Vec<Option<String>>> {
            rows(answer).into_iter().map(|row| row.0).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(texts(""), Vec::<Vec<_>>::new());
        assert_eq!(texts("\n"), [[some("")]]);
        assert_eq!(
            texts("a\u{1f}\u{1d}\u{1e}b\nc\u{1f}\n"),
            [[some("a"), None], [some("b\nc"), some("")]]
        );
    }
}
