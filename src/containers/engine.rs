//! A connection to an engine.

use crate::error::{Attempt, Error, Kind, Result, with_causes};
use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::geteuid;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long an engine may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The client's own timeout, set out of reach: each call has a limit of its own, and those that stop or start something
/// wait for as long as that may take.
const CLIENT_TIMEOUT: Duration = Duration::from_hours(24 * 30);

/// Where engines listen that all users share.
const DEFAULT_SOCKETS: [&str; 3] =
    ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"];

/// What a call of the engine's client ends with.
pub(super) type Answer<T> = std::result::Result<T, bollard::errors::Error>;

/// An engine that answers.
pub struct Engine {
    runtime: Runtime,
    pub(super) docker: Docker,
    socket: PathBuf,
}

impl Engine {
    /// The engine at this socket, or else at that of `DOCKER_HOST`, or at the first of the usual ones.
    ///
    /// # Errors
    /// `NotFound` where none runs, `Denied` where its socket is closed to this user.
    pub fn connect(named: Option<&Path>) -> Result<Self> {
        let socket = find(named)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.attempt("start", "a client of the container engine")?;
        let text = socket.to_string_lossy();
        let docker =
            Docker::connect_with_unix(&text, CLIENT_TIMEOUT.as_secs(), API_DEFAULT_VERSION);
        let docker = docker.map_err(|cause| error_from(&cause, "reach", &socket.display()))?;
        let negotiated = runtime.block_on(async {
            tokio::time::timeout(ANSWER_TIMEOUT, docker.negotiate_version()).await
        });
        let docker = match negotiated {
            Ok(Ok(docker)) => docker,
            Ok(Err(cause)) => {
                return Err(error_from(&cause, "reach the container engine at", &socket.display()));
            }
            Err(_) => {
                return Err(late(
                    "reach the container engine at",
                    &socket.display(),
                    ANSWER_TIMEOUT,
                ));
            }
        };
        Ok(Engine { runtime, docker, socket })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits for an answer.
    pub(super) fn ask<T>(
        &self,
        attempted: &str,
        subject: &str,
        call: impl Future<Output = Answer<T>>,
    ) -> Result<T> {
        self.ask_within(ANSWER_TIMEOUT, attempted, subject, call)
    }

    /// Waits for an answer, for so long.
    pub(super) fn ask_within<T>(
        &self,
        most: Duration,
        attempted: &str,
        subject: &str,
        call: impl Future<Output = Answer<T>>,
    ) -> Result<T> {
        match self.runtime.block_on(async { tokio::time::timeout(most, call).await }) {
            Ok(answer) => answer.map_err(|cause| error_from(&cause, attempted, &subject)),
            Err(_) => Err(late(attempted, &subject, most)),
        }
    }

    /// Waits for something that takes as long as it takes.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

fn late(attempted: &str, subject: &dyn std::fmt::Display, most: Duration) -> Error {
    Error::new(Kind::Failed, attempted, subject)
        .because(format!("the container engine did not answer within {} s", most.as_secs()))
}

/// What an engine's refusal means.
pub(super) fn error_from(
    cause: &bollard::errors::Error,
    attempted: &str,
    subject: &dyn std::fmt::Display,
) -> Error {
    use bollard::errors::Error as Cause;
    let (kind, reason) = match cause {
        Cause::DockerResponseServerError { status_code: 404, message } => {
            (Kind::NotFound, message.clone())
        }
        Cause::DockerResponseServerError { status_code: 401 | 403, message } => {
            (Kind::Denied, format!("the engine, or a proxy before it, refuses: {message}"))
        }
        Cause::DockerResponseServerError { message, .. } => (Kind::Failed, message.clone()),
        other => (Kind::Failed, with_causes(other)),
    };
    Error::new(kind, attempted, subject).because(reason.trim().to_owned())
}

/// The socket of an engine that lets this user in.
fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        return reach(path).map(|()| path.to_owned());
    }
    if let Some(host) = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        let path = host.strip_prefix("unix://").map(PathBuf::from).ok_or_else(|| {
            Error::new(Kind::Unsupported, "use the container engine at", &host)
                .because(
                    "it is no socket of this machine, where the data of its containers would lie",
                )
                .hint("set DOCKER_HOST to unix:///PATH, or unset it")
        })?;
        return reach(&path).map(|()| path);
    }
    let mut first = None;
    for path in usual() {
        match reach(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == Kind::NotFound && !path.exists() => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| {
        let looked: Vec<String> = usual().iter().map(|path| path.display().to_string()).collect();
        Error::new(Kind::NotFound, "find", "a container engine")
            .because(format!("none listens at {}", looked.join(", ")))
            .hint(START)
    }))
}

/// How engines are started.
const START: &str = "start it: `systemctl start docker`, or `systemctl enable --now podman.socket`; one that \
                     listens elsewhere is named by DOCKER_HOST=unix:///PATH or `[containers] socket`";

/// The places to look at, in order.
fn usual() -> Vec<PathBuf> {
    let own = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(format!("/run/user/{}", geteuid().as_raw())),
    };
    let of_user = [own.join("podman/podman.sock"), own.join("docker.sock")];
    DEFAULT_SOCKETS.iter().map(PathBuf::from).chain(of_user).collect()
}

/// Whether an engine listens there and lets this user in.
fn reach(path: &Path) -> Result<()> {
    let error = |kind| Error::new(kind, "reach the container engine at", path.display());
    match UnixStream::connect(path) {
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Err(error(Kind::NotFound).because("there is no such socket").hint(START))
        }
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
            Err(error(Kind::NotFound).because("nobody listens there: it is not running").hint(START))
        }
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Err(error(Kind::Denied).because("its socket is closed to this user").hint(
                "run icecore as root, or add its user to the group that owns the socket (`docker`): a user who \
                 may use it can do all that root can",
            ))
        }
        Err(cause) => Err(error(Kind::Failed).caused_by(cause)),
    }
}
