//! Every limit of the compiler, next to those of `airlock_domain::limits` and `airlock_yaml_tree::limits`. A config is a
//! stranger's program for this compiler; none of these may be left to memory or patience.

/// Most diagnostics kept of one run: nobody reads more, and each costs a place lookup.
pub const MAX_DIAGNOSTICS: usize = 200;

/// Most times one run finds what it told already, or has no room to tell, before it gives up.
pub const MAX_UNTOLD: usize = 2_000;

/// Most bytes of text in one plan: commands that insert a parameter twice and call each other double it at every call.
pub const MAX_PLAN_TEXT_BYTES: usize = 32 * 1024 * 1024;

/// Most bytes of one scalar after substitution.
pub const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// Most steps in one plan, over all workflows and jobs.
pub const MAX_PLAN_STEPS: usize = 100_000;

/// Most values read while one plan is made. Empty commands calling each other make no steps and no text, but they make
/// work; the largest public config needs about 20,000.
pub const MAX_READS: usize = 1_000_000;

/// Deepest calls of commands inside commands; `when` inside `steps` counts too. Real configs stay below 10.
pub const MAX_CALL_DEPTH: usize = 50;

/// Deepest nesting of a logic statement: CircleCI's number.
pub const MAX_LOGIC_DEPTH: usize = 100;

/// Most tokens of one `<< … >>` expression; bounds recursion as well.
pub const MAX_EXPRESSION_TOKENS: usize = 500;

/// Most jobs one matrix may make: CircleCI's number.
pub const MAX_MATRIX_JOBS: usize = 128;

/// Most parts of one condition that an explanation shows: nobody reads more.
pub const MAX_SEEN_VALUES: usize = 200;

/// Most workflows of one config.
pub const MAX_WORKFLOWS: usize = 500;

/// Most bytes of a compiled regular expression; patterns in filters are short.
pub const MAX_REGEX_BYTES: usize = 512 * 1024;

/// Longest regular expression as written. A pattern with look-around is read twice, so its length bounds the work.
pub const MAX_PATTERN_BYTES: usize = 8 * 1024;

/// Bytes of a compiled regular expression that is nothing special; the largest in public configs takes about a tenth.
pub const SMALL_REGEX_BYTES: usize = 32 * 1024;

/// Most regular expressions of one config that are larger than that, or need the engine that goes back.
pub const MAX_LARGE_REGEXES: usize = 16;

/// Most different regular expressions of one config.
pub const MAX_REGEXES: usize = 256;

/// Most steps back a pattern with look-around may take before it is called an error.
pub const MAX_REGEX_BACKTRACKS: usize = 10_000;

/// Most parameters a trigger may hand in, and the longest name and value: CircleCI's numbers.
pub const MAX_PIPELINE_PARAMETERS: usize = 100;
/// See [`MAX_PIPELINE_PARAMETERS`].
pub const MAX_PARAMETER_NAME_CHARS: usize = 128;
/// See [`MAX_PIPELINE_PARAMETERS`].
pub const MAX_PARAMETER_VALUE_CHARS: usize = 512;

/// Longest line shown whole in a rendered diagnostic; of longer ones only the part around the place is shown.
pub const MAX_SHOWN_COLUMNS: usize = 160;

/// Most characters shown of a parameter's default in the summary of an orb; scripts stand in some.
pub const MAX_SHOWN_DEFAULT: usize = 400;

/// Most orbs one config may need, those of its orbs included; real configs stay below 20.
pub const MAX_ORBS: usize = 100;

/// Deepest import of orbs by orbs, written in place or fetched; the deepest public one is 3.
pub const MAX_ORB_DEPTH: usize = 10;

/// Most bytes of all orbs of a config together; the largest public orb has 200 kB.
pub const MAX_ORB_BYTES: usize = 16 * 1024 * 1024;

/// Longest reference to an orb: a `dev:` label may have 1,023 characters.
pub const MAX_ORB_REFERENCE_BYTES: usize = 1_200;

/// Most references to orbs listed of one file.
pub const MAX_ORB_REFERENCES: usize = 1_000;

/// Most values of a packed tree with all aliases written out: twice what one file may unfold to, and a hundred times
/// the largest tree seen in public.
pub const MAX_PACKED_VALUES: usize = 200_000;

/// Most names of names: `jobs: {a: b}` makes `a` another name of `b`. Real configs have one.
pub const MAX_RENAMINGS: usize = 10;

/// Most files of a packed tree. The largest public config of this kind has 60; whoever names the root of a repository
/// by mistake should be told at once.
pub const MAX_PACKED_FILES: usize = 5_000;

/// Most bytes of the files of a packed tree together, and of one included file.
pub const MAX_PACKED_BYTES: usize = 32 * 1024 * 1024;

/// Deepest folder of a packed tree; real ones stay below 5.
pub const MAX_PACKED_DEPTH: usize = 30;

/// Most automatic reruns of a step or workflow: CircleCI's number.
pub const MAX_AUTO_RERUNS: u32 = 5;

/// Longest key of a serial group: CircleCI's number.
pub const MAX_SERIAL_GROUP_CHARS: usize = 512;

/// Longest time caches of a job can be kept, in days: what CircleCI's pattern takes.
pub const MAX_CACHE_RETENTION_DAYS: u32 = 30;

/// Most different contexts of one config: CircleCI's number.
pub const MAX_CONTEXTS: usize = 100;

/// Longest key of a cache: CircleCI's number. What templates become is known only to the job; the rest counts here.
pub const MAX_CACHE_KEY_CHARS: usize = 900;

/// Most further places shown where one missing thing is wanted again and again.
pub const MAX_SHOWN_USES: usize = 20;
