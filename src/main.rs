//! The binary: everything is in the library.

/// A request makes some hundred small allocations; this allocator serves them in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    xrouter::cli::main()
}
