//! The words that may stand as values: names of the document and its orbs, and words of the language.

use std::collections::BTreeSet;

use airlock_pipeline_config::keys::{
    BUILT_IN_STEPS, PARAMETER_TYPES, PIPELINE_VALUES, REQUIRED_STATUSES, RESOURCE_CLASSES, Shape, Word,
};
use airlock_yaml_tree::Node;
use gen_lsp_types::CompletionItemKind;

use super::{Ending, Offer};
use crate::analysis::Analysis;
use crate::hover;
use crate::names::{Found, Names};
use crate::place::{ElementKind, Place, What};

/// Values that may stand at a place.
pub(super) fn values(analysis: &Analysis, place: &Place, references: &dyn Fn() -> Vec<String>) -> Vec<Offer> {
    let names = &analysis.names;
    match &place.what {
        What::Step => steps(names, place),
        What::Entry => entries(names, place),
        What::Executor => elements(names, place, ElementKind::Executor),
        What::Requirement => required(names, place),
        What::Statuses => words(REQUIRED_STATUSES, CompletionItemKind::EnumMember, Ending::Nothing),
        What::ParameterType => words(PARAMETER_TYPES, CompletionItemKind::EnumMember, Ending::Nothing),
        What::ResourceClass => resource_classes(),
        What::Contexts => contexts(analysis),
        What::Orb(_) => references()
            .into_iter()
            .map(|reference| plain(reference, CompletionItemKind::Module))
            .collect(),
        What::Argument(..) => {
            if let Some(parameter) = place
                .parameter(names)
                .filter(|parameter| parameter.kind == "enum")
            {
                let members = parameter.members.iter().cloned();
                return members
                    .map(|member| plain(member, CompletionItemKind::EnumMember))
                    .collect();
            }
            place
                .typed(names)
                .map_or_else(Vec::new, |typed| values(analysis, &typed, references))
        }
        What::Value(shape) => of_shape(*shape),
        What::Logic => pipeline_values(names),
        What::Unknown
        | What::Map(_)
        | What::Maps(_)
        | What::Definitions(_)
        | What::Groups
        | What::Workflows
        | What::Orbs
        | What::Parameters
        | What::Steps
        | What::Arguments(_)
        | What::Entries
        | What::Requires
        | What::Axes
        | What::Axis(_)
        | What::Excludes
        | What::Exclude
        | What::Statements
        | What::Environment => Vec::new(),
    }
}

fn of_shape(shape: Shape) -> Vec<Offer> {
    let words: &[&str] = if let Shape::OneOf(words) = shape {
        words
    } else if shape == Shape::Boolean {
        &["true", "false"]
    } else if let Shape::Either(shapes) = shape {
        return shapes.iter().flat_map(|shape| of_shape(*shape)).collect();
    } else {
        &[]
    };
    words
        .iter()
        .map(|word| plain((*word).to_owned(), CompletionItemKind::EnumMember))
        .collect()
}

fn plain(label: String, kind: CompletionItemKind) -> Offer {
    Offer {
        label,
        kind,
        detail: None,
        about: None,
        ending: Ending::Nothing,
    }
}

pub(super) fn words(words: &[Word], kind: CompletionItemKind, ending: Ending) -> Vec<Offer> {
    words
        .iter()
        .map(|word| Offer {
            about: Some(word.about.to_owned()),
            ending,
            ..plain(word.name.to_owned(), kind)
        })
        .collect()
}

fn elements(names: &Names, place: &Place, kind: ElementKind) -> Vec<Offer> {
    let item_kind = match kind {
        ElementKind::Job => CompletionItemKind::Class,
        ElementKind::Command => CompletionItemKind::Function,
        ElementKind::Executor => CompletionItemKind::Struct,
    };
    names
        .callable(&place.scope, kind)
        .into_iter()
        .map(|name| {
            let found = names.element(&place.scope, kind, &name);
            Offer {
                about: found.as_ref().map(|found| hover::element(&name, found)),
                ending: ending_of_call(found.as_ref(), kind),
                detail: Some(kind.word().to_owned()),
                ..plain(name, item_kind)
            }
        })
        .collect()
}

/// A call that must pass something needs the map below it.
fn ending_of_call(found: Option<&Found<'_>>, kind: ElementKind) -> Ending {
    let needs = found.is_some_and(|found| {
        let mut parameters = found.element.parameters.iter();
        parameters.any(|parameter| parameter.default.is_none())
    });
    if needs && kind != ElementKind::Executor {
        Ending::Block
    } else {
        Ending::Nothing
    }
}

fn steps(names: &Names, place: &Place) -> Vec<Offer> {
    let built_in = BUILT_IN_STEPS.iter().map(|step| Offer {
        detail: Some("built-in step".to_owned()),
        about: Some(step.about.to_owned()),
        ending: match (step.alone, step.text) {
            (true, _) => Ending::Nothing,
            (false, true) => Ending::Value,
            (false, false) => Ending::Block,
        },
        ..plain(step.name.to_owned(), CompletionItemKind::Keyword)
    });
    let mut offers: Vec<Offer> = built_in.collect();
    offers.extend(elements(names, place, ElementKind::Command));
    offers
}

