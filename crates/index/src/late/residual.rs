//! Token vectors as a centroid and a few bits for each component of what is left.
//! Santhanam, Khattab, Saad-Falcon, Potts and Zaharia, ColBERTv2: Effective and Efficient Retrieval via Lightweight Late
//! Interaction, NAACL 2022, section 3.3.
//!
//! ```text
//! v ≈ c + weight[bucket(v - c)], scaled to length one         bucket: 2^b of them, equally full
//! ```
//!
//! All components share the buckets. Their borders are quantiles of a sample's residuals, and a bucket stands for
//! the quantile in its middle, as the authors' code has it, `colbert/indexing/codecs/residual.py`.

use rayon::prelude::*;

use crate::codes::{Centroids, Reader};

/// Centroids, and buckets for what is left of a vector without its centroid.
#[derive(Debug, Clone)]
pub struct ResidualCode {
    centroids: Centroids,
    bits: usize,
    /// The values at which a bucket ends and the next begins: `2^bits - 1` of them, ascending.
    borders: Vec<f32>,
    /// The value that each of the `2^bits` buckets stands for.
    weights: Vec<f32>,
    /// The components that a byte of buckets stands for, `8 / bits` of them.
    bytes: Vec<[f32; 8]>,
}

impl ResidualCode {
    /// Takes centroids and buckets as they were trained elsewhere.
    ///
    /// # Panics
    /// If there are not 2, 4 or 16 buckets, or the components of a vector do not fill whole bytes.
    pub fn new(centroids: Centroids, borders: Vec<f32>, weights: Vec<f32>) -> Self {
        let bits = weights.len().ilog2() as usize;
        assert!(matches!(weights.len(), 2 | 4 | 16), "a bucket is 1, 2 or 4 bits");
        assert_eq!(borders.len() + 1, weights.len(), "a border between any two buckets");
        assert_eq!(centroids.dim() * bits % 8, 0, "components fill whole bytes");
        let component =
            |byte: usize, at: usize| weights[byte >> (at * bits % 8) & (weights.len() - 1)];
        let of = |byte| std::array::from_fn(|at| component(byte, at));
        let bytes = (0..256).map(of).collect();
        Self { centroids, bits, borders, weights, bytes }
    }

    /// Fits buckets of `bits` bits to what the centroids leave of `tokens`, `[n, dim]`, a sample.
    ///
    /// # Panics
    /// If `bits` is not 1, 2 or 4, or there is no token.
    pub fn train(centroids: Centroids, bits: usize, tokens: &[f32]) -> Self {
        let mut left: Vec<f32> = tokens.to_vec();
        let nearest = centroids.assign(tokens);
        for (token, found) in left.chunks_exact_mut(centroids.dim()).zip(nearest) {
            let centroid = centroids.row(found.centroid as usize);
            token.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
        }
        left.par_sort_unstable_by(f32::total_cmp);
        let buckets = 1_usize << bits;
        // In halves of a bucket, so that borders and middles are the same formula.
        let quantile = |halves: usize| left[(left.len() - 1) * halves / (2 * buckets)];
        let borders = (1..buckets).map(|bucket| quantile(2 * bucket)).collect();
        let weights = (0..buckets).map(|bucket| quantile(2 * bucket + 1)).collect();
        Self::new(centroids, borders, weights)
    }

    /// The centroids.
    pub fn centroids(&self) -> &Centroids {
        &self.centroids
    }

    /// The number of bits of a component.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Bytes of a token: the number of its centroid, and its buckets.
    pub(super) fn token_bytes(&self) -> usize {
        4 + self.centroids.dim() * self.bits / 8
    }

    pub(super) fn encode(&self, tokens: &[f32]) -> Vec<u8> {
        let nearest = self.centroids.assign(tokens);
        let each = tokens.par_chunks_exact(self.centroids.dim()).zip(nearest);
        each.flat_map_iter(|(token, found)| self.encode_one(token, found.centroid)).collect()
    }

    fn encode_one(&self, token: &[f32], centroid: u32) -> Vec<u8> {
        let mut bytes = centroid.to_le_bytes().to_vec();
        let row = self.centroids.row(centroid as usize);
        for (x, c) in token.chunks_exact(8 / self.bits).zip(row.chunks_exact(8 / self.bits)) {
            let left = x.iter().zip(c).map(|(x, c)| x - c).enumerate();
            bytes
                .push(left.map(|(at, x)| self.bucket(x) << (at * self.bits)).fold(0, |a, b| a | b));
        }
        bytes
    }

