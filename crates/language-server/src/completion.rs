//! What may be typed at a place. The place is found in the text (`cursor`), its meaning by the grammar (`place`), and the
//! words come from the tables of the language and the names of the document and its orbs.

mod values;

use std::collections::BTreeSet;

use airlock_pipeline_config::keys::{Kind, STATEMENTS, Shape, Support};
use gen_lsp_types::{
    CompletionItem, CompletionItemKind, CompletionItemTextEdit, CompletionList, Documentation, MarkupContent,
    MarkupKind, TextEdit,
};

use crate::analysis::Analysis;
use crate::cursor::{self, Cursor, Segment, Typing};
use crate::hover;
use crate::limits::MAX_COMPLETIONS;
use crate::names::{Names, Parameter};
use crate::place::{ElementKind, Owner, Place, What, kinds_of_map};
use values::{anchors, expression, values, words};

/// One thing that may be typed.
struct Offer {
    label: String,
    kind: CompletionItemKind,
    detail: Option<String>,
    about: Option<String>,
    ending: Ending,
}

/// What is put behind a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Nothing,
    /// A colon and a blank: the value follows on the line.
    Value,
    /// A colon alone: a map or a list follows below.
    Block,
}

/// Everything that may be typed at a byte.
pub(crate) fn at(analysis: &Analysis, offset: usize, references: &dyn Fn() -> Vec<String>) -> CompletionList {
    let cursor = cursor::at(&analysis.text, offset);
    let place = reach(&cursor.path, &analysis.names);
    let mut offers = match cursor.typing {
        Typing::Text => Vec::new(),
        Typing::Alias => anchors(analysis, offset),
        Typing::Expression => expression(&analysis.names, &place),
        Typing::Value => values(analysis, &place, references),
        Typing::FlowKey => keys(&analysis.names, &place),
        Typing::Item => {
            let mut offers = values(analysis, &place, references);
            offers.extend(keys(&analysis.names, &place));
            offers
        }
        Typing::Start => {
            let mut offers = keys(&analysis.names, &place);
            // Below a key that takes a list, the item with its dash; below one that takes a word, the word.
            let item = place.item(&analysis.names);
            if item.what == What::Unknown {
                offers.extend(values(analysis, &place, references));
            } else {
                let mut items = values(analysis, &item, references);
                items.extend(keys(&analysis.names, &item));
                offers.extend(items.into_iter().map(|offer| Offer {
                    label: format!("- {}", offer.label),
                    ..offer
                }));
            }
            offers
        }
    };
    let mut seen = BTreeSet::new();
    offers.retain(|offer| !cursor.siblings.contains(&offer.label) && seen.insert(offer.label.clone()));
    let is_incomplete = offers.len() > MAX_COMPLETIONS;
    offers.truncate(MAX_COMPLETIONS);
    CompletionList {
        is_incomplete,
        items: offers
            .into_iter()
            .enumerate()
            .map(|(at, offer)| item(analysis, &cursor, at, offer))
            .collect(),
        ..CompletionList::default()
    }
}

fn item(analysis: &Analysis, cursor: &Cursor, at: usize, offer: Offer) -> CompletionItem {
    let mut new_text = offer.label.clone();
    let in_flow = cursor.typing == Typing::FlowKey;
    match offer.ending {
        Ending::Nothing => {}
        Ending::Value | Ending::Block if cursor.has_colon => {}
        Ending::Block if !in_flow => new_text.push(':'),
        Ending::Value | Ending::Block => new_text.push_str(": "),
    }
    CompletionItem {
        kind: Some(offer.kind),
        detail: offer.detail,
        documentation: offer.about.map(|value| {
            Documentation::MarkupContent(MarkupContent {
                kind: MarkupKind::Markdown,
                value,
            })
        }),
        // Editors sort by the label otherwise, and the required keys would be lost among the others.
        sort_text: Some(format!("{at:04}")),
        filter_text: Some(offer.label.clone()),
        text_edit: Some(CompletionItemTextEdit::TextEdit(TextEdit {
            range: analysis.text.range(cursor.word.clone()),
            new_text,
        })),
        label: offer.label,
        ..CompletionItem::default()
    }
}

