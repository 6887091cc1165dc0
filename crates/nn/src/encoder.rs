//! Token sequences to hidden states, in whichever form is fastest where it runs.

use candle_core::Tensor;

use crate::architecture::Sizes;
use crate::decoder::{Decoder, Past};
use crate::hidden::{lengths, numbers};
use crate::packed::Packed;
use crate::{Backend, Error, Hidden, Padded, Result, Rows, Tokens, Trunk, batches};

/// An encoder that is ready to run on a backend, in the fastest form that the backend has.
pub struct Encoder {
    form: Form,
    hidden: usize,
    multiplications: u64,
    backend: Backend,
}

enum Form {
    Plain(Box<Trunk>),
    Packed(Box<Packed>),
    /// A decoder, in which a token sees those before it: only the last one has seen the whole text.
    Causal(Box<Decoder>),
}

impl Encoder {
    /// Prepares a loaded trunk for a backend. Fails if its weights do not fit its sizes.
    pub fn new(trunk: Trunk, backend: &Backend) -> Result<Self> {
        let hidden = trunk.sizes.hidden;
        let multiplications = trunk.sizes.multiplications();
        let form = match backend.is_packed() {
            true => Form::Packed(Box::new(Packed::new(trunk, backend.arithmetic())?)),
            false => Form::Plain(Box::new(trunk)),
        };
        Ok(Self { form, hidden, multiplications, backend: backend.clone() })
    }

    /// A decoder whose hidden states are taken, and that writes nothing.
    pub(crate) fn causal(decoder: Decoder, sizes: &Sizes, backend: &Backend) -> Self {
        let (hidden, multiplications) = (sizes.hidden, sizes.multiplications());
        let form = Form::Causal(Box::new(decoder));
        Self { form, hidden, multiplications, backend: backend.clone() }
    }

    /// The number of multiplications in the dense layers for each token; see
    /// [`Sizes::multiplications`](crate::architecture::Sizes::multiplications).
    pub fn multiplications(&self) -> u64 {
        self.multiplications
    }

    /// The width of the hidden states.
    pub fn hidden_size(&self) -> usize {
        self.hidden
    }

    /// Computes the hidden states of a batch. On a CPU in f32 and int8, the states of a sequence are the same to the
    /// last bit whatever it is batched with.
    pub fn hidden(&self, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
        match &self.form {
            Form::Plain(trunk) => plain(trunk, &self.backend, batch, rows),
            Form::Packed(packed) => packed.hidden(batch, rows),
            Form::Causal(decoder) => causal(decoder, batch, rows),
        }
    }
}

/// A row of numbers for each of many texts, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The number of values of a row.
    pub width: usize,
    /// `[texts, width]`.
    pub rows: Vec<f32>,
}

impl Encoder {
    /// Encodes any number of texts in batches of similar length. `each` gets the positions of a batch's texts in
    /// `tokens`, and their hidden states.
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

    /// Computes a row of numbers for each text; `head` turns the states of a batch into `[batch, width]`.
    ///
    /// # Errors
    ///
    /// If a number is infinite or not a number; `text` gives the text at a position, so that the error can name it.
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

/// Fails if a number of `row` is infinite or not a number; `text` gives the text that the error names.
pub fn check_finite(row: &[f32], text: impl FnOnce() -> String) -> Result<()> {
    match row.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(Error::NotFinite { value, text: text().chars().take(80).collect() }),
    }
}

fn causal(decoder: &Decoder, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
    let texts: Vec<&[u32]> = batch.iter().map(|tokens| tokens.ids.as_slice()).collect();
    let hidden = decoder.behind(&texts, &vec![Past::default(); texts.len()])?;
    match rows {
        Rows::All => Ok(hidden),
        Rows::First => {
            let firsts = Tensor::new(hidden.firsts(), hidden.states.device())?;
            let states = hidden.states.index_select(&firsts, 0)?;
            Ok(Hidden { states, lengths: lengths(batch, rows) })
        }
    }
}

/// Computes hidden states with candle on padded sequences, and removes the rows of padding.
fn plain(trunk: &Trunk, backend: &Backend, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
    let padded = Padded::new(batch, backend.device())?;
    Hidden::cut(&trunk.forward(&padded)?, lengths(batch, rows))
}
