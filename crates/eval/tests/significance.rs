//! Figures of scipy 1.17.1, reproduced: `ttest_rel`, `wilcoxon`, `tukey_hsd` and `studentized_range`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nir_core::{Qrels, TrecRun};
use nir_eval::significance::{
    Correction, Outcome, Settings, Test, Unpaired, compare, detectable, paired_t,
    studentised_range_survival, tukey_hsd, tukey_hsd_by_query, wilcoxon,
};
use nir_eval::{Evaluation, Measure, Policy, evaluate};
use proptest::prelude::*;

const A: [f64; 12] = [0.12, 0.40, 0.33, 0.58, 0.07, 0.91, 0.25, 0.66, 0.49, 0.18, 0.73, 0.38];
const B: [f64; 12] = [0.20, 0.47, 0.30, 0.71, 0.05, 0.95, 0.41, 0.60, 0.68, 0.28, 0.70, 0.53];
const C: [f64; 12] = [0.31, 0.44, 0.52, 0.69, 0.11, 0.93, 0.46, 0.81, 0.65, 0.22, 0.88, 0.57];

fn less(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn close(ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() < tolerance, "{ours} is not {theirs}");
}

fn same(ours: Outcome, statistic: f64, p: f64) {
    close(ours.statistic, statistic, 1e-9);
    close(ours.p, p, 1e-9);
}

#[test]
fn the_t_test_is_scipys() {
    same(paired_t(&less(&B, &A)), 2.655_290_737_400_787, 0.022_374_045_278_007_276);
    same(paired_t(&less(&C, &A)), 6.066_834_494_505_572_6, 8.111_701_194_310_131e-5);
}

#[test]
fn the_signed_rank_test_is_scipys_in_each_of_its_three_ways() {
    // Exact: 10 and 40 differences, none zero, none equal.
    let ten = [0.03, -0.01, 0.08, 0.05, -0.02, 0.13, 0.07, -0.04, 0.11, 0.06];
    same(wilcoxon(&ten), 7.0, 0.037_109_375);
    let spread = |n: i32, shift: i32| -> Vec<f64> {
        let value = |i| f64::from((i * 17) % (n + 1) - shift) / 100.0 + f64::from(i) * 1e-5;
        (0..n).map(value).collect()
    };
    same(wilcoxon(&spread(40, 14)), 206.0, 0.005_332_173_790_520_756);
    // Exact given the ties and the zero: 10 differences.
    let tied = [0.1, 0.1, -0.1, 0.2, 0.0, 0.3, -0.2, 0.4, 0.1, 0.5];
    same(wilcoxon(&tied), 8.0, 0.105_468_75);
    // Normal: 20 with ties and zeros; 60 without.
    let twenty: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 11 - 3) / 10.0).collect();
    same(wilcoxon(&twenty), 34.0, 0.024_445_369_306_417_008);
    same(wilcoxon(&spread(60, 24)), 596.0, 0.018_856_723_975_066_422);
}

#[test]
fn the_studentised_range_is_scipys() {
    for (q, groups, freedom, p) in [
        (3.0, 3, 10.0, 0.134_983_415_189_562_58),
        (3.5, 5, 40.0, 0.116_902_474_475_307_22),
        (4.2, 10, 500.0, 0.090_048_470_342_399_71),
        (2.0, 2, 5.0, 0.216_437_229_269_685_34),
        (6.0, 4, 3.0, 0.069_911_089_789_372_88),
        (3.3, 3, 13_958.0, 0.051_342_886_055_462_89),
        (1.0, 8, 30.0, 0.996_128_285_766_503_6),
        (5.0, 6, 120.0, 0.007_474_231_874_465_72),
        (10.0, 3, 1.0, 0.133_826_385_772_577),
        (4.0, 30, 60.0, 0.534_144_709_988_808_4),
    ] {
        close(studentised_range_survival(q, groups, freedom), p, 1e-6);
    }
}

#[test]
fn the_detectable_difference_is_statsmodels() {
    // statsmodels 0.15.0: TTestPower().solve_power(nobs=n, alpha=level, power=.8), in standard deviations; where its own
    // solver stops early (n = 25, 120 at .05/15), scipy.stats.nct solved to 1e-14.
    for (n, level, expected) in [
        (3, 0.05, 3.264_043_549_699_573),
        (6, 0.05, 1.434_544_782_040_401),
        (25, 0.05, 0.584_026_671_550_084_8),
        (50, 0.05 / 15.0, 0.558_822_218_084_709_3),
        (120, 0.05, 0.257_835_392_445_013_1),
        (120, 0.05 / 15.0, 0.351_146_039_826_837_7),
        (300, 0.05 / 30.0, 0.232_028_207_888_812),
        (6980, 0.05 / 4.0, 0.039_978_663_189_406_56),
    ] {
        let values: Vec<f64> = (0..n).map(|i| f64::from(i % 5)).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / f64::from(n - 1)).sqrt();
        close(detectable(&values, level).unwrap() / deviation, expected, 1e-6);
    }
    close(detectable(&less(&B, &A), 0.05).unwrap(), 0.075_357_195_768_518_29, 1e-7);
}