/// Follows a path from the top.
pub(crate) fn reach(path: &[Segment], names: &Names) -> Place {
    path.iter().fold(Place::top(), |place, segment| match segment {
        Segment::Key(key) => place.child(key, names),
        Segment::Item => place.item(names),
    })
}

/// Keys of the map at a place.
fn keys(names: &Names, place: &Place) -> Vec<Offer> {
    match &place.what {
        What::Map(Kind::Invocation) => {
            let mut offers = place.job.as_deref().map_or_else(Vec::new, |job| {
                let target = Owner {
                    kind: ElementKind::Job,
                    name: job.into(),
                };
                parameters(names, place, &target)
            });
            offers.extend(table(Kind::Invocation));
            offers
        }
        What::Map(kind) => kinds_of_map(*kind).flat_map(table).collect(),
        What::Orb(_) => table(Kind::Orb),
        What::Arguments(target) => parameters(names, place, target),
        What::Axes | What::Exclude => place.job.as_deref().map_or_else(Vec::new, |job| {
            let target = Owner {
                kind: ElementKind::Job,
                name: job.into(),
            };
            parameters(names, place, &target)
        }),
        What::Logic => words(STATEMENTS, CompletionItemKind::Operator, Ending::Block),
        What::Executor => vec![Offer {
            label: "name".to_owned(),
            kind: CompletionItemKind::Property,
            detail: None,
            about: Some("The executor; its parameters stand beside it.".to_owned()),
            ending: Ending::Value,
        }],
        What::Argument(..) => place
            .typed(names)
            .map_or_else(Vec::new, |typed| keys(names, &typed)),
        What::Value(Shape::Either(shapes)) => shapes
            .iter()
            .filter_map(|shape| {
                if let Shape::Map(kind) = shape {
                    Some(*kind)
                } else {
                    None
                }
            })
            .flat_map(table)
            .collect(),
        What::Unknown
        | What::Maps(_)
        | What::Definitions(_)
        | What::Groups
        | What::Workflows
        | What::Orbs
        | What::Parameters
        | What::Steps
        | What::Step
        | What::Entries
        | What::Entry
        | What::Requires
        | What::Requirement
        | What::Statuses
        | What::Axis(_)
        | What::Excludes
        | What::Contexts
        | What::Statements
        | What::Environment
        | What::ResourceClass
        | What::ParameterType
        | What::Value(_) => Vec::new(),
    }
}

/// The keys of a table, those that must be there first.
fn table(kind: Kind) -> Vec<Offer> {
    let mut keys: Vec<_> = kind
        .keys()
        .iter()
        .filter(|key| key.support == Support::Yes)
        .collect();
    keys.sort_by_key(|key| !key.required);
    keys.into_iter()
        .map(|key| Offer {
            label: key.name.to_owned(),
            kind: CompletionItemKind::Property,
            detail: Some(key.shape.words()),
            about: Some(hover::key(key)),
            ending: ending(key.shape),
        })
        .collect()
}

/// Whether a value of a shape stands on the key's line or below it.
fn ending(shape: Shape) -> Ending {
    let below = matches!(
        shape,
        Shape::Map(_)
            | Shape::Maps(_)
            | Shape::Named(_)
            | Shape::Jobs
            | Shape::Orbs
            | Shape::Steps
            | Shape::StepOrSteps
            | Shape::Entries
            | Shape::Parameters
            | Shape::Axes
            | Shape::Environment
            | Shape::Texts
    );
    if below { Ending::Block } else { Ending::Value }
}

/// The parameters that a call may pass.
fn parameters(names: &Names, place: &Place, target: &Owner) -> Vec<Offer> {
    let Some(found) = names.element(&place.scope, target.kind, &target.name) else {
        return Vec::new();
    };
    let of = format!("of the {} `{}`", target.kind.word(), target.name);
    let mut declared: Vec<&Parameter> = found.element.parameters.iter().collect();
    declared.sort_by_key(|parameter| parameter.default.is_some());
    declared
        .into_iter()
        .map(|parameter| Offer {
            label: parameter.name.to_string(),
            kind: CompletionItemKind::Field,
            detail: Some(hover::signature(parameter)),
            about: Some(hover::parameter(parameter, &of)),
            ending: match parameter.kind.as_str() {
                "steps" => Ending::Block,
                _ => Ending::Value,
            },
        })
        .collect()
}
