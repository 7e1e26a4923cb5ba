//! Scripts of newer tools for older servers: without what an older server does not know and does
//! not need.

use std::io::{self, Write};

/// A setting that tools of version 17 and later begin with.
const LINE: &[u8] = b"\nSET transaction_timeout = 0;\n";
/// The version of servers that know it.
pub const SINCE: u32 = 170_000;

/// Within so many bytes from the beginning of a script such settings stand, and no rows.
const HEAD: usize = 1024;

/// Passes a script on to a server of some version.
pub struct CompatWriter<'w> {
    out: &'w mut dyn Write,
    /// The beginning, as long as it is looked at.
    head: Option<Vec<u8>>,
}

impl<'w> CompatWriter<'w> {
    /// For a server of this version (150018 is 15.18).
    pub fn new(out: &'w mut dyn Write, server: u32) -> Self {
        CompatWriter { out, head: (server < SINCE).then(Vec::new) }
    }

    /// Passes on what is held back still.
    pub fn finish(mut self) -> io::Result<()> {
        self.pass_head()
    }

    fn pass_head(&mut self) -> io::Result<()> {
        let Some(mut head) = self.head.take() else { return Ok(()) };
        let known = head.windows(LINE.len()).take(HEAD).position(|window| window == LINE);
        if let Some(at) = known {
            // The line's end stays: it is that of the line before.
            head.drain(at..(at + LINE.len()).saturating_sub(1));
        }
        self.out.write_all(&head)
    }
}

impl Write for CompatWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(head) = &mut self.head else { return self.out.write(bytes) };
        head.extend_from_slice(bytes);
        if head.len() >= HEAD + LINE.len() {
            self.pass_head()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(script: &[u8], step: usize, server: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut older = CompatWriter::new(&mut out, server);
        script.chunks(step).for_each(|chunk| older.write_all(chunk).unwrap());
        older.finish().unwrap();
        out
    }

    /// The line goes from the head of a script for an older server, and from nowhere else.
    #[test]
    fn only_the_setting_goes() {
        let row = [b"-- x".as_slice(), LINE, b"COPY"].concat();
        let long = [&row[..], &[b'y'; 5000], LINE].concat();
        for (script, rest) in [(&row[..], &b"-- x\nCOPY"[..]), (b"short", b"short"), (b"", b"")] {
            assert_eq!(passed(script, 3, 150_018), rest);
            assert_eq!(passed(script, 7, 170_000), script);
        }
        assert_eq!(passed(&long, 100, 150_018), [b"-- x\nCOPY", &[b'y'; 5000][..], LINE].concat());
    }
}
