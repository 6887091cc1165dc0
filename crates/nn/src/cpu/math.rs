//! The functions inside a transformer, on registers.
//!
//! Polynomials are minimax fits (Lawson's iteration over Chebyshev nodes, in `f64`). They need multiplications and
//! additions only, which every processor has many of.

use nir_kernels::Lanes;

use super::arithmetic::Arithmetic;

/// The activation function after the first linear layer of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x`: no activation.
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x Φ(x)` with the exact normal distribution: `gelu` in the configs of BERT. Hendrycks and Gimpel, 2016.
    Gelu,
    /// `x / (1 + exp(-2 √(2/π) (x + 0.044715 x³)))`: `gelu_new`, `gelu_pytorch_tanh`. Ibidem, eq. of section 2.
    GeluTanh,
    /// `x / (1 + exp(-x))`: `silu`, `swish`. Elfwing, Uchibe and Doya, 2017.
    Silu,
}

/// The formula by which an [`Activation`] is computed.
#[derive(Clone, Copy)]
pub(super) enum Function {
    Identity,
    Relu,
    Gelu,
    GeluForBytes,
    GeluTanh,
    Silu,
}

impl Activation {
    /// The formula for this activation; in int8 arithmetic a shorter one, whose error is below that of the bytes.
    pub(super) fn function(self, arithmetic: Arithmetic) -> Function {
        match (self, arithmetic) {
            (Self::Identity, _) => Function::Identity,
            (Self::Relu, _) => Function::Relu,
            (Self::Gelu, Arithmetic::F32) => Function::Gelu,
            (Self::Gelu, Arithmetic::Int8) => Function::GeluForBytes,
            (Self::GeluTanh, _) => Function::GeluTanh,
            (Self::Silu, _) => Function::Silu,
        }
    }
}

impl Function {
    #[inline(always)]
    pub(super) fn apply<V: Lanes>(self, x: V) -> V {
        match self {
            Self::Identity => x,
            Self::Relu => x.max(V::splat(0.0)),
            Self::Gelu => gelu(x, GELU_END, GELU),
            Self::GeluForBytes => gelu(x, SHORT_GELU_END, SHORT_GELU),
            Self::GeluTanh => gelu_tanh(x),
            Self::Silu => silu(x),
        }
    }
}

/// The polynomial `c[0] + c[1] x + c[2] x² …`.
#[inline(always)]
fn polynomial<V: Lanes, const N: usize>(x: V, coefficients: [f32; N]) -> V {
    let mut value = V::splat(coefficients[N - 1]);
    for term in (0..N - 1).rev() {
        value = value.mul_add(x, V::splat(coefficients[term]));
    }
    value
}

/// `2^x` for `x ≤ 127`, with an error of at most 1 unit in the last place; for `x` below -126 the result is `2^-126`.
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

/// The end of the polynomial for [`gelu`] in f32. The absolute error is below 8e-7 (that of the formula itself in `f32`
/// is 4.5e-7).
pub(super) const GELU_END: f32 = 5.4;
#[rustfmt::skip]
pub(super) const GELU: [f32; 15] = [
    0.130_928_11, -0.065_328_054, 0.048_499_59, -0.039_206_81, 0.032_116_59, -0.025_746_48, 0.019_645_18,
    -0.013_963_233, 0.009_651_065, -0.006_715_508_6, 0.003_659_156_4, -0.001_186_253_6, 0.000_874_730_3,
    -0.001_028_423_7, 0.000_392_927_12,
];

/// The end of the shorter polynomial for [`gelu`]. The absolute error is below 2e-4 for `|x| ≤ 8`: a hundredth of the
/// error of rounding a row whose values lie 5 apart to bytes.
const SHORT_GELU_END: f32 = 4.0;
const SHORT_GELU: [f32; 7] = [
    0.175_970_29,
    -0.084_427_95,
    0.055_410_15,
    -0.035_451_41,
    0.024_083_892,
    -0.016_566_46,
    0.005_985_204,
];

/// `x Φ(x)`
///
/// `Φ(x) = 1/2 + x R(x²)`, and `R` is smooth enough for one polynomial over `|x| ≤ end`, beyond which `Φ` is taken for
/// 0 or 1. No exponential and no division: half the instructions of the usual rational form of `erf`.
///
/// - `r`: `R` in `2 x² / end² - 1`, which lies in [-1, 1]
#[inline(always)]
pub(super) fn gelu<V: Lanes, const N: usize>(x: V, end: f32, r: [f32; N]) -> V {
    x * normal(x, end, r)
}

/// The derivative of [`gelu`], `Φ(x) + x φ(x)`.
#[inline(always)]
pub(super) fn gelu_slope<V: Lanes>(x: V) -> V {
    const HALF_LOG2_E: f32 = std::f32::consts::LOG2_E / 2.0;
    const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
    let density = exp2(x * x * V::splat(-HALF_LOG2_E)) * V::splat(DENSITY);
    x.mul_add(density, normal(x, GELU_END, GELU))
}

/// The cumulative normal distribution `Φ(x)`.
#[inline(always)]
fn normal<V: Lanes, const N: usize>(x: V, end: f32, r: [f32; N]) -> V {
    let inner = x.max(V::splat(-end)).min(V::splat(end));
    let t = (inner * inner).mul_add(V::splat(2.0 / (end * end)), V::splat(-1.0));
    let phi = polynomial(t, r).mul_add(inner, V::splat(0.5));
    phi.max(V::splat(0.0)).min(V::splat(1.0))
}

#[inline(always)]
fn gelu_tanh<V: Lanes>(x: V) -> V {
    // -2 √(2/π) log2(e)
    const SCALE: f32 = -2.302_208_2;
    let cubic = (x * x).mul_add(V::splat(0.044_715), V::splat(1.0)) * x;
    let exponent = (cubic * V::splat(SCALE)).max(V::splat(-126.0)).min(V::splat(126.0));
    x.over(exp2(exponent) + V::splat(1.0))
}

#[inline(always)]
fn silu<V: Lanes>(x: V) -> V {
    let exponent = x * V::splat(-std::f32::consts::LOG2_E);
    let exponent = exponent.max(V::splat(-126.0)).min(V::splat(126.0));
    x.over(exp2(exponent) + V::splat(1.0))
}
