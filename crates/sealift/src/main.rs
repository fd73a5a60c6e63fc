//! The binary `sealift`: hands the process's surroundings to the library and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealift::run(std::env::args_os(), sealift::Environment::of_process()).into()
}
