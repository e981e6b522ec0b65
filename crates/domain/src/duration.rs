//! Lengths of time as configs write them: `20m`, `1.5h`, `1h30m`.

/// The longest length of time that is one: longer than anything runs, and far from overflow.
const MAX_MS: f64 = 10.0 * 365.0 * 24.0 * 3600.0 * 1000.0;

/// Milliseconds of a length of time, rounded down; at least one.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is checked to be positive and below ten years in milliseconds"
)]
pub fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, length) = unit(after)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        total += number.parse::<f64>().ok()? * unit;
        rest = &after[length..];
    }
    (1.0..=MAX_MS).contains(&total).then_some(total as u64)
}

fn unit(text: &str) -> Option<(f64, usize)> {
    const UNITS: [(&str, f64); 4] = [("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0), ("h", 3_600_000.0)];
    let found = UNITS.iter().find(|(name, _)| text.starts_with(name))?;
    Some((found.1, found.0.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let cases = [
            ("20m", Some(1_200_000)),
            ("1.5h", Some(5_400_000)),
            ("30s", Some(30_000)),
            ("0.5s", Some(500)),
            ("250ms", Some(250)),
            ("1h30m", Some(5_400_000)),
            ("10", None),
            ("m", None),
            ("1.m", None),
            ("-1m", None),
            ("0s", None),
            ("99999999999999999999h", None),
            ("", None),
            ("é", None),
        ];
        for (text, want) in cases {
            assert_eq!(milliseconds(text), want, "{text}");
        }
    }
}
