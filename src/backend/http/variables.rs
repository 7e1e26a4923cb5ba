//! Variables of the environment that hold credentials, and how it is said that there are none.

/// Where credentials are looked for.
pub(super) struct Credentials {
    /// Whether some seem to be there.
    pub found: bool,
    /// Where, in words; what was found is not told.
    pub looked: String,
}

impl Credentials {
    /// Those of variables, each of which is told to be set or not, and of other `places`.
    pub(super) fn of(names: &[&str], places: &str) -> Self {
        let is_set = |name: &&str| variable(name).is_some();
        let told =
            |name: &&str| format!("{name} ({})", if is_set(name) { "set" } else { "not set" });
        let told: Vec<String> = names.iter().map(told).collect();
        Credentials {
            found: names.iter().any(is_set),
            looked: format!("credentials are taken from {}{places}", told.join(", ")),
        }
    }
}

/// What a variable holds; nothing is as good as none.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
