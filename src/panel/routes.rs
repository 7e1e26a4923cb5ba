//! Addresses, and what is answered at each.

use super::children::What;
use super::desk::Desk;
use super::fields::Fields;
use super::gate::gate;
use super::launcher::Call;
use super::lists::{self, Key};
use super::place::{Address, Place};
use super::refusal::Refusal;
use super::{ask, download, page};
use crate::agent;
use crate::agent::run::Task;
use crate::error::{Attempt, Error};
use crate::text;
use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

type Answer = Result<Response, Refusal>;

/// Runs on the page of a job.
const RUNS: usize = 10;

/// All addresses.
pub fn all(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/style.css", get(style))
        .route("/metrics", get(metrics))
        .route("/job/{job}", get(job))
        .route("/job/{job}/run", post(run))
        .route("/job/{job}/runs", get(runs))
        .route("/job/{job}/run/{report}", get(report))
        .route("/job/{job}/prune", get(prune))
        .route("/job/{job}/in/{repository}", get(snapshots))
        .route("/job/{job}/in/{repository}/{snapshot}", get(browse))
        .route("/job/{job}/in/{repository}/{snapshot}/file", get(file))
        .route("/job/{job}/in/{repository}/{snapshot}/archive", get(archive))
        .route("/job/{job}/in/{repository}/{snapshot}/restore", get(may_restore).post(restore))
        .route("/activity/{number}", get(activity))
        .fallback(|| async { Refusal::absent("There is no such page.") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here.")
        })
        .layer(from_fn_with_state(desk.clone(), gate))
        .with_state(desk)
}

