//! Text to tensors with published weights: tokens, encoders, heads, pooling.
