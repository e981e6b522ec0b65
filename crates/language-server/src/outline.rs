//! The outline of a document and what of it can be folded away. Read from the tree, so a broken text keeps the outline of
//! what could be read. Below an entry of a workflow stand the names of the jobs it becomes, where those are others.

use airlock_yaml_tree::{Entry, Mapping, Node, NodeKind, Span};
use gen_lsp_types::{DocumentSymbol, FoldingRange, FoldingRangeKind, SymbolKind};

use crate::analysis::Analysis;
use crate::becomes::Becomes;
use crate::limits::MAX_DEPTH;
use crate::names::content_span;

/// The top-level keys with what is defined below them.
pub(crate) fn symbols(analysis: &Analysis, becomes: &Becomes) -> Vec<DocumentSymbol> {
    let Some(top) = analysis.tree.root().and_then(Node::as_mapping) else {
        return Vec::new();
    };
    own(top)
        .map(|entry| {
            let map = entry.value().as_mapping();
            let children = map.into_iter().flat_map(own).filter(|child| {
                // `version: 2` among the workflows is no workflow.
                !(entry.name() == "workflows" && child.name() == "version")
            });
            let children: Vec<DocumentSymbol> = match entry.name() {
                "jobs" | "commands" | "executors" => children
                    .map(|child| definition(analysis, child, kind_of(entry.name())))
                    .collect(),
                "orbs" | "parameters" => children
                    .map(|child| leaf(analysis, child, kind_of(entry.name())))
                    .collect(),
                "workflows" | "job-groups" => {
                    children.map(|child| workflow(analysis, child, becomes)).collect()
                }
                _ => Vec::new(),
            };
            DocumentSymbol {
                children: (!children.is_empty()).then_some(children),
                ..leaf(analysis, entry, SymbolKind::Namespace)
            }
        })
        .collect()
}

fn kind_of(section: &str) -> SymbolKind {
    match section {
        "jobs" => SymbolKind::Class,
        "commands" => SymbolKind::Function,
        "executors" => SymbolKind::Struct,
        "orbs" => SymbolKind::Package,
        _ => SymbolKind::Variable,
    }
}

