//! What names may look like, and the newtypes of the plan made from text with a diagnostic when they refuse it.

use airlock_domain::NameError;
use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::scope::Scope;
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Makes a name of the plan; reports why it cannot.
    pub(crate) fn name<T>(
        &self,
        text: &str,
        place: Place,
        scope: &Scope<'s>,
        make: impl FnOnce(String) -> Result<T, NameError>,
    ) -> Option<T> {
        match make(text.to_owned()) {
            Ok(name) => Some(name),
            Err(error) => {
                self.sink
                    .emit_in(scope, Draft::error(Code::BAD_NAME, place, error.to_string()));
                None
            }
        }
    }
}

impl<'s> Compiler<'s> {
    /// An image or a resource class. CircleCI takes any text when it compiles, and the job fails when it starts: a text
    /// that cannot be the name of one is a warning, and gets `_` for what it cannot hold, which is the name of none either.
    pub(crate) fn name_of_place<T>(
        &self,
        text: &str,
        place: Place,
        scope: &Scope<'s>,
        make: impl Fn(String) -> Result<T, NameError>,
    ) -> Option<T> {
        let Err(error) = make(text.to_owned()) else {
            return self.name(text, place, scope, make);
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '+');
        let replaced: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
        let replaced = replaced.replace("..", "__");
        let replaced = if replaced.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            replaced
        } else {
            format!("_{replaced}")
        };
        // What follows an `@` is no name but a digest, which is right or wrong.
        let found = make(replaced).ok().filter(|_| !text.contains('@'));
        let Some(name) = found else {
            return self.name(text, place, scope, make);
        };
        let hint = if text.contains(['<', '>']) {
            "what stands between `<` and `>` is to be filled in; jobs that run there fail"
        } else {
            "there can be none of this name; jobs that run there fail"
        };
        let draft = Draft::warning(Code::BAD_NAME, place, error.to_string()).hint(hint);
        self.sink.emit_in(scope, draft);
        Some(name)
    }
}

/// POSIX names of variables.
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits a shell's command line into words: blanks separate, quotes hold together.
pub(crate) fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (Some(_) | None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_split_into_words() {
        assert_eq!(
            shell_words("/bin/bash -eo pipefail"),
            ["/bin/bash", "-eo", "pipefail"]
        );
        assert_eq!(shell_words("  sh  -c 'a b' \"\" "), ["sh", "-c", "a b", ""]);
        assert_eq!(shell_words(" "), Vec::<String>::new());
    }

    #[test]
    fn variable_names() {
        assert!(is_variable_name("_A1") && !is_variable_name("A-B") && !is_variable_name(""));
    }
}
