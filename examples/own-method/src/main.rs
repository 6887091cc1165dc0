//! `nir` with a method of one's own: every command knows it, by the name that it has in a config.

mod comb_max;

fn main() -> std::process::ExitCode {
    nir_cli::main(nir_methods::Registry::builtin().with::<comb_max::Config>())
}
