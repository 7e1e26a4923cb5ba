//! Secrets are read to an end: so many bytes of a file, and of what a command prints within its time.

use crate::env;
use crate::error::{Attempt, Error, Kind, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;
use zeroize::Zeroizing;

/// Reads all, and one byte more than `most` if there is more: then the rest is left alone. Nothing
/// of it stays in memory that was given back.
pub fn read_bounded(from: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs a line of the shell, and returns `most` bytes of what it prints, and one more if there is more. It is ended, with
/// all that it has started, if it prints more or takes longer than `timeout`.
pub fn printed_by(
    line: &OsStr,
    what: &str,
    most: usize,
    timeout: Option<Duration>,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut command = env::command("/bin/sh");
    command.arg("-c").arg(line);
    command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    if timeout.is_some() {
        // One that may ask on the terminal has to stay in the group that the terminal listens to.
        command.process_group(0);
    }
    let mut child = command.spawn().attempt("run", what)?;
    let (done, is_done) = channel::<()>();
    let group = Pid::from_child(&child);
    let watching = timeout.map(|timeout| {
        Builder::new().spawn(move || {
            let is_over = is_done.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            if is_over {
                // It may have ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
            is_over
        })
    });
    let watching = watching.transpose().attempt("start a thread for", what)?;
    let read = child.stdout.take().map(|output| read_bounded(output, most));
    let bytes = read.unwrap_or_else(|| Ok(Zeroizing::default()));
    let endless = bytes.as_ref().map_or(true, |bytes| bytes.len() > most);
    if endless {
        // Its pipe is closed already; this ends a command that ignores that.
        child.kill().attempt("end", what)?;
    }
    let status = child.wait().attempt("run", what)?;
    drop(done);
    let was_over = watching.is_some_and(|watching| watching.join().unwrap_or_default());
    if let Some(timeout) = timeout.filter(|_| was_over) {
        return Err(Error::new(Kind::Failed, "run", what)
            .because(format!("it took longer than {} s", timeout.as_secs_f64())));
    }
    let bytes = bytes.attempt("read from", what)?;
    if !endless && !status.success() {
        return Err(
            Error::new(Kind::Failed, "run", what).because(format!("it ended with {status}"))
        );
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that hangs is ended with all that it has started, and told; one that does not is read to its end.
    #[test]
    fn commands_have_their_time() {
        let printed = |line: &str, timeout| {
            printed_by(OsStr::new(line), "it", 9, Some(Duration::from_millis(timeout)))
        };
        let error = printed("sleep 1000 | cat; true", 100).unwrap_err();
        assert!(error.to_string().contains("longer than 0.1 s"), "{error}");
        assert_eq!(*printed("echo x", 60_000).unwrap(), b"x\n");
        assert!(printed("exit 3", 60_000).unwrap_err().to_string().contains('3'));
    }
}
