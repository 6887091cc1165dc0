//! The smallest difference that a paired comparison can show.
//! Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988; for IR: Sakai, Topic set size design, Information
//! Retrieval Journal 2016, whose `minD` for the paired t test this is, solved for the difference in place of the number
//! of queries.
//!
//! If the true mean difference is `δ` and single differences scatter by `σ`, the t statistic of `n` queries follows a
//! noncentral t distribution. Power is the chance that it lies beyond the critical value.
//!
//! ```text
//! λ        = √n · δ / σ                                              (noncentrality, ν = n - 1)
//! power(λ) = 1 - F(t_c; ν, λ) + F(-t_c; ν, λ)                        t_c = t_{1 - α/2; ν}
//! F(t; ν, λ) = ∫ f(s) Φ(t s - λ) ds                                  s = √(χ²_ν / ν), f its density
//! detectable = λ* σ / √n  with  power(λ*) = 0.80
//! ```
//!
//! `σ` is the standard deviation of the differences that were observed, so the figure is that of this pair of systems on
//! these queries. It does not use the difference that was observed: the power of that would only restate `p` (Hoenig and
//! Heisey, The American Statistician 2001). The randomisation test has the same power where the t test's assumptions hold,
//! and nearly the same elsewhere, so the figure serves all three tests.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::deviation;
use super::studentised_range::{REACH, normal_below, scale_density, simpson};

/// The chance that a difference of the detectable size is found: 80 %, as Cohen and Sakai have it.
pub const POWER: f64 = 0.80;
/// Halvings of the range in which the noncentrality lies: 2^-60 of it is below the rounding of `f64`.
const HALVINGS: u32 = 60;

/// The smallest true mean difference that a two-sided paired t test at `level` finds with a chance of [`POWER`], given
/// how the observed `differences` scatter. None for fewer than two queries, and where no query differs: there is nothing
/// to estimate a spread from.
///
/// ```
/// use nir_eval::significance::detectable;
/// // Two differences in opposite directions: sd = √2, ν = 1, where power is had only by a large difference.
/// assert!(detectable(&[1.0, -1.0], 0.05).is_some_and(|difference| difference > 10.0));
/// assert_eq!(detectable(&[0.0, 0.0], 0.05), None);
/// ```
pub fn detectable(differences: &[f64], level: f64) -> Option<f64> {
    detectable_by_dataset(&[differences], level)
}

/// The same of the mean of the means of several datasets, `1/m √Σ v_k` being its standard error where `v_k` is the variance of
/// a mean. The degrees of freedom are Welch's and Satterthwaite's (Biometrics Bulletin 1946), `(Σ v_k)² / Σ (v_k² / ν_k)`,
/// which are `n - 1` for one dataset.
pub fn detectable_by_dataset(datasets: &[&[f64]], level: f64) -> Option<f64> {
    if datasets.is_empty() || datasets.iter().any(|values| values.len() < 2) {
        return None;
    }
    let freedom = |values: &[f64]| values.len() as f64 - 1.0;
    let variance = |values: &[f64]| deviation(values).powi(2) / values.len() as f64;
    let sum: f64 = datasets.iter().map(|values| variance(values)).sum();
    let squares: f64 =
        datasets.iter().map(|values| variance(values).powi(2) / freedom(values)).sum();
    let differs = datasets.iter().any(|values| values.iter().any(|&difference| difference != 0.0));
    match (differs, sum == 0.0) {
        (false, _) => None,
        (true, true) => Some(0.0), // every query differs by as much: there is no scatter to hide in
        (true, false) => {
            let error = sum.sqrt() / datasets.len() as f64;
            Some(noncentrality(sum * sum / squares, level) * error)
        }
    }
}

/// The noncentrality `λ*` at which the test with `freedom` degrees of freedom has [`POWER`].
fn noncentrality(freedom: f64, level: f64) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom).expect("freedom is at least 1");
    let critical = student.inverse_cdf(1.0 - level / 2.0);
    let (mut low, mut high) = (0.0, critical + REACH);
    while power(high, freedom, critical) < POWER {
        high *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if power(middle, freedom, critical) < POWER { low = middle } else { high = middle }
    }
    high
}

/// The chance that |t| exceeds `critical` under the noncentrality `lambda`.
fn power(lambda: f64, freedom: f64, critical: f64) -> f64 {
    let spread = REACH / (2.0 * freedom).sqrt();
    simpson((1.0 - spread).max(0.0), 1.0 + spread, |s| {
        let beyond = normal_below(lambda - critical * s) + normal_below(-critical * s - lambda);
        scale_density(s, freedom) * beyond
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queries_make_it_the_normal_approximation() {
        // λ* → z_{.975} + z_{.80} = 1.959964 + 0.841621 = 2.801585; n = 10,000 leaves 1e-3 of difference.
        assert!((noncentrality(9_999.0, 0.05) - 2.801_585).abs() < 1e-3);
    }

    #[test]
    fn without_a_true_difference_power_is_the_level() {
        let critical = StudentsT::new(0.0, 1.0, 49.0).unwrap().inverse_cdf(0.975);
        assert!((power(0.0, 49.0, critical) - 0.05).abs() < 1e-9);
    }

    #[test]
    fn two_equal_datasets_show_less_than_one_and_by_the_root_of_two() {
        let values: Vec<f64> = (0..300).map(|i| f64::from(i % 7) - 2.5).collect();
        let one = detectable_by_dataset(&[&values], 0.05).unwrap();
        assert_eq!(detectable(&values, 0.05), Some(one));
        // λ* of 299 and of 598 degrees of freedom are 2.8106 and 2.8061 (scipy).
        let two = detectable_by_dataset(&[&values, &values], 0.05).unwrap();
        assert!((one / two - std::f64::consts::SQRT_2 * 2.8106 / 2.8061).abs() < 1e-3);
        assert_eq!(detectable_by_dataset(&[&values, &[0.0]], 0.05), None);
    }

    #[test]
    fn twice_the_spread_hides_twice_the_difference() {
        let differences: Vec<f64> = (0..30).map(|i| f64::from(i % 7) - 2.5).collect();
        let twice: Vec<f64> = differences.iter().map(|value| 2.0 * value).collect();
        let [one, two] = [&differences, &twice].map(|values| detectable(values, 0.05).unwrap());
        assert!((two / one - 2.0).abs() < 1e-12);
    }
}
