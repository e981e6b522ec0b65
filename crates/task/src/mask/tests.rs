use proptest::prelude::*;

use super::*;

fn masks(values: &[&str]) -> Masks {
    Masks::new(values.iter().map(|value| value.as_bytes())).expect("few secrets")
}

fn in_chunks<'a>(masks: &Masks, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = masks.stream();
    let mut out = Vec::new();
    for chunk in chunks {
        stream.push(chunk, &mut out);
    }
    stream.finish(&mut out);
    out
}

fn masked(values: &[&str], text: &str) -> String {
    String::from_utf8(in_chunks(&masks(values), [text.as_bytes()])).expect("text in, text out")
}

/// The same thing said plainly: mark every byte of every occurrence, replace each run. Runs of occurrences that
/// only touch stay apart.
fn plainly(patterns: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for pattern in patterns {
        let starts = (0..text.len()).filter(|start| text[*start..].starts_with(pattern));
        found.extend(starts.map(|start| (start, start + pattern.len())));
    }
    found.sort_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)));
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match runs.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            Some(_) | None => runs.push((start, end)),
        }
    }
    let mut out = Vec::new();
    let mut at = 0;
    for (start, end) in runs {
        out.extend_from_slice(&text[at..start]);
        out.extend_from_slice(MASK);
        at = end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[test]
fn every_occurrence_is_replaced() {
    assert_eq!(
        masked(&["hunter2"], "a hunter2 b hunter2hunter2\n"),
        "a **** b ********\n"
    );
    assert_eq!(
        masked(&["hunter2"], "hunter hunter3 hunterhunter2"),
        "hunter hunter3 hunter****"
    );
    assert_eq!(masked(&[], "hunter2"), "hunter2");
}

#[test]
fn the_longest_of_nested_secrets_wins() {
    assert_eq!(
        masked(&["pass", "password", "sword"], "password pass sword passwor"),
        "**** **** **** ****wor"
    );
}

#[test]
fn overlapping_secrets_leave_no_rest() {
    assert_eq!(masked(&["abcd", "cdef"], "xabcdefx"), "x****x");
    assert_eq!(masked(&["abab"], "xababababx abab"), "x****x ****");
    // The long one begins before the short one that was found first.
    assert_eq!(masked(&["bcde", "abcdef"], "abcdef abcdex"), "**** a****x");
}

#[test]
fn short_and_boolean_values_are_left_alone() {
    assert_eq!(
        masked(&["abc", "true", "True", "false", "False", ""], "abc true false"),
        "abc true false"
    );
    assert_eq!(masked(&["true\n"], "true\n"), "****");
    assert_eq!(masked(&["TRUE"], "TRUE"), "****");
    // Four characters, whatever their bytes.
    assert_eq!(masked(&["äöü"], "äöü"), "äöü");
    assert_eq!(masked(&["äöüß"], "äöüß"), "****");
}

#[test]
fn secrets_of_many_lines_are_found_as_a_terminal_shows_them() {
    let key = "-----BEGIN-----\nline one\nline two\n-----END-----\n";
    assert_eq!(masked(&[key], &format!("<{key}>")), "<****>");
    assert_eq!(
        masked(&[key], &format!("<{}>", key.replace('\n', "\r\n"))),
        "<****>"
    );
    assert_eq!(masked(&[key], &format!("<{}>", key.trim_end())), "<****>");
}

#[test]
fn only_what_could_become_a_secret_is_held_back() {
    let mut stream = masks(&["hunter2"]).stream();
    let mut out = Vec::new();
    stream.push(b"line\nhunt", &mut out);
    assert_eq!(out, b"line\n");
    stream.push(b"ing\nhun", &mut out);
    assert_eq!(out, b"line\nhunting\n");
    stream.push(b"ter2", &mut out);
    assert_eq!(out, b"line\nhunting\n****");
    stream.push(b"hunter", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"line\nhunting\n****hunter");
}

#[test]
fn an_endless_chain_of_secrets_takes_no_memory() {
    let mut stream = masks(&["abab"]).stream();
    let mut out = Vec::new();
    for _ in 0..10_000 {
        stream.push(b"abababab", &mut out);
        assert!(stream.held.len() <= 4 && stream.secrets.len() <= 1);
    }
    stream.finish(&mut out);
    assert_eq!(out, b"****");
}

#[test]
fn other_masks_can_take_over_in_the_middle() {
    let mut stream = masks(&["hunter2"]).stream();
    let mut out = Vec::new();
    stream.push(b"hunter2 swordfish hunt", &mut out);
    stream.replace(&masks(&["hunter2", "swordfish"]), &mut out);
    stream.push(b" swordfish hunter2", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"**** swordfish hunt **** ****");
}

#[test]
fn too_many_secrets_are_refused() {
    let large = vec![b'x'; MASK_BYTES + 1];
    assert_eq!(Masks::new([large.as_slice()]).err(), Some(TooManySecrets));
}

/// Secrets and text over two letters, so that they overlap often.
fn cases() -> impl Strategy<Value = (Vec<String>, String, Vec<usize>)> {
    (
        proptest::collection::vec("[ab]{4,9}", 0..6),
        "[ab]{0,60}",
        proptest::collection::vec(1_usize..7, 1..20),
    )
}

fn cut(text: &str, sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_does_what_the_plain_way_does_for_any_cutting((secrets, text, sizes) in cases()) {
        let values: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let masks = masks(&values);
        let patterns: Vec<Vec<u8>> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        let expected = plainly(&patterns, text.as_bytes());
        let chunks = cut(&text, &sizes);
        prop_assert_eq!(&in_chunks(&masks, [text.as_bytes()]), &expected);
        prop_assert_eq!(&in_chunks(&masks, chunks.iter().map(Vec::as_slice)), &expected);
    }

    #[test]
    fn no_secret_is_left((secrets, text, sizes) in cases()) {
        let values: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let chunks = cut(&text, &sizes);
        let out = in_chunks(&masks(&values), chunks.iter().map(Vec::as_slice));
        let out = String::from_utf8(out).expect("letters and stars");
        for secret in &secrets {
            prop_assert!(!out.contains(secret.as_str()), "{secret} in {out}");
        }
    }

    #[test]
    fn text_without_secrets_is_untouched(text in proptest::collection::vec(any::<u8>(), 0..300), secret in "[a-z]{12}") {
        prop_assume!(!text.windows(secret.len()).any(|window| window == secret.as_bytes()));
        prop_assert_eq!(in_chunks(&masks(&[&secret]), text.chunks(7)), text);
    }
}
