//! Where anchors are used. A mistake below `&name` is read wherever `*name` stands, and often only one of those places
//! makes it a mistake; messages name both. Made once for a file, and only when there is something to tell.

use std::collections::{BTreeMap, BTreeSet};

use airlock_yaml_tree::{Node, NodeKind, Span, Tree};

/// Most uses of one anchor that a message shows.
const SHOWN_USES: usize = 2;

/// The anchors of one file.
pub(crate) struct Anchors<'s> {
    /// By their place, which is the order of the text.
    anchors: BTreeMap<Span, Anchor<'s>>,
    /// The places of `*name`.
    uses: BTreeSet<(&'s str, Span)>,
}

struct Anchor<'s> {
    name: &'s str,
    value: Span,
}

impl<'s> Anchors<'s> {
    /// Walks through a tree once, without following aliases.
    pub(crate) fn of(tree: &'s Tree) -> Self {
        let mut found = Self {
            anchors: BTreeMap::new(),
            uses: BTreeSet::new(),
        };
        let mut open: Vec<Node<'s>> = tree.root().into_iter().collect();
        while let Some(node) = open.pop() {
            if let Some(alias) = node.alias() {
                found.uses.insert((tree.slice(alias), alias));
                continue;
            }
            if let (Some(name), Some(span)) = (node.anchor(), node.anchor_span()) {
                let value = node.span();
                found.anchors.insert(span, Anchor { name, value });
            }
            match node.kind() {
                NodeKind::Scalar(_) => {}
                NodeKind::Sequence(items) => open.extend(items.iter()),
                NodeKind::Mapping(entries) => {
                    for entry in entries.iter() {
                        match entry.merged().and_then(|merged| merged.alias) {
                            Some(alias) => {
                                found.uses.insert((tree.slice(alias), alias));
                            }
                            None => open.push(entry.value()),
                        }
                    }
                }
            }
        }
        found
    }

    /// The innermost anchor that a place stands below, with its uses; nothing when nobody uses it.
    pub(crate) fn around(&self, place: Span) -> Vec<(Span, String)> {
        let holds = |anchor: &Anchor<'_>| anchor.value.start <= place.start && place.end <= anchor.value.end;
        let Some((span, anchor)) = self.anchors.iter().rev().find(|(_, anchor)| holds(anchor)) else {
            return Vec::new();
        };
        let next = self
            .anchors
            .range(span..)
            .skip(1)
            .find(|(_, later)| later.name == anchor.name)
            .map(|(span, _)| span.start);
        let uses: Vec<Span> = self
            .uses
            .iter()
            .filter(|(name, _)| name.strip_prefix('*') == Some(anchor.name))
            .map(|(_, alias)| *alias)
            .filter(|alias| alias.start > span.start && next.is_none_or(|next| alias.start < next))
            .collect();
        if uses.is_empty() {
            return Vec::new();
        }
        let more = uses.len().saturating_sub(SHOWN_USES);
        let mut found = vec![(*span, format!("the anchor `{}` is here", anchor.name))];
        for (at, alias) in uses.iter().take(SHOWN_USES).enumerate() {
            let last = at + 1 == SHOWN_USES && more > 0;
            let role = if last {
                format!("used here, and in {more} more places")
            } else {
                "used here".to_owned()
            };
            found.push((*alias, role));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(text: &str, needle: &str) -> Vec<String> {
        let parsed = airlock_yaml_tree::parse(text.as_bytes());
        let start = text.find(needle).expect("the needle is in the text");
        let anchors = Anchors::of(&parsed.tree);
        let found = anchors.around(Span::new(start, start + needle.len()));
        let shown = |(span, role): &(Span, String)| {
            let at = parsed.tree.locate(span.start);
            format!("{}:{} {role}", at.line, at.column)
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn an_anchor_and_its_uses() {
        let text = "a: &x\n  k: wrong\nb: *x\nc:\n  <<: *x\nd: *x\n";
        assert_eq!(
            around(text, "wrong"),
            [
                "1:4 the anchor `x` is here",
                "3:4 used here",
                "5:7 used here, and in 1 more places"
            ]
        );
    }

    #[test]
    fn an_anchor_named_again_and_one_without_uses() {
        let text = "a: &x [one]\nb: *x\nc: &x [two]\nd: *x\ne: &y [three]\n";
        assert_eq!(
            around(text, "one"),
            ["1:4 the anchor `x` is here", "2:4 used here"]
        );
        assert_eq!(
            around(text, "two"),
            ["3:4 the anchor `x` is here", "4:4 used here"]
        );
        assert_eq!(around(text, "three"), Vec::<String>::new());
    }
}
