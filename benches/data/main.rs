//! Makes the data that the comparison runs on, seeded and the same each time, and measures one
//! command: its wall time and the peak memory of it with all its children.
//!
//! `cargo bench --bench data -- sqlite-series /tmp/series 24 1.0`
#![allow(
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod database;
mod files;
mod measure;
mod random;

use std::error::Error;
use std::path::Path;

const USAGE: &str = "\
usage: data VERB ...
  sqlite-start DB SCALE      an application database; scale 1 is about 500 MB
  sqlite-hour DB HOUR [SCALE]
                             the changes of one hour, in place
  sqlite-vacuum DB           a VACUUM, in place
  sqlite-series OUT HOURS SCALE [--vacuum-last]
                             all of these, each state kept as OUT/d<HOUR>/live.db
  live-writer DB SECONDS     small transactions, as many as go, until the time is over
  small-files OUT COUNT      a tree of small files
  large-files OUT MIB        four files, half of the bytes incompressible
  file-hour FILE HOUR        a file of 8 MiB, made in hour 0, then changed in eight places
  measure RESULT COMMAND...  run it; RESULT holds its seconds, processor seconds, peak KiB and exit code";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["sqlite-start", db, scale] => database::start(Path::new(db), scale.parse()?)?,
        ["sqlite-hour", db, hour] => database::hour(Path::new(db), hour.parse()?, 1.0)?,
        ["sqlite-hour", db, hour, scale] => {
            database::hour(Path::new(db), hour.parse()?, scale.parse()?)?;
        }
        ["sqlite-vacuum", db] => database::vacuum(Path::new(db))?,
        ["sqlite-series", out, hours, scale] => {
            database::series(Path::new(out), hours.parse()?, scale.parse()?, false)?;
        }
        ["sqlite-series", out, hours, scale, "--vacuum-last"] => {
            database::series(Path::new(out), hours.parse()?, scale.parse()?, true)?;
        }
        ["live-writer", db, seconds] => {
            let commits = database::live_writer(Path::new(db), seconds.parse()?)?;
            println!("{commits} transactions");
        }
        ["small-files", out, count] => files::small(Path::new(out), count.parse()?)?,
        ["large-files", out, mib] => files::large(Path::new(out), mib.parse()?)?,
        ["file-hour", file, hour] => files::hour(Path::new(file), hour.parse()?)?,
        ["measure", result, program, rest @ ..] => {
            let measured = measure::run(program, rest)?;
            std::fs::write(result, measured.to_string())?;
            std::process::exit(measured.exit);
        }
        _ => println!("{USAGE}"),
    }
    Ok(())
}
