//! Diagnostics for programs: the shape of SARIF, and workflow commands with their escapes.

use std::collections::BTreeSet;
use std::path::Path;

use airlock_pipeline_config::{Diagnostic, Source, compile, render};
use serde_json::Value;

use crate::inputs;

fn diagnostics(file: &str, text: &str) -> Vec<Diagnostic> {
    compile(&Source::new(file, text), &inputs::push()).1
}

const WRONG: &str = "version: 2.1\njobs:\n  build:\n    docker: &d [imgae: a]\n    steps: [checkout]\n  other:\n    \
                     docker: *d\n    steps: [run: {command: a, when: 1%}]\nworkflows: {all: {jobs: [build, other]}}\n";

#[test]
fn workflow_commands_escape_what_separates() {
    insta::assert_snapshot!(render::github(&diagnostics("a,b:c.yml", WRONG)), @r#"
    ::error file=a%2Cb%3Ac.yml,line=4,endLine=4,col=17,endColumn=22,title=unknown-key::extraneous key [imgae] is not permitted in an item of `docker`%0Aa,b:c.yml:4:13: the anchor `d` is here%0Aa,b:c.yml:7:13: used here%0Ahelp: did you mean `image`?%0Afix: replace `imgae` with `image`%0Asee: docs/diagnostics/unknown-key.md
    ::error file=a%2Cb%3Ac.yml,line=8,endLine=8,col=37,endColumn=39,title=bad-value::a step cannot run `when: 1%25`%0Ahelp: there are `always`, `on_success`, `on_fail`%0Asee: docs/diagnostics/bad-value.md
    "#);
}

#[test]
fn sarif_in_full() {
    let mut log: Value =
        serde_json::from_str(&render::sarif(&diagnostics("a b.yml", WRONG), "1.2.3")).expect("it is JSON");
    // The pages are long, and have a test of their own.
    for rule in log["runs"][0]["tool"]["driver"]["rules"]
        .as_array_mut()
        .expect("rules")
    {
        let help = rule["help"]["text"]
            .as_str()
            .expect("help")
            .lines()
            .next()
            .map(str::to_owned);
        rule["help"] = serde_json::json!({"text": help});
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).expect("it can be written"), @r##"
    {
      "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "airlock",
              "version": "1.2.3",
              "rules": [
                {
                  "id": "bad-value",
                  "shortDescription": {
                    "text": "The value has the right type and is none of those that are allowed here: a number out of range, a word that is not in the list, two keys that exclude each other."
                  },
                  "help": {
                    "text": "# `bad-value`"
                  },
                  "defaultConfiguration": {
                    "level": "error"
                  },
                  "properties": {
                    "page": "docs/diagnostics/bad-value.md"
                  }
                },
                {
                  "id": "unknown-key",
                  "shortDescription": {
                    "text": "A key that this kind of map does not have."
                  },
                  "help": {
                    "text": "# `unknown-key`"
                  },
                  "defaultConfiguration": {
                    "level": "error"
                  },
                  "properties": {
                    "page": "docs/diagnostics/unknown-key.md"
                  }
                }
              ]
            }
          },
          "columnKind": "unicodeCodePoints",
          "results": [
            {
              "ruleId": "unknown-key",
              "ruleIndex": 1,
              "level": "error",
              "message": {
                "text": "extraneous key [imgae] is not permitted in an item of `docker`\ndid you mean `image`?"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b.yml"
                    },
                    "region": {
                      "startLine": 4,
                      "startColumn": 17,
                      "endLine": 4,
                      "endColumn": 22,
                      "byteOffset": 44,
                      "byteLength": 5
                    }
                  }
                }
              ],
              "relatedLocations": [
                {
                  "id": 1,
                  "message": {
                    "text": "the anchor `d` is here"
                  },
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b.yml"
                    },
                    "region": {
                      "startLine": 4,
                      "startColumn": 13,
                      "endLine": 4,
                      "endColumn": 15,
                      "byteOffset": 40,
                      "byteLength": 2
                    }
                  }
                },
                {
                  "id": 2,
                  "message": {
                    "text": "used here"
                  },
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b.yml"
                    },
                    "region": {
                      "startLine": 7,
                      "startColumn": 13,
                      "endLine": 7,
                      "endColumn": 15,
                      "byteOffset": 97,
                      "byteLength": 2
                    }
                  }
                }
              ],
              "fixes": [
                {
                  "description": {
                    "text": "replace `imgae` with `image`"
                  },
                  "artifactChanges": [
                    {
                      "artifactLocation": {
                        "uri": "a%20b.yml"
                      },
                      "replacements": [
                        {
                          "deletedRegion": {
                            "startLine": 4,
                            "startColumn": 17,
                            "endLine": 4,
                            "endColumn": 22,
                            "byteOffset": 44,
                            "byteLength": 5
                          },
                          "insertedContent": {
                            "text": "image"
                          }
                        }
                      ]
                    }
                  ]
                }
              ]
            },
            {
              "ruleId": "bad-value",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "a step cannot run `when: 1%`\nthere are `always`, `on_success`, `on_fail`"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b.yml"
                    },
                    "region": {
                      "startLine": 8,
                      "startColumn": 37,
                      "endLine": 8,
                      "endColumn": 39,
                      "byteOffset": 136,
                      "byteLength": 2
                    }
                  }
                }
              ]
            }
          ]
        }
      ]
    }
    "##);
}

