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
    let mut rows = Rows::default();
    candidates
        .into_iter()
        .filter_map(|candidate| Some((rows.distance(&wanted, candidate, allowed)?, candidate)))
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

/// The last rows of a table of edits. One table serves all candidates: there may be hundreds for each of hundreds of
/// mistakes.
#[derive(Default)]
struct Rows {
    other: Vec<char>,
    before_last: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl Rows {
    /// Edits between two names when there are few; `-` and `_` count as one character, neighbours swapped as one edit.
    fn distance(&mut self, wanted: &[char], candidate: &str, allowed: usize) -> Option<usize> {
        // Each letter more or less is an edit, and a letter has at most four bytes.
        if candidate.len() > 4 * (wanted.len() + allowed) || candidate.len() + allowed < wanted.len() {
            return None;
        }
        let same = |a: char, b: char| a == b || (matches!(a, '-' | '_') && matches!(b, '-' | '_'));
        self.other.clear();
        self.other.extend(candidate.chars().flat_map(char::to_lowercase));
        let other = &self.other;
        if other.len().abs_diff(wanted.len()) > allowed {
            return None;
        }
        self.last.clear();
        self.last.extend(0..=other.len());
        for (i, letter) in wanted.iter().enumerate() {
            self.row.clear();
            self.row.push(i + 1);
            for (j, with) in other.iter().enumerate() {
                let changed = self.last[j] + usize::from(!same(*letter, *with));
                let mut best = changed.min(self.last[j + 1] + 1).min(self.row[j] + 1);
                let swapped = i > 0 && j > 0 && *letter == other[j - 1] && wanted[i - 1] == *with;
                if swapped {
                    best = best.min(self.before_last[j - 1] + 1);
                }
                self.row.push(best);
            }
            if self.row.iter().min() > Some(&allowed) && self.last.iter().min() > Some(&allowed) {
                return None;
            }
            std::mem::swap(&mut self.before_last, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.row);
        }
        self.last.last().copied().filter(|distance| *distance <= allowed)
    }
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
        assert_eq!(nearest("environemtn", keys), Some("environment"));
        assert_eq!(nearest("xxvironment", keys), Some("environment"));
        assert_eq!(nearest("xxxxronment", keys), None);
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
