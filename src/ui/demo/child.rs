//! The application in a process of its own, as applications are. A process that opens a database a
//! second time and closes that loses the locks that SQLite holds there (How To Corrupt An SQLite
//! Database File, 2.2), so it must not be the one that backs it up.

use super::app::SampleApp;
use crate::env::{KeepOutput, Running, command, this_program};
use crate::error::{Attempt, Error, Kind, Result};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Stdio};

/// What is asked of the application, a line each; it answers with a number on a line.
const WORK: &str = "work";
const COMMITS: &str = "commits";

/// What messages call it.
const WHAT: &str = "the demo's application";
/// How much of its complaints is kept, in bytes.
const SAID_KEPT: usize = 2000;

/// The application, running.
pub(super) struct AppProcess {
    running: Running,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl AppProcess {
    /// Starts it in `folder`. It has made its data when it gives its first answer.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let mut command = command(this_program()?);
        command.args(["demo", "--application"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command, WHAT, KeepOutput::Last(SAID_KEPT))?;
        let (questions, answers) = (running.input()?, BufReader::new(running.output()?));
        let mut app = AppProcess { running, questions, answers };
        app.commits()?;
        Ok(app)
    }

    /// Lets it do an hour's work. Returns the rows that were changed or added.
    pub(super) fn work_an_hour(&mut self) -> Result<u64> {
        self.ask(WORK)
    }

    /// Transactions that its live writer has committed.
    pub(super) fn commits(&mut self) -> Result<u64> {
        self.ask(COMMITS)
    }

    /// Stops it; what went wrong in it, if anything did.
    pub(super) fn stop(self) -> Result<()> {
        let AppProcess { running, questions, .. } = self;
        drop(questions);
        let ended = running.wait()?;
        match ended.status.success() {
            true => Ok(()),
            false => Err(Error::new(Kind::Failed, "run", WHAT).because(ended.to_string())),
        }
    }

    fn ask(&mut self, question: &str) -> Result<u64> {
        let mut answer = String::new();
        writeln!(self.questions, "{question}").attempt("ask", WHAT)?;
        self.answers.read_line(&mut answer).attempt("ask", WHAT)?;
        let silent = || Error::new(Kind::Failed, "ask", WHAT).because("it gave no answer");
        answer.trim().parse().map_err(|_| silent())
    }
}

/// Is the application in `folder`, until nobody asks anything more.
pub(in crate::ui) fn serve(folder: &Path) -> Result<()> {
    let mut app = SampleApp::start(folder)?;
    for question in io::stdin().lines() {
        let answer = match question.attempt("read", "a question")?.as_str() {
            WORK => app.work_an_hour()?,
            _ => app.commits(),
        };
        writeln!(io::stdout(), "{answer}").attempt("answer", "a question")?;
    }
    app.stop()
}
