//! The number formats in which the packed form computes.

/// The number format in which products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Weights and activations in 32-bit floats.
    F32,
    /// Weights are signed bytes with one scale for each output; activations are unsigned bytes with a scale and a zero
    /// for each row. Sums, norms, attention and activation functions are in 32-bit floats.
    Int8,
}
