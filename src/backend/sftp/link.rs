//! The connection to a server: made when it is first needed, and anew after it broke. What is on its
//! way then has no answer.

use super::address::Address;
use super::fault::Fault;
use super::session::Session;
use super::ssh::Ssh;
use crate::error::{Attempt, Error, Result};
use parking_lot::Mutex;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::rawsession::SftpResult;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// What connects, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub ssh: Ssh,
    pub address: Address,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A connection, or the means to have one.
pub(super) struct Link {
    dial: Dial,
    session: Mutex<Option<Arc<Session>>>,
    /// Connections that were made, and that could not be made.
    made: AtomicU64,
    failed: AtomicU64,
    /// The last field: it ends after all that uses it.
    runtime: Runtime,
}

impl Link {
    pub(super) fn new(dial: Dial) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("sftp").enable_all().build();
        Ok(Link {
            dial,
            session: Mutex::new(None),
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            runtime: runtime.attempt("start threads for", "connections")?,
        })
    }

    /// Where the server and its folder are.
    pub(super) fn address(&self) -> &Address {
        &self.dial.address
    }

    /// Runs what nobody waits for.
    pub(super) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Asks the server, and waits for its answer.
    pub(super) fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Arc<Session>) -> SftpResult<T>,
    ) -> Result<T, Fault> {
        let session = self.session().map_err(Fault::Gone)?;
        self.ask_of(&session, question)
    }

    /// Asks in the session to which a file belongs.
    pub(super) fn ask_of<T>(
        &self,
        session: &Arc<Session>,
        question: impl AsyncFnOnce(&Arc<Session>) -> SftpResult<T>,
    ) -> Result<T, Fault> {
        self.runtime.block_on(session.hear(question(session))).map_err(|error| match error {
            SftpError::Status(status) => Fault::Said(status),
            error => Fault::Gone(self.hang_up(session, &error)),
        })
    }

    /// The present connection, or a new one.
    fn session(&self) -> Result<Arc<Session>> {
        let before = self.failed.load(Ordering::SeqCst);
        let mut present = self.session.lock();
        if let Some(session) = &*present {
            return Ok(session.clone());
        }
        let place = self.address().to_string();
        // Threads that waited while another tried do not each try in turn.
        if self.failed.load(Ordering::SeqCst) > before {
            return Err(Error::unavailable("reach", place, "no connection could be made just now"));
        }
        let heard = self.made.load(Ordering::SeqCst) > 0;
        let Dial { ssh, address, timeout } = &self.dial;
        let session = Session::connect(ssh, address, self.runtime(), *timeout, heard);
        let counter = if session.is_ok() { &self.made } else { &self.failed };
        counter.fetch_add(1, Ordering::SeqCst);
        let session = Arc::new(session?);
        *present = Some(session.clone());
        Ok(session)
    }

    /// Ends a session that failed, unless it was ended, and tells why it did.
    fn hang_up(&self, session: &Arc<Session>, error: &SftpError) -> Error {
        let mut present = self.session.lock();
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, session)) {
            *present = None;
        }
        drop(present);
        let place = self.address().to_string();
        match error {
            SftpError::Timeout => {
                session.end();
                let reason = format!("no answer came within {:?}", self.dial.timeout);
                Error::unavailable("reach", place, reason)
            }
            _ => session.ended().lost(&place),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The program is ended while there still is a runtime.
        drop(self.session.lock().take());
    }
}
