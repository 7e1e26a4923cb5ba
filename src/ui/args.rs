//! The command line.

use super::global::Global;
use super::verbs::Verb;
use clap::Parser;

/// Deduplicating, encrypted, delta-coded backups made for databases
#[derive(Debug, Parser)]
#[command(name = "icecore", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 3 done but incomplete, 4 skipped, 10 no repository, \
                        11 locked, 12 wrong password or key, 130 interrupted."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::restic;
    use clap::CommandFactory;

    /// Every verb's arguments fit together, by clap's own account.
    #[test]
    fn arguments_fit_together() {
        restic::with_restic_flags(Cli::command()).debug_assert();
    }
}
