//! The hidden states of a batch of sequences.

use candle_core::{DType, Tensor};

use crate::{Result, Rows, Tokens};

/// The hidden states of a batch of sequences, without padding.
#[derive(Debug)]
pub struct Hidden {
    /// `[rows, hidden]`: the states of the sequences, one after the other.
    pub states: Tensor,
    /// The number of rows of each sequence.
    pub lengths: Vec<usize>,
}

impl Hidden {
    /// Takes the first `lengths` rows of each sequence of `[batch, seq, hidden]`.
    pub(crate) fn cut(states: &Tensor, lengths: Vec<usize>) -> Result<Self> {
        let first =
            |(sequence, &length): (usize, &usize)| states.get(sequence)?.narrow(0, 0, length);
        let rows = lengths.iter().enumerate().map(first);
        let rows = rows.collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Self { states: Tensor::cat(&rows, 0)?, lengths })
    }

    /// The row at which each sequence begins.
    pub fn firsts(&self) -> Vec<u32> {
        let mut next = 0;
        let begin = |&length: &usize| {
            next += length as u32;
            next - length as u32
        };
        self.lengths.iter().map(begin).collect()
    }

    /// The rows of each sequence separately, `[length, hidden]`.
    pub fn sequences(&self) -> Result<Vec<Tensor>> {
        let mut next = 0;
        let mut rows = |length: usize| {
            next += length;
            Ok(self.states.narrow(0, next - length, length)?)
        };
        self.lengths.iter().map(|&length| rows(length)).collect()
    }
}

/// All numbers of a tensor as f32, in row order.
pub fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// How many rows of hidden states each sequence of a batch has.
pub(crate) fn lengths(batch: &[Tokens], rows: Rows) -> Vec<usize> {
    let kept = |tokens: &Tokens| match rows {
        Rows::All => tokens.len(),
        Rows::First => 1,
    };
    batch.iter().map(kept).collect()
}