#[test]
fn tukeys_test_is_scipys() {
    let p = |pairs: Vec<nir_eval::significance::Pair>| {
        pairs.iter().map(|pair| pair.p).collect::<Vec<_>>()
    };
    let equal = p(tukey_hsd(&[&A, &B, &C]));
    for (ours, theirs) in equal.iter().zip([0.810_841_48, 0.471_865_6, 0.840_339_33]) {
        close(*ours, theirs, 1e-6);
    }
    let unequal = p(tukey_hsd(&[&A[..7], &B, &C[..9]]));
    for (ours, theirs) in unequal.iter().zip([0.659_157_28, 0.433_216_27, 0.877_827_23]) {
        close(*ours, theirs, 1e-6);
    }
}

#[test]
fn taking_queries_out_finds_what_a_one_way_test_misses() {
    // scipy: studentized_range.sf of q = 3.7087, 7.0845, 3.3759 with 3 systems and 22 degrees of freedom.
    let pairs = tukey_hsd_by_query(&[&A, &B, &C]);
    let theirs = [0.039_677_835_754_558_08, 1.470_173_619_875_225_8e-4, 0.064_565_630_892_838_29];
    for (pair, p) in pairs.iter().zip(theirs) {
        close(pair.p, p, 1e-6);
    }
}

/// Twenty queries; the run finds the relevant document of query `i` at rank `1 + i % modulus`.
fn evaluation(modulus: usize) -> Evaluation {
    let mut qrels = Qrels::default();
    let mut run = TrecRun::default();
    for query in 0..20 {
        let query_id = format!("q{query}");
        qrels.insert(&query_id, &format!("d{}", query % modulus), 1);
        for doc in 0..modulus {
            run.list_mut(&query_id).push(&format!("d{doc}"), -(doc as f64), doc as u32 + 1);
        }
    }
    let measures: Vec<Measure> = vec!["RR@10".parse().unwrap(), "NumRet".parse().unwrap()];
    evaluate(&qrels, &run, &measures, Policy::default()).unwrap()
}

fn settings(test: Test) -> Settings {
    Settings { test, correction: Correction::Holm, seed: 1, samples: 2000, confidence: 0.95 }
}

#[test]
fn a_comparison_counts_every_system_as_one_more() {
    let baseline = evaluation(4);
    let (better, same) = (evaluation(2), evaluation(4));
    for test in [Test::T, Test::Wilcoxon, Test::Randomisation] {
        let compared = compare(&baseline, &[&better, &same], &settings(test)).unwrap();
        // Counts are not compared.
        assert_eq!(compared.len(), 2);
        assert!(compared[0].outcome.p < 0.01 && compared[1].outcome.p == 1.0, "{test}");
        assert_eq!(compared[0].corrected_p, 2.0 * compared[0].outcome.p);
        assert!(
            compared[0].interval.low > 0.0 && compared[0].interval.low < compared[0].difference
        );
        // Queries 2 and 3 of every four win.
        assert_eq!((compared[0].tally.wins, compared[0].tally.ties), (10, 10));
    }
}

#[test]
fn runs_over_other_queries_are_not_compared() {
    let baseline = evaluation(4);
    let mut fewer = evaluation(4);
    fewer.queries.pop();
    assert_eq!(compare(&baseline, &[&fewer], &settings(Test::T)).unwrap_err(), Unpaired);
}

proptest! {
    #[test]
    fn turning_the_sign_turns_nothing_else(differences in prop::collection::vec(-1.0..1.0f64, 3..60)) {
        let turned: Vec<f64> = differences.iter().map(|difference| -difference).collect();
        let (t, other) = (paired_t(&differences), paired_t(&turned));
        prop_assert!((t.p - other.p).abs() < 1e-12 && (t.statistic + other.statistic).abs() < 1e-9);
        let (w, other) = (wilcoxon(&differences), wilcoxon(&turned));
        prop_assert!((w.p - other.p).abs() < 1e-9 && w.statistic == other.statistic);
        prop_assert!((0.0..=1.0).contains(&t.p) && (0.0..=1.0).contains(&w.p));
    }
}
