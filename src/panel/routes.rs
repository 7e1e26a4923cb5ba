//! The routes: URLs, and their handlers.

use super::admission::admit;
use super::children::What;
use super::context::Context;
use super::fields::Fields;
use super::launcher::Call;
use super::lists::{self, Key};
use super::place::{Address, Place};
use super::refusal::Refusal;
use super::{download, page, queries};
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
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

type Answer = Result<Response, Refusal>;

/// Runs on the page of a job.
const RUNS: usize = 10;

/// All addresses.
pub fn all(context: Arc<Context>) -> Router {
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
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.")
        })
        .layer(from_fn_with_state(context.clone(), admit))
        .with_state(context)
}

/// The fields of a query.
fn query(RawQuery(query): RawQuery) -> Fields {
    Fields::parse(query.unwrap_or_default().as_bytes())
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

/// Figures for Prometheus; they need the password.
async fn metrics(State(context): State<Arc<Context>>) -> Answer {
    let text = agent::metrics::text(&context.records.status().await?);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn overview(State(context): State<Arc<Context>>) -> Answer {
    Ok(page::overview::page(&context, &context.records.status().await?))
}

async fn job(State(context): State<Arc<Context>>, Path(name): Path<String>) -> Answer {
    context.job(&name)?;
    let status = context.records.status().await?;
    let (last, _) = context.records.runs(&name, 0, RUNS).await?;
    let captures = context.records.captures(&name).await?;
    let found = status.jobs.iter().find(|job| job.job == name);
    let job = found.ok_or_else(|| Refusal::absent("There is no such job in the file."))?;
    Ok(page::job::page(&context, job, &last, &captures))
}

async fn runs(
    State(context): State<Arc<Context>>,
    Path(job): Path<String>,
    raw: RawQuery,
) -> Answer {
    context.job(&job)?;
    let from = query(raw).number("from")?;
    let (runs, has_more) = context.records.runs(&job, from, page::runs::MAX_ROWS).await?;
    Ok(page::runs::page(&context, &job, &runs, from, has_more))
}

async fn report(
    State(context): State<Arc<Context>>,
    Path((job, name)): Path<(String, String)>,
) -> Answer {
    context.job(&job)?;
    let report = context.records.report(&job, &name)?;
    Ok(page::runs::report(&context, &job, &report))
}

async fn snapshots(
    State(context): State<Arc<Context>>,
    Path((job, repository)): Path<(String, String)>,
    raw: RawQuery,
) -> Answer {
    context.repository(&job, &repository)?;
    let from = query(raw).number("from")?;
    let after = context.records.last(&job).await?;
    let key = Key { job, host: context.host.clone(), repository };
    let (launcher, wanted) = (context.launcher.clone(), key.clone());
    let read = async move { lists::read(&launcher, &wanted).await };
    let found = context.lists.get(&key, &after, read).await;
    Ok(page::snapshots::page(&context, &key.job, &key.repository, &found, from))
}

async fn browse(
    State(context): State<Arc<Context>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    let fields = query(raw);
    let place = context.place(at, &fields)?;
    let from = fields.number("from")?;
    let found = queries::entries(&context.launcher, &place, from, page::browse::MAX_ROWS).await?;
    Ok(page::browse::page(&context, &place, &found, from))
}

async fn file(
    State(context): State<Arc<Context>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    let place = context.place(at, &query(raw))?;
    download::of(&context.launcher, &place, place.name()).await
}

async fn archive(
    State(context): State<Arc<Context>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    let place = context.place(at, &query(raw))?;
    download::of(&context.launcher, &place, &[place.name(), b".tar"].concat()).await
}

async fn activity(State(context): State<Arc<Context>>, Path(number): Path<String>) -> Answer {
    let found = number.parse().ok().and_then(|number| context.children.get(number));
    let absent =
        || Refusal::absent("This is not remembered any more; reports of runs stay with their job.");
    Ok(page::activity::page(&context, &found.ok_or_else(absent)?))
}

async fn prune(State(context): State<Arc<Context>>, Path(job): Path<String>) -> Answer {
    context.job(&job)?;
    let after = context.records.last(&job).await?;
    let (desk_of_read, wanted) = (context.clone(), job.clone());
    let read =
        async move { queries::plans(&desk_of_read.launcher, &desk_of_read.config, &wanted).await };
    let found = context.plans.get(&job, &after, read).await;
    Ok(page::prune::page(&context, &job, &found))
}

/// Starts a task of a job.
async fn run(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Answer {
    let (name, job) = context.job(&name)?;
    let tasks = match (fields.text("task"), fields.text("confirmed")) {
        // Where copies have a time of their own, they wait for it.
        (Some("backup"), _) if job.schedules().copy.is_some() => vec![Task::Backup],
        (Some("backup"), _) => vec![Task::Backup, Task::Copy],
        (Some("check"), _) => vec![Task::Check],
        (Some("prune"), Some("yes")) => vec![Task::Prune],
        _ => return Err(Refusal::senseless("There is no button for that.")),
    };
    let only = tasks.iter().map(|task| task.name()).collect::<Vec<_>>().join(",");
    let call = Call::run(&["--json", "--only", &only], &context.config, name);
    let number = context.children.start(What::Run { job: name.to_owned(), tasks }, call)?;
    Ok(Redirect::to(&format!("/activity/{number}")).into_response())
}

async fn may_restore(
    State(context): State<Arc<Context>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    Ok(page::restore::page(&context, &context.place(at, &query(raw))?))
}

/// Brings something back, into a new folder where the file says.
async fn restore(
    State(context): State<Arc<Context>>,
    Path(at): Path<Address>,
    raw: RawQuery,
) -> Answer {
    let place = context.place(at, &query(raw))?;
    let target = new_folder(&context, &place)?;
    let mut args = queries::in_repository(&place.repository, &["--json"]);
    args.extend(["restore".into(), "--target".into(), target.clone().into(), "--".into()]);
    args.push(place.argument());
    let path = text::path(&place.path);
    let Place { job, repository, snapshot, .. } = place;
    let what = What::Restore { job, repository, snapshot, path, target };
    let number = context.children.start(what, Call::new(args))?;
    Ok(Redirect::to(&format!("/activity/{number}")).into_response())
}

/// A folder that nobody else has, for this host's owner alone.
fn new_folder(context: &Context, place: &Place) -> Result<PathBuf, Refusal> {
    let Some(into) = &context.restore_into else {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "The file names no folder to restore into.",
        ));
    };
    let now = context.env.now().timestamp();
    let short = place.snapshot.get(..8).unwrap_or_default();
    let folder = into.join(format!("{}-{short}-{}", place.job, now.strftime("%Y%m%dT%H%M%S%3f")));
    let made = DirBuilder::new().mode(0o700).create(&folder).attempt("make", folder.display());
    let failed = |error: Error| Refusal::failed(error.to_string());
    made.map_err(failed)?;
    Ok(folder)
}