fn entries(names: &Names, place: &Place) -> Vec<Offer> {
    let mut offers = elements(names, place, ElementKind::Job);
    let groups = names.of("").into_iter().flat_map(|top| top.groups.keys());
    offers.extend(groups.map(|name| Offer {
        detail: Some("group of jobs".to_owned()),
        ..plain(name.to_string(), CompletionItemKind::Class)
    }));
    offers
}

/// The other entries of the workflow.
fn required(names: &Names, place: &Place) -> Vec<Offer> {
    let Some(workflow) = place.workflow.as_deref() else {
        return Vec::new();
    };
    let Some(workflow) = names.of("").and_then(|top| top.workflow(workflow)) else {
        return Vec::new();
    };
    let own = place.job.as_deref();
    let entries = workflow
        .entries
        .iter()
        .filter(|entry| Some(&*entry.job) != own || entry.name.is_some());
    let named = entries.flat_map(|entry| {
        let alias = entry.alias.as_ref().map(|(alias, _)| alias);
        [Some(entry.required_as()), alias]
    });
    named
        .flatten()
        .filter(|name| !name.is_empty())
        .map(|name| plain(name.to_string(), CompletionItemKind::Event))
        .collect()
}

fn resource_classes() -> Vec<Offer> {
    RESOURCE_CLASSES
        .iter()
        .map(|class| Offer {
            detail: (class.cpus > 0).then(|| format!("{} processors, {} MB", class.cpus, class.memory_mb)),
            ..plain(class.name.to_owned(), CompletionItemKind::EnumMember)
        })
        .collect()
}

/// The anchors above: an alias can name no other.
pub(super) fn anchors(analysis: &Analysis, offset: usize) -> Vec<Offer> {
    analysis
        .tree
        .anchors()
        .filter(|node| {
            node.anchor_span()
                .is_some_and(|span| (span.end as usize) < offset)
        })
        .filter_map(Node::anchor)
        .map(|name| plain(name.to_owned(), CompletionItemKind::Reference))
        .collect()
}

/// Contexts that the document names elsewhere: nothing else here knows which there are.
fn contexts(analysis: &Analysis) -> Vec<Offer> {
    let mut found = BTreeSet::new();
    let top = analysis.tree.root().and_then(Node::as_mapping);
    let workflows = top
        .and_then(|top| top.get("workflows"))
        .and_then(|entry| entry.value().as_mapping());
    for workflow in workflows.into_iter().flat_map(airlock_yaml_tree::Mapping::iter) {
        let jobs = workflow.value().as_mapping().and_then(|map| map.get("jobs"));
        let jobs = jobs.and_then(|jobs| jobs.value().as_sequence());
        for item in jobs.into_iter().flat_map(airlock_yaml_tree::Sequence::iter) {
            let entry = item.as_mapping().and_then(|map| map.iter().next());
            let context = entry
                .and_then(|entry| entry.value().as_mapping())
                .and_then(|map| map.get("context"));
            let Some(context) = context.map(airlock_yaml_tree::Entry::value) else {
                continue;
            };
            let listed = context
                .as_sequence()
                .into_iter()
                .flat_map(airlock_yaml_tree::Sequence::iter);
            for name in listed.chain([context]).filter_map(Node::as_scalar) {
                if !name.is_null() && !name.text.contains("<<") {
                    found.insert(name.text.to_owned());
                }
            }
        }
    }
    found
        .into_iter()
        .map(|name| plain(name, CompletionItemKind::Value))
        .collect()
}

/// Names inside `<< >>`.
pub(super) fn expression(names: &Names, place: &Place) -> Vec<Offer> {
    let mut offers = Vec::new();
    if let Some(owner) = &place.owner {
        let found = names.element(&place.scope, owner.kind, &owner.name);
        let of = format!("of the {} `{}`", owner.kind.word(), owner.name);
        for parameter in found.iter().flat_map(|found| &found.element.parameters) {
            offers.push(Offer {
                detail: Some(hover::signature(parameter)),
                about: Some(hover::parameter(parameter, &of)),
                ..plain(
                    format!("parameters.{}", parameter.name),
                    CompletionItemKind::Variable,
                )
            });
        }
    }
    if let Some(job) = &place.job {
        let found = names.element(&place.scope, ElementKind::Job, job);
        for parameter in found.iter().flat_map(|found| &found.element.parameters) {
            offers.push(Offer {
                detail: Some(hover::signature(parameter)),
                ..plain(format!("matrix.{}", parameter.name), CompletionItemKind::Variable)
            });
        }
    }
    if place.scope.is_empty() {
        offers.extend(pipeline_values(names));
    }
    offers
}

fn pipeline_values(names: &Names) -> Vec<Offer> {
    let declared = names.of("").into_iter().flat_map(|top| &top.parameters);
    let mut offers: Vec<Offer> = declared
        .map(|parameter| Offer {
            detail: Some(hover::signature(parameter)),
            about: Some(hover::parameter(parameter, "of the pipeline")),
            ..plain(
                format!("pipeline.parameters.{}", parameter.name),
                CompletionItemKind::Variable,
            )
        })
        .collect();
    offers.extend(PIPELINE_VALUES.iter().map(|value| Offer {
        about: Some(value.about.to_owned()),
        ..plain(value.name.to_owned(), CompletionItemKind::Constant)
    }));
    offers
}
