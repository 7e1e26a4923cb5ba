//! What requests go over: connections, and the threads that carry them.

use super::client::Client;
use super::engine::Engine;
use super::fault::Fault;
use crate::error::Result;
use opendal::{HttpTransporter, OperationContext};
use std::time::Duration;

/// A wire to a server, and to whatever else is asked on the way.
pub(super) struct Wire {
    engine: Engine,
    transport: HttpTransporter,
    /// How long a server may be silent.
    timeout: Duration,
}

impl Wire {
    pub(super) fn new(client: &Client) -> Result<Self> {
        let (engine, transport) = (Engine::start()?, client.transport()?);
        Ok(Wire { engine, transport, timeout: client.timeout })
    }

    /// What sends requests.
    pub(super) fn transport(&self) -> HttpTransporter {
        self.transport.clone()
    }

    /// The same, as operators take it.
    pub(super) fn context(&self) -> OperationContext {
        OperationContext::new().with_http_transport(self.transport())
    }

    /// Waits for an answer, and for what carrying bytes takes besides.
    pub(super) fn wait<T>(
        &self,
        besides: Duration,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.engine.wait(self.timeout + besides, answer)
    }
}
