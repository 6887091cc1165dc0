//! Grades from text.

/// What a grade must be, in the words of an error.
pub(crate) const EXPECTED: &str = "a whole number as grade, such as `1` or `1.0` (grades in between have to be scaled and rounded first)";

/// A whole number, written as one (`2`, `-1`) or as tools for tables write it (`2.0`, `1e0`); none where it is not whole.
pub(crate) fn parse(text: &str) -> Option<i32> {
    text.parse().ok().or_else(|| whole(text))
}

fn whole(text: &str) -> Option<i32> {
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => {
            whole.parse().ok()
        }
        _ => of_f64(text.parse().ok().filter(|_| text.contains(['e', 'E']))?),
    }
}

/// The whole number of a grade that a file holds as a float; `None` if it is not whole.
pub(crate) fn of_f64(value: f64) -> Option<i32> {
    let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
    (value.fract() == 0.0 && range.contains(&value)).then_some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_grades_however_they_are_written() {
        for (text, grade) in [
            ("2", 2),
            ("+1", 1),
            ("-1", -1),
            ("1.0", 1),
            ("0.0", 0),
            ("-2.000", -2),
            ("1.", 1),
            ("1e0", 1),
            ("2E+1", 20),
        ] {
            assert_eq!(parse(text), Some(grade), "{text}");
        }
    }

    #[test]
    fn nothing_is_rounded() {
        let wrong = [
            "0.7",
            "1.00000000000000000001",
            "3000000000",
            "-2147483649",
            "1e-1",
            "1e10",
            "inf",
            "nan",
            "NaN",
            "good",
            "",
            ".",
            "1,0",
            "0x1",
            "1.0.0",
            "- 1",
            "1e",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