/// Every case as SARIF: what the standard demands and what readers rely on.
#[test]
fn sarif_of_every_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut results = 0;
    for folder in std::fs::read_dir(root).expect("the folder of cases is there") {
        let folder = folder.expect("a folder can be listed").path();
        let Ok(bytes) = std::fs::read(folder.join("config.yml")) else {
            continue;
        };
        let source = Source::new(".circleci/config.yml", bytes);
        let inputs = inputs::of_case(&folder);
        let found = compile(&source, &inputs).1;
        let sources: Vec<&Source> = [&source].into_iter().chain(inputs.orbs.sources()).collect();
        let log: Value = serde_json::from_str(&render::sarif(&found, "0")).expect("it is JSON");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let ids: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["id"].as_str()).collect();
        assert_eq!(ids.len(), rules.len(), "ids are unique");
        let list = run["results"].as_array().expect("results");
        assert_eq!(list.len(), found.len());
        for (result, diagnostic) in list.iter().zip(&found) {
            results += 1;
            let rule = result["ruleIndex"]
                .as_u64()
                .and_then(|at| rules.get(usize::try_from(at).ok()?));
            assert_eq!(rule.expect("a rule")["id"], result["ruleId"]);
            assert!(["error", "warning"].contains(&result["level"].as_str().expect("a level")));
            check_location(&result["locations"][0]["physicalLocation"], &sources);
            for related in result["relatedLocations"].as_array().into_iter().flatten() {
                check_location(&related["physicalLocation"], &sources);
            }
            let fixes = result["fixes"].as_array().map_or(0, Vec::len);
            assert_eq!(fixes, diagnostic.fixes.len());
            for fix in result["fixes"].as_array().into_iter().flatten() {
                let changes = fix["artifactChanges"].as_array().expect("changes");
                assert!(
                    !changes.is_empty() && !changes[0]["replacements"].as_array().expect("some").is_empty()
                );
            }
        }
    }
    assert!(results > 50, "only {results} results");
}

fn check_location(location: &Value, sources: &[&Source]) {
    let uri = &location["artifactLocation"]["uri"];
    let source = sources.iter().find(|source| *uri == source.file);
    let source = source.expect("a location is in a file of the run");
    let number = |name: &str| location["region"][name].as_u64().expect("a number");
    assert!(number("startLine") >= 1 && number("startColumn") >= 1);
    assert!((number("startLine"), number("startColumn")) <= (number("endLine"), number("endColumn")));
    // Places in a file of another encoding are those of its text as UTF-8.
    let utf8 = std::str::from_utf8(&source.bytes).is_ok();
    assert!(!utf8 || number("byteOffset") + number("byteLength") <= source.bytes.len() as u64);
}
