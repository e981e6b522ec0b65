//! Percent-encoding, for values in addresses and for the names of files in headers.

use std::fmt::Write as _;

/// Letters, digits, `.`, `-` and `_` as they are, every other byte as `%XX`.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _infallible = write!(text, "%{byte:02X}");
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_value_before_its_end() {
        assert_eq!(encoded("a-1_b.c"), "a-1_b.c");
        assert_eq!(encoded("1&x=\"é\" "), "1%26x%3D%22%C3%A9%22%20");
    }
}
