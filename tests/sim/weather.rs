//! What a seed has in store: how the store and the clocks behave, and who is at work.

use super::actor::Role;
use crate::common::chance::Chance;

/// How often something happens: at one request in so many; 0 for never.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// A request fails, and was made or not, or is made much later.
    pub faults: usize,
    /// A process ends.
    pub crashes: usize,
    /// An actor sleeps for long.
    pub stalls: usize,
    /// All clocks leap.
    pub leaps: usize,
    /// The turn goes to another.
    pub pace: usize,
    /// Whether requests without an answer are repeated, as the program does.
    pub retries: bool,
    /// Turns until a listing shows a new object.
    pub lag: u64,
    /// Whether of several creators of a name one wins; where not, one writer at a time is admitted.
    pub exclusive: bool,
    /// Whether nothing is ever deleted.
    pub locked: bool,
    /// Whether some have a wrong clock.
    pub wrong_clocks: bool,
    /// Whether snapshots are given up even if they are the last ones.
    pub forced: bool,
}

impl Weather {
    /// Whether nobody gives up the last snapshot of a host. Where listings lag, or creation is not
    /// exclusive, two may not see each other; nor may they where a collector takes one of them for
    /// silent and gives it up, who then goes on all the same.
    pub fn keeps_last(&self) -> bool {
        let in_time = self.leaps == 0 && !self.wrong_clocks;
        !self.forced && self.lag == 0 && self.exclusive && in_time
    }
}

/// Everything that is decided before anything happens.
pub struct Script {
    pub weather: Weather,
    pub roles: Vec<Role>,
    /// Backups that are there before.
    pub before: usize,
}

impl Script {
    pub fn of(chance: &mut Chance) -> Self {
        let mut one_of = |many: usize| chance.below(many) == 0;
        let (quiet, few, late, careless) = (one_of(4), one_of(3), one_of(16), one_of(16));
        let (locked, forced, retries) = (one_of(24), one_of(4), !one_of(3));
        let wrong_clocks = one_of(2);
        let mut rate = |most: usize| if quiet { 0 } else { most / 2 + chance.below(most) };
        let weather = Weather {
            faults: if few { rate(400) } else { rate(60) },
            crashes: rate(300),
            stalls: rate(100),
            leaps: rate(200),
            pace: 1 + chance.below(6),
            retries,
            lag: if late { 5 + chance.below(40) as u64 } else { 0 },
            exclusive: late || !careless,
            locked,
            wrong_clocks,
            forced,
        };
        let mut roles = vec![Role::Writer(0), Role::Collector, Role::Forgetter];
        let others = [
            Role::Writer(1),
            Role::Writer(0),
            Role::Collector,
            Role::Forgetter,
            Role::Reader,
            Role::Holder,
        ];
        roles.extend(others.into_iter().filter(|_| chance.below(2) == 0));
        Script { weather, roles, before: 1 + chance.below(4) }
    }
}
