//! "Did you mean": the nearest of the names that would have been right.

/// The nearest candidate, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    if wanted.len() > 64 {
        return None;
    }
    // One letter is as near to any other as can be, and means nothing.
    let allowed = if wanted.len() < 2 {
        0
    } else {
        (wanted.len() / 3).clamp(1, 3)
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 128)
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// The hint made from [`nearest`].
pub(crate) fn hint<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest(name, candidates).map(|found| format!("did you mean `{found}`?"))
}

/// A hint that lists what there is when nothing is near.
pub(crate) fn hint_or_list(name: &str, candidates: &[&str]) -> Option<String> {
    const LISTED: usize = 12;
    if let Some(hint) = hint(name, candidates.iter().copied()) {
        return Some(hint);
    }
    if candidates.is_empty() || candidates.len() > LISTED {
        return None;
    }
    let list: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    let verb = if list.len() == 1 {
        "there is only"
    } else {
        "there are"
    };
    Some(format!("{verb} {}", list.join(", ")))
}

/// Edits between two names; `-` and `_` count as one character, neighbours swapped as one edit.
fn distance(wanted: &[char], candidate: &str) -> usize {
    let same = |a: char, b: char| a == b || (matches!(a, '-' | '_') && matches!(b, '-' | '_'));
    let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
    let mut rows: Vec<Vec<usize>> = vec![vec![0; other.len() + 1]; wanted.len() + 1];
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = at;
    }
    for (at, cell) in rows[0].iter_mut().enumerate() {
        *cell = at;
    }
    for i in 1..=wanted.len() {
        for j in 1..=other.len() {
            let cost = usize::from(!same(wanted[i - 1], other[j - 1]));
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            let swapped = i > 1 && j > 1 && wanted[i - 1] == other[j - 2] && wanted[i - 2] == other[j - 1];
            if swapped {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[wanted.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let keys = ["command", "name", "working_directory", "environment"];
        assert_eq!(nearest("comand", keys), Some("command"));
        assert_eq!(nearest("nmae", keys), Some("name"));
        assert_eq!(nearest("working-directory", keys), Some("working_directory"));
        assert_eq!(nearest("enviroment", keys), Some("environment"));
        assert_eq!(nearest("image", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("b", ["a", "B"]), Some("B"));
    }

    #[test]
    fn a_short_list_is_shown_when_nothing_is_near() {
        assert_eq!(
            hint_or_list("x", &["build", "test"]).as_deref(),
            Some("there are `build`, `test`")
        );
        assert_eq!(hint_or_list("x", &[]), None);
    }
}
