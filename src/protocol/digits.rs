//! Large numbers as people read them.

/// A whole number with its digits in groups of three: `1 234 567`.
#[must_use]
pub fn digit_groups(figure: i64, between: char) -> String {
    let digits = figure.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if figure < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (figure, text) in
            [(0, "0"), (999, "999"), (1_000, "1 000"), (-123_456, "-123 456"), (1_234_567, "1 234 567")]
        {
            assert_eq!(digit_groups(figure, ' '), text);
        }
    }
}
