//! The names of this machine and of the user in snapshots and reports.

/// The machine's name: as the environment has it, or else its own.
pub fn hostname() -> String {
    let given = std::env::var("ICECORE_HOST").ok().filter(|name| !name.is_empty());
    given.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// The user's name as the environment has it, or else the number. Root is root: `su` leaves the name of the user
/// who called it.
pub fn username() -> String {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return "root".to_owned();
    }
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| user.as_raw().to_string())
}
