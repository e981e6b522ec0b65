//! Any text in the fields that hold templates: `<< >>` in commands and names, `{{ }}` in cache keys, regular expressions in
//! filters and conditions, cron lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let config = format!(
        "version: 2.1\n\
         commands:\n  c:\n    parameters: {{p: {{type: string}}, s: {{type: steps, default: []}}, e: {{type: enum, enum: [a, b], default: a}}}}\n\
         \x20   steps: [run: {{name: {quoted}, command: << parameters.p >>, working_directory: {quoted}, no_output_timeout: {quoted}}}, << parameters.s >>]\n\
         jobs:\n  j:\n    parameters: {{p: {{type: string, default: {quoted}}}, b: {{type: boolean, default: true}}}}\n\
         \x20   docker: [{{image: {quoted}, environment: {{A: {quoted}}}}}]\n\
         \x20   steps:\n      - c: {{p: {quoted}, s: [run: {quoted}]}}\n      - restore_cache: {{keys: [{quoted}, a]}}\n\
         \x20     - save_cache: {{key: {quoted}, paths: [{quoted}]}}\n      - run: {quoted}\n\
         \x20     - when: {{condition: {{matches: {{pattern: {quoted}, value: {quoted}}}}}, steps: [checkout]}}\n\
         workflows:\n  w:\n    jobs:\n      - j: {{name: {quoted}, context: {quoted}, filters: {{branches: {{only: {quoted}}}, tags: {{ignore: {quoted}}}}}}}\n\
         \x20     - j: {{matrix: {{parameters: {{p: [{quoted}, b], b: [true, false]}}}}, name: \"<<matrix.p>>-<<matrix.b>>\"}}\n\
         \x20 t:\n    triggers: [schedule: {{cron: {quoted}, filters: {{branches: {{only: main}}}}}}]\n    jobs: [j]\n"
    );
    airlock_fuzz::check_config(config.as_bytes());
});
