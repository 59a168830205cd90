//! The program `statsidecar`.

use std::process::ExitCode;

use statsidecar::memory::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    statsidecar::command::run()
}
