//! Scalar quantisation: one byte for each component.
//!
//! Every component has a range of its own, that of a sample, cut into 255 steps. The query is not rounded: its components are
//! scaled by the steps once, and then a document costs one product of floats with bytes.
//!
//! ```text
//! byte_i = round( (x_i - low_i) / step_i ) - 128            step_i = (high_i - low_i) / 255
//! q · x ≈ Σ_i q_i (low_i + 128 step_i)  +  Σ_i (q_i step_i) byte_i
//! ```

use nir_kernels::Simd;

use super::code::{Code, Reader};

/// A code of one byte for each component, with a range for each component.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarQuantiser {
    low: Vec<f32>,
    step: Vec<f32>,
}

/// A query multiplied by the step of each component.
pub struct ScaledQuery {
    /// The inner product with a code of zeros.
    zero: f32,
    /// The scaled components, `q_i step_i`.
    scaled: Vec<f32>,
}

impl ScalarQuantiser {
    /// The ranges of `rows`, `[n, dim]`, a sample; what lies beyond is cut off.
    pub fn train(rows: &[f32], dim: usize) -> Self {
        let (mut low, mut high) = (vec![f32::INFINITY; dim], vec![f32::NEG_INFINITY; dim]);
        for row in rows.chunks_exact(dim) {
            low.iter_mut().zip(row).for_each(|(low, x)| *low = low.min(*x));
            high.iter_mut().zip(row).for_each(|(high, x)| *high = high.max(*x));
        }
        let step = |(low, high): (&f32, &f32)| ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        let step = low.iter().zip(&high).map(step).collect();
        Self { low, step }
    }

    fn quantise(&self, row: &[f32]) -> impl Iterator<Item = u8> {
        let each = row.iter().zip(self.low.iter().zip(&self.step));
        // A float becomes the nearest byte: Rust cuts off what is beyond 0 and 255. The upper half is positive as `i8`.
        each.map(|(x, (low, step))| (((x - low) / step).round() as u8) ^ 0x80)
    }
}

impl Code for ScalarQuantiser {
    const KIND: &'static str = "nir-ivf-int8 1";
    type Query = ScaledQuery;

    fn dim(&self) -> usize {
        self.low.len()
    }

    fn code_bytes(&self) -> usize {
        self.low.len()
    }

    fn encode(&self, rows: &[f32]) -> Vec<u8> {
        rows.chunks_exact(self.dim()).flat_map(|row| self.quantise(row)).collect()
    }

    fn queries(&self, queries: &[f32]) -> Vec<ScaledQuery> {
        let prepare = |query: &[f32]| {
            let each = query.iter().zip(self.low.iter().zip(&self.step));
            let zero = each.clone().map(|(q, (low, step))| q * (low + 128.0 * step)).sum();
            ScaledQuery { zero, scaled: each.map(|(q, (_, step))| q * step).collect() }
        };
        queries.chunks_exact(self.dim()).map(prepare).collect()
    }

    fn scan(&self, query: &ScaledQuery, list: &[u8], scores: &mut [f32]) {
        let (simd, row) =
            (Simd::get(), |row: usize| signed(&list[row * self.dim()..][..self.dim()]));
        let (fours, rest) = scores.as_chunks_mut::<4>();
        let whole = 4 * fours.len();
        for (four, scores) in fours.iter_mut().enumerate() {
            let products = simd.dots(&query.scaled, std::array::from_fn(|at| row(4 * four + at)));
            *scores = products.map(|product| query.zero + product);
        }
        for (at, score) in rest.iter_mut().enumerate() {
            *score = query.zero + simd.dot(&query.scaled, row(whole + at));
        }
    }

    fn score(&self, query: &ScaledQuery, list: &[u8], row: usize) -> f32 {
        query.zero + Simd::get().dot(&query.scaled, signed(&list[row * self.dim()..][..self.dim()]))
    }

    fn write(&self) -> Vec<u8> {
        let dim = (self.dim() as u32).to_le_bytes();
        let floats = self.low.iter().chain(&self.step).flat_map(|x| x.to_le_bytes());
        dim.into_iter().chain(floats).collect()
    }

    fn read(from: &mut Reader) -> Option<Self> {
        let [dim] = from.numbers()?;
        Some(Self { low: from.floats(dim)?, step: from.floats(dim)? })
    }
}

/// The bytes of a list as signed numbers, without copying them.
fn signed(bytes: &[u8]) -> &[i8] {
    bytemuck::cast_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_steps_of_their_component() {
        // Steps of 1 and 0.1; beyond the range is cut off.
        let code = ScalarQuantiser::train(&[0.0, -10.0, 255.0, 15.5], 2);
        assert_eq!(code.encode(&[3.4, -9.9, 300.0, -99.0]), [3 ^ 0x80, 1 ^ 0x80, 255 ^ 0x80, 0x80]);
    }

    #[test]
    fn a_score_is_the_product_with_what_the_bytes_stand_for() {
        let rows: Vec<f32> = (0..11 * 40).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        let code = ScalarQuantiser::train(&rows, 40);
        let (list, query) = (code.encode(&rows), &code.queries(&rows[..40])[0]);
        let mut scores = vec![0.0; 11];
        code.scan(query, &list, &mut scores);
        for (row, (x, score)) in rows.chunks(40).zip(scores).enumerate() {
            assert_eq!(score, code.score(query, &list, row));
            let exact: f32 = x.iter().zip(&rows[..40]).map(|(x, q)| x * q).sum();
            // Half a step of at most 2 / 255 for each of 40 components.
            assert!((score - exact).abs() < 40.0 / 255.0, "row {row}: {score} {exact}");
        }
    }
}
