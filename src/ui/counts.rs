//! How much of a task is done, and of how much.

use crate::monitor::Counter;
use crate::text;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted in the running task.
#[derive(Default)]
pub struct Counts {
    items: AtomicU64,
    bytes: AtomicU64,
}

/// What a task comes to, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Entries.
    pub items: Option<u64>,
    /// Bytes of content.
    pub bytes: Option<u64>,
}

impl Total {
    /// So much of one kind; nothing is known of the other.
    pub fn of(counter: Counter, amount: u64) -> Self {
        match counter {
            Counter::Items => Total { items: Some(amount), bytes: None },
            Counter::Bytes => Total { items: None, bytes: Some(amount) },
        }
    }

    /// What says best how far a task is.
    pub fn measured(self) -> Counter {
        match (self.items, self.bytes) {
            (Some(_), None | Some(0)) => Counter::Items,
            _ => Counter::Bytes,
        }
    }

    /// How much of that there is.
    pub fn amount(self) -> u64 {
        let amount = match self.measured() {
            Counter::Items => self.items,
            Counter::Bytes => self.bytes,
        };
        amount.unwrap_or(0)
    }
}

impl Counts {
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        match counter {
            Counter::Items => &self.items,
            Counter::Bytes => &self.bytes,
        }
    }

    /// So much was done.
    pub fn of(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Ordering::Relaxed)
    }

    /// So much more was done.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.cell(counter).fetch_add(amount, Ordering::Relaxed);
    }

    /// Another task begins.
    pub fn reset(&self) {
        for counter in [Counter::Items, Counter::Bytes] {
            self.cell(counter).store(0, Ordering::Relaxed);
        }
    }

    /// The share that is done, up to 1: sources grow while they are read.
    pub fn share(&self, total: Total) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let share = self.of(total.measured()) as f64 / total.amount().max(1) as f64;
        share.min(1.0)
    }

    /// `1.20 GiB of 2.80 GiB, 812 of 1903 items`.
    pub fn in_words(&self, total: Option<Total>) -> String {
        let Total { items, bytes } = total.unwrap_or_default();
        let (items_done, bytes_done) = (self.of(Counter::Items), self.of(Counter::Bytes));
        let of_bytes = bytes.map(|bytes| format!(" of {}", text::figure(bytes)));
        let of_items = items.map(|items| format!(" of {items}"));
        let bytes = format!("{}{}", text::figure(bytes_done), of_bytes.unwrap_or_default());
        let items = match of_items {
            Some(of_items) => format!("{items_done}{of_items} items"),
            None => text::count(items_done, "item"),
        };
        match (bytes_done, items_done) {
            (_, 0) => bytes,
            (0, _) => items,
            _ => format!("{bytes}, {items}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known is said, and a task of nothing but empty files is measured by their number.
    #[test]
    fn what_is_known_is_said() {
        let counts = Counts::default();
        let both = |items, bytes| Total { items: Some(items), bytes: Some(bytes) };
        counts.add(Counter::Items, 3);
        assert_eq!(counts.in_words(None), "3 items");
        assert_eq!(counts.in_words(Some(Total { items: Some(4), bytes: None })), "3 of 4 items");
        assert!((counts.share(both(4, 0)) - 0.75).abs() < 1e-9);
        counts.add(Counter::Bytes, 1536);
        assert_eq!(counts.in_words(None), "1.50 KiB, 3 items");
        assert_eq!(counts.in_words(Some(both(4, 3072))), "1.50 KiB of 3.00 KiB, 3 of 4 items");
        assert!((counts.share(both(4, 3072)) - 0.5).abs() < 1e-9);
        assert!((counts.share(Total::of(Counter::Bytes, 1)) - 1.0).abs() < 1e-9);
    }
}
