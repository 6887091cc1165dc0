//! Scores from text, fast where that is exact.

/// The powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// A double holds every whole number below this exactly.
const EXACT_WHOLE: u64 = 1 << 53;

/// Reads a decimal number, correctly rounded; nothing where it is not one (infinities are numbers, NaN is none).
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    parse_plain(text).or_else(|| parse_any(text))
}

/// `[-]digits[.digits]` with so few digits that one division is correctly rounded (Clinger, PLDI 1990).
fn parse_plain(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return None;
    }
    let (whole, before) = add_digits(0, digits);
    let (whole, after) = match digits.get(before) {
        Some(b'.') => add_digits(whole, &digits[before + 1..]),
        _ => (whole, 0),
    };
    let point = usize::from(before < digits.len());
    if before + after == 0 || before + point + after < digits.len() || whole > EXACT_WHOLE {
        return None;
    }
    let value = whole as f64 / EXACT_POWERS[after];
    Some(if negative { -value } else { value })
}

/// Appends the leading digits of `text` to `whole`; returns how many there were, too.
fn add_digits(mut whole: u64, text: &[u8]) -> (u64, usize) {
    let mut count = 0;
    for digit in text.iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
        whole = whole * 10 + u64::from(digit);
        count += 1;
    }
    (whole, count)
}

fn parse_any(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_and_others_are_not() {
        assert_eq!(parse(b"2.129133"), Some(2.129_133));
        assert_eq!(parse(b"-12"), Some(-12.0));
        assert_eq!(parse(b".5"), Some(0.5));
        assert_eq!(parse(b"5."), Some(5.0));
        assert_eq!(parse(b"1e-3"), Some(0.001));
        assert_eq!(parse(b"0.68983016570291920000001"), Some(0.689_830_165_702_919_2));
        assert_eq!(parse(b"inf"), Some(f64::INFINITY));
        for wrong in ["", "-", ".", "-.", "1.2.3", "1,5", "0x10", "nan", "NaN", "one"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_decimal_is_read_as_the_standard_library_reads_it(text in "-?[0-9]{1,12}(\\.[0-9]{0,12})?(e-?[0-9]{1,2})?") {
            prop_assert_eq!(parse(text.as_bytes()), Some(text.parse::<f64>().unwrap()));
        }
    }
}
