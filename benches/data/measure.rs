//! One command, measured: wall time, and processor time and peak memory of it and its children
//! together.

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
    /// Of user and system, of all processes that were waited for.
    pub processor: Duration,
    /// KiB; the greatest sum, at any moment, of the peaks of the processes alive then.
    pub peak: u64,
    pub exit: i32,
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (wall, processor) = (self.wall.as_secs_f64(), self.processor.as_secs_f64());
        writeln!(out, "{wall:.3} {processor:.2} {} {}", self.peak, self.exit)
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
    let processor = processor_time().ok_or("no processor time in /proc/self/stat")?;
    Ok(Measured { wall, processor, peak, exit: status?.code().unwrap_or(255) })
}

/// What the children of this process took that have ended: fields 16 and 17 of proc_pid_stat(5).
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
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
