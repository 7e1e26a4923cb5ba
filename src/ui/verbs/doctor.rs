//! `doctor`: what the store of a repository can be trusted with.

use crate::backend::{BucketFacts, TRIALS};
use crate::error::{Error, Kind, Result};
use crate::id::hex;
use crate::ops::doctor::{Diagnosis, Tried, doctor};
use crate::repo::unproved_config;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;

/// What `doctor` takes: nothing of its own.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

#[derive(Serialize)]
struct TriedView {
    promise: &'static str,
    kept: bool,
    seconds: Option<f64>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct SummaryView {
    fit: bool,
    exclusive_create: Option<bool>,
    list_after_write: Option<bool>,
    latency: Option<f64>,
    throughput: Option<u64>,
    advice: Vec<String>,
}

/// Tries the store, beside a repository or where one is to be; no password is needed.
pub fn run(app: &App, _: &DoctorArgs) -> Result<Done> {
    let location = app.location()?;
    let store = app.backend()?;
    let progress = app.progress()?;
    let folder = format!("{TRIALS}{}", hex(&app.env.random::<4>()?));
    let trials = location.below(&folder);
    let make = |name: &str| trials.below(name).create();
    let diagnosis = doctor(&make, &app.env, &progress);
    if diagnosis.as_ref().is_ok_and(|it| !it.left) || diagnosis.is_err() {
        // What stays of it is empty folders, or, of one that was interrupted, what it was trying.
        drop(trials.clear());
    }
    let diagnosis = diagnosis?;
    let mut advice = advice(&diagnosis);
    if diagnosis.left {
        advice.push(format!("{folder} could not be deleted, and is not needed"));
    }
    if !location.syncs()? {
        advice.push(
            "the server cannot be asked to sync (fsync@openssh.com): what was stored last may be lost when its \
             power fails"
                .to_owned(),
        );
    }
    advice.extend(location.unseen().iter().map(ToString::to_string));
    let bucket = location.bucket_facts()?;
    advice.extend(bucket.as_ref().map(of_bucket).unwrap_or_default());
    let rules = bucket.and_then(|bucket| bucket.rules.ok()).unwrap_or_default();
    advice.extend(contradiction(&diagnosis, &*store));
    let mut out = Out::new();
    match app.global.json {
        true => json(&diagnosis, advice, &mut out)?,
        false => print(&diagnosis, &advice, &store.describe(), &mut out)?,
    }
    out.finish()?;
    match (diagnosis.is_fit(), rules.first()) {
        (true, None) => Ok(Done::All),
        (true, Some(rule)) => Err(Error::new(Kind::Failed, "rely on", store.describe())
            .because(rule.as_str())
            .hint("repositories never grow stale by age: take the rule away, and use `icecore forget`")),
        (false, _) => Err(Error::new(Kind::Failed, "rely on", store.describe())
            .because("it does not do what every repository needs")
            .hint("each line that begins with NO says what it does not do")),
    }
}

/// What follows from it, in sentences.
fn advice(diagnosis: &Diagnosis) -> Vec<String> {
    let mut advice = Vec::new();
    let missing = diagnosis.tried.iter().filter(|it| it.outcome.is_err());
    advice.extend(missing.filter_map(|it| it.promise.otherwise).map(str::to_owned));
    match &diagnosis.capabilities {
        Ok(found) => {
            advice.push(match found.exclusive_create {
                true => "several machines may back up at the same time".to_owned(),
                false => {
                    "it does not create exclusively: one writer at a time is let in".to_owned()
                }
            });
            advice.push(match found.list_after_write {
                true => "what was written is listed at once: prune can collect".to_owned(),
                false => "it lists late: nothing can be collected".to_owned(),
            });
        }
        Err(error) => {
            advice.push(format!("how it creates and lists could not be measured: {error}"))
        }
    }
    advice
}

/// What follows from what a bucket says of itself, and what it does not say.
fn of_bucket(bucket: &BucketFacts) -> Vec<String> {
    let mut advice = Vec::new();
    match &bucket.rules {
        Ok(rules) if rules.is_empty() => {
            advice.push("no rule of the bucket deletes or freezes objects by age".to_owned());
        }
        Ok(rules) => advice.extend(rules.iter().map(|rule| {
            format!("{rule}: that destroys a repository, whose oldest objects are still in use")
        })),
        Err(error) => advice.push(format!(
            "the store does not tell whether rules of the bucket delete objects after a time, which would destroy a \
             repository: {error}"
        )),
    }
    match &bucket.encrypted {
        Ok(true) => {}
        Ok(false) => advice.push(
            "the bucket itself does not encrypt; what lies in a repository is encrypted all the same"
                .to_owned(),
        ),
        Err(error) => advice.push(format!("whether the bucket encrypts is not told: {error}")),
    }
    match &bucket.public {
        Ok(false) => {}
        Ok(true) => advice.push(
            "others may read the bucket: they see sizes and times, and can take their time to guess the \
             password"
                .to_owned(),
        ),
        Err(error) => advice.push(format!("who else may read the bucket is not told: {error}")),
    }
    advice
}

/// What a repository there believes of its store, where that is not what was found.
fn contradiction(diagnosis: &Diagnosis, store: &dyn crate::backend::Backend) -> Option<String> {
    let (config, found) = (unproved_config(store).ok()?, diagnosis.capabilities.as_ref().ok()?);
    let bold = !config.single_writer && !found.exclusive_create
        || config.listing_after_write && !found.list_after_write;
    bold.then(|| {
        "the repository there was made when the store did better: back up from one machine alone, and do \
         not prune, until you know why"
            .to_owned()
    })
}

fn print(diagnosis: &Diagnosis, advice: &[String], place: &str, out: &mut Out) -> Result<()> {
    out.line(&format!("tried {place}:"))?;
    for Tried { promise, outcome } in &diagnosis.tried {
        match outcome {
            Ok(took) => {
                out.line(&format!("  yes  {} ({:.1} s)", promise.what, took.as_secs_f64()))?
            }
            Err(error) => out.line(&format!("  NO   {}: {error}", promise.what))?,
        }
    }
    if let Some(latency) = diagnosis.latency {
        out.line(&format!("  a small object is read in {:.1} ms", latency.as_secs_f64() * 1000.0))?;
    }
    if let Some(bytes) = diagnosis.throughput() {
        out.line(&format!("  one of 64 MiB goes and comes at {} a second", text::bytes(bytes)))?;
    }
    advice.iter().try_for_each(|line| out.prose(line))
}

fn json(diagnosis: &Diagnosis, advice: Vec<String>, out: &mut Out) -> Result<()> {
    for Tried { promise, outcome } in &diagnosis.tried {
        let view = TriedView {
            promise: promise.what,
            kept: outcome.is_ok(),
            seconds: outcome.as_ref().ok().map(|took| took.as_secs_f64()),
            reason: outcome.as_ref().err().map(ToString::to_string),
        };
        out.json("promise", &view)?;
    }
    let found = diagnosis.capabilities.as_ref().ok();
    out.json(
        "summary",
        &SummaryView {
            fit: diagnosis.is_fit(),
            exclusive_create: found.map(|found| found.exclusive_create),
            list_after_write: found.map(|found| found.list_after_write),
            latency: diagnosis.latency.map(|took| took.as_secs_f64()),
            throughput: diagnosis.throughput(),
            advice,
        },
    )
}
