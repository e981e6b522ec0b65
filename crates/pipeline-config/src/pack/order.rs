//! The order of keys in packed text: as people sort, so that `test-9` stands before `test-10` and a name before its own
//! longer forms. It is the order known packers write, and packed files are often checked in.

use std::cmp::Ordering;

use airlock_yaml_tree::Data;

/// Sorts all maps of a value.
pub(super) fn sort(data: &mut Data) {
    match data {
        Data::Map(entries) => {
            entries.sort_by(|(a, _), (b, _)| natural(a, b));
            for (_, value) in entries {
                sort(value);
            }
        }
        Data::List(items) => items.iter_mut().for_each(sort),
        Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) => {}
    }
}

/// Signs before digits before letters, and runs of digits by what they count.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = (0..a.len().min(b.len())).find(|at| a[*at] != b[*at]) else {
        return a.len().cmp(&b.len());
    };
    let (left, right) = (a[at], b[at]);
    let after_digit = at > 0 && a[at - 1].is_ascii_digit();
    match (left.is_alphabetic(), right.is_alphabetic()) {
        (true, true) => left.cmp(&right),
        // After a number its letter comes first: `1a` before `1-`, and `1a` before `10`.
        (true, false) if after_digit => Ordering::Less,
        (false, true) if after_digit => Ordering::Greater,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => by_count(&a, &b, at),
    }
}

fn by_count(a: &[char], b: &[char], at: usize) -> Ordering {
    let (left, right) = (number(a, at), number(b, at));
    left.trim_start_matches('0')
        .len()
        .cmp(&right.trim_start_matches('0').len())
        .then_with(|| left.trim_start_matches('0').cmp(right.trim_start_matches('0')))
        .then_with(|| left.len().cmp(&right.len()))
        .then_with(|| a[at].cmp(&b[at]))
}

/// The run of digits around a position, from its first digit; empty when there is none from there on.
fn number(text: &[char], at: usize) -> String {
    if !text[at].is_ascii_digit() {
        return String::new();
    }
    let start = text[..at]
        .iter()
        .rposition(|c| !c.is_ascii_digit())
        .map_or(0, |before| before + 1);
    text[start..].iter().take_while(|c| c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_sort_them() {
        let sorted = [
            "GO_TAGS",
            "GO_VERSION",
            "GOTESTSUM",
            "a",
            "a-b",
            "a_b",
            "a1",
            "a2",
            "a10",
            "a10b",
            "ab",
            "b",
        ];
        let mut shuffled: Vec<&str> = sorted.iter().rev().copied().collect();
        shuffled.sort_by(|a, b| natural(a, b));
        assert_eq!(shuffled, sorted);
        assert_eq!(natural("x-2", "x-10"), Ordering::Less);
        assert_eq!(natural("1.9", "1.10"), Ordering::Less);
        assert_eq!(natural("01", "1"), Ordering::Greater);
        assert_eq!(natural("a", "a"), Ordering::Equal);
    }

    #[test]
    fn maps_inside_of_lists_are_sorted_too() {
        let entry = |name: &str, value: Data| (name.to_owned(), value);
        let inner = Data::Map(vec![entry("b", Data::Null), entry("a", Data::Null)]);
        let mut data = Data::Map(vec![entry("x", Data::List(vec![inner])), entry("c", Data::Null)]);
        sort(&mut data);
        let inner = Data::Map(vec![entry("a", Data::Null), entry("b", Data::Null)]);
        assert_eq!(
            data,
            Data::Map(vec![entry("c", Data::Null), entry("x", Data::List(vec![inner]))])
        );
    }
}
