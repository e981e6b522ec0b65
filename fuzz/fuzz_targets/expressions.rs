//! Any text as an expression, in each place that takes one, with names of every type to use.
#![no_main]

use std::fmt::Write as _;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut bare = String::new();
    for line in text.lines() {
        let _ = writeln!(bare, "      {line}");
    }
    let quoted = serde_json::to_string(&format!("<< {text} >>")).unwrap_or_default();
    let config = format!(
        "version: 2.1\n\
         parameters:\n  t: {{type: string, default: abc}}\n  n: {{type: integer, default: 3}}\n  b: {{type: boolean, default: no}}\n\
         jobs:\n  j:\n    docker: [image: x]\n    environment: {{A: {quoted}}}\n    parallelism: {quoted}\n\
         \x20   steps: [{{when: {{condition: {{or: [{quoted}, {{not: {quoted}}}]}}, steps: [run: {quoted}]}}}}]\n\
         workflows:\n  w:\n    when: {quoted}\n    jobs: [j: {{filters: {quoted}}}]\n\
         \x20 v:\n    jobs: [j]\n    unless: >-\n{bare}"
    );
    airlock_fuzz::check_config(config.as_bytes());
});