/// Entries written in the map itself: merged ones stand elsewhere.
fn own(map: Mapping<'_>) -> impl Iterator<Item = Entry<'_>> {
    map.iter().filter(|entry| entry.merged().is_none())
}

fn definition(analysis: &Analysis, entry: Entry<'_>, kind: SymbolKind) -> DocumentSymbol {
    let map = entry.value().as_mapping();
    let parameters = map
        .and_then(|map| map.get("parameters"))
        .filter(|parameters| parameters.merged().is_none() && parameters.value().alias().is_none())
        .and_then(|parameters| parameters.value().as_mapping());
    let children: Vec<DocumentSymbol> = parameters
        .into_iter()
        .flat_map(own)
        .map(|child| leaf(analysis, child, SymbolKind::Variable))
        .collect();
    DocumentSymbol {
        children: (!children.is_empty()).then_some(children),
        ..leaf(analysis, entry, kind)
    }
}

fn workflow(analysis: &Analysis, workflow: Entry<'_>, becomes: &Becomes) -> DocumentSymbol {
    let entry = workflow;
    let with_names = |named: DocumentSymbol, key: Span| {
        let place = analysis.tree.locate(key.start);
        let names = becomes.names(workflow.name(), place.line, place.column);
        let is_own = names.len() == 1 && names.first() == Some(&named.name.as_str());
        let children: Vec<DocumentSymbol> = names
            .into_iter()
            .filter(|_| !is_own)
            .map(|name| DocumentSymbol {
                name: name.to_owned(),
                ..named.clone()
            })
            .collect();
        DocumentSymbol {
            children: (!children.is_empty()).then_some(children),
            ..named
        }
    };
    let jobs = entry.value().as_mapping().and_then(|map| map.get("jobs"));
    let jobs = jobs
        .filter(|jobs| jobs.merged().is_none() && jobs.value().alias().is_none())
        .and_then(|jobs| jobs.value().as_sequence());
    let items = jobs.into_iter().flat_map(airlock_yaml_tree::Sequence::iter);
    let children: Vec<DocumentSymbol> = items
        .filter(|item| item.alias().is_none())
        .filter_map(|item| match item.kind() {
            NodeKind::Scalar(scalar) if !scalar.is_null() => {
                let span = item.span();
                let named = symbol(analysis, scalar.text, span, span, SymbolKind::Event);
                Some(with_names(named, span))
            }
            NodeKind::Mapping(map) => {
                let entry = own(map).next()?;
                let named = leaf(analysis, entry, SymbolKind::Event);
                Some(with_names(named, entry.key().span()))
            }
            NodeKind::Scalar(_) | NodeKind::Sequence(_) => None,
        })
        .collect();
    DocumentSymbol {
        children: (!children.is_empty()).then_some(children),
        ..leaf(analysis, entry, SymbolKind::Module)
    }
}

fn leaf(analysis: &Analysis, entry: Entry<'_>, kind: SymbolKind) -> DocumentSymbol {
    let key = entry.key().alias().unwrap_or_else(|| content_span(entry.key()));
    let value = entry.value().alias().unwrap_or_else(|| entry.value().span());
    let whole = entry.key().span().join(key).join(value);
    symbol(analysis, entry.name(), key, whole, kind)
}

fn symbol(analysis: &Analysis, name: &str, selected: Span, whole: Span, kind: SymbolKind) -> DocumentSymbol {
    // Editors refuse symbols without a name.
    let name = if name.is_empty() { "(no name)" } else { name };
    DocumentSymbol::new(
        name.to_owned(),
        None,
        kind,
        None,
        None,
        analysis.range(whole),
        analysis.range(selected),
        None,
    )
}

/// Maps, lists, long texts and blocks of comments that have more than one line.
pub(crate) fn folds(analysis: &Analysis) -> Vec<FoldingRange> {
    let mut folds = Vec::new();
    if let Some(root) = analysis.tree.root() {
        fold(analysis, root, 0, &mut folds);
    }
    comments(analysis, &mut folds);
    folds.sort_by_key(|fold| (fold.start_line, u32::MAX - fold.end_line));
    folds.dedup_by_key(|fold| fold.start_line);
    folds
}

fn fold(analysis: &Analysis, node: Node<'_>, depth: usize, folds: &mut Vec<FoldingRange>) {
    if depth > MAX_DEPTH || node.alias().is_some() {
        return;
    }
    match node.kind() {
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(items) => {
            for item in items.iter().filter(|item| item.alias().is_none()) {
                lines(analysis, item.span(), None, folds);
                fold(analysis, item, depth + 1, folds);
            }
        }
        NodeKind::Mapping(map) => {
            for entry in own(map) {
                if entry.value().alias().is_none() {
                    lines(
                        analysis,
                        entry.key().span().join(entry.value().span()),
                        None,
                        folds,
                    );
                    fold(analysis, entry.value(), depth + 1, folds);
                }
            }
        }
    }
}

fn lines(analysis: &Analysis, span: Span, kind: Option<FoldingRangeKind>, folds: &mut Vec<FoldingRange>) {
    let range = analysis.range(span);
    if range.start.line < range.end.line {
        folds.push(FoldingRange {
            start_line: range.start.line,
            end_line: range.end.line,
            kind,
            ..FoldingRange::default()
        });
    }
}

fn comments(analysis: &Analysis, folds: &mut Vec<FoldingRange>) {
    let mut begin: Option<usize> = None;
    for line in 0..=analysis.text.lines() {
        let is_comment = analysis.text.line(line).trim_start().starts_with('#');
        match (begin, is_comment) {
            (None, true) => begin = Some(line),
            (Some(first), false) => {
                if line > first + 1 {
                    let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
                    folds.push(FoldingRange {
                        start_line: number(first),
                        end_line: number(line - 1),
                        kind: Some(FoldingRangeKind::Comment),
                        ..FoldingRange::default()
                    });
                }
                begin = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}
