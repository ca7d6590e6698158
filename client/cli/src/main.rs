//! `dronechain`: see the library.

fn main() -> std::process::ExitCode {
    dronechain_cli::main()
}