/// The fields of a query.
fn query(RawQuery(query): RawQuery) -> Fields {
    Fields::parse(query.unwrap_or_default().as_bytes())
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

/// Figures for Prometheus, for whoever has the password.
async fn metrics(State(desk): State<Arc<Desk>>) -> Answer {
    let text = agent::metrics::text(&desk.book.status().await?);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn overview(State(desk): State<Arc<Desk>>) -> Answer {
    Ok(page::overview::page(&desk, &desk.book.status().await?))
}

async fn job(State(desk): State<Arc<Desk>>, Path(name): Path<String>) -> Answer {
    desk.job(&name)?;
    let status = desk.book.status().await?;
    let (last, _) = desk.book.runs(&name, 0, RUNS).await?;
    let captures = desk.book.captures(&name).await?;
    let found = status.jobs.iter().find(|job| job.job == name);
    let job = found.ok_or_else(|| Refusal::absent("There is no such job in the file."))?;
    Ok(page::job::page(&desk, job, &last, &captures))
}

async fn runs(State(desk): State<Arc<Desk>>, Path(job): Path<String>, raw: RawQuery) -> Answer {
    desk.job(&job)?;
    let from = query(raw).number("from")?;
    let (runs, has_more) = desk.book.runs(&job, from, page::runs::MOST).await?;
    Ok(page::runs::page(&desk, &job, &runs, from, has_more))
}

async fn report(
    State(desk): State<Arc<Desk>>,
    Path((job, name)): Path<(String, String)>,
) -> Answer {
    desk.job(&job)?;
    let report = desk.book.report(&job, &name)?;
    Ok(page::runs::report(&desk, &job, &report))
}

async fn snapshots(
    State(desk): State<Arc<Desk>>,
    Path((job, repository)): Path<(String, String)>,
    raw: RawQuery,
) -> Answer {
    desk.repository(&job, &repository)?;
    let from = query(raw).number("from")?;
    let after = desk.book.last(&job).await?;
    let key = Key { job, host: desk.host.clone(), repository };
    let (launcher, wanted) = (desk.launcher.clone(), key.clone());
    let read = async move { lists::read(&launcher, &wanted).await };
    let found = desk.lists.get(&key, &after, read).await;
    Ok(page::snapshots::page(&desk, &key.job, &key.repository, &found, from))
}

async fn browse(State(desk): State<Arc<Desk>>, Path(at): Path<Address>, raw: RawQuery) -> Answer {
    let fields = query(raw);
    let place = desk.place(at, &fields)?;
    let from = fields.number("from")?;
    let found = ask::entries(&desk.launcher, &place, from, page::browse::MOST).await?;
    Ok(page::browse::page(&desk, &place, &found, from))
}

async fn file(State(desk): State<Arc<Desk>>, Path(at): Path<Address>, raw: RawQuery) -> Answer {
    let place = desk.place(at, &query(raw))?;
    download::of(&desk.launcher, &place, place.name()).await
}

async fn archive(State(desk): State<Arc<Desk>>, Path(at): Path<Address>, raw: RawQuery) -> Answer {
    let place = desk.place(at, &query(raw))?;
    download::of(&desk.launcher, &place, &[place.name(), b".tar"].concat()).await
}

async fn activity(State(desk): State<Arc<Desk>>, Path(number): Path<String>) -> Answer {
    let found = number.parse().ok().and_then(|number| desk.children.get(number));
    let absent = || Refusal::absent("Nobody remembers that; reports of runs stay with their job.");
    Ok(page::activity::page(&desk, &found.ok_or_else(absent)?))
}

async fn prune(State(desk): State<Arc<Desk>>, Path(job): Path<String>) -> Answer {
    desk.job(&job)?;
    let after = desk.book.last(&job).await?;
    let (desk_of_read, wanted) = (desk.clone(), job.clone());
    let read =
        async move { ask::plans(&desk_of_read.launcher, &desk_of_read.config, &wanted).await };
    let found = desk.plans.get(&job, &after, read).await;
    Ok(page::prune::page(&desk, &job, &found))
}

/// Starts a task of a job.
async fn run(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Answer {
    let (name, job) = desk.job(&name)?;
    let tasks = match (fields.text("task"), fields.text("confirmed")) {
        // Where copies have a time of their own, they wait for it.
        (Some("backup"), _) if job.schedules().copy.is_some() => vec![Task::Backup],
        (Some("backup"), _) => vec![Task::Backup, Task::Copy],
        (Some("check"), _) => vec![Task::Check],
        (Some("prune"), Some("yes")) => vec![Task::Prune],
        _ => return Err(Refusal::senseless("There is no button for that.")),
    };
    let only = tasks.iter().map(|task| task.name()).collect::<Vec<_>>().join(",");
    let call = Call::run(&["--json", "--only", &only], &desk.config, name);
    let number = desk.children.start(What::Run { job: name.to_owned(), tasks }, call)?;
    Ok(Redirect::to(&format!("/activity/{number}")).into_response())
}

async fn may_restore(
    State(desk): State<Arc<Desk>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    Ok(page::restore::page(&desk, &desk.place(at, &query(raw))?))
}

/// Brings something back, into a new folder where the file says.
async fn restore(State(desk): State<Arc<Desk>>, Path(at): Path<Address>, raw: RawQuery) -> Answer {
    let place = desk.place(at, &query(raw))?;
    let target = new_folder(&desk, &place)?;
    let mut args = ask::in_repository(&place.repository, &["--json"]);
    args.extend(["restore".into(), "--target".into(), target.clone().into(), "--".into()]);
    args.push(place.argument());
    let path = text::path(&place.path);
    let Place { job, repository, snapshot, .. } = place;
    let what = What::Restore { job, repository, snapshot, path, target };
    let number = desk.children.start(what, Call::new(args))?;
    Ok(Redirect::to(&format!("/activity/{number}")).into_response())
}

/// A folder that nobody else has, for this host's owner alone.
fn new_folder(desk: &Desk, place: &Place) -> Result<PathBuf, Refusal> {
    let Some(into) = &desk.restore_into else {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "The file states no folder to restore into.",
        ));
    };
    let now = Timestamp::from_nanosecond(i128::from(desk.env.now().0)).unwrap_or_default();
    let short = place.snapshot.get(..8).unwrap_or_default();
    let folder = into.join(format!("{}-{short}-{}", place.job, now.strftime("%Y%m%dT%H%M%S%3f")));
    let made = DirBuilder::new().mode(0o700).create(&folder).attempt("make", folder.display());
    let failed = |error: Error| Refusal::failed(error.to_string());
    made.map_err(failed)?;
    Ok(folder)
}
