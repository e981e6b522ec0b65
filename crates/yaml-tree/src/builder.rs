//! Builds the stored tree from events. Owns anchors, aliases and the budgets for them; keeps what it has when
//! the events break off. Called by `parse` alone.

use std::collections::BTreeMap;

use crate::events::Event;
use crate::explain;
use crate::limits::{MAX_ALIASES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS};
use crate::merge;
use crate::quoting;
use crate::tags;
use crate::tree::{Anchor, Link, NodeId, Stored, StoredEntry, StoredKind, Tag};
use crate::{Comment, Problem, ProblemCode, Span, Style};

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
    tag: Option<Tag>,
    children: Vec<Link>,
}

/// A collection that is open, for a message about what broke inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) start: Span,
    pub(crate) flow: bool,
}

pub(crate) struct Builder<'s> {
    source: &'s str,
    pub(crate) nodes: Vec<Stored>,
    pub(crate) root: Option<Link>,
    /// Every alias that leads somewhere, as written.
    pub(crate) used: Vec<Link>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) comments: Vec<Comment>,
    /// Aliases that named nothing when they were met; what to say of them depends on the whole file.
    unresolved: Vec<(String, Span)>,
    open: Vec<Frame>,
    anchors: BTreeMap<usize, Target>,
    documents: usize,
    aliases: usize,
    /// Nodes the tree would have with all aliases and merges written out.
    expanded: usize,
    over_budget: bool,
    told_of_tab: bool,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            nodes: Vec::new(),
            root: None,
            used: Vec::new(),
            problems: Vec::new(),
            comments: Vec::new(),
            unresolved: Vec::new(),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            documents: 0,
            aliases: 0,
            expanded: 0,
            over_budget: false,
            told_of_tab: false,
        }
    }

    /// Takes one event; false means that reading on is of no use.
    pub(crate) fn event(&mut self, event: Event, span: Span) -> bool {
        self.check_indentation(&event, span);
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    let hint = if self.source.get(span.range()) == Some("---") {
                        "remove the `---` and what follows, or put it into a file of its own"
                    } else {
                        "remove the `...` above, or put what follows it into a file of its own"
                    };
                    let message = "a second document starts here; a config file holds one";
                    self.problem(Problem::error(ProblemCode::ManyDocuments, span, message).hint(hint));
                    return false;
                }
            }
            Event::DocumentEnd => {}
            Event::Comment => self.comment(span),
            Event::SequenceStart { flow, tag } => self.start(span, flow, false, tag),
            Event::MappingStart { flow, tag } => self.start(span, flow, true, tag),
            Event::CollectionEnd => self.end(span),
            Event::Anchor { id, name } => self.anchor(id, Anchor { name, span }),
            Event::Scalar { text, style, tag } => self.scalar(text, style, tag, span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                if self.unresolved.len() < MAX_PROBLEMS {
                    self.unresolved.push((name, span));
                }
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
        let anchors = self.nodes.iter().filter_map(|node| node.anchor.as_ref());
        let found = quoting::unknown_aliases(self.source, &self.unresolved, anchors);
        for problem in found {
            self.problem(problem);
        }
    }

    /// The collections that are open, outermost first.
    pub(crate) fn open(&self) -> Vec<Open> {
        let open = |frame: &Frame| Open {
            start: frame.start,
            flow: frame.flow,
        };
        self.open.iter().map(open).collect()
    }

    /// A tab before a value or key that begins its line. The parser takes it for some columns; the parsers of the field do
    /// not, and no two people see the same number of them.
    fn check_indentation(&mut self, event: &Event, span: Span) {
        let is_node = match event {
            Event::Scalar { .. }
            | Event::Alias(_)
            | Event::UnresolvedAlias(_)
            | Event::SequenceStart { .. }
            | Event::MappingStart { .. } => !span.is_empty(),
            Event::DocumentStart
            | Event::DocumentEnd
            | Event::Anchor { .. }
            | Event::CollectionEnd
            | Event::Comment => false,
        };
        if !is_node || self.told_of_tab || self.open.last().is_some_and(|frame| frame.flow) {
            return;
        }
        let before = self.source.get(..span.start as usize).unwrap_or("");
        let rest = before.trim_end_matches([' ', '\t', '-']);
        let starts_line = rest.is_empty() || rest.ends_with(['\n', '\r']);
        if let Some(tab) = before[rest.len()..].find('\t').filter(|_| starts_line) {
            self.told_of_tab = true;
            let at = rest.len() + tab;
            self.problem(explain::tab(Span::new(at, at)));
        }
    }

    fn comment(&mut self, span: Span) {
        let before = self.source.get(..span.start as usize).unwrap_or("");
        let before = before.trim_end_matches([' ', '\t']);
        self.comments.push(Comment {
            span,
            own_line: before.is_empty() || before.ends_with(['\n', '\r', '\u{feff}']),
        });
    }

    fn start(&mut self, start: Span, flow: bool, mapping: bool, tag: Option<String>) {
        let tag = self.tag(tag, start);
        self.open.push(Frame {
            start,
            flow,
            mapping,
            anchor: None,
            tag,
            children: Vec::new(),
        });
    }

    /// Finds the place of a tag, and says so when it means nothing.
    fn tag(&mut self, name: Option<String>, node: Span) -> Option<Tag> {
        let name = name?;
        let span = tags::span(self.source, node.start);
        if let Some(problem) = tags::problem(
            self.source,
            &name,
            span,
            self.open.last().is_some_and(|frame| frame.flow),
        ) {
            self.problem(problem);
        }
        Some(Tag { name, span })
    }

    fn anchor(&mut self, id: usize, anchor: Anchor) {
        if let Some(problem) = quoting::bad_anchor(self.source, &anchor.name, anchor.span) {
            self.problem(problem);
        }
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
        let tag = self.tag(tag, span);
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
            tag,
            size: 1,
            height: 0,
            kind: StoredKind::Scalar { text, style },
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
        let link = Link {
            node: target,
            alias: Some(span),
        };
        self.used.push(link);
        self.attach(link);
    }

    fn null(&mut self, span: Span) {
        let kind = StoredKind::Scalar {
            text: String::new(),
            style: Style::Plain,
        };
        self.store(Stored {
            span,
            anchor: None,
            tag: None,
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
        let children = frame
            .children
            .iter()
            .map(|link| &self.nodes[link.node.0 as usize]);
        let size = children
            .clone()
            .fold(1_usize, |sum, child| sum.saturating_add(child.size));
        let height = children.map(|child| child.height).max().unwrap_or(0) + 1;
        let Frame {
            anchor,
            tag,
            children,
            flow,
            ..
        } = frame;
        let kind = if frame.mapping {
            StoredKind::Mapping {
                entries: self.mapping(&children),
                flow,
            }
        } else {
            StoredKind::Sequence {
                items: children,
                flow,
            }
        };
        let (id, anchor) = anchor.map_or((None, None), |(id, anchor)| (Some(id), Some(anchor)));
        let node = self.store(Stored {
            span,
            anchor,
            tag,
            size,
            height,
            kind,
        });
        if let Some(id) = id {
            self.anchors.insert(id, Target::Done(node));
        }
    }

    fn mapping(&mut self, children: &[Link]) -> Vec<StoredEntry> {
        // A broken file may end after a key: the key stands for itself, it has no value to read.
        let pairs = children.chunks_exact(2);
        let raw = pairs.map(|pair| Raw {
            key: pair[0],
            value: pair[1],
        });
        let outcome = merge::merge(&self.nodes, raw);
        for problem in outcome.problems {
            self.problem(problem);
        }
        outcome.entries
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
