//! A file of a snapshot, or a folder as an archive, as it comes out of a child process.

use super::launcher::{Call, Launcher};
use super::lines::{LastWords, complaints};
use super::names;
use super::place::Place;
use super::queries;
use super::refusal::Refusal;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::io;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that are sent at a time.
const PIECE: usize = 64 << 10;

/// A file on its way.
struct Dump {
    child: Child,
    output: ChildStdout,
    _place: OwnedSemaphorePermit,
}

impl Dump {
    /// What comes next; empty at the end.
    async fn piece(&mut self) -> io::Result<Bytes> {
        let mut piece = Vec::with_capacity(PIECE);
        self.output.read_buf(&mut piece).await?;
        Ok(piece.into())
    }

    /// Whether it came whole: one that did not is cut off where the browser can see it.
    async fn end(&mut self) -> io::Result<()> {
        match self.child.wait().await? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("the process ended with {status}"))),
        }
    }
}

/// What is at a place, to be stored under a name and not to be shown.
pub async fn of(launcher: &Launcher, place: &Place, name: &[u8]) -> Result<Response, Refusal> {
    let mut args = queries::in_repository(&place.repository, &["--json", "--quiet"]);
    args.extend(["dump".into(), "--".into(), place.argument()]);
    let (mut child, permit) = launcher.read(Call::new(args)).await?;
    let said = child.stderr.take().map(|errors| tokio::spawn(complaints(errors)));
    let output =
        child.stdout.take().ok_or_else(|| Refusal::failed("The download could not be started."))?;
    let mut dump = Dump { child, output, _place: permit };
    let failed = |cause: io::Error| Refusal::failed(cause.to_string());
    // Where there is no such file, the first thing that comes is the end.
    let first = dump.piece().await.map_err(failed)?;
    if first.is_empty() {
        let status = dump.child.wait().await.map_err(failed)?;
        if !status.success() {
            let said = match said {
                Some(said) => said.await.unwrap_or_default(),
                None => Vec::new(),
            };
            return Err(LastWords::of(status, &said).refusal());
        }
    }
    let rest = stream::try_unfold((dump, Some(first)), |(mut dump, first)| async {
        let piece = match first {
            Some(first) => first,
            None => dump.piece().await?,
        };
        if piece.is_empty() {
            return dump.end().await.map(|()| None);
        }
        Ok::<_, io::Error>(Some((piece, (dump, None))))
    });
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, names::attachment(name)),
    ];
    Ok((headers, Body::from_stream(rest)).into_response())
}
