//! One connection: the program that makes it, and the requests on their way over it.

use super::address::Address;
use super::ssh::{Farewell, Ssh, may_ask};
use crate::env::{KeepOutput, Running};
use crate::error::{Error, Kind, Result};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::rawsession::SftpResult;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::extensions::{FSYNC, HARDLINK, STATVFS};
use russh_sftp::protocol::{File as Entry, StatusCode};
use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// Bytes that one request reads or writes: every server takes so many.
const PIECE: usize = 32 << 10;
/// Pieces on their way at once, over all calls: ssh itself lets no more than 2 MiB go unanswered.
const IN_FLIGHT: usize = 64;
/// Requests for a part of a folder's listing that are sent before the first is answered.
const AHEAD: usize = 4;
/// Bytes of what ssh complains of that are kept.
const SAID: usize = 8 << 10;
/// How often a program is looked after that should be ending by itself: for two seconds.
const GLANCES: u32 = 40;
/// How long a connection may take that a person may be asked about; servers wait no longer.
const ASKING: u64 = 120;

/// What is asked over it, what the server offers, and how it ended.
pub(super) struct Session {
    pub raw: Arc<RawSftpSession>,
    offers: Offers,
    pieces: Semaphore,
    /// Changes when nobody reads any more what the server says.
    open: watch::Receiver<()>,
    running: Mutex<Option<Running>>,
    farewell: OnceLock<Farewell>,
}

/// What not every server can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offers {
    /// A second name for a file, which no other file has.
    pub links: bool,
    /// Making a file durable.
    pub syncs: bool,
    /// Telling how much room there is.
    pub room: bool,
}

impl Session {
    /// Connects, with requests that wait `timeout` for an answer. A server that has been `heard`
    /// is known to exist.
    pub(super) fn connect(
        ssh: &Ssh,
        address: &Address,
        runtime: &Handle,
        timeout: Duration,
        heard: bool,
    ) -> Result<Self> {
        let place = address.to_string();
        let failed = |error: Error| {
            Error::new(Kind::Failed, "connect to", &place)
                .because(format!("ssh could not be started: {}", error.why()))
                .hint("see that OpenSSH's client is installed")
        };
        let started = Running::start(&mut ssh.command(address), "ssh", KeepOutput::Last(SAID));
        let mut running = started.map_err(failed)?;
        let (input, output) = (running.input()?, running.output()?);
        let (listening, open) = watch::channel(());
        let raw = over(input, output, runtime, timeout, Tail(listening))
            .map_err(|error| failed(Error::new(Kind::Failed, "use", "pipes").caused_by(error)))?;
        let mut session = Session {
            raw: Arc::new(raw),
            offers: Offers::default(),
            pieces: Semaphore::new(IN_FLIGHT),
            open,
            running: Mutex::new(Some(running)),
            farewell: OnceLock::new(),
        };
        if may_ask() {
            session.raw.set_timeout(timeout.as_secs().max(ASKING));
        }
        let version = match runtime.block_on(session.hear(session.raw.init())) {
            Ok(version) => version,
            Err(SftpError::Timeout) => {
                return Err(Error::unavailable("connect to", &place, "no answer came in time"));
            }
            Err(_) => return Err(session.ended().refused(&place, heard)),
        };
        session.raw.set_timeout(timeout.as_secs());
        let offers = |name| version.extensions.contains_key(name);
        session.offers =
            Offers { links: offers(HARDLINK), syncs: offers(FSYNC), room: offers(STATVFS) };
        Ok(session)
    }

    pub(super) fn offers(&self) -> Offers {
        self.offers
    }

