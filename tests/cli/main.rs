//! The command line: exit codes, messages and their streams, and how the program starts and ends.

mod agreeing;
mod ending;
mod explain;
mod flooded;
mod load;
mod printing;
mod refused;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use support::{Ended, run_in};

fn run(args: &[&str]) -> Ended {
    run_in(env!("CARGO_TARGET_TMPDIR").as_ref(), args)
}
