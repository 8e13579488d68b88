//! Decimal numbers of any length, to be compared only.

/// Significant digits to which two unequal decimals must agree at least.
const DIGITS_MIN: usize = 15;
/// Digits that are compared at most: what fits 128 bits.
const DIGITS_MAX: usize = 36;

/// A decimal number: `0.d1d2d3.. * 10^exponent`, with the digits as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads `-12.50` or `1.5e-7`; none for what is not a finite number.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let unsigned = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let written = whole.bytes().chain(fraction.bytes());
        if unsigned.is_empty() || !written.clone().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let zeros = written.clone().take_while(|b| *b == b'0').count();
        let digits: Vec<u8> = written.skip(zeros).map(|b| b - b'0').collect();
        let exponent = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + power;
        Some(Self { negative: negative && !digits.is_empty(), digits, exponent })
    }

    /// Whether they are the same number, or agree to the fewer digits of the two but at least
    /// fifteen: quotients and averages are written to different lengths.
    pub fn agrees_with(&self, other: &Self) -> bool {
        if self.is_zero() || other.is_zero() {
            return self.is_zero() && other.is_zero();
        }
        if self.negative != other.negative {
            return false;
        }
        if self.exponent == other.exponent && self.trimmed() == other.trimmed() {
            return true;
        }
        let top = self.exponent.max(other.exponent);
        let digits = self.digits_below(top).min(other.digits_below(top));
        if digits < DIGITS_MIN {
            return false;
        }
        let digits = digits.min(DIGITS_MAX);
        self.leading(top, digits).abs_diff(other.leading(top, digits)) <= 1
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn trimmed(&self) -> &[u8] {
        let end = self.digits.iter().rposition(|d| *d != 0).map_or(0, |last| last + 1);
        &self.digits[..end]
    }

    /// Digits written, counted from the place `10^top`.
    fn digits_below(&self, top: i64) -> usize {
        usize::try_from(top - self.exponent).unwrap_or(usize::MAX).saturating_add(self.digits.len())
    }

    /// The first `count` digits from the place `10^top`, as a number.
    fn leading(&self, top: i64, count: usize) -> u128 {
        let zeros = usize::try_from(top - self.exponent).unwrap_or(usize::MAX).min(count);
        let digits = self.digits.iter().copied().chain(std::iter::repeat(0));
        digits.take(count - zeros).fold(0, |number, digit| number * 10 + u128::from(digit))
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    fn agree(a: &str, b: &str) -> bool {
        Decimal::parse(a).unwrap().agrees_with(&Decimal::parse(b).unwrap())
    }

    #[test]
    fn numbers_are_compared_not_their_scale() {
        assert!(agree("1.50", "1.5"));
        assert!(agree("-0.00", "0"));
        assert!(agree("1.5e3", "1500"));
        assert!(!agree("1.5", "-1.5"));
        assert!(!agree("0", "0.0000000001"));
    }

    #[test]
    fn quotients_agree_to_the_fewer_digits() {
        assert!(agree("0.33333333333333333333", "0.333333333333333"));
        assert!(agree("0.66666666666666666667", "0.6666666666666666"));
        assert!(!agree("0.33333333333333333333", "0.333333"));
        assert!(agree("9.99999999999999999", "10.0000000000000000"));
        assert!(!agree("1.333333333333333", "1.333333333333433"));
    }

    #[test]
    fn whole_numbers_must_be_equal() {
        assert!(!agree("12345678901234", "12345678901235"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert_eq!(Decimal::parse("NaN"), None);
        assert_eq!(Decimal::parse(""), None);
        assert_eq!(Decimal::parse("-"), None);
    }
}
