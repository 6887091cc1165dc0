//! The paired t test.
//! Student, Biometrika 1908; for IR: Smucker, Allan and Carterette, CIKM 2007.
//!
//! Is the mean difference far from zero, measured in its own standard error?
//!
//! ```text
//! t = mean(d) / (sd(d) / √n),  with n - 1 degrees of freedom
//! ```

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Outcome, deviation, mean};

/// The two-sided test of `differences` against zero. Without any difference `p` is 1.
pub fn paired_t(differences: &[f64]) -> Outcome {
    if differences.len() < 2 || differences.iter().all(|&difference| difference == 0.0) {
        return Outcome { statistic: 0.0, p: 1.0 };
    }
    let n = differences.len() as f64;
    let t = mean(differences) / (deviation(differences) / n.sqrt());
    let student = StudentsT::new(0.0, 1.0, n - 1.0).expect("n - 1 is at least 1");
    let p = if t.is_finite() { 2.0 * student.sf(t.abs()) } else { 0.0 };
    Outcome { statistic: t, p }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // mean 2, sd 1, n 3: t = 2 / (1 / √3) = 3.4641; with 2 degrees of freedom p = 1 - t / √(t² + 2) = 0.0742
        let outcome = paired_t(&[1.0, 2.0, 3.0]);
        let t = 12f64.sqrt();
        assert!((outcome.statistic - t).abs() < 1e-12);
        assert!((outcome.p - (1.0 - t / (t * t + 2.0).sqrt())).abs() < 1e-9, "{outcome:?}");
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(paired_t(&[0.0; 5]), Outcome { statistic: 0.0, p: 1.0 });
        assert_eq!(paired_t(&[0.5; 5]).p, 0.0);
    }
}
