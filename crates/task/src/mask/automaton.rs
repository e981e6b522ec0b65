//! All secrets searched for at once: a trie with failure links (Aho and Corasick). Its state after a byte is the
//! longest end of the input that begins a secret, which is both the search and the answer to "how much must be
//! held back". Nodes are kept as sibling lists: secrets are long and rarely share a prefix, so a node has one child.

/// The state before any byte of a secret.
pub(super) const ROOT: u32 = 0;

struct Node {
    byte: u8,
    /// First child, 0 for none (the root is nobody's child).
    child: u32,
    /// Next child of the same parent, 0 for none.
    sibling: u32,
    /// The longest proper end of this node's text that is a node too.
    fail: u32,
    /// Length of this node's text.
    depth: u32,
    /// Length of the longest secret that ends here, 0 for none.
    longest: u32,
    /// Length of the longest end of this node's text that a longer secret begins with.
    open: u32,
}

/// The searching automaton.
pub(super) struct Automaton {
    nodes: Vec<Node>,
    first: [u32; 256],
}

impl Automaton {
    /// Over these patterns, none of them empty and together less than 2^32 bytes.
    pub(super) fn new(patterns: &[Vec<u8>]) -> Self {
        let root = Node {
            byte: 0,
            child: 0,
            sibling: 0,
            fail: ROOT,
            depth: 0,
            longest: 0,
            open: 0,
        };
        let mut automaton = Self {
            nodes: vec![root],
            first: [ROOT; 256],
        };
        for pattern in patterns {
            automaton.insert(pattern);
        }
        automaton.link();
        automaton
    }

    fn insert(&mut self, pattern: &[u8]) {
        let mut at = ROOT;
        for (&byte, depth) in pattern.iter().zip(1_u32..) {
            at = match self.child(at, byte) {
                Some(child) => child,
                None => self.add(at, byte, depth),
            };
        }
        self.node_mut(at).longest = self.node(at).depth;
    }

    fn add(&mut self, parent: u32, byte: u8, depth: u32) -> u32 {
        let new = u32::try_from(self.nodes.len()).expect("the caller bounds the patterns");
        let sibling = self.node(parent).child;
        self.nodes.push(Node {
            byte,
            child: 0,
            sibling,
            fail: ROOT,
            depth,
            longest: 0,
            open: 0,
        });
        self.node_mut(parent).child = new;
        if parent == ROOT {
            self.first[usize::from(byte)] = new;
        }
        new
    }

    /// Sets the failure links level by level, each from those of the level above.
    fn link(&mut self) {
        let mut level = self.children(ROOT);
        for &node in &level {
            let own = self.node_mut(node);
            own.open = if own.child == ROOT { 0 } else { own.depth };
        }
        while !level.is_empty() {
            let mut below = Vec::new();
            for &node in &level {
                for child in self.children(node) {
                    let fail = self.next(self.node(node).fail, self.node(child).byte);
                    self.node_mut(child).fail = fail;
                    let (longest, open) = (self.node(fail).longest, self.node(fail).open);
                    let own = self.node_mut(child);
                    own.longest = own.longest.max(longest);
                    own.open = if own.child == ROOT { open } else { own.depth };
                    below.push(child);
                }
            }
            level = below;
        }
    }

    /// The state after one more byte.
    pub(super) fn next(&self, state: u32, byte: u8) -> u32 {
        let mut state = state;
        while state != ROOT {
            if let Some(child) = self.child(state, byte) {
                return child;
            }
            state = self.node(state).fail;
        }
        self.first[usize::from(byte)]
    }

    /// Whether a secret begins with this byte.
    pub(super) fn begins(&self, byte: u8) -> bool {
        self.first[usize::from(byte)] != ROOT
    }

    /// How many of the last bytes may be the beginning of a secret that goes on.
    pub(super) fn open(&self, state: u32) -> u32 {
        self.node(state).open
    }

    /// Length of the longest secret that ends at this state, 0 for none.
    pub(super) fn longest_match(&self, state: u32) -> u32 {
        self.node(state).longest
    }

    /// Whether there is nothing to search for.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    fn child(&self, parent: u32, byte: u8) -> Option<u32> {
        if parent == ROOT {
            return Some(self.first[usize::from(byte)]).filter(|child| *child != ROOT);
        }
        let mut child = self.node(parent).child;
        while child != ROOT {
            let node = self.node(child);
            if node.byte == byte {
                return Some(child);
            }
            child = node.sibling;
        }
        None
    }

    fn children(&self, parent: u32) -> Vec<u32> {
        let first = Some(self.node(parent).child).filter(|child| *child != ROOT);
        std::iter::successors(first, |child| {
            Some(self.node(*child).sibling).filter(|next| *next != ROOT)
        })
        .collect()
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }
}
