//! Runs a program in a container as if it ran here, by way of this same executable: this is how PostgreSQL's
//! programs are run in containers. Neither the `docker` nor the `podman` command is needed.

use super::Engine;
use crate::env::this_program;
use crate::error::{Error, Kind, Result};
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::{Stream, StreamExt};
use std::future::pending;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread::Builder;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The argument that makes this program run another one in a container.
const VERB: &str = "run-in-container";

/// What it ends with where the program's own status is not known.
const UNKNOWN: u8 = 125;

/// Bytes of input that are read at a time.
const PIECE: usize = 64 << 10;

/// How often an engine is asked for the status of what has ended just now, and how long is waited between.
const ASKED: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The words that run a program in a container.
pub fn prefix(engine: &Engine, container: &str) -> Result<Vec<String>> {
    let program = this_program()?.to_string_lossy().into_owned();
    let socket = engine.socket().to_string_lossy().into_owned();
    Ok(vec![program, VERB.to_owned(), socket, container.to_owned()])
}

/// Runs a program in a container, if the arguments of this process say so.
pub fn run_as_exec() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    let (socket, container) = (arguments.next()?, arguments.next()?);
    Some(match exec(Path::new(&socket), &container, arguments.collect()) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(UNKNOWN)),
        Err(error) => {
            // As PostgreSQL's programs say it: nobody overlooks that.
            let _ = writeln!(io::stderr(), "icecore: error: {error}");
            ExitCode::from(UNKNOWN)
        }
    })
}

/// Runs it, and gives its status.
fn exec(socket: &Path, container: &str, command: Vec<String>) -> Result<i64> {
    let engine = Engine::connect(Some(socket))?;
    let found = engine.container(container)?;
    let what = format!("{} in {}", command.first().map_or("nothing", String::as_str), found.name);
    let password =
        ["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"].iter().find_map(|name| found.variable(name));
    let mut variables = vec!["LC_ALL=C".to_owned(), "LANGUAGE=".to_owned()];
    variables.extend(password.map(|password| format!("PGPASSWORD={password}")));
    let has_input = !is_nothing(&io::stdin());
    let config = ExecConfig {
        attach_stdin: Some(has_input),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command),
        env: Some(variables),
        ..ExecConfig::default()
    };
    let id = engine.ask("run", &what, engine.docker.create_exec(container, config))?.id;
    let started = engine.ask("run", &what, engine.docker.start_exec(&id, None))?;
    let StartExecResults::Attached { mut output, mut input } = started else {
        return Err(
            Error::new(Kind::Failed, "run", what).because("the engine does not hand on its output")
        );
    };
    let pieces = has_input.then(|| read_input(&what)).transpose()?;
    let handed = engine.wait(async {
        let type_all = async {
            if let Some(pieces) = pieces {
                feed(&mut input, pieces).await;
            }
            // What the program says is waited for, whatever became of its input.
            pending().await
        };
        tokio::select! {
            handed = hand_on_all(&mut output) => handed,
            never = type_all => never,
        }
    });
    handed.map_err(|cause: io::Error| Error::new(Kind::Failed, "run", &what).caused_by(cause))?;
    status(&engine, &id, &what)
}

/// Its status; without one, it failed.
fn status(engine: &Engine, id: &str, what: &str) -> Result<i64> {
    for _ in 0..ASKED {
        let found = engine.ask("learn the end of", what, engine.docker.inspect_exec(id))?;
        match (found.running, found.exit_code) {
            (Some(false) | None, Some(status)) => return Ok(status),
            _ => engine.wait(tokio::time::sleep(PAUSE)),
        }
    }
    Err(Error::new(Kind::Failed, "run", what)
        .because("its output ended, and how it ended itself the engine does not say"))
}

/// Types all that comes, and then ends the input. A program that reads no more tells by its status whether that is well.
async fn feed(input: &mut (impl AsyncWrite + Unpin), mut pieces: Receiver<Vec<u8>>) {
    while let Some(piece) = pieces.recv().await {
        if input.write_all(&piece).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

async fn hand_on_all<E: std::error::Error + Send + Sync + 'static>(
    output: &mut (impl Stream<Item = std::result::Result<LogOutput, E>> + Unpin),
) -> io::Result<()> {
    while let Some(said) = output.next().await {
        hand_on(said.map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn hand_on(said: LogOutput) -> io::Result<()> {
    match said {
        LogOutput::StdOut { message } => {
            let mut out = io::stdout().lock();
            out.write_all(&message).and_then(|()| out.flush())
        }
        LogOutput::StdErr { message } => io::stderr().lock().write_all(&message),
        LogOutput::StdIn { .. } => Ok(()),
        // What is left of a stream that was cut short.
        LogOutput::Console { .. } => Err(io::Error::other("the engine's stream breaks off")),
    }
}

/// Reads this process's input on a thread of its own.
fn read_input(what: &str) -> Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel::<Vec<u8>>(4);
    let reading = Builder::new().spawn(move || read_all(&sender));
    reading
        .map_err(|cause| Error::new(Kind::Failed, "start a thread for", what).caused_by(cause))?;
    Ok(receiver)
}

fn read_all(to: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; PIECE];
    loop {
        match io::stdin().lock().read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let piece = buffer.get(..length).unwrap_or_default().to_vec();
                if to.blocking_send(piece).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Whether it is /dev/null.
fn is_nothing(stdin: &io::Stdin) -> bool {
    let null = rustix::fs::stat("/dev/null").map(|null| null.st_rdev);
    rustix::fs::fstat(stdin).map(|found| found.st_rdev) == null
}
