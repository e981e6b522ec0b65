//! Counts the words of a text.

use std::collections::BTreeMap;

/// How often each word stands in a text; upper and lower case are the same word.
pub fn count(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn case_and_punctuation_do_not_matter() {
        let counts = super::count("The lock, the door; THE job.");
        assert_eq!(counts["the"], 3);
        assert_eq!(counts.len(), 4);
    }
}
