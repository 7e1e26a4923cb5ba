//! icecore: backups made for databases.
//!
//! The rooms, from the user down to the bytes. Each uses only rooms below it, and never a
//! neighbour's inside; a test keeps it so.
//!
//! | room | what it is |
//! |---|---|
//! | [`ui`] | arguments, text and JSON, progress, exit codes: all that speaks to people |
//! | [`panel`] | the page in the browser: what jobs did, what is in snapshots, buttons |
//! | [`agent`] | jobs: one file says what is backed up, and a run does it |
//! | [`ops`] | one file or folder for each verb: joins the rooms below |
//! | [`source`] | bytes out of the world: files, SQLite databases, PostgreSQL dumps, streams |
//! | [`sink`] | bytes back into the world |
//! | [`stream`] | contents, lists and directories as chunks |
//! | [`repo`] | chunks and records by name: reading, writing, dedup, keys, snapshots |
//! | [`chunk`] | where content is cut, and what may stand in an old chunk's place |
//! | [`codec`] | chunks to frames: deltas and compression |
//! | [`crypto`] | keys, ids and seals |
//! | [`backend`] | keeps objects: in a folder, in a bucket, in memory |
//! | [`containers`] | speaks with Docker and Podman |
//! | [`postgres`] | speaks with PostgreSQL servers and runs their tools |
//! | [`mod@format`] | values to bytes and back, as `format-spec/` says: no I/O, no keys, no clock |
//! | [`id`] [`error`] [`limits`] [`env`](mod@env) [`text`] [`monitor`] | what all rooms share: names, errors, bounds, clock and chance, words for people, progress |
//!
//! The rooms are private. [`run`] is the program; programs that embed the engine have what stands below,
//! and call [`run_as_child`] first of all in `main` where SQLite databases are captured. They must be
//! those of other processes: one that has a database open itself through SQLite loses its locks there:
//!
//! ```
//! use icecore::*;
//! use std::sync::Arc;
//!
//! # fn main() -> Result<()> {
//! # let scratch = tempfile::tempdir().unwrap();
//! # let (place, data) = (scratch.path().join("repository"), scratch.path().join("data"));
//! # let (place, target) = (place.to_str().unwrap(), scratch.path().join("restored"));
//! # std::fs::create_dir(&data).unwrap();
//! # std::fs::write(data.join("letter"), "dear reader").unwrap();
//! let env = Env::real();
//! let secret = Secret::KeyFile(env.random()?.into());
//! let store = Arc::from(place.parse::<Location>()?.create()?);
//! let repository = Repository::init(store, env, &secret, &InitOptions::default())?;
//!
//! let source = FilesSource::new(&data, FilesSourceOptions::default())?;
//! let options = BackupOptions { host: "example".into(), ..BackupOptions::default() };
//! let report = backup(&repository, vec![Box::new(source)], &options, &Silent)?;
//!
//! let index = repository.load_index()?;
//! let reader = Reader::new(&repository, &index);
//! let path = Some(data.as_os_str().as_encoded_bytes());
//! restore(&reader, &report.snapshot, path, &target, &mut RestoreOptions::default(), &Silent)?;
//! assert_eq!(std::fs::read(target.join("letter")).unwrap(), b"dear reader");
//!
//! assert!(check(&repository, CheckOptions::default(), &Silent)?.is_healthy());
//! let plan = plan_to_forget(&repository, &["latest".into()], &Filter::default(), true)?;
//! assert_eq!(forget(&repository, &plan, &Silent)?.forgotten, 1);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(feature = "testing"), allow(rustdoc::private_intra_doc_links))]
// What only tests see explains itself or is explained where it helps.
#![cfg_attr(feature = "testing", allow(missing_docs))]

/// Modules that are private, and open to tests, benches and fuzzing by the feature `testing`. What
/// formats them all stands in `tests/run.sh`: `cargo fmt` does not look in here.
macro_rules! rooms {
    ($($room:ident)*) => {$(
        #[cfg(feature = "testing")]
        pub mod $room;
        #[cfg(not(feature = "testing"))]
        mod $room;
    )*};
}

rooms! {
    agent backend chunk codec containers crypto env error format id limits
    monitor ops panel postgres repo sink source stream text ui
}

// The program.
pub use ui::run;

// What all speak of: errors, progress, clock and randomness.
pub use env::{Env, Time};
pub use error::{Error, Kind, Result};
pub use monitor::{Counter, FileChange, Monitor, Silent};

// Where a repository lies, what opens it, and what is in it.
pub use backend::{
    Backend, Bytes, Capabilities, Handle, Limit, Listed, Location, Memory, Options, Put, Rates,
    Retry, Visit, probe,
};
pub use crypto::{KdfCost, Secret};
pub use format::{ObjectKind, snapshot::Snapshot};
pub use id::SnapshotId;
pub use jiff::tz::TimeZone;
pub use repo::{
    Hold, Holds, Index, InitOptions, NewHold, Reader, Repository, SnapshotKey, Snapshots,
    StoredSnapshot,
};

// Backing up: sources into a snapshot.
pub use ops::backup::{
    Backup, BackupOptions, BackupReport, Captured, Level, ParentChoice, Parentage, Wanted, backup,
};
pub use source::files::{Excludes, FilesOptions as FilesSourceOptions, FilesSource};
pub use source::sqlite::{SqliteOptions, SqliteReader, Verify, run_as_child};
pub use source::{Source, SqliteSource, Together, stdin::StreamSource};

// Restoring, into a folder or any other sink.
pub use format::directory::{Metadata, Node, NodeKind};
pub use ops::restore::{RestoreOptions, RestoreReport, restore, restore_into};
pub use sink::files::{FilesOptions as FilesSinkOptions, FilesSink, Overwrite};
pub use sink::{FileSink, Placed, Sink};

// Checking, giving snapshots up, and giving back their room.
pub use ops::check::{
    Budget, CheckOptions, CheckReport, Coverage, Cure, Finding, ReadData, Touched, What, Where,
    check, coverage,
};
pub use ops::forget::{
    ForgetPlan, ForgetReport, JudgedGroup, PolicyPlan, forget, plan as plan_to_forget,
    plan_by_policy,
};
pub use ops::mirror::{
    DeleteLimit, MirrorOptions, MirrorReport, TargetReport, delete_given_up, mirror,
};
pub use ops::prune::{
    Patience, Plan as PrunePlan, PlanLimits, PruneOptions, PruneReport, Swept, Tally, Unused, prune,
};
pub use ops::repair::{
    DamagedPacks, DamagedSnapshots, IndexRepair, Left, LostChunk, PacksRepair, RepairOptions,
    RepairedSnapshot, SnapshotsRepair, repair_index, repair_packs, repair_snapshots,
};
pub use ops::retention::{
    Age, Bound, Miss, PRESETS, Period, Policy, Preset, Reason, Rule, Verdict,
};
pub use ops::select::{Filter, choose as choose_snapshot};
pub use ops::series::Chains;
pub use ops::tag_list::TagList;
pub use ops::{head::Head, heads::Heads};
