//! The functions inside a transformer, on registers.
//!
//! Polynomials are minimax fits (Lawson's iteration over Chebyshev nodes, in `f64`). They need multiplications and
//! additions only, which every processor has many of.

use super::kernels::Lanes;

/// What follows the first linear layer of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x Φ(x)` with the exact normal distribution: `gelu` in the configs of BERT. Hendrycks and Gimpel, 2016.
    Gelu,
    /// `x / (1 + exp(-2 √(2/π) (x + 0.044715 x³)))`: `gelu_new`, `gelu_pytorch_tanh`. Ibidem, eq. of section 2.
    GeluTanh,
}

impl Activation {
    #[inline(always)]
    pub(super) fn apply<V: Lanes>(self, x: V) -> V {
        match self {
            Self::Identity => x,
            Self::Relu => x.max(V::splat(0.0)),
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
        }
    }
}

/// `c[0] + c[1] x + c[2] x² …`
#[inline(always)]
fn polynomial<V: Lanes, const N: usize>(x: V, coefficients: [f32; N]) -> V {
    let mut value = V::splat(coefficients[N - 1]);
    for term in (0..N - 1).rev() {
        value = value.mul_add(x, V::splat(coefficients[term]));
    }
    value
}

/// `2^x` for `x ≤ 127`, to 1 unit in the last place; below `2^-126` it stays there.
///
/// `x = n + r` with a whole `n` and `|r| ≤ 1/2`. Adding `1.5 · 2^23` leaves a float no room for a fraction, so that
/// its lowest bits are `n`; with the exponent's bias added too, a shift makes them `2^n`.
#[inline(always)]
pub(super) fn exp2<V: Lanes>(x: V) -> V {
    const ROUND: f32 = 12_582_912.0 + 127.0; // 1.5 · 2^23 and the bias of an exponent
    #[rustfmt::skip]
    const POWER: [f32; 7] = [
        1.0, std::f32::consts::LN_2, 0.240_226_46, 0.055_503_286, 0.009_618_489, 0.001_339_993_1, 0.000_153_458_13,
    ]; // 2^r, relative error 1.9e-9
    let x = x.max(V::splat(-126.0));
    let rounded = x + V::splat(ROUND);
    let r = x - (rounded - V::splat(ROUND));
    polynomial(r, POWER) * rounded.bits_to_exponent()
}

/// `x Φ(x)`, absolute error below 8e-7 (that of the formula itself in `f32` is 4.5e-7).
///
/// `Φ(x) = 1/2 + x R(x²)`, and `R` is smooth enough for one polynomial over `|x| ≤ 5.4`, where `Φ` is 1 to the last
/// bit. No exponential and no division: half the instructions of the usual rational form of `erf`.
#[inline(always)]
fn gelu<V: Lanes>(x: V) -> V {
    const END: f32 = 5.4;
    #[rustfmt::skip]
    const R: [f32; 15] = [
        0.130_928_11, -0.065_328_054, 0.048_499_59, -0.039_206_81, 0.032_116_59, -0.025_746_48, 0.019_645_18,
        -0.013_963_233, 0.009_651_065, -0.006_715_508_6, 0.003_659_156_4, -0.001_186_253_6, 0.000_874_730_3,
        -0.001_028_423_7, 0.000_392_927_12,
    ]; // in 2 x² / END² - 1, which lies in [-1, 1]; error of x R(x²) 2.8e-8
    let inner = x.max(V::splat(-END)).min(V::splat(END));
    let t = (inner * inner).mul_add(V::splat(2.0 / (END * END)), V::splat(-1.0));
    let phi = polynomial(t, R).mul_add(inner, V::splat(0.5));
    x * phi.max(V::splat(0.0)).min(V::splat(1.0))
}

#[inline(always)]
fn gelu_tanh<V: Lanes>(x: V) -> V {
    // -2 √(2/π) log2(e)
    const SCALE: f32 = -2.302_208_2;
    let cubic = (x * x).mul_add(V::splat(0.044_715), V::splat(1.0)) * x;
    let exponent = (cubic * V::splat(SCALE)).max(V::splat(-126.0)).min(V::splat(126.0));
    x.over(exp2(exponent) + V::splat(1.0))
}
