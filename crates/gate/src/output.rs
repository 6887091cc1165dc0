//! Checks for other programs: JUnit XML, and annotations as GitHub reads them off standard output.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::compare::{Check, Verdict};

/// XML that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("JUnit XML: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// Every check as a test case of JUnit XML: one suite for each dataset and method.
pub fn junit(comparison: &str, checks: &[Check]) -> Result<String, JunitError> {
    let mut report = Report::new(comparison);
    let of_one_row = |a: &Check, b: &Check| a.dataset == b.dataset && a.method == b.method;
    for row in checks.chunk_by(of_one_row) {
        let mut suite = TestSuite::new(format!("{}, {}", row[0].dataset, row[0].method));
        suite.add_test_cases(row.iter().map(case));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn case(check: &Check) -> TestCase {
    let mut status = match check.verdict {
        Verdict::Held | Verdict::Noted => TestCaseStatus::success(),
        Verdict::Moved => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if check.verdict == Verdict::Moved {
        status.set_type("moved").set_message(sentence(check));
    }
    let mut case = TestCase::new(check.what.to_string(), status);
    case.set_classname(&check.method).set_system_out(sentence(check));
    case
}

/// Every change as an annotation of GitHub Actions, one on each line: an error at the file that `file` gives for a
/// method. See <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.
pub fn annotations(checks: &[Check], file: impl Fn(&str) -> String) -> String {
    let moved = checks.iter().filter(|check| check.verdict == Verdict::Moved);
    moved
        .map(|check| {
            let title = property(&format!("{} moved: {}", check.what, check.method));
            let file = property(&file(&check.method));
            format!("::error file={file},title={title}::{}\n", message(&text(check)))
        })
        .collect()
}

fn text(check: &Check) -> String {
    format!("{}, {}: {}: {}", check.dataset, check.method, check.what, sentence(check))
}

fn sentence(Check { was, now, allowed, .. }: &Check) -> String {
    format!("was {was}; is {now}; allowed: {allowed}")
}

/// A message in a workflow command: the line must not end in it.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property in a workflow command: neither may the property.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::What;

    fn check(verdict: Verdict) -> Check {
        Check {
            dataset: "pocket".into(),
            method: "mine/a&b".into(),
            what: What::Measure("RR(rel=2)@10".into()),
            was: "query 100%, rank 1: `<a>`".into(),
            now: "`\u{1b}[0m\nb\"`".into(),
            allowed: "± 0".into(),
            verdict,
        }
    }

    #[test]
    fn junit_counts_what_moved_and_escapes_what_users_wrote() {
        let xml = junit("configs/ci.toml", &[check(Verdict::Held), check(Verdict::Moved)]).unwrap();
        assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
        assert!(xml.contains("mine/a&amp;b") && xml.contains("&lt;a&gt;"), "{xml}");
        assert!(!xml.contains('\u{1b}') && !xml.contains("<a>"), "{xml}");
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let text = annotations(&[check(Verdict::Moved)], |_| "configs/a,b:c.toml".to_owned());
        let expected = "::error file=configs/a%2Cb%3Ac.toml,title=RR(rel=2)@10 moved%3A mine/a&b::\
            pocket, mine/a&b: RR(rel=2)@10: was query 100%25, rank 1: `<a>`; is `\u{1b}[0m%0Ab\"`; allowed: ± 0\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_held_or_may_change_is_no_error() {
        assert_eq!(annotations(&[check(Verdict::Held), check(Verdict::Noted)], str::to_owned), "");
    }
}
