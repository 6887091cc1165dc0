//! One head of self-attention, and its keys and values as panels.

use nir_kernels::Lanes;
use nir_kernels::tiles::{Panel, Strided, float_tile};

/// The factor that the weights of queries are multiplied by before attention sees them. `terms` is the number of
/// products that a score adds up.
pub(super) fn query_scale(head_width: usize, terms: usize) -> f32 {
    std::f32::consts::LOG2_E / ((head_width * terms) as f32).sqrt()
}

/// One attention head: the columns `at..at + width` of queries, keys, values and the result.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) at: usize,
    pub(super) width: usize,
    pub(super) hidden: usize,
    /// The number of tokens that are attended to.
    pub(super) length: usize,
    /// The number of tokens that attend: those above, and any behind them.
    pub(super) reach: usize,
    /// `length` rounded up to whole registers.
    pub(super) stride: usize,
}

impl Head {
    /// Writes the keys as panels of `[head width, tokens]`.
    ///
    /// - `keys_values`: the head's keys, `at` values into rows that are `stride` apart
    #[inline(always)]
    pub(super) fn pack_keys<V: Lanes>(self, keys_values: &[f32], stride: usize, to: &mut [f32]) {
        for panel in Panel::cut(self.length, V::LANES) {
            let width = panel.across * V::LANES;
            let to = &mut to[panel.first * self.width..][..width * self.width];
            for at in (0..width).step_by(V::LANES) {
                let token = panel.first + at;
                let size = ((self.length - token).min(V::LANES), self.width);
                let keys = &keys_values[token * stride + self.at..];
                V::transpose(keys, stride, size, &mut to[at..], width);
            }
        }
    }

    /// Writes the values as panels of `[tokens, head width]`.
    #[inline(always)]
    pub(super) fn pack_values<V: Lanes>(self, keys_values: &[f32], to: &mut [f32]) {
        for panel in Panel::cut(self.width, V::LANES) {
            let width = panel.across * V::LANES;
            let used = width.min(self.width - panel.first);
            let to = to[panel.first * self.length..].chunks_exact_mut(width);
            let tokens = keys_values.chunks_exact(2 * self.hidden);
            for (token, to) in tokens.zip(to) {
                let value = &token[self.hidden + self.at + panel.first..][..used];
                for (from, to) in value.chunks(V::LANES).zip(to.chunks_exact_mut(V::LANES)) {
                    V::load(from).store(to);
                }
            }
        }
    }

    /// Computes the products of a few `rows` with the columns `used` of panels of `[head width, columns]`.
    ///
    /// - `from`: the rows, `at` values into rows that are so far apart
    /// - `out`: `[rows, columns in whole registers]`
    #[inline(always)]
    pub(super) fn products<V: Lanes>(
        self,
        (from, stride): (&[f32], usize),
        rows: usize,
        (panels, columns): (&[f32], usize),
        used: (usize, usize),
        out: &mut [f32],
    ) {
        let rows_of = Strided { values: &from[self.at..], first: 0, stride, width: self.width };
        let whole = columns.next_multiple_of(V::LANES);
        for panel in Panel::cut(columns, V::LANES) {
            if panel.first < used.1 && used.0 < panel.first + panel.across * V::LANES {
                let weights = &panels[panel.first * self.width..];
                let out = &mut out[panel.first..];
                float_tile::<V>(rows_of, rows, weights, panel.across, out, whole);
            }
        }
    }
}
