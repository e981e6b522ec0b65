use std::io::Read;

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    for (word, count) in counted_words::count(&text) {
        println!("{count:>6} {word}");
    }
    Ok(())
}
