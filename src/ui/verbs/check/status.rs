//! `check --status`: how much was verified, and when.

use crate::env::Time;
use crate::error::Result;
use crate::ops::check::{Amount, Coverage, DAYS, coverage};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use serde::Serialize;

/// Shows it; incomplete if something is overdue.
pub fn show(app: &App, before: Option<Time>) -> Result<Done> {
    let coverage = coverage(&app.repository()?, before)?;
    let mut out = Out::new();
    match app.global.json {
        true => out.json("status", &StatusView::from(&coverage))?,
        false => print(&coverage, before, &mut out)?,
    }
    out.finish()?;
    Ok(Done::incomplete_if(coverage.overdue.packs > 0))
}

fn print(coverage: &Coverage, before: Option<Time>, out: &mut Out) -> Result<()> {
    let mut table = Columns::new(&["Verified", "Packs", "Size"], &[1, 2]);
    let row = |what: String, amount: &Amount| {
        [what, amount.packs.to_string(), text::figure(amount.bytes)]
    };
    for (days, amount) in DAYS.iter().zip(&coverage.within) {
        table.row(row(format!("within {}", text::count(*days, "day")), amount));
    }
    table.row(row("never".to_owned(), &coverage.never));
    table.row(row("in all".to_owned(), &coverage.all));
    out.table(&table)?;
    for (host, share) in &coverage.hosts {
        let packs = text::count(share.amount.packs, "pack");
        out.prose(&format!("{packs} by {}, last at {}", text::plain(host), share.last))?;
    }
    if let Some(oldest) = coverage.oldest {
        out.prose(&match coverage.whole() {
            Some(_) => format!("everything was verified since {oldest}"),
            None => format!("of what was verified at all, the oldest was at {oldest}"),
        })?;
    }
    if coverage.damaged.packs > 0 {
        let packs = text::count(coverage.damaged.packs, "pack");
        out.prose(&format!("damaged when it was read last: {packs}"))?;
    }
    if let Some(before) = before {
        let packs = text::count(coverage.overdue.packs, "pack");
        out.prose(&format!("not verified since {before}: {packs}"))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct StatusView {
    all: AmountView,
    within: Vec<WithinView>,
    never: AmountView,
    overdue: AmountView,
    damaged: AmountView,
    oldest: Option<String>,
    whole_since: Option<String>,
    hosts: Vec<HostView>,
}

#[derive(Serialize)]
struct AmountView {
    packs: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct WithinView {
    days: u64,
    #[serde(flatten)]
    amount: AmountView,
}

#[derive(Serialize)]
struct HostView {
    host: String,
    last: String,
    #[serde(flatten)]
    amount: AmountView,
}

impl From<&Amount> for AmountView {
    fn from(amount: &Amount) -> Self {
        AmountView { packs: amount.packs, bytes: amount.bytes }
    }
}

impl From<&Coverage> for StatusView {
    fn from(coverage: &Coverage) -> Self {
        let within = DAYS.iter().zip(&coverage.within);
        let hosts = coverage.hosts.iter();
        StatusView {
            all: (&coverage.all).into(),
            within: within
                .map(|(days, of)| WithinView { days: *days, amount: of.into() })
                .collect(),
            never: (&coverage.never).into(),
            overdue: (&coverage.overdue).into(),
            damaged: (&coverage.damaged).into(),
            oldest: coverage.oldest.map(text::rfc3339),
            whole_since: coverage.whole().map(text::rfc3339),
            hosts: hosts
                .map(|(host, share)| HostView {
                    host: host.clone(),
                    last: text::rfc3339(share.last),
                    amount: (&share.amount).into(),
                })
                .collect(),
        }
    }
}
