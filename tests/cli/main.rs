//! The command line: exit codes, messages and their streams, and how the program starts and ends.

mod agreeing;
mod asking;
mod captures;
mod ending;
mod environment;
mod explain;
mod flooded;
mod generate;
mod jobs;
mod lints;
mod load;
mod logging;
mod printing;
mod refused;
mod sending;
mod shell;
mod starting;
mod state;
mod suggest;
#[path = "../support/mod.rs"]
mod support;
mod tapping;
mod underlined;
mod watching;
mod wrong;

use support::{Ended, run_in};

fn run(args: &[&str]) -> Ended {
    run_in(env!("CARGO_TARGET_TMPDIR").as_ref(), args)
}
