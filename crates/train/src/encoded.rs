//! What a head makes of texts that are read apart, and how two of them are compared.

use candle_core::{D, DType, Tensor};
use nir_nn::Hidden;

use crate::Result;

/// Texts as a head leaves them.
#[derive(Debug)]
pub enum Encoded {
    /// One vector for each text, `[texts, dim]`; the score of two is their inner product.
    Vectors(Tensor),
    /// One vector for each token, `[tokens, dim]`; the score of two texts is ColBERT's sum of maxima.
    Tokens(Hidden),
}

impl Encoded {
    /// The score of each query with each document, `[queries, documents]`.
    pub fn scores(&self, documents: &Self) -> Result<Tensor> {
        match (self, documents) {
            (Self::Vectors(queries), Self::Vectors(documents)) => {
                Ok(queries.matmul(&documents.t()?)?.contiguous()?)
            }
            (Self::Tokens(queries), Self::Tokens(documents)) => max_sim(queries, documents),
            _ => unreachable!("one head encodes both"),
        }
    }

    /// One vector for each text, `[texts, dim]`. Panics for a head that makes one for each token.
    pub fn vectors(&self) -> &Tensor {
        match self {
            Self::Vectors(vectors) => vectors,
            Self::Tokens(_) => unreachable!("`Recipe::check` allows this to no head of tokens"),
        }
    }

    /// The texts of all parts, one part after the other.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Self> {
        let (mut vectors, mut states, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part {
                Self::Vectors(part) => vectors.push(part),
                Self::Tokens(part) => {
                    states.push(part.states);
                    lengths.extend(part.lengths);
                }
            }
        }
        match states.is_empty() {
            true => Ok(Self::Vectors(Tensor::cat(&vectors, 0)?)),
            false => Ok(Self::Tokens(Hidden { states: Tensor::cat(&states, 0)?, lengths })),
        }
    }

    /// The texts apart, in their order.
    pub(crate) fn split(self) -> Result<Vec<Self>> {
        match self {
            Self::Vectors(vectors) => {
                let row = |text| Ok(Self::Vectors(vectors.narrow(0, text, 1)?));
                (0..vectors.dim(0)?).map(row).collect()
            }
            Self::Tokens(hidden) => {
                let one = |states: Tensor| Ok(Hidden { lengths: vec![states.dim(0)?], states });
                hidden
                    .sequences()?
                    .into_iter()
                    .map(|states| one(states).map(Self::Tokens))
                    .collect()
            }
        }
    }
}

/// `s(q, d) = Σ_{i ∈ q} max_{j ∈ d} q_i · d_j` for all pairs, `[queries, documents]` (Khattab and Zaharia, SIGIR 2020,
/// eq. 3).
fn max_sim(queries: &Hidden, documents: &Hidden) -> Result<Tensor> {
    let (rows, absent) = padded(documents)?; // [documents * longest], [documents, longest]
    let (count, longest) = absent.dims2()?;
    let documents = documents.states.index_select(&rows, 0)?;
    let products = queries.states.matmul(&documents.t()?)?; // [q_tokens, documents * longest]
    let products = products.reshape(((), count, longest))?.broadcast_add(&absent)?;
    let largest = products.max(D::Minus1)?; // [q_tokens, documents]
    Ok(whose(queries)?.matmul(&largest)?)
}

/// The rows of all sequences, each brought to the length of the longest, `[texts * longest]`, and what is added to a product
/// with each place: 0 for a token, minus infinity for what is there for the length alone, `[texts, longest]`.
fn padded(hidden: &Hidden) -> Result<(Tensor, Tensor)> {
    let longest = hidden.lengths.iter().copied().max().unwrap_or(0);
    let (mut rows, mut absent) = (Vec::new(), Vec::new());
    for (first, &length) in hidden.firsts().into_iter().zip(&hidden.lengths) {
        for place in 0..longest {
            let is_token = place < length;
            rows.push(if is_token { first + place as u32 } else { first });
            absent.push(if is_token { 0.0 } else { f32::NEG_INFINITY });
        }
    }
    let device = hidden.states.device();
    let (count, texts) = (rows.len(), hidden.lengths.len());
    let absent = Tensor::from_vec(absent, (texts, longest), device)?;
    Ok((Tensor::from_vec(rows, count, device)?, absent.to_dtype(hidden.states.dtype())?))
}

/// 1 where a token is of a text, `[texts, tokens]`.
fn whose(hidden: &Hidden) -> Result<Tensor> {
    let tokens: usize = hidden.lengths.iter().sum();
    let mut ones = vec![0f32; hidden.lengths.len() * tokens];
    for (text, (first, &length)) in hidden.firsts().into_iter().zip(&hidden.lengths).enumerate() {
        let begin = text * tokens + first as usize;
        ones[begin..begin + length].fill(1.0);
    }
    let ones = Tensor::from_vec(ones, (hidden.lengths.len(), tokens), hidden.states.device())?;
    debug_assert_eq!(hidden.states.dtype(), DType::F32, "weights learn in f32");
    Ok(ones)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn hidden(states: &[[f32; 2]], lengths: &[usize]) -> Hidden {
        let states = Tensor::from_vec(states.concat(), (states.len(), 2), &Device::Cpu).unwrap();
        Hidden { states, lengths: lengths.to_vec() }
    }

    #[test]
    fn late_interaction_is_a_sum_of_maxima() {
        // Query 1: tokens (1, 0) and (0, 1). Query 2: (1, 1). Document 1: (2, 0). Document 2: (-1, -1) and (0, 3).
        let queries = Encoded::Tokens(hidden(&[[1., 0.], [0., 1.], [1., 1.]], &[2, 1]));
        let documents = Encoded::Tokens(hidden(&[[2., 0.], [-1., -1.], [0., 3.]], &[1, 2]));
        let scores = queries.scores(&documents).unwrap().to_vec2::<f32>().unwrap();
        // Query 1: 2 + 0 with document 1; max(-1, 0) + max(-1, 3) with document 2. Query 2: 2; max(-2, 3).
        assert_eq!(scores, [[2., 3.], [2., 3.]]);
    }

    #[test]
    fn only_the_largest_product_passes_a_gradient_on() {
        let document = Var::new(&[[2f32, 0.], [1., 0.]], &Device::Cpu).unwrap();
        let documents = Hidden { states: document.as_tensor().clone(), lengths: vec![2] };
        let queries = Encoded::Tokens(hidden(&[[3., 5.]], &[1]));
        let loss = queries.scores(&Encoded::Tokens(documents)).unwrap().sum_all().unwrap();
        let gradient = loss.backward().unwrap().get(&document).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(gradient, [[3., 5.], [0., 0.]]);
    }
}
