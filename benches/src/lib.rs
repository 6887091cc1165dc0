//! Criterion benches; run one with `cargo bench -p nir-benches --bench NAME`.

/// CPU seconds of this process so far. Programs that compare them work on one thread.
pub fn cpu() -> f64 {
    cpu_time::ProcessTime::now().as_duration().as_secs_f64()
}
