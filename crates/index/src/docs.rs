//! The files that explain themselves, by path: what documentation is made of, so that it cannot drift from the code.

macro_rules! sources {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!($path))),*] };
}

/// The path and the source of every search structure and every code.
pub const STRUCTURES: &[(&str, &str)] = sources![
    "lexical/maxscore.rs",
    "impacts/maxscore.rs",
    "impacts/clustered.rs",
    "dense/flat.rs",
    "dense/hnsw.rs",
    "dense/hnsw_rs.rs",
    "codes/pq.rs",
    "codes/rotation.rs",
    "codes/fast_scan.rs",
    "codes/scalar.rs",
    "codes/binary.rs",
    "codes/kmeans.rs",
    "codes/ivf.rs",
    "late/max_sim.rs",
    "late/residual.rs",
    "late/plaid.rs",
];
