//! Numbers to the last digit: a JSON number is held only if what is held is the same decimal number.

use layerstore::Value;

/// A decimal number in one form only: no leading or trailing zeros, `0.DIGITS * 10^exponent`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Holds a JSON number token as `u64`, `i64` or `f64`; `None` when none of them is the same number to the last digit.
pub(crate) fn exact(token: &str) -> Option<Value> {
    if let Ok(number) = token.parse::<u64>() {
        return Some(Value::U64(number));
    }
    // "-0" is kept as a float, which has a negative zero; as an integer it would lose its sign.
    if let Ok(number) = token.parse::<i64>()
        && number != 0
    {
        return Some(Value::I64(number));
    }
    let number: f64 = token.parse().ok().filter(|number: &f64| number.is_finite())?;
    (decimal(&text(number)) == decimal(token)).then_some(Value::F64(number))
}

/// Writes a finite float in the shortest form that reads back as the same float.
pub(crate) fn text(number: f64) -> String {
    // Rust's `{:?}` is the shortest form, and always shows that it is a float.
    format!("{number:?}")
}

/// Brings a JSON number token into the one form. Zero has neither digits nor exponent.
fn decimal(token: &str) -> Decimal {
    let (negative, unsigned) = match token.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, token),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = length(whole) - length_of(leading);
    let exponent = if digits.is_empty() {
        0
    } else {
        power(exponent).saturating_add(point)
    };
    Decimal {
        negative,
        digits,
        exponent,
    }
}

/// Reads an exponent; one that no float reaches ends at the edge of `i64`, far from every float.
fn power(text: &str) -> i64 {
    let edge = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    text.parse().unwrap_or(edge)
}

fn length(text: &str) -> i64 {
    length_of(text.len())
}

fn length_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_held_as_integers() {
        assert_eq!(exact("0"), Some(Value::U64(0)));
        assert_eq!(exact("18446744073709551615"), Some(Value::U64(u64::MAX)));
        assert_eq!(exact("-9223372036854775808"), Some(Value::I64(i64::MIN)));
    }

    #[test]
    fn c4_a_number_is_held_only_if_it_is_the_same_to_the_last_digit() {
        for token in [
            "0.1",
            "-0.0",
            "-0",
            "1e22",
            "1E+2",
            "1.50",
            "100.000",
            "5e-324",
            "0.000001",
            "0e999999999999999999999",
            "1.7976931348623157e308",
            "18446744073709552000",
            "-9223372036854776e3",
        ] {
            assert!(matches!(exact(token), Some(Value::F64(_))), "{token}");
        }
        for token in [
            "18446744073709551617",
            "-9223372036854775809",
            "0.1000000000000000055511151231257827",
            "3.14159265358979323846",
            "1e400",
            "1e-400",
            "1e99999999999999999999999",
            "1e-99999999999999999999999",
            "123456789012345678901234567890",
            "4.9e-324",
        ] {
            assert_eq!(exact(token), None, "{token}");
        }
    }

    #[test]
    fn every_float_reads_back_from_its_text() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let number = f64::from_bits(rng.u64(..));
            if number.is_finite() {
                assert_eq!(exact(&text(number)), Some(Value::F64(number)), "{number:e}");
            }
        }
    }
}
