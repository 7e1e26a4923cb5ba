//! One command, measured: wall time, and the peak memory of it and its children together.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What one run took.
pub struct Measured {
    pub wall: Duration,
    /// KiB; the greatest sum, at any moment, of the peaks of the processes alive then.
    pub peak: u64,
    pub exit: i32,
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(out, "{:.3} {} {}", self.wall.as_secs_f64(), self.peak, self.exit)
    }
}

/// Runs the program to its end.
pub fn run(program: &str, args: &[&str]) -> Result<Measured, Box<dyn Error>> {
    let start = Instant::now();
    let mut child = Command::new(program).args(args).spawn()?;
    let (root, over) = (child.id(), AtomicBool::new(false));
    let (status, wall, peak) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(root, &over));
        let status = child.wait();
        let wall = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (status, wall, watch.join().unwrap_or_default())
    });
    Ok(Measured { wall, peak, exit: status?.code().unwrap_or(255) })
}

fn watch(root: u32, over: &AtomicBool) -> u64 {
    let mut greatest = 0;
    while !over.load(Ordering::Relaxed) {
        greatest = greatest.max(sum_of_peaks(root));
        thread::sleep(Duration::from_millis(5));
    }
    greatest
}

fn sum_of_peaks(root: u32) -> u64 {
    let (mut todo, mut peaks) = (vec![root], HashMap::new());
    while let Some(process) = todo.pop() {
        if let Some(peak) = peak_of(process) {
            peaks.insert(process, peak);
            todo.extend(
                children_of(process).into_iter().filter(|child| !peaks.contains_key(child)),
            );
        }
    }
    peaks.values().sum()
}

fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn children_of(process: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect()
}
