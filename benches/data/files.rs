//! Trees of ordinary files.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::random::{Random, Words};

type Outcome<T> = Result<T, Box<dyn Error>>;

const MIB: u64 = 1 << 20;

/// `count` files of text, most below 1 KiB, none above 16 KiB, a hundred in a folder.
pub fn small(out: &Path, count: u64) -> Outcome<()> {
    let words = Words::new();
    let mut random = Random::new(11, 0);
    for i in 0..count {
        let folder = out.join(format!("{:03}/{:02}", i / 10_000, i / 100 % 100));
        if i % 100 == 0 {
            fs::create_dir_all(&folder)?;
        }
        let most = match random.below(10) {
            0 => 16_384,
            1..=3 => 8_192,
            _ => 1_024,
        };
        let length = random.between(1, most);
        let mut text = words.text(&mut random, length / 7 + 1);
        text.truncate(length as usize);
        fs::write(folder.join(format!("{i:07}.txt")), text)?;
    }
    Ok(())
}

/// Four files of together `mib` MiB: two of text, two of random bytes.
pub fn large(out: &Path, mib: u64) -> Outcome<()> {
    let words = Words::new();
    fs::create_dir_all(out)?;
    for file in 0..4 {
        let mut random = Random::new(13, file);
        let name = if file % 2 == 0 { "text" } else { "random" };
        let mut sink = BufWriter::new(File::create(out.join(format!("{name}{file}")))?);
        let mut left = mib * MIB / 4;
        while left > 0 {
            let mut piece = match file % 2 {
                0 => words.text(&mut random, 100_000).into_bytes(),
                _ => random.bytes(MIB as usize),
            };
            piece.truncate(left as usize);
            sink.write_all(&piece)?;
            left -= piece.len() as u64;
        }
        sink.flush()?;
    }
    Ok(())
}

/// One hour of a file that is changed in place: at first 8 MiB of random bytes, then eight places of
/// 4 KiB in it are written again.
pub fn hour(file: &Path, hour: u64) -> Outcome<()> {
    const LENGTH: u64 = 8 * MIB;
    const PLACE: u64 = 4096;
    let mut random = Random::new(17, hour);
    if hour == 0 {
        return Ok(fs::write(file, random.bytes(LENGTH as usize))?);
    }
    let file = File::options().write(true).open(file)?;
    for _ in 0..8 {
        let place = random.below(LENGTH / PLACE);
        file.write_all_at(&random.bytes(PLACE as usize), place * PLACE)?;
    }
    Ok(())
}
