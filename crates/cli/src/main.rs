//! The `nir` command.

fn main() -> std::process::ExitCode {
    nir_cli::main(nir_methods::Registry::builtin())
}