    /// Waits for an answer as long as the connection stands. What is asked just when the connection ends
    /// would otherwise wait for as long as any answer may take.
    pub(super) async fn hear<T>(
        &self,
        answer: impl Future<Output = SftpResult<T>>,
    ) -> SftpResult<T> {
        let mut open = self.open.clone();
        match select(pin!(answer), pin!(open.changed())).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(SftpError::IO("the connection ended".to_owned())),
        }
    }

    /// How the program ended, which has lost its connection and may be about to.
    pub(super) fn ended(&self) -> &Farewell {
        self.farewell.get_or_init(|| {
            let running = self.running.lock().take();
            let glances = Cell::new(0);
            let look = || {
                glances.set(glances.get() + 1);
                match glances.get() <= GLANCES {
                    true => Ok(()),
                    false => Err(Error::new(Kind::Failed, "wait for", "ssh")),
                }
            };
            Farewell::of(running.and_then(|running| running.wait_while(&look).ok()).as_ref())
        })
    }

    /// Ends it: whatever still waits for an answer gets none.
    pub(super) fn end(&self) {
        drop(self.running.lock().take());
    }

    /// Fills the buffer from an open file, as far as that reaches, and tells how far that is.
    pub(super) async fn read(&self, handle: &str, at: u64, buffer: &mut [u8]) -> SftpResult<usize> {
        let places = (0_u64..).map(|number| at.saturating_add(number * PIECE as u64));
        let pieces = places.zip(buffer.chunks_mut(PIECE));
        let mut filled = stream::iter(pieces)
            .map(async |(at, piece)| {
                SftpResult::Ok((piece.len(), self.read_piece(handle, at, piece).await?))
            })
            .buffered(IN_FLIGHT);
        let mut total = 0;
        while let Some(piece) = filled.next().await {
            let (wanted, read) = piece?;
            total += read;
            if read < wanted {
                break;
            }
        }
        Ok(total)
    }

    /// A server may give less than was asked for, but nothing only at the end.
    async fn read_piece(&self, handle: &str, at: u64, piece: &mut [u8]) -> SftpResult<usize> {
        let _permit = self.permit().await?;
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            let data = match self.raw.read(handle, at.saturating_add(filled as u64), length).await {
                Ok(answer) => answer.data,
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(error),
            };
            match rest.get_mut(..data.len()) {
                Some(part) if !data.is_empty() => part.copy_from_slice(&data),
                _ => return Err(SftpError::UnexpectedPacket),
            }
            filled += data.len();
        }
        Ok(filled)
    }

    /// Writes all of the bytes into an open file.
    pub(super) async fn write(&self, handle: &str, at: u64, bytes: &[u8]) -> SftpResult<()> {
        let places = (0_u64..).map(|number| at.saturating_add(number * PIECE as u64));
        let mut written = stream::iter(places.zip(bytes.chunks(PIECE)))
            .map(async |(at, piece)| {
                let _permit = self.permit().await?;
                self.raw.write(handle, at, piece.to_vec()).await
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some(piece) = written.next().await {
            piece?;
        }
        Ok(())
    }

    async fn permit(&self) -> SftpResult<tokio::sync::SemaphorePermit<'_>> {
        self.pieces.acquire().await.map_err(|_| SftpError::UnexpectedPacket)
    }

    /// All that a folder holds.
    pub(super) async fn list(&self, path: &str) -> SftpResult<Vec<Entry>> {
        let handle = self.raw.opendir(path).await?.handle;
        let mut parts = stream::iter(std::iter::repeat(()))
            .map(|()| self.raw.readdir(handle.clone()))
            .buffered(AHEAD);
        let mut all = Vec::new();
        let listed = loop {
            match parts.next().await {
                Some(Ok(part)) => all.extend(part.files),
                Some(Err(SftpError::Status(status))) if status.status_code == StatusCode::Eof => {
                    break Ok(());
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        drop(parts);
        let closed = self.raw.close(handle).await;
        listed.and(closed.map(|_| all))
    }
}

/// Nothing, behind all that the server says: dropped with it when nobody listens any more.
struct Tail(#[expect(dead_code, reason = "its drop is what is waited for")] watch::Sender<()>);

impl AsyncRead for Tail {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The protocol over the two pipes of a program.
fn over(
    input: ChildStdin,
    output: ChildStdout,
    runtime: &Handle,
    timeout: Duration,
    tail: Tail,
) -> io::Result<RawSftpSession> {
    let _inside = runtime.enter();
    let sender = pipe::Sender::from_owned_fd(input.into())?;
    let receiver = pipe::Receiver::from_owned_fd(output.into())?;
    let config = Config { request_timeout_secs: timeout.as_secs(), ..Config::default() };
    Ok(RawSftpSession::new_with_config(tokio::io::join(receiver.chain(tail), sender), config))
}
