//! Every limit on what a file may ask of us. Who reads a config file reads a stranger's file, so each has a number,
//! a reason and a message that names it.

/// Largest file in bytes. The longest config seen in public has 4,150 lines and 150 kB; a generated one may be
/// ten times that.
pub const MAX_SOURCE_BYTES: usize = 5 * 1024 * 1024;

/// Deepest nesting of collections, aliases followed. Readers of the tree recurse, and real files stay below 20.
pub const MAX_DEPTH: usize = 100;

/// Most nodes when every alias is written out. Bounds all later work: without it twenty lines of nested aliases
/// unfold to billions of nodes.
pub const MAX_NODES: usize = 100_000;

/// Most aliases in one file. The file with most in public has about 300.
pub const MAX_ALIASES: usize = 1_000;

/// Most characters in a plain key written on one line; the YAML specification says 1,024.
pub const MAX_KEY_CHARS: usize = 1_024;

/// Most problems kept of one file; past that nobody reads on.
pub const MAX_PROBLEMS: usize = 200;

/// How often a file is read again past something that other parsers let pass, and how large it may be for that: each time
/// costs a whole reading.
pub const MAX_REPAIRS: usize = 8;

/// See [`MAX_REPAIRS`]; larger files are generated, and generators do not write such things.
pub const MAX_REPAIRED_BYTES: usize = 512 * 1024;

/// Most unknown aliases for which a name like theirs is looked for: each is compared with every anchor.
pub const MAX_SUGGESTIONS: usize = 20;
