//! `check`: accounts for everything in the repository, and reads data back.

mod cures;
mod status;

use super::views::{TaintView, TouchedView};
use crate::backend::Handle;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::ops::amount::size;
use crate::ops::check::{
    Budget, CheckOptions, CheckReport, Cure, Finding, ReadData, What, Where, check,
};
use crate::ops::head::Head;
use crate::ops::retention::Age;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;

/// What `check` takes.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Read everything back
    #[arg(long, conflicts_with = "read_data_subset")]
    pub read_data: bool,

    /// Read some of it back: part N of T, a random share in percent, or so many random bytes
    #[arg(long, value_name = "N/T|X%|SIZE", value_parser = subset)]
    pub read_data_subset: Option<ReadData>,

    /// Read no more back than so many bytes, or no longer than so much time, such as 5GiB or 10min: what
    /// any host has verified longest ago, and first of all what none has
    #[arg(long, value_name = "SIZE|TIME", value_parser = str::parse::<Budget>, requires = "read_data")]
    pub budget: Option<Budget>,

    /// Read back only what no host has verified for so long, such as 30d; with --status, exit with 3 if
    /// there is any
    #[arg(long, value_name = "DURATION", conflicts_with = "read_data_subset")]
    pub older_than: Option<Age>,

    /// Find fault if this snapshot, which was the newest of its series, is neither there nor forgotten; may
    /// be given several times
    #[arg(long, value_name = "SERIES:NUMBER:HASH")]
    pub expect_head: Vec<Head>,

    /// Take the newest snapshots that are there for the newest that ever were
    #[arg(long)]
    pub accept_head: bool,

    /// Show how much was verified, and when, and check nothing
    #[arg(long, conflicts_with_all = ["read_data", "read_data_subset"])]
    pub status: bool,
}

impl CheckArgs {
    /// The moment of `--older-than`.
    fn before(&self, app: &App) -> Result<Option<Time>> {
        let before = |age: Age| {
            let wrong =
                || Error::new(Kind::InvalidInput, "understand the duration", "of --older-than");
            age.before(app.env.now(), &TimeZone::system()).ok_or_else(wrong)
        };
        self.older_than.map(before).transpose()
    }

    fn read_data(&self, app: &App) -> Result<ReadData> {
        let CheckArgs { read_data, read_data_subset, budget, .. } = *self;
        let before = self.before(app)?;
        if before.is_some() && !read_data {
            return Err(Error::new(Kind::InvalidInput, "check", "what --older-than names")
                .hint("use it with --read-data, or with --status"));
        }
        Ok(match read_data_subset {
            Some(subset) => subset,
            None if budget.is_some() || before.is_some() => ReadData::Oldest { budget, before },
            None if read_data => ReadData::All,
            None => ReadData::Nothing,
        })
    }
}

/// Checks the repository.
pub fn run(app: &App, args: &CheckArgs) -> Result<Done> {
    if args.status {
        return status::show(app, args.before(app)?);
    }
    let read_data = args.read_data(app)?;
    let repository = app.repository()?;
    let progress = app.progress()?;
    // Before anything is listed: all that is remembered now was there then.
    let heads = app.heads(&repository, &progress);
    let mut report = check(&repository, CheckOptions { read_data }, &progress)?;
    report.expect(args.expect_head.iter().copied(), &progress);
    if let Some(heads) = &heads {
        if !args.accept_head {
            report.expect(heads.lost(&report.chains), &progress);
        }
        app.remember(heads, &report.chains, args.accept_head, &progress);
    }
    let mut out = Out::new();
    match app.global.json {
        true => out.json("summary", &SummaryView::new(&report, &progress))?,
        false => {
            print(app, &report, &progress, &mut out)?;
            if app.talks() && heads.is_none_or(|heads| heads.is_new) {
                print_heads(&report, &mut out)?;
            }
        }
    }
    out.finish()?;
    report.verdict(repository.backend().describe()).map(|()| Done::All)
}

/// On a machine that has not seen the repository before: its user may have noted elsewhere what was there.
fn print_heads(report: &CheckReport, out: &mut Out) -> Result<()> {
    for head in report.chains.heads() {
        out.prose(&format!("the newest of its series: {head}"))?;
    }
    Ok(())
}

