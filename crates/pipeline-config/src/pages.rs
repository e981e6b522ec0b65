//! The pages about the codes, built into the program, so that it can explain itself where there is no network.

use crate::diagnostic::Code;

/// The whole page of a code.
pub fn text(code: Code) -> &'static str {
    code.page_text()
}

/// The first sentence of a page: what the code means.
pub fn summary(code: Code) -> String {
    let paragraph: Vec<&str> = text(code)
        .lines()
        .skip_while(|line| line.is_empty() || line.starts_with('#'))
        .take_while(|line| !line.is_empty())
        .collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    paragraph[..end].to_owned()
}

/// The code of a name, such as `unknown-job`.
pub fn find(name: &str) -> Option<Code> {
    Code::all().find(|code| code.as_str() == name)
}

/// The code with the nearest name.
pub fn nearest(name: &str) -> Option<Code> {
    crate::suggest::nearest(name, Code::all().map(Code::as_str)).and_then(find)
}
