//! Layer normalisation.
//! Ba, Kiros and Hinton, 2016 (arXiv:1607.06450), eqs. 3 and 4.
//!
//! ```text
//! y = (x - mean(x)) / √(var(x) + ε) · weight + bias
//! y = x / √(mean(x²) + ε) · weight + bias                without centring: Zhang and Sennrich, NeurIPS 2019, eq. 4
//! ```

use nir_kernels::{Job, Lanes, Simd, total};

use super::{Norm, ShapeError};

/// The weights of a layer norm, copied for computing.
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
    /// Whether the mean of a row is subtracted.
    centred: bool,
}

impl LayerNorm {
    /// Copies the weights of a layer norm over rows of `width` values. Fails if they have another width.
    pub fn new(norm: &Norm<'_>, width: usize, eps: f32) -> Result<Self, ShapeError> {
        norm.check("normalisation", width)?;
        Ok(Self { weight: norm.weight.to_vec(), bias: norm.bias.to_vec(), eps, centred: true })
    }

    /// The same weights; `centred` says whether the mean of a row is subtracted.
    #[must_use]
    pub fn centred(self, centred: bool) -> Self {
        Self { centred, ..self }
    }

    /// Normalises every row in place.
    pub fn apply(&self, simd: Simd, rows: &mut [f32]) {
        simd.run(Apply { norm: self, rows });
    }
}

struct Apply<'a> {
    norm: &'a LayerNorm,
    rows: &'a mut [f32],
}

impl Job for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        for row in self.rows.chunks_exact_mut(self.norm.weight.len().max(1)) {
            normalise::<V>(row, self.norm);
        }
    }
}

#[inline(always)]
fn normalise<V: Lanes>(row: &mut [f32], norm: &LayerNorm) {
    let width = row.len() as f32;
    let mean = match norm.centred {
        true => total(row.chunks(V::LANES), |sum: V, part| sum + V::load(part)) / width,
        false => 0.0,
    };
    let mean = V::splat(mean);
    let squares = total(row.chunks(V::LANES), |squares: V, part| {
        // Lanes beyond the row are the mean itself, so that they differ from it by nothing.
        let difference = V::load(part).first_or(part.len(), mean) - mean;
        difference.mul_add(difference, squares)
    });
    let scale = V::splat(1.0 / (squares / width + norm.eps).sqrt());
    for (at, part) in row.chunks_mut(V::LANES).enumerate() {
        let at = at * V::LANES;
        let value = (V::load(part) - mean) * scale;
        value.mul_add(V::load(&norm.weight[at..]), V::load(&norm.bias[at..])).store(part);
    }
}
