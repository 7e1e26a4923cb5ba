//! How much memory this process may use: the machine's, or less where a control group says so.

use std::fs;
use std::path::Path;

/// Bytes of memory that this process may use.
pub fn memory_limit() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = limit_of_groups(Path::new("/sys/fs/cgroup"), &groups);
    of_groups.map_or_else(machine, |limit| limit.min(machine()))
}

/// The least limit of the groups that `/proc/self/cgroup` names, and of those around them. In a
/// container it may name the host's path while the mount begins at the container's own group:
/// names that lead nowhere are passed over, and the root is asked as well.
fn limit_of_groups(mount: &Path, groups: &str) -> Option<u64> {
    groups.lines().filter_map(|line| limit_of_group(mount, line)).min()
}

/// A line is `number:controllers:path`; the second version of control groups names no controllers.
fn limit_of_group(mount: &Path, line: &str) -> Option<u64> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let (folders, file) = match controllers {
        "" => (["", "unified"], "memory.max"),
        names if names.split(',').any(|name| name == "memory") => {
            (["memory", names], "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let groups = Path::new(path).ancestors().filter_map(|group| group.strip_prefix("/").ok());
    let files =
        groups.flat_map(|group| folders.map(|folder| mount.join(folder).join(group).join(file)));
    // Where there is no limit, the second version says "max", which is no number.
    files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(target_os = "linux")]
fn machine() -> u64 {
    let info = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the field is narrower on 32-bit machines")]
    let total = u64::from(info.totalram);
    total.saturating_mul(u64::from(info.mem_unit))
}

#[cfg(not(target_os = "linux"))]
fn machine() -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files with the limits of some groups below a folder that stands for `/sys/fs/cgroup`.
    fn mount(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        mount
    }

    /// The least limit on the way from a group to its root counts, in both versions, alone and
    /// side by side; so it does where a container sees only its own group, or none at all.
    #[test]
    fn the_least_limit_counts() {
        for (files, groups, limit) in [
            (
                &[("a/memory.max", "max\n"), ("a/b/memory.max", "4096\n")][..],
                "0::/a/b\n",
                Some(4096),
            ),
            (&[("a/memory.max", "100"), ("a/b/memory.max", "4096")], "0::/a/b", Some(100)),
            (&[("memory.max", "70")], "0::/docker/0123", Some(70)),
            (&[("memory.max", "max")], "0::/", None),
            (
                &[
                    ("memory/x/memory.limit_in_bytes", "512"),
                    ("memory/memory.limit_in_bytes", "9999"),
                ],
                "12:cpu,cpuacct:/y\n9:memory:/x\n0::/z",
                Some(512),
            ),
            (&[("memory,hugetlb/memory.limit_in_bytes", "33")], "4:memory,hugetlb:/x", Some(33)),
            (
                &[("memory/memory.limit_in_bytes", "800"), ("unified/s/memory.max", "700")],
                "4:memory:/elsewhere\n0::/s",
                Some(700),
            ),
            (&[("memory.max", "1")], "", None),
            (&[("memory.max", "nonsense")], "0::/\nnot a line\n::", None),
        ] {
            let mount = mount(files);
            assert_eq!(limit_of_groups(mount.path(), groups), limit, "{files:?} {groups:?}");
        }
        assert!(memory_limit() > 0);
    }
}
