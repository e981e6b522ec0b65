//! Text in, text out. To add a case, add a folder under `cases/` with a `config.yml`, and an `inputs.json` when the
//! trigger matters, and accept the snapshot. A line `# covers: §2 string` in it says which rows of `inventory.tsv` it covers.

#![expect(clippy::disallowed_methods, reason = "tests read their cases from files")]

mod arbitrary;
mod bombs;
mod cases;
mod corpus;
#[path = "../../yaml-tree/tests/corpus_folder.rs"]
mod corpus_folder;
mod examples;
mod explain;
mod fixes;
mod inputs;
mod inventory;
mod language_server;
mod needs;
mod oracles;
mod orb_check;
mod orb_corpus;
mod orb_folder;
mod orbs;
mod pack;
mod pages;
mod pairs;
mod processed;
mod rendering;
mod report;
mod reports;
mod schema;
mod schema_mistakes;
mod wordings;
