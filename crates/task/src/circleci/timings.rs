//! How long tests took in earlier runs, as weights for a split. Reads the results a job is given below
//! `CIRCLE_INTERNAL_TASK_DATA`, or a file that is named: `{"tests": [{"file", "classname", "name", "run_time"}]}` with
//! times in seconds. A test no result tells of gets the default, or a small weight of its own that is the same on every
//! node, so that the nodes agree without talking to each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use airlock_domain::duration;
use serde::Deserialize;

use super::arguments::Arguments;
use super::{HelperError, World, failed, read_text, usage};
use crate::limits::TEST_RESULTS;

/// Where the results of earlier runs are, below the directory for the job's own data.
const RESULTS: &str = "circle-test-results/results.json";

#[derive(Debug, Deserialize)]
struct Results {
    tests: Vec<Test>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Test {
    file: Option<String>,
    classname: Option<String>,
    name: Option<String>,
    run_time: f64,
}

/// Which of a test's names the list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Class,
    Name,
}

impl Kind {
    /// In the order they are tried.
    const ALL: [Self; 3] = [Self::File, Self::Class, Self::Name];

    fn of(self, test: &Test) -> Option<&str> {
        let name = match self {
            Self::File => test.file.as_deref().map(plain),
            Self::Class => test.classname.as_deref(),
            Self::Name => test.name.as_deref(),
        };
        name.filter(|name| !name.is_empty())
    }
}

/// Each name with its weight in microseconds; `None` when no result tells of any of them.
pub(super) fn weights<'a>(
    world: &World<'_>,
    arguments: &Arguments<'_>,
    names: &[&'a str],
) -> Result<Option<Vec<(&'a str, u64)>>, HelperError> {
    let kinds = match arguments.value("timings-type").unwrap_or("autodetect") {
        "autodetect" => Kind::ALL.to_vec(),
        "filename" | "file" => vec![Kind::File],
        "classname" => vec![Kind::Class],
        "testname" | "name" => vec![Kind::Name],
        other => {
            return Err(usage(format!(
                "`--timings-type={other}`: it is autodetect, filename, classname or testname"
            )));
        }
    };
    let default = arguments
        .value("time-default")
        .map(|text| {
            duration::milliseconds(text)
                .map(|ms| ms.saturating_mul(1000))
                .ok_or_else(|| {
                    usage(format!(
                        "`--time-default={text}` is no length of time such as 10s or 1m"
                    ))
                })
        })
        .transpose()?;
    let Some(results) = results(world, arguments)? else {
        return Ok(None);
    };
    // The kind that most names are of; among equals the first.
    let mut best: Option<(usize, BTreeMap<String, f64>)> = None;
    for kind in kinds {
        let times = times(&results, kind);
        let known = names
            .iter()
            .filter(|name| times.contains_key(plain(name)))
            .count();
        if known > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((known, times));
        }
    }
    Ok(best.map(|(_, times)| {
        let weight = |name: &&'a str| {
            let known = times.get(plain(name)).map(|seconds| microseconds(*seconds));
            (*name, known.or(default).unwrap_or_else(|| small(name)))
        };
        names.iter().map(weight).collect()
    }))
}

fn results(world: &World<'_>, arguments: &Arguments<'_>) -> Result<Option<Results>, HelperError> {
    let (path, named) = match arguments.value("timings-file") {
        Some(file) => (world.directory.join(file), true),
        None => match world.env.get("CIRCLE_INTERNAL_TASK_DATA") {
            Some(data) => (PathBuf::from(data).join(RESULTS), false),
            None => return Ok(None),
        },
    };
    let shown = path.display().to_string();
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(_) if !named => return Ok(None),
        Err(error) => return Err(failed(format!("opening {shown}: {error}"))),
    };
    let text = read_text(&mut file, &shown, TEST_RESULTS)?;
    let read = serde_json::from_str(&text);
    read.map(Some)
        .map_err(|error| failed(format!("reading the times of tests in {shown}: {error}")))
}

/// The seconds all tests of each name took together.
fn times(results: &Results, kind: Kind) -> BTreeMap<String, f64> {
    let mut times = BTreeMap::new();
    for test in &results.tests {
        if let Some(name) = kind.of(test) {
            *times.entry(name.to_owned()).or_insert(0.0) += test.run_time.max(0.0);
        }
    }
    times
}

/// A file's name without the `./` that some tools put before it.
fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is positive and below ten days in microseconds"
)]
fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).clamp(1.0, 864_000e6) as u64
}

/// Up to a tenth of a second, by the name alone.
fn small(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    1 + hash % 100_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = r#"{"tests": [
        {"file": "./a.py", "classname": "A", "name": "one", "run_time": 1.5, "result": "success"},
        {"file": "a.py", "classname": "A", "name": "two", "run_time": 0.5},
        {"file": "b.py", "classname": "B", "name": "one", "run_time": -1},
        {"classname": "C", "name": ""}
    ]}"#;

    fn weighed<'a>(flags: &[&str], names: &[&'a str]) -> Result<Option<Vec<(&'a str, u64)>>, HelperError> {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("circle-test-results")).expect("created");
        fs::write(directory.path().join("circle-test-results/results.json"), RESULTS).expect("written");
        let data = directory.path().display().to_string();
        let world = World {
            env: [("CIRCLE_INTERNAL_TASK_DATA".to_owned(), data)].into(),
            directory: directory.path().to_owned(),
            run_dir: PathBuf::new(),
            input: &mut std::io::empty(),
            output: &mut std::io::sink(),
            errors: &mut std::io::sink(),
        };
        let arguments = Arguments::parse(flags, &super::super::split::VALUED, &[])?;
        weights(&world, &arguments, names)
    }

    #[test]
    fn names_are_weighed_by_what_they_are() {
        let by = |names: &[&'static str]| weighed(&[], names).expect("fine").expect("known");
        assert_eq!(by(&["./a.py", "b.py"]), [("./a.py", 2_000_000), ("b.py", 1)]);
        assert_eq!(by(&["A", "B"])[0].1, 2_000_000);
        assert_eq!(by(&["one", "two"]), [("one", 1_500_000), ("two", 500_000)]);
    }

    #[test]
    fn what_no_result_tells_of_gets_the_default_or_little() {
        let of = |flags: &[&str]| weighed(flags, &["a.py", "new.py"]).expect("fine").expect("known")[1].1;
        assert_eq!(of(&["--time-default=10s"]), 10_000_000);
        assert!((1..=100_000).contains(&of(&[])));
        assert_eq!(weighed(&[], &["x", "y"]), Ok(None));
        assert_eq!(weighed(&["--timings-type=testname"], &["a.py"]), Ok(None));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for flags in [&["--timings-type=mood"][..], &["--time-default=soon"]] {
            assert!(
                matches!(weighed(flags, &["a"]), Err(HelperError::Usage(_))),
                "{flags:?}"
            );
        }
        let missing = weighed(&["--timings-file=nowhere"], &["a"]);
        assert!(matches!(missing, Err(HelperError::Failed(text)) if text.contains("nowhere")));
    }
}
