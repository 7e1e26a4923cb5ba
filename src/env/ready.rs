//! Waiting for what others write, for so long and no longer.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Whether there is something to read, or nobody who writes any more, within this time.
pub fn is_readable(from: impl AsFd, most: Duration) -> bool {
    let begun = Instant::now();
    loop {
        let left = most.saturating_sub(begun.elapsed());
        let mut waits = [PollFd::new(&from, PollFlags::IN)];
        match poll(&mut waits, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // What is wrong with it, a read tells.
            _ => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// A pipe is waited for while it is silent, and not once something came or nobody is left who writes.
    #[test]
    fn pipes_are_waited_for() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let instant = Duration::from_millis(1);
        assert!(!is_readable(&reader, Duration::ZERO) && !is_readable(&reader, instant));
        writer.write_all(b"x").unwrap();
        assert!(is_readable(&reader, Duration::from_secs(60)));
        reader.read_exact(&mut [0]).unwrap();
        assert!(!is_readable(&reader, instant));
        drop(writer);
        // What is longer than clocks can tell is no error.
        assert!(is_readable(&reader, Duration::MAX));
    }
}
