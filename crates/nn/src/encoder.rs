//! Token sequences to hidden states, in whichever form is fastest where it runs.

use candle_core::{DType, Tensor};

use crate::packed::Packed;
use crate::{Backend, Error, Padded, Result, Rows, Tokens, Trunk, batches};

/// Hidden states of a batch without padding.
#[derive(Debug)]
pub struct Hidden {
    /// `[rows, hidden]`: the sequences one after the other.
    pub states: Tensor,
    /// How many rows each sequence has.
    pub lengths: Vec<usize>,
}

impl Hidden {
    /// The first rows of each sequence of `[batch, seq, hidden]`.
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

    /// The rows of each sequence, `[length, hidden]`.
    pub fn sequences(&self) -> Result<Vec<Tensor>> {
        let mut next = 0;
        let mut rows = |length: usize| {
            next += length;
            Ok(self.states.narrow(0, next - length, length)?)
        };
        self.lengths.iter().map(|&length| rows(length)).collect()
    }
}

/// An encoder that is ready to run.
pub struct Encoder {
    form: Form,
    hidden: usize,
    multiplications: u64,
    backend: Backend,
}

enum Form {
    Plain(Box<Trunk>),
    Packed(Box<Packed>),
}

impl Encoder {
    /// Prepares a loaded trunk for a backend.
    pub fn new(trunk: Trunk, backend: &Backend) -> Result<Self> {
        let hidden = trunk.sizes.hidden;
        let multiplications = trunk.sizes.multiplications();
        let form = match backend.is_packed() {
            true => Form::Packed(Box::new(Packed::new(trunk, backend.arithmetic())?)),
            false => Form::Plain(Box::new(trunk)),
        };
        Ok(Self { form, hidden, multiplications, backend: backend.clone() })
    }

    /// What a token takes in the dense layers; see [`Sizes::multiplications`](crate::architecture::Sizes::multiplications).
    pub fn multiplications(&self) -> u64 {
        self.multiplications
    }

    /// Width of the hidden states.
    pub fn hidden_size(&self) -> usize {
        self.hidden
    }

    /// Hidden states of a batch. On a CPU in f32 and int8 those of a sequence are the same to the last bit whatever it is
    /// batched with.
    pub fn hidden(&self, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
        match &self.form {
            Form::Plain(trunk) => plain(trunk, &self.backend, batch, rows),
            Form::Packed(packed) => packed.hidden(batch, rows),
        }
    }
}

/// Numbers for each of many texts, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// How many for each.
    pub width: usize,
    /// `[texts, width]`
    pub rows: Vec<f32>,
}

impl Encoder {
    /// Encodes any number of texts in batches of like length; `each` gets the places of a batch's texts in `tokens` and
    /// their hidden states.
    pub fn in_batches(
        &self,
        tokens: &[Tokens],
        rows: Rows,
        mut each: impl FnMut(&[usize], &Hidden) -> Result<()>,
    ) -> Result<()> {
        let lengths: Vec<usize> = tokens.iter().map(Tokens::len).collect();
        for places in batches(&lengths, self.backend.batch_tokens()) {
            let batch: Vec<Tokens> = places.iter().map(|&place| tokens[place].clone()).collect();
            each(&places, &self.hidden(&batch, rows)?)?;
        }
        Ok(())
    }

    /// A row of numbers for each text: `head` gives `[batch, width]`. A number that is none is an error that names the
    /// text, found by its place.
    pub fn table(
        &self,
        tokens: &[Tokens],
        rows: Rows,
        head: impl Fn(&Hidden) -> Result<Tensor>,
        text: impl Fn(usize) -> String,
    ) -> Result<Table> {
        let mut table = Table { width: 0, rows: Vec::new() };
        self.in_batches(tokens, rows, |places, hidden| {
            let found = numbers(&head(hidden)?)?;
            table.width = found.len() / places.len();
            table.rows.resize(tokens.len() * table.width, 0.0);
            for (row, &place) in found.chunks_exact(table.width).zip(places) {
                check_finite(row, || text(place))?;
                table.rows[place * table.width..][..table.width].copy_from_slice(row);
            }
            Ok(())
        })?;
        Ok(table)
    }
}

/// All numbers of a tensor in row order, as f32.
pub fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// Refuses what is not a number, and names the text it was made of.
pub fn check_finite(row: &[f32], text: impl FnOnce() -> String) -> Result<()> {
    match row.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(Error::NotFinite { value, text: text().chars().take(80).collect() }),
    }
}

/// How many rows of hidden states each sequence of a batch has.
pub(crate) fn lengths(batch: &[Tokens], rows: Rows) -> Vec<usize> {
    let kept = |tokens: &Tokens| match rows {
        Rows::All => tokens.len(),
        Rows::First => 1,
    };
    batch.iter().map(kept).collect()
}

/// By candle, on padded sequences; the padding is left behind.
fn plain(trunk: &Trunk, backend: &Backend, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
    let padded = Padded::new(batch, backend.device())?;
    Hidden::cut(&trunk.forward(&padded)?, lengths(batch, rows))
}
