#[test]
fn a_text_without_words_has_none() {
    assert!(counted_words::count(" ,;\n").is_empty());
}
