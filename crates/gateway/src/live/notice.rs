//! What listeners are told of a happening, and on which channels. Pure. Output is cut into pieces that fit a message;
//! where a piece cannot say exactly which bytes it stands for, it only says where they begin, and viewers fetch them.

use airlock_domain::events::{Happening, HappeningKind};
use serde_json::{Map, Value, json};

use super::channel::Channel;
use super::limits::PIECE_BYTES;
use super::message::event;

/// The messages of a happening, each with its channel.
pub(crate) fn notices(happening: &Happening) -> Vec<(Channel, String)> {
    if happening.kind == HappeningKind::Output {
        return output(happening);
    }
    let data = changed(happening);
    let job = happening.job_id.map(Channel::Job);
    let channels = match happening.kind {
        HappeningKind::Pipeline | HappeningKind::Workflow | HappeningKind::Job => [
            Some(Channel::Pipelines),
            Some(Channel::Pipeline(happening.pipeline)),
            job,
        ],
        // Slices show as a count on the pipeline, steps only on the job.
        HappeningKind::Slice => [None, Some(Channel::Pipeline(happening.pipeline)), job],
        HappeningKind::StepStart | HappeningKind::StepEnd | HappeningKind::Output => [None, None, job],
    };
    let channels = channels.into_iter().flatten();
    channels
        .map(|channel| (channel, event("changed", channel, &data)))
        .collect()
}

/// Only ids and words of ours: a page that wants more reads it, with the rights that it has then.
fn changed(happening: &Happening) -> Value {
    let mut data = Map::new();
    data.insert("pipeline".into(), json!(happening.pipeline));
    let parts = [
        ("workflow", happening.workflow_id.map(|id| json!(id))),
        ("job", happening.job_id.map(|id| json!(id))),
        ("slice", happening.slice.map(|slice| json!(slice))),
        ("step", happening.step_index.map(|step| json!(step))),
        ("status", happening.status.as_ref().map(|status| json!(status))),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            data.insert(name.into(), value);
        }
    }
    Value::Object(data)
}

fn output(happening: &Happening) -> Vec<(Channel, String)> {
    let (Some(job), Some(slice), Some(step)) = (happening.job_id, happening.slice, happening.step_index)
    else {
        return Vec::new();
    };
    let channel = Channel::Job(job);
    let mut offset = happening.offset.unwrap_or(0);
    let text = happening.text.as_deref().unwrap_or_default();
    // A replacement character may stand for bytes of any number, so offsets cannot be counted over it.
    if text.contains('\u{fffd}') {
        let data = json!({ "slice": slice, "step": step, "offset": offset });
        return vec![(channel, event("output", channel, &data))];
    }
    let mut notices = Vec::new();
    for piece in pieces(text) {
        let data = json!({ "slice": slice, "step": step, "offset": offset, "text": piece });
        notices.push((channel, event("output", channel, &data)));
        offset += piece.len() as u64;
    }
    notices
}

/// The text in pieces that each fit a message after JSON escaped them twice.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut cost) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let more = match character {
            '"' | '\\' => 4,
            '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 3,
            '\0'..='\u{1f}' => 7,
            _ => character.len_utf8(),
        };
        if cost + more > PIECE_BYTES {
            pieces.push(&text[start..at]);
            (start, cost) = (at, 0);
        }
        cost += more;
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use airlock_domain::{JobId, PipelineId, WorkflowId};
    use uuid::Uuid;

    use super::super::limits::MESSAGE_BYTES;
    use super::*;

    fn happening(kind: HappeningKind) -> Happening {
        Happening {
            workflow_id: Some(WorkflowId::new(Uuid::from_u128(2))),
            job_id: Some(JobId::new(Uuid::from_u128(3))),
            job: Some("a name".into()),
            slice: Some(0),
            step_index: Some(4),
            status: Some("failed".into()),
            reason: Some("a reason".into()),
            offset: Some(100),
            ..Happening::new(
                kind,
                "2026-11-22T09:08:07.123Z".into(),
                PipelineId::new(Uuid::from_u128(1)),
            )
        }
    }

    fn data(message: &str) -> Value {
        let frame: Value = serde_json::from_str(message).expect("JSON");
        serde_json::from_str(frame["data"].as_str().expect("a string")).expect("JSON in it")
    }

    #[test]
    fn each_kind_goes_where_it_is_shown() {
        let channels = |kind| {
            let told = notices(&happening(kind));
            told.iter()
                .map(|(channel, _)| {
                    channel
                        .to_string()
                        .replace("00000000-0000-0000-0000-00000000000", "")
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        let everywhere = "private-pipelines private-pipeline-1 private-job-3";
        assert_eq!(channels(HappeningKind::Workflow), everywhere);
        assert_eq!(channels(HappeningKind::Job), everywhere);
        assert_eq!(channels(HappeningKind::Slice), "private-pipeline-1 private-job-3");
        assert_eq!(channels(HappeningKind::StepEnd), "private-job-3");
    }

    #[test]
    fn a_hint_says_what_changed_and_no_more() {
        let told = notices(&happening(HappeningKind::StepEnd));
        assert_eq!(
            data(&told[0].1),
            json!({
                "pipeline": "00000000-0000-0000-0000-000000000001",
                "workflow": "00000000-0000-0000-0000-000000000002",
                "job": "00000000-0000-0000-0000-000000000003",
                "slice": 0,
                "step": 4,
                "status": "failed",
            })
        );
    }

    #[test]
    fn long_output_is_cut_without_a_gap_and_every_piece_fits() {
        for text in [
            "x".repeat(40_000),
            "é😀".repeat(9_000),
            "\u{1b}[31m\"\\\n".repeat(6_000),
        ] {
            let mut long = happening(HappeningKind::Output);
            long.text = Some(text.clone());
            let (mut whole, mut next) = (String::new(), 100);
            for (_, message) in notices(&long) {
                assert!(message.len() <= MESSAGE_BYTES, "{}", message.len());
                let data = data(&message);
                assert_eq!(data["offset"], next);
                let piece = data["text"].as_str().expect("text");
                next += piece.len() as u64;
                whole.push_str(piece);
            }
            assert_eq!(whole, text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_fetched_instead() {
        let mut broken = happening(HappeningKind::Output);
        broken.text = Some("a\u{fffd}b".into());
        let told = notices(&broken);
        assert_eq!(told.len(), 1);
        assert_eq!(data(&told[0].1), json!({ "slice": 0, "step": 4, "offset": 100 }));
    }
}
