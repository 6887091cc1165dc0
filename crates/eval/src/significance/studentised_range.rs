//! The studentised range: how far apart the largest and smallest of `k` means lie by chance.
//! Newman, Biometrika 1939; the integral as Copenhaver and Holland, J. Stat. Comput. Simul. 1988, write it.
//!
//! ```text
//! P(Q > q) = 1 - ∫ f(s) W(q s) ds                       s = √(χ²_ν / ν), f its density
//! W(w)     = k ∫ φ(z) [Φ(z) - Φ(z - w)]^(k-1) dz         the range of k standard normal values
//! ```
//!
//! Both integrals are taken by Simpson's rule over the part where the integrand is not negligible.

use std::f64::consts::PI;

use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

/// Beyond this many standard deviations nothing is left to sum.
pub(super) const REACH: f64 = 12.0;
/// Where the density of a normal value ends.
const EDGE: f64 = 8.5;
/// Steps of either integral.
const STEPS: u32 = 256;

/// The chance that the range of `groups` means exceeds `q` estimated standard errors with `freedom` degrees of
/// freedom.
pub fn survival(q: f64, groups: usize, freedom: f64) -> f64 {
    if q <= 0.0 {
        return 1.0;
    }
    let spread = REACH / (2.0 * freedom).sqrt();
    let below = simpson((1.0 - spread).max(0.0), 1.0 + spread, |s| {
        scale_density(s, freedom) * range_below(q * s, groups)
    });
    (1.0 - below).clamp(0.0, 1.0)
}

/// The density of an estimated standard deviation over the true one.
pub(super) fn scale_density(s: f64, freedom: f64) -> f64 {
    if s == 0.0 {
        return if freedom > 1.0 { 0.0 } else { (2.0 / PI).sqrt() };
    }
    let half = freedom / 2.0;
    let log = half * half.ln() - ln_gamma(half) + (freedom - 1.0) * s.ln() - half * s * s;
    2.0 * log.exp()
}

/// `W(w)`.
fn range_below(w: f64, groups: usize) -> f64 {
    let others = groups as f64 - 1.0;
    let k = groups as f64;
    k * simpson(-EDGE, EDGE + w.min(EDGE), |z| {
        let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        density * (normal_below(z) - normal_below(z - w)).max(0.0).powf(others)
    })
}

/// `Φ(z)`.
pub(super) fn normal_below(z: f64) -> f64 {
    erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

pub(super) fn simpson(from: f64, to: f64, value: impl Fn(f64) -> f64) -> f64 {
    let step = (to - from) / f64::from(STEPS);
    let inner: f64 = (1..STEPS)
        .map(|i| {
            let weight = if i % 2 == 1 { 4.0 } else { 2.0 };
            weight * value(from + f64::from(i) * step)
        })
        .sum();
    (value(from) + inner + value(to)) * step / 3.0
}
