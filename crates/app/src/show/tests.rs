//! Happenings in, lines out.

use airlock_domain::PipelineId;
use airlock_domain::events::{Happening, HappeningKind};

use super::Lines;

fn happening(kind: HappeningKind, words: &[(&str, &str)]) -> Happening {
    let mut happening = Happening::new(kind, String::new(), PipelineId::new(uuid::Uuid::nil()));
    happening.workflow = Some("ci".to_owned());
    for (name, value) in words {
        let value = Some((*value).to_owned());
        match *name {
            "job" => happening.job = value,
            "slice" => happening.slice = value.and_then(|text| text.parse().ok()),
            "step" => happening.step = value,
            "status" => happening.status = value,
            "reason" => happening.reason = value,
            _ => happening.text = value,
        }
    }
    happening
}

#[test]
fn output_is_cut_into_lines_and_written_over_lines_show_their_last_state() {
    let mut lines = Lines::new(false);
    let mut output = |slice: &str, text: &str| {
        lines.take(&happening(
            HappeningKind::Output,
            &[("job", "test"), ("slice", slice), ("text", text)],
        ))
    };
    assert_eq!(output("0", "one\ntw"), ["test │ one"]);
    assert!(output("1", "half").is_empty());
    assert_eq!(output("0", "o\r\n 10%\r 99%\r\n"), ["test │ two", "test │  99%"]);
    let end = happening(
        HappeningKind::StepEnd,
        &[
            ("job", "test"),
            ("slice", "1"),
            ("step", "make"),
            ("status", "failed"),
            ("reason", "exit code 2"),
        ],
    );
    assert_eq!(
        lines.take(&end),
        ["test/1 │ half", "test/1 │ ✘ failed: exit code 2"]
    );
}

#[test]
fn the_summary_names_every_job_with_its_reason() {
    let mut lines = Lines::new(false);
    lines.take(&happening(HappeningKind::Workflow, &[("status", "running")]));
    lines.take(&happening(
        HappeningKind::Job,
        &[("job", "build"), ("status", "running")],
    ));
    let ended = happening(HappeningKind::Job, &[("job", "build"), ("status", "success")]);
    assert_eq!(lines.take(&ended), ["build │ ✔ success"]);
    let left_out = [
        ("job", "deploy"),
        ("status", "not_run"),
        ("reason", "filters.branches.only does not match 'main'"),
    ];
    lines.take(&happening(HappeningKind::Job, &left_out));
    lines.take(&happening(HappeningKind::Workflow, &[("status", "success")]));
    assert_eq!(
        lines.summary(),
        [
            "",
            "✔ workflow ci  success",
            "  ✔ build   success",
            "  ○ deploy  not_run  filters.branches.only does not match 'main'",
        ]
    );
}

#[test]
fn an_errored_pipeline_shows_its_problems() {
    let mut lines = Lines::new(false);
    let errored = happening(
        HappeningKind::Pipeline,
        &[("status", "errored"), ("reason", "a\nb")],
    );
    assert_eq!(
        lines.take(&errored),
        ["✘ The pipeline could not be started.", "a", "b"]
    );
}
