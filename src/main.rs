//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = icecore::run_as_child() {
        return code;
    }
    icecore::run()
}