fn print(app: &App, report: &CheckReport, progress: &Progress, out: &mut Out) -> Result<()> {
    for touched in &report.touched {
        let path = text::path(&touched.path);
        out.line(&format!("cannot be restored: {}:{path}", touched.snapshot.short()))?;
    }
    if !app.talks() {
        return Ok(());
    }
    cures::print(report, out)?;
    out.prose(&format!(
        "{}, {}, {} in {}",
        text::count(report.snapshots, "snapshot"),
        text::count(report.packs, "pack"),
        text::count(report.entries, "chunk"),
        text::duration(progress.seconds())
    ))?;
    if report.packs_read > 0 {
        let read = text::bytes(report.bytes_read);
        out.prose(&format!("read back {} ({read})", text::count(report.packs_read, "pack")))?;
    }
    if report.orphans > 0 {
        let orphans = text::count(report.orphans, "pack");
        out.prose(&format!("{orphans} without an index, of writers stopped or still at work"))?;
    }
    if report.open_writers > 0 {
        let writers = text::count(report.open_writers, "writer");
        out.prose(&format!(
            "{writers} without an outcome: at work, stopped, or their snapshots were taken away"
        ))?;
    }
    let (count, bytes) = report.quarantined;
    if count > 0 {
        let objects = text::count(count, "damaged object");
        out.prose(&format!(
            "in quarantine, where nothing reads them: {objects} ({})",
            text::bytes(bytes)
        ))?;
    }
    if !report.tainted.is_empty() {
        let files = text::count(report.tainted.len() as u64, "file");
        out.prose(&format!("damaged at their source, and stored as they were: {files}"))?;
    }
    if report.superseded > 0 {
        let findings = text::count(report.superseded, "finding");
        out.prose(&format!(
            "{findings} in packs that are missing or damaged, none of which a snapshot needs"
        ))?;
    }
    if report.is_healthy() {
        out.prose("no errors were found")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct SummaryView<'r> {
    num_errors: u64,
    snapshots: u64,
    packs: u64,
    packs_read: u64,
    bytes_read: u64,
    entries: u64,
    orphans: u64,
    open_writers: u64,
    superseded: u64,
    quarantined: u64,
    heads: Vec<String>,
    findings: Vec<FindingView<'r>>,
    touched: Vec<TouchedView>,
    tainted: Vec<TaintedView<'r>>,
    seconds_elapsed: f64,
}

/// Something that is wrong.
#[derive(Serialize)]
struct FindingView<'r> {
    what: What,
    #[serde(flatten)]
    at: WhereView,
    touches: Vec<TouchedView>,
    cure: Cure,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'r str>,
}

impl<'r> From<&'r Finding> for FindingView<'r> {
    fn from(finding: &'r Finding) -> Self {
        FindingView {
            what: finding.what,
            at: WhereView::from(&finding.at),
            touches: finding.touches.iter().map(TouchedView::from).collect(),
            cure: finding.cure,
            message: finding.error.to_string(),
            hint: finding.error.hint_text(),
        }
    }
}

/// Where it is wrong: the fields say which sort of place it is.
#[derive(Serialize)]
#[serde(untagged)]
enum WhereView {
    Object { object: String },
    Blob { chunk: String, object: String, offset: u32 },
    Path { snapshot: String, part: String, path: String, chunk: Option<String> },
    Series { series: String, first: u64, last: u64 },
}

impl From<&Where> for WhereView {
    fn from(at: &Where) -> Self {
        match at {
            Where::Object(handle) => WhereView::Object { object: handle.to_string() },
            Where::Blob { chunk, pack, offset } => WhereView::Blob {
                chunk: chunk.to_string(),
                object: Handle::pack(*pack).to_string(),
                offset: *offset,
            },
            Where::Path { snapshot, part, path, chunk } => WhereView::Path {
                snapshot: snapshot.to_string(),
                part: text::path(part),
                path: text::path(path),
                chunk: chunk.map(|chunk| chunk.to_string()),
            },
            Where::Series { series, first, last } => {
                WhereView::Series { series: series.to_string(), first: *first, last: *last }
            }
        }
    }
}

#[derive(Serialize)]
struct TaintedView<'r> {
    snapshot: String,
    snapshots: u64,
    #[serde(flatten)]
    entry: TaintView<'r>,
}

impl<'r> SummaryView<'r> {
    fn new(report: &'r CheckReport, progress: &Progress) -> Self {
        let tainted = report.tainted.iter().map(|tainted| TaintedView {
            snapshot: tainted.snapshot.to_string(),
            snapshots: tainted.snapshots,
            entry: TaintView::from(&tainted.entry),
        });
        SummaryView {
            num_errors: report.errors,
            snapshots: report.snapshots,
            packs: report.packs,
            packs_read: report.packs_read,
            bytes_read: report.bytes_read,
            entries: report.entries,
            orphans: report.orphans,
            open_writers: report.open_writers,
            superseded: report.superseded,
            quarantined: report.quarantined.0,
            heads: report.chains.heads().iter().map(ToString::to_string).collect(),
            findings: report.findings.iter().map(FindingView::from).collect(),
            touched: report.touched.iter().map(TouchedView::from).collect(),
            tainted: tainted.collect(),
            seconds_elapsed: progress.seconds(),
        }
    }
}

/// `n/t`, `x%` or a number of bytes.
fn subset(text: &str) -> Result<ReadData> {
    let wrong = |reason: &str| {
        Error::new(Kind::InvalidInput, "understand the subset", format!("{text:?}"))
            .because(reason)
            .hint("write N/T, such as 1/7, or a percentage, such as 2.5%, or a size, such as 10G")
    };
    if let Some((part, parts)) = text.split_once('/') {
        return match (part.parse::<u64>(), parts.parse::<u64>()) {
            (Ok(part), Ok(parts)) if (1..=parts).contains(&part) => Ok(ReadData::Part(part, parts)),
            _ => Err(wrong("N has to lie between 1 and T")),
        };
    }
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(ReadData::Percent(percent)),
            _ => Err(wrong("a percentage lies above 0 and goes up to 100")),
        };
    }
    size(text).map(ReadData::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form of a subset is understood, and what makes no sense is refused.
    #[test]
    fn subsets_are_understood() {
        assert_eq!(subset("2/7").unwrap(), ReadData::Part(2, 7));
        assert_eq!(subset("2.5%").unwrap(), ReadData::Percent(2.5));
        assert_eq!(subset("3M").unwrap(), ReadData::Bytes(3 << 20));
        for text in ["0/7", "8/7", "1/0", "x/y", "0%", "101%", "NaN%", "", "much"] {
            assert_eq!(subset(text).unwrap_err().kind(), Kind::InvalidInput, "{text}");
        }
    }
}
