//! Criterion benches; run one with `cargo bench -p nir-benches --bench NAME`.
