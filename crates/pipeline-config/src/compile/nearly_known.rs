//! Names that are free, and of which some are well known: resource classes and shells. Every text is taken, for an operator
//! may have more of them; one that is nearly a known one is told of.

use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::keys::RESOURCE_CLASSES;
use crate::scope::{Resolved, Scope};
use crate::sink::Draft;
use crate::suggest;

/// Programs that run commands, by the last part of their paths.
const SHELLS: [&str; 24] = [
    "ash",
    "bash",
    "bash.exe",
    "busybox",
    "cmd",
    "cmd.exe",
    "csh",
    "dash",
    "env",
    "fish",
    "ksh",
    "mksh",
    "node",
    "nix-shell",
    "perl",
    "powershell",
    "powershell.exe",
    "pwsh",
    "pwsh.exe",
    "python",
    "ruby",
    "sh",
    "tcsh",
    "zsh",
];

/// Those that are meant by a slip of the hand; nobody means `ash` by `bsh`.
const COMMON_SHELLS: [&str; 7] = [
    "bash",
    "bash.exe",
    "cmd.exe",
    "powershell",
    "powershell.exe",
    "python",
    "zsh",
];

impl<'s> Compiler<'s> {
    /// Warns of a resource class that is nearly a documented one.
    pub(crate) fn check_class(&self, text: &str, place: Place, scope: &Scope<'s>) {
        let names = || RESOURCE_CLASSES.iter().map(|class| class.name);
        if text.contains('/') || names().any(|name| name == text) {
            return;
        }
        // `m2pro.medium` is no slip of the hand but an older class.
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let alike = names().filter(|name| digits(name) == digits(text));
        self.nearly_known("resource class", text, alike, place, scope);
    }

    /// Warns of a shell that is nearly a known one.
    pub(crate) fn check_shell(&self, value: &Resolved<'s>, words: &[String]) {
        const SHORTEST: usize = 3;
        let Some(program) = words.first() else { return };
        let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
        let is_known = SHELLS.contains(&name) || name.starts_with("python");
        if !is_known && name.len() >= SHORTEST {
            self.nearly_known("shell", name, COMMON_SHELLS, value.place, &value.scope);
        }
    }

    fn nearly_known<'n>(
        &self,
        kind: &str,
        text: &str,
        names: impl IntoIterator<Item = &'n str>,
        place: Place,
        scope: &Scope<'s>,
    ) {
        let Some(near) = suggest::nearest(text, names) else {
            return;
        };
        let message = format!("there is no well-known {kind} `{text}`");
        let draft = Draft::warning(Code::BAD_VALUE, place, message)
            .hint(format!("did you mean `{near}`?"))
            .rename(text, near);
        self.sink.emit_in(scope, draft);
    }
}
