//! The only entrance for the clock and for randomness, so that tests and vectors can pin both; and
//! what this machine has to give; the only exit to other programs, which learn nothing of what
//! opens the repository.

pub mod file_system;
mod memory;
mod ready;
mod running;
pub mod state;

pub use memory::memory_limit;
pub use ready::is_readable;
pub use running::{Ended, KeepOutput, Running};

use crate::error::{Attempt, Error, Kind, Result};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt;
use std::ops::{Add, Sub};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A moment: nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// Nanoseconds in a second.
    pub const SECOND: i64 = 1_000_000_000;

    /// The time from `earlier` to this moment; none if it lies after.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Seconds from `earlier` to this moment; negative if it lies after.
    pub fn seconds_since(self, earlier: Time) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let seconds = self.0.saturating_sub(earlier.0) as f64 / 1e9;
        seconds
    }

    /// That of a timestamp; none if it lies beyond the years 1677 to 2262.
    pub fn of(timestamp: Timestamp) -> Option<Time> {
        i64::try_from(timestamp.as_nanosecond()).ok().map(Time)
    }

    /// The same as a timestamp, which reaches further.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default()
    }

    /// The same by the clocks of a zone.
    pub fn in_zone(self, zone: &TimeZone) -> Zoned {
        self.timestamp().to_zoned(zone.clone())
    }

    /// For sentences: by the clocks of a zone, which is stated, to the second.
    pub fn stated_in(self, zone: &TimeZone) -> String {
        self.in_zone(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(nanoseconds(duration)))
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl fmt::Display for Time {
    /// In the local time zone: see [`Time::stated_in`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stated_in(&TimeZone::system()))
    }
}

impl FromStr for Time {
    type Err = Error;

    /// The moment that a person wrote: RFC 3339, or a local date, with or without a time of day; the
    /// local time of another place with its time zone in brackets.
    fn from_str(text: &str) -> Result<Self> {
        let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
        let moment = match text.contains('[') {
            // The others would pass over what stands in brackets.
            true => text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp()),
            false => text.parse::<Timestamp>().ok().or_else(|| Some(local()?.timestamp())),
        };
        moment.and_then(Time::of).ok_or_else(|| {
            Error::new(Kind::InvalidInput, "understand the time", format!("{text:?}")).hint(
                "write 2026-01-31, or 2026-01-31 12:00:00, or 2026-01-31T12:00:00Z, or \
                     2026-01-31T12:00[Europe/Berlin]",
            )
        })
    }
}

/// The name and version of this program, as repositories record them.
pub const TOOL: &str = concat!("icecore ", env!("CARGO_PKG_VERSION"));

/// A path to this very program, even after it was replaced on disk.
///
/// # Errors
/// If the operating system does not tell which program this is.
pub fn this_program() -> Result<PathBuf> {
    let linux = Path::new("/proc/self/exe");
    match linux.exists() {
        true => Ok(linux.to_owned()),
        false => std::env::current_exe().attempt("find", "this program"),
    }
}

/// A command that runs `program` without this program's own variables: where the repository is
/// and what opens it is nobody else's business.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"ICECORE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Tells the time, and lets it pass.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Time;

    /// Waits.
    fn sleep(&self, duration: Duration);
}

/// Yields unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// Clock and randomness, as handed to everything that needs them.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    process: u32,
    host: String,
}

impl Env {
    /// The machine's clock and the operating system's randomness.
    pub fn real() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// Any clock and any randomness.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Env { clock, random, process: std::process::id(), host }
    }

    /// Reproducible: randomness from `seed`, a clock that stands at `start` until moved, process 1
    /// of `host`.
    pub fn seeded(seed: u64, start: Time) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock(AtomicI64::new(start.0)));
        let random = Arc::new(SeededRandom::new(seed));
        (Env { clock: clock.clone(), random, process: 1, host: "host".to_owned() }, clock)
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Waits.
    pub fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }

    /// The number of this process, for records that say who wrote them.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The name of this machine, likewise.
    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let now = Timestamp::now().as_nanosecond();
        Time(i64::try_from(now).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|cause| {
            Error::new(Kind::Failed, "get randomness from", "the operating system")
                .because(cause.to_string())
        })
    }
}

/// A clock that only moves when told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Moves the clock by `seconds`, back too.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds.saturating_mul(Time::SECOND), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }

    /// Nobody waits: the clock moves.
    fn sleep(&self, duration: Duration) {
        self.0.fetch_add(nanoseconds(duration), Ordering::SeqCst);
    }
}

/// Bytes of a BLAKE3 output stream: as good as random, and the same for the same seed.
struct SeededRandom(Mutex<blake3::OutputReader>);

impl SeededRandom {
    fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("icecore 2026 seeded randomness for tests");
        hasher.update(&seed.to_le_bytes());
        SeededRandom(Mutex::new(hasher.finalize_xof()))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        self.0.lock().fill(buffer);
        Ok(())
    }
}
