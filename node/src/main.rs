//! `dronechain-node`: runs a node and makes what it needs.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
