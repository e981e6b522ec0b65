//! Text in, text out: every file of `cases/` is parsed and its tree and problems are compared with the snapshot
//! beside it. To add a case, add a file.

#![expect(clippy::disallowed_methods, reason = "tests read their cases from files")]

mod arbitrary;
mod comments;
mod corpus;
mod corpus_folder;
mod limits;
mod mistakes;
mod places;
mod report;
mod same;
mod writing;

use airlock_yaml_tree::parse;

#[test]
fn cases() {
    insta::glob!("cases/*.yml", |path| {
        let bytes = std::fs::read(path).expect("the case can be read");
        let parsed = parse(&bytes);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(report::whole(&parsed));
        });
    });
}
