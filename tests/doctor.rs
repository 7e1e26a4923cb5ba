//! `doctor`: what is said of stores that do all, some, or nothing of what repositories need.

use crate::common::cli::{Cli, stderr};
use crate::reader::state;
use icecore::backend::testing::{Fault, Faulty, Manners, Remote};
use icecore::backend::{Backend, Bytes, Handle, Memory, Put};
use icecore::env::{Env, Time};
use icecore::error::Result;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::doctor::{Diagnosis, doctor};
use std::fs;
use std::sync::Arc;

fn diagnose(make: &dyn Fn() -> Box<dyn Backend>) -> Diagnosis {
    let (env, _) = Env::seeded(1, Time(0));
    doctor(&|_| Ok(make()), &env, &Silent).unwrap()
}

/// What is not kept, by name.
fn missing(diagnosis: &Diagnosis) -> Vec<&'static str> {
    let failed = diagnosis.tried.iter().filter(|it| it.outcome.is_err());
    failed.map(|it| it.promise.what).collect()
}

/// A good store is fit for everything, and nothing of the trials is left.
#[test]
fn a_good_store_is_fit() {
    let diagnosis = diagnose(&|| Box::new(Memory::new()));
    assert!(diagnosis.is_fit() && !diagnosis.left && missing(&diagnosis).is_empty());
    let found = diagnosis.capabilities.unwrap();
    assert!(found.exclusive_create && found.list_after_write);
}

/// A store that overwrites by chance, or refuses to delete, is fit, and what it lacks is found.
#[test]
fn what_a_store_lacks_is_found() {
    let careless = || -> Box<dyn Backend> {
        let (env, _) = Env::seeded(2, Time(0));
        let manners = Manners { exclusive_create: false, ..Manners::default() };
        Box::new(Remote::new(Arc::new(Memory::new()), manners, env, 2))
    };
    let diagnosis = diagnose(&careless);
    assert!(diagnosis.is_fit() && !diagnosis.capabilities.unwrap().exclusive_create);
    let diagnosis = diagnose(&|| Box::new(Faulty::new(Memory::new(), 1).from(0, Fault::Denies)));
    assert!(diagnosis.is_fit() && diagnosis.left);
    assert_eq!(missing(&diagnosis), ["deletes"]);
}

/// A store that takes large objects and forgets them.
struct Forgetful(Memory);

impl Backend for Forgetful {
    forward!([0] describe capabilities get size list_pages delete_all);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match bytes.len() > 32 << 20 {
            true => Ok(Put::Created),
            false => self.0.put_shared(handle, bytes),
        }
    }
}

/// A store that says that it has taken what it has not is not fit.
#[test]
fn a_store_that_lies_is_not_fit() {
    let diagnosis = diagnose(&|| Box::new(Forgetful(Memory::new())));
    assert!(!diagnosis.is_fit());
    assert_eq!(missing(&diagnosis), ["holds objects of 64 MiB"]);
}

/// The program tries a folder beside a repository, which stays as it is, says what it found, and leaves
/// nothing; a place that is not there is not made.
#[test]
fn the_program_leaves_nothing_behind() {
    let cli = Cli::new();
    cli.backup();
    let before = state(&cli.path("repo"));
    let said = cli.says(&["doctor"]);
    assert!(said.contains("several machines may back up at the same time"), "{said}");
    assert!(said.contains("yes  deletes") && !said.contains("NO "), "{said}");
    assert_eq!(state(&cli.path("repo")), before);
    let found = cli.json(&["doctor"]);
    let summary = found.last().unwrap();
    assert_eq!((&summary["fit"], &summary["exclusive_create"]), (&true.into(), &true.into()));
    assert_eq!(found.iter().filter(|line| line["message_type"] == "promise").count(), 9);
    let said = stderr(&cli.run(&["--repo", "nowhere", "doctor"]).failure());
    assert!(said.contains("nowhere") && !fs::exists(cli.path("nowhere")).unwrap(), "{said}");
}
