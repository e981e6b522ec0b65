//! Builds the stored tree from events. Owns anchors, aliases and the budgets for them; keeps what it has when
//! the events break off. Called by `parse` alone.

use std::collections::BTreeMap;

use crate::events::Event;
use crate::limits::{MAX_ALIASES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS};
use crate::merge;
use crate::tree::{Anchor, Link, NodeId, Stored, StoredKind};
use crate::{Problem, ProblemCode, Span, Style};

/// One entry of a mapping as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    pub(crate) key: Link,
    pub(crate) value: Link,
}

/// What an anchor stands on.
enum Target {
    Open,
    Done(NodeId),
}

struct Frame {
    start: Span,
    flow: bool,
    mapping: bool,
    anchor: Option<(usize, Anchor)>,
    children: Vec<Link>,
}

pub(crate) struct Builder<'s> {
    source: &'s str,
    pub(crate) nodes: Vec<Stored>,
    pub(crate) root: Option<Link>,
    pub(crate) problems: Vec<Problem>,
    open: Vec<Frame>,
    anchors: BTreeMap<usize, Target>,
    documents: usize,
    aliases: usize,
    /// Nodes the tree would have with all aliases and merges written out.
    expanded: usize,
    over_budget: bool,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            nodes: Vec::new(),
            root: None,
            problems: Vec::new(),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            documents: 0,
            aliases: 0,
            expanded: 0,
            over_budget: false,
        }
    }

    /// Takes one event; false means that reading on is of no use.
    pub(crate) fn event(&mut self, event: Event, span: Span) -> bool {
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document starts here; a config file holds one";
                    self.problem(
                        Problem::error(ProblemCode::ManyDocuments, span, message)
                            .hint("remove the `---` and what follows, or put it into a file of its own"),
                    );
                    return false;
                }
            }
            Event::DocumentEnd => {}
            Event::SequenceStart { flow } => self.start(span, flow, false),
            Event::MappingStart { flow } => self.start(span, flow, true),
            Event::CollectionEnd => self.end(span),
            Event::Anchor { id, name } => self.anchor(id, Anchor { name, span }),
            Event::Scalar { text, style, tag } => self.scalar(text, style, tag, span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                let message = format!("there is no anchor named `{name}` above this line");
                self.problem(
                    Problem::error(ProblemCode::UnknownAlias, span, message).hint(format!(
                        "define it first with `&{name}`, or put quotes around text that starts with `*`"
                    )),
                );
                self.null(span);
            }
        }
        self.check_nodes(span)
    }

    /// Closes what the events left open, so that a broken file still gives a tree.
    pub(crate) fn finish(&mut self) {
        let end = Span::new(self.source.len(), self.source.len());
        while !self.open.is_empty() {
            self.end(end);
        }
    }

    /// The bracket that was open last, for a message about what broke inside it.
    pub(crate) fn open_bracket(&self) -> Option<Span> {
        let frame = self.open.last().filter(|frame| frame.flow)?;
        Some(Span::new(
            frame.start.start as usize,
            frame.start.start as usize + 1,
        ))
    }

    fn start(&mut self, start: Span, flow: bool, mapping: bool) {
        self.open.push(Frame {
            start,
            flow,
            mapping,
            anchor: None,
            children: Vec::new(),
        });
    }

    fn anchor(&mut self, id: usize, anchor: Anchor) {
        // The event follows its node: an open collection without children, or the scalar just stored.
        match self.open.last_mut() {
            Some(frame) if frame.children.is_empty() && frame.anchor.is_none() => {
                frame.anchor = Some((id, anchor));
                self.anchors.insert(id, Target::Open);
            }
            Some(_) | None => {
                let Some(last) = self.nodes.len().checked_sub(1) else {
                    return;
                };
                self.nodes[last].anchor = Some(anchor);
                self.anchors.insert(id, Target::Done(node_id(last)));
            }
        }
    }

    fn scalar(&mut self, text: String, style: Style, tag: Option<String>, span: Span) {
        if let Some(tag) = &tag
            && !is_core_tag(tag)
        {
            let message = format!("the tag `{tag}` means nothing here and is ignored");
            self.problem(
                Problem::warning(ProblemCode::UnknownTag, span, message)
                    .hint("put quotes around text that starts with `!`"),
            );
        }
        // A value left out arrives with a text made up by the parser and no width.
        let left_out = style == Style::Plain && span.is_empty();
        let text = if left_out { String::new() } else { text };
        let span = if left_out {
            self.after_key(span)
        } else {
            self.trim(span)
        };
        self.store(Stored {
            span,
            anchor: None,
            size: 1,
            height: 0,
            kind: StoredKind::Scalar { text, style, tag },
        });
    }

    /// A value left out is shown right after its key, not where the parser noticed.
    fn after_key(&self, span: Span) -> Span {
        let Some(frame) = self
            .open
            .last()
            .filter(|frame| frame.mapping && frame.children.len() % 2 == 1)
        else {
            return span;
        };
        let Some(key) = frame.children.last() else {
            return span;
        };
        let after = key.alias.unwrap_or(self.nodes[key.node.0 as usize].span).end as usize;
        let rest = self.source.get(after..).unwrap_or("");
        let blank = rest.len() - rest.trim_start_matches(' ').len();
        let colon = if rest[blank..].starts_with(':') {
            after + blank + 1
        } else {
            after
        };
        Span::new(colon, colon)
    }

    /// Block scalars end at the indentation of the next line; the blank end is no part of them.
    fn trim(&self, span: Span) -> Span {
        let text = self.source.get(span.range()).unwrap_or("");
        Span::new(span.start as usize, span.start as usize + text.trim_end().len())
    }

    fn alias(&mut self, id: usize, span: Span) {
        self.aliases += 1;
        if self.aliases == MAX_ALIASES + 1 {
            let message = format!("this file uses more than {MAX_ALIASES} aliases");
            self.problem(
                Problem::error(ProblemCode::Limit, span, message)
                    .hint("use a command or an executor instead"),
            );
        }
        let target = match self.anchors.get(&id) {
            Some(Target::Done(target)) if self.aliases <= MAX_ALIASES => *target,
            Some(Target::Done(_)) | None => return self.null(span),
            Some(Target::Open) => {
                self.problem(Problem::error(
                    ProblemCode::RecursiveAlias,
                    span,
                    "this alias stands inside the value it names",
                ));
                return self.null(span);
            }
        };
        let stored = &self.nodes[target.0 as usize];
        let (size, height) = (stored.size, stored.height);
        if self.open.len() + height > MAX_DEPTH {
            let message = format!("following this alias nests more than {MAX_DEPTH} levels deep");
            self.problem(Problem::error(ProblemCode::Limit, span, message));
            return self.null(span);
        }
        if !self.spend(size, span) {
            return self.null(span);
        }
        self.attach(Link {
            node: target,
            alias: Some(span),
        });
    }

    fn null(&mut self, span: Span) {
        let kind = StoredKind::Scalar {
            text: String::new(),
            style: Style::Plain,
            tag: None,
        };
        self.store(Stored {
            span,
            anchor: None,
            size: 1,
            height: 0,
            kind,
        });
    }

    fn end(&mut self, span: Span) {
        let Some(frame) = self.open.pop() else { return };
        let last = frame
            .children
            .last()
            .map(|link| link.alias.unwrap_or(self.nodes[link.node.0 as usize].span));
        let span = if frame.flow {
            frame.start.join(span)
        } else {
            last.map_or(frame.start, |last| {
                Span::new(frame.start.start as usize, last.end as usize)
            })
        };
        let kind = if frame.mapping {
            self.mapping(&frame)
        } else {
            StoredKind::Sequence {
                items: frame.children.clone(),
                flow: frame.flow,
            }
        };
        let children = frame
            .children
            .iter()
            .map(|link| &self.nodes[link.node.0 as usize]);
        let size = children
            .clone()
            .fold(1_usize, |sum, child| sum.saturating_add(child.size));
        let height = children.map(|child| child.height).max().unwrap_or(0) + 1;
        let (id, anchor) = frame
            .anchor
            .map_or((None, None), |(id, anchor)| (Some(id), Some(anchor)));
        let node = self.store(Stored {
            span,
            anchor,
            size,
            height,
            kind,
        });
        if let Some(id) = id {
            self.anchors.insert(id, Target::Done(node));
        }
    }

    fn mapping(&mut self, frame: &Frame) -> StoredKind {
        let mut raw = Vec::with_capacity(frame.children.len() / 2);
        for pair in frame.children.chunks(2) {
            // A broken file may end after a key: the key stands for itself, it has no value to read.
            if let [key, value] = pair {
                raw.push(Raw {
                    key: *key,
                    value: *value,
                });
            }
        }
        let outcome = merge::merge(&self.nodes, raw);
        for problem in outcome.problems {
            self.problem(problem);
        }
        StoredKind::Mapping {
            entries: outcome.entries,
            flow: frame.flow,
        }
    }

    fn store(&mut self, stored: Stored) -> NodeId {
        let id = node_id(self.nodes.len());
        self.nodes.push(stored);
        self.attach(Link {
            node: id,
            alias: None,
        });
        id
    }

    fn attach(&mut self, link: Link) {
        match self.open.last_mut() {
            Some(frame) => frame.children.push(link),
            None if self.root.is_none() => self.root = Some(link),
            None => {}
        }
    }

    /// Charges the nodes an alias adds (merged maps are reached by alias too); false when the budget is spent.
    fn spend(&mut self, nodes: usize, span: Span) -> bool {
        self.expanded = self.expanded.saturating_add(nodes);
        self.within_budget(span)
    }

    fn check_nodes(&mut self, span: Span) -> bool {
        if self.nodes.len() > MAX_NODES {
            return self.within_budget(span);
        }
        true
    }

    fn within_budget(&mut self, span: Span) -> bool {
        let total = self.expanded.saturating_add(self.nodes.len());
        if total <= MAX_NODES {
            return true;
        }
        if !self.over_budget {
            self.over_budget = true;
            let message = format!("with all aliases written out this file has more than {MAX_NODES} values");
            self.problem(
                Problem::error(ProblemCode::Limit, span, message)
                    .hint("split the file, or use fewer aliases"),
            );
        }
        false
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

fn node_id(index: usize) -> NodeId {
    NodeId(u32::try_from(index).unwrap_or(u32::MAX))
}

fn is_core_tag(tag: &str) -> bool {
    tag == "!" || tag.starts_with("!!") || tag.starts_with("tag:yaml.org,2002:")
}
