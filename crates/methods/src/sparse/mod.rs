//! A text as weights over the whole vocabulary: its own words, and others it could have used.
//!
//! All of these are `splade.rs`.
//!
//! | name | config | what differs |
//! |---|---|---|
//! | SPLADE v2 | `sparse/splade-max`, `sparse/splade-distil` | the maximum over tokens (`pooling = "max"`); `sum` is the first paper's |
//! | SPLADE++ | `sparse/splade-pp-ed`, `sparse/splade-pp-sd` | weights taught by an ensemble, or by themselves |
//! | SPLADE-v3 | `sparse/splade-v3` | other teachers and losses |
//! | SPLADE-doc | `sparse/splade-v3-doc` | no model reads the query (`query_weighting = "binary"`) |
//! | Efficient SPLADE | `sparse/efficient-splade-v-large`, `-vi-bt-large` | a smaller encoder of queries (`query_model`) |

pub mod splade;