    fn bucket(&self, x: f32) -> u8 {
        self.borders.partition_point(|&border| border < x) as u8
    }

    /// The number of a stored token's centroid.
    pub(super) fn centroid(token: &[u8]) -> u32 {
        u32::from_le_bytes(*token.first_chunk().expect("a token begins with its centroid"))
    }

    pub(super) fn decode(&self, token: &[u8], into: &mut [f32]) {
        let centroid = self.centroids.row(Self::centroid(token) as usize);
        let per_byte = 8 / self.bits;
        let pieces = into.chunks_exact_mut(per_byte).zip(centroid.chunks_exact(per_byte));
        for ((into, centroid), &byte) in pieces.zip(&token[4..]) {
            let weights = &self.bytes[usize::from(byte)];
            into.iter_mut().zip(centroid).zip(weights).for_each(|((x, c), w)| *x = c + w);
        }
        let length = squares(into).sqrt().max(f32::MIN_POSITIVE);
        into.iter_mut().for_each(|x| *x /= length);
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let shape = [self.bits, self.centroids.dim(), self.centroids.len()].map(|n| n as u32);
        let floats = self.borders.iter().chain(&self.weights).chain(self.centroids.values());
        let floats = floats.flat_map(|x| x.to_le_bytes());
        shape.into_iter().flat_map(u32::to_le_bytes).chain(floats).collect()
    }

    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        let [bits, dim, len] = from.numbers()?;
        let sound = matches!(bits, 1 | 2 | 4) && dim > 0 && dim * bits % 8 == 0 && len > 0;
        let buckets = 1_usize << if sound { bits } else { return None };
        let (borders, weights) = (from.floats(buckets - 1)?, from.floats(buckets)?);
        let centroids = Centroids::new(from.floats(len.checked_mul(dim)?)?, dim);
        Some(Self::new(centroids, borders, weights))
    }
}

/// `Σ x²`, in sixteen sums, so that an addition does not wait for the one before.
fn squares(row: &[f32]) -> f32 {
    let (whole, rest) = row.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for lanes in whole {
        sums.iter_mut().zip(lanes).for_each(|(sum, x)| *sum += x * x);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_becomes_the_middle_of_its_bucket() {
        // One centroid at (3, 0, …); two bits. 0.6 is left of 3.6: the bucket from 0 to 1 stands for 0.5.
        let mut centroid = vec![0.0; 4];
        centroid[0] = 3.0;
        let (borders, weights) = (vec![-1.0, 0.0, 1.0], vec![-1.5, -0.5, 0.5, 1.5]);
        let code = ResidualCode::new(Centroids::new(centroid, 4), borders, weights);
        let token = code.encode(&[3.6, -0.2, 5.0, -7.0]);
        // Buckets 2, 1, 3 and 0, the first component in the lowest bits.
        assert_eq!(token, [0, 0, 0, 0, 0b00_11_01_10]);
        let mut decoded = [0.0; 4];
        code.decode(&token, &mut decoded);
        let length = (3.5_f32 * 3.5 + 0.5 * 0.5 + 1.5 * 1.5 + 1.5 * 1.5).sqrt();
        for (x, y) in decoded.iter().zip([3.5, -0.5, 1.5, -1.5]) {
            assert!((x - y / length).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn more_bits_lose_less() {
        let mut tokens: Vec<f32> = (0..64 * 200).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        tokens.chunks_exact_mut(64).for_each(|token| {
            let length = squares(token).sqrt();
            token.iter_mut().for_each(|x| *x /= length);
        });
        let centroids = Centroids::new(tokens[..64 * 10].to_vec(), 64);
        let error = |bits| {
            let code = ResidualCode::train(centroids.clone(), bits, &tokens);
            let mut decoded = vec![0.0; tokens.len()];
            let bytes = code.encode(&tokens);
            let each = decoded.chunks_exact_mut(64).zip(bytes.chunks_exact(code.token_bytes()));
            each.for_each(|(into, token)| code.decode(token, into));
            tokens.iter().zip(decoded).map(|(x, y)| (x - y).powi(2)).sum::<f32>()
        };
        assert!(error(4) < error(2) / 2.0 && error(2) < error(1) / 2.0);
    }
}
