//! Sends messages by all channels at the same time, each tried a few times, all within one deadline.

use super::channel::Channel;
use super::notification::Notification;
use crate::error::{Attempt, Error, Kind, Result};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

/// How long is waited before each further try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// How long one try may take.
const TRY: Duration = Duration::from_secs(16);

/// Sends each channel its message; the outcomes, in order. No channel waits for another.
pub fn send(notifications: &[(Channel, Notification)], deadline: Duration) -> Vec<Result<()>> {
    let all = async {
        let tries = notifications.iter().map(|(channel, notification)| async {
            let sent = timeout(deadline, persist(channel, notification)).await;
            sent.unwrap_or_else(|_| Err(late(channel.name, deadline)))
        });
        Ok(join_all(tries).await)
    };
    wait(all).unwrap_or_else(|error| {
        let failed = |_| Err(Error::new(error.kind(), "send", "alerts").because(error.to_string()));
        notifications.iter().map(failed).collect()
    })
}

async fn persist(channel: &Channel, notification: &Notification) -> Result<()> {
    for pause in PAUSES {
        match once(channel, notification).await {
            Err(error) if error.kind() == Kind::Unavailable => sleep(pause).await,
            done => return done,
        }
    }
    once(channel, notification).await
}

async fn once(channel: &Channel, notification: &Notification) -> Result<()> {
    timeout(TRY, channel.send(notification)).await.unwrap_or_else(|_| Err(late(channel.name, TRY)))
}

fn late(name: &str, time: Duration) -> Error {
    Error::new(Kind::Unavailable, "send an alert by", name)
        .because(format!("it did not answer within {} s", time.as_secs()))
}

/// Waits for something that is done over connections.
pub fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime: Runtime = runtime.attempt("start", "connections")?;
    let done = runtime.block_on(work);
    // A name that does not resolve keeps a thread busy for as long as the system likes.
    runtime.shutdown_background();
    done
}
