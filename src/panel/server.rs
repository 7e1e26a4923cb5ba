//! Connections: how many there are, and how long each may take.

use super::context::{Context, Panel};
use super::routes;
use crate::agent::config::Config;
use crate::error::{Attempt, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{interval, sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// Connections at once; others wait to be accepted.
const CONNECTIONS: usize = 256;

/// How long a request's head may take to come.
const HEAD: Duration = Duration::from_secs(10);

/// How long the other side may take to send or to receive anything at all.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Bytes of a connection that wait to be read or sent.
const BUFFER: usize = 32 << 10;

/// How often is asked whether it is over.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long runs that were started here have to end once it is over.
const LAST_RUNS: Duration = Duration::from_secs(30);

/// How long it takes until an address that could not be listened on is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Serves the page until `is_over`, by the file as it is at each moment, and says where. What was started from it
/// goes on whatever becomes of the file, and is asked to end at the end.
///
/// # Errors
/// If nothing can listen where the file says at first; later that is complained of, and tried again.
pub fn serve(
    panel: &Panel,
    file: impl Fn() -> Arc<Config>,
    listens: impl Fn(SocketAddr),
    is_over: impl Fn() -> bool,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.attempt("start", "the page")?;
    let done = runtime.block_on(serve_all(panel, file, listens, is_over));
    // A login that is being verified keeps nobody here.
    runtime.shutdown_background();
    done
}

async fn serve_all(
    panel: &Panel,
    file: impl Fn() -> Arc<Config>,
    listens: impl Fn(SocketAddr),
    is_over: impl Fn() -> bool,
) -> Result<()> {
    let mut config = file();
    let mut listener = listen(&config, &listens).await?;
    let app = watch::Sender::new(app_of(panel, &config)?);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let (mut glance, mut tried) = (interval(POLL_INTERVAL), Instant::now());
    loop {
        tokio::select! {
            () = accept(listener.as_ref(), &room, &app) => continue,
            _ = glance.tick() => {}
        }
        if is_over() {
            break;
        }
        let now = file();
        let is_new = !Arc::ptr_eq(&now, &config);
        if is_new {
            drop(app.send_replace(app_of(panel, &now)?));
            if address_in(&now) != address_in(&config) {
                listener = None;
            }
            config = now;
        }
        if listener.is_none() && (is_new || tried.elapsed() > RETRY) {
            tried = Instant::now();
            listener = listen(&config, &listens).await.unwrap_or_else(|error| {
                panel.complain(&error.to_string());
                None
            });
        }
    }
    drop(listener);
    panel.children.end_all();
    // What does not end in time hears nothing of it: it goes on by itself.
    let _ = timeout(LAST_RUNS, panel.children.ended()).await;
    Ok(())
}

/// Where the page of a file is, if it has one.
fn address_in(config: &Config) -> Option<SocketAddr> {
    config.panel.as_ref().map(|panel| panel.listen.value.0)
}

async fn listen(config: &Config, listens: impl Fn(SocketAddr)) -> Result<Option<TcpListener>> {
    let Some(address) = address_in(config) else { return Ok(None) };
    let listener = TcpListener::bind(address).await.attempt("listen on", address)?;
    listens(listener.local_addr().attempt("listen on", address)?);
    Ok(Some(listener))
}

/// What answers by a file; open connections get nothing more where the file has no page any more.
fn app_of(panel: &Panel, config: &Arc<Config>) -> Result<Router> {
    let Some(settings) = &config.panel else { return Ok(Router::new()) };
    Ok(routes::all(Arc::new(Context::new(panel, config.clone(), settings)?)))
}

/// Takes the next connection, once there is room for it.
async fn accept(
    listener: Option<&TcpListener>,
    room: &Arc<Semaphore>,
    app: &watch::Sender<Router>,
) {
    let Some(listener) = listener else { return pending().await };
    let Ok(place) = room.clone().acquire_owned().await else { return };
    let Ok((stream, _)) = listener.accept().await else {
        // No room for its descriptor, most likely: others end.
        return sleep(POLL_INTERVAL).await;
    };
    let app = app.subscribe();
    tokio::spawn(async move {
        converse(stream, app).await;
        drop(place);
    });
}

async fn converse(stream: TcpStream, app: watch::Receiver<Router>) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(STANDSTILL));
    stream.set_write_timeout(Some(STANDSTILL));
    // The file may become another between two requests.
    let answer = move |request| TowerToHyperService::new(app.borrow().clone()).call(request);
    let service = service_fn(answer);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    // Who goes away in the middle has no wish to hear why.
    let _ = server.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
}
