//! What enters the first block of a decoder.

use candle_core::{Device, Tensor};

use crate::architecture::Architecture;
use crate::layers::{LayerNorm, wide};
use crate::{Error, Result, Tensors};

/// The embeddings of a decoder.
pub(super) struct Embeddings {
    /// `[vocab, hidden]`
    word: Tensor,
    /// `[positions, hidden]`, from the first position on.
    position: Option<Tensor>,
    norm: Option<LayerNorm>,
}

impl Embeddings {
    pub(super) fn load(
        Architecture { sizes, design, names }: &Architecture,
        word: Tensor,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let position = match names.position {
            "" => None,
            name => {
                let all =
                    tensors.take(&format!("{prefix}{name}"), &[sizes.positions, sizes.hidden])?;
                let first = sizes.first_position;
                Some(all.narrow(0, first, sizes.positions.saturating_sub(first))?)
            }
        };
        let norm = match names.embedding_norm {
            "" => None,
            name => Some(design.norm(sizes, tensors, &format!("{prefix}{name}"))?),
        };
        Ok(Self { word, position, norm })
    }

    /// The table of word embeddings, `[vocab, hidden]`.
    pub(super) fn words(&self) -> &Tensor {
        &self.word
    }

    /// Tokens that have an embedding.
    pub(super) fn vocab(&self) -> usize {
        self.word.dims()[0]
    }

    /// The embedded tokens of all texts, one text after the other, `[rows, hidden]`.
    ///
    /// - `firsts`: the position of the first token of each text
    pub(super) fn forward(
        &self,
        texts: &[&[u32]],
        firsts: &[usize],
        device: &Device,
    ) -> Result<Tensor> {
        let ids = Tensor::new(texts.concat(), device)?;
        let mut x = wide(&self.word.index_select(&ids, 0)?)?; // [rows, hidden]
        if let Some(position) = &self.position {
            let places = texts.iter().zip(firsts);
            let places = places.flat_map(|(text, &first)| first..first + text.len());
            let places: Vec<u32> = places.map(|place| place as u32).collect();
            let (most, rows) = (places.iter().max().copied().unwrap_or_default(), position.dim(0)?);
            if most as usize >= rows {
                return Err(Error::Unfit(format!(
                    "a text of {} tokens is to be read or written, and the decoder has {rows} positions: give a smaller length",
                    most + 1
                )));
            }
            x = (x + wide(&position.index_select(&Tensor::new(places, device)?, 0)?)?)?;
        }
        self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
    }
}
