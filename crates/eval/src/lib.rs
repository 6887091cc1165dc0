//! Measures and significance, equal to trec_eval.
