//! What the orb `circleci/path-filtering` would do for a list of changed files: which lines of its mapping match and which
//! parameters they set. The orb is recognised by the step it compiles to, so it counts through jobs and commands alike;
//! its rules are those of the orb, since the job itself decides when it runs.

use airlock_domain::explanation::{MappingLine, PathFilter};
use airlock_domain::plan::{JobBody, Place, PlannedJob, PlannedWorkflow, StepBody};

use crate::regexes::Regexes;

/// The uses of the orb in a job. `text` is the config, to find the lines in.
pub(crate) fn path_filters(
    workflow: &PlannedWorkflow,
    job: &PlannedJob,
    text: &str,
    changed_files: Option<&[String]>,
) -> Vec<PathFilter> {
    let JobBody::Build(build) = &job.body else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for step in &build.steps {
        let StepBody::Run { environment, .. } = &step.body else {
            continue;
        };
        let value = |name: &str| {
            let found = environment.iter().find(|(known, _)| known.as_str() == name);
            found.map(|(_, value)| value.as_str())
        };
        // These three together are the orb's own.
        let (Some(mapping), Some(_), Some(_)) =
            (value("MAPPING"), value("BASE_REVISION"), value("OUTPUT_PATH"))
        else {
            continue;
        };
        let files = changed_files.map(|files| kept(files, value("EXCLUDE").unwrap_or_default()));
        let lines = lines(mapping, text, files.as_deref());
        let matching = || lines.iter().filter(|line| line.matched.is_some());
        let sets = files.is_some().then(|| {
            matching()
                .map(|line| (line.parameter.clone(), line.value.clone()))
                .collect()
        });
        let mut configs: Vec<String> = matching().filter_map(|line| line.config.clone()).collect();
        if lines.iter().all(|line| line.config.is_none()) {
            configs.extend(value("CONFIG_PATH").map(str::to_owned));
        }
        configs.sort();
        configs.dedup();
        found.push(PathFilter {
            workflow: workflow.name.as_str().to_owned(),
            job: job.name.as_str().to_owned(),
            lines,
            sets,
            configs,
        });
    }
    found
}

/// The changed files that no line of `exclude` matches.
fn kept<'f>(files: &'f [String], exclude: &str) -> Vec<&'f str> {
    let patterns: Vec<&str> = exclude
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let regexes = Regexes::default();
    let excluded = |file: &&str| {
        patterns
            .iter()
            .any(|pattern| regexes.matches_whole(pattern, file).unwrap_or(false))
    };
    files
        .iter()
        .map(String::as_str)
        .filter(|file| !excluded(file))
        .collect()
}

fn lines(mapping: &str, text: &str, files: Option<&[&str]>) -> Vec<MappingLine> {
    let mut found = Vec::new();
    let regexes = Regexes::default();
    for line in mapping.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(pattern), Some(parameter), Some(value)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let tried = files.unwrap_or_default().iter().map(|file| {
            regexes
                .matches_whole(pattern, file)
                .map(|matches| matches.then(|| (*file).to_owned()))
        });
        // A pattern that cannot be used is told even when there is nothing to match it with.
        let sound = regexes.check(pattern);
        let matched = tried.flatten().flatten().next();
        found.push(MappingLine {
            pattern: pattern.to_owned(),
            parameter: parameter.to_owned(),
            value: value.to_owned(),
            config: words.next().map(str::to_owned),
            matched,
            problem: sound.err().map(|error| error.to_string()),
            place: place_of(line, text),
        });
    }
    found
}

/// Where a line of a mapping stands in the config, when it stands there as it is.
fn place_of(line: &str, text: &str) -> Option<Place> {
    let (at, found) = text.lines().enumerate().find(|(_, found)| found.trim() == line)?;
    let column = found.chars().take_while(|c| c.is_whitespace()).count() + 1;
    Some(Place::new(
        u32::try_from(at + 1).ok()?,
        u32::try_from(column).ok()?,
    ))
}
