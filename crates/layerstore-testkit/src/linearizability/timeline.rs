use super::history::Call;

/// Node of the list's head.
const HEAD: usize = 0;

/// The starts and ends of calls in the order of their stamps, in a doubly linked list: a call can be lifted out
/// and, in reverse order, be put back where it was.
pub(super) struct Timeline {
    next: Vec<usize>,
    previous: Vec<usize>,
}

/// What stands at a node.
pub(super) enum Event {
    Start(usize),
    End(usize),
    /// The history ended here.
    Over,
}

impl Timeline {
    pub(super) fn new<Op, Output>(calls: &[Call<Op, Output>]) -> Self {
        let mut events = Vec::with_capacity(2 * calls.len());
        for (index, call) in calls.iter().enumerate() {
            // At equal stamps a start goes before an end: the calls overlap.
            events.push((call.start, 0, start_node(index)));
            events.extend(call.end.map(|end| (end, 1, end_node(index))));
        }
        events.sort_unstable();
        let nodes = 2 * calls.len() + 1;
        let mut list = Self {
            next: (0..nodes).collect(),
            previous: (0..nodes).collect(),
        };
        let mut last = HEAD;
        for (_, _, node) in events {
            list.join(last, node);
            last = node;
        }
        list.join(last, HEAD);
        list
    }

    pub(super) fn first(&self) -> usize {
        self.next[HEAD]
    }

    pub(super) fn after(&self, node: usize) -> usize {
        self.next[node]
    }

    /// Returns the node that follows the start of `call`.
    pub(super) fn after_start(&self, call: usize) -> usize {
        self.next[start_node(call)]
    }

    pub(super) fn event(node: usize) -> Event {
        match node {
            HEAD => Event::Over,
            node if node % 2 == 1 => Event::Start(node / 2),
            node => Event::End(node / 2 - 1),
        }
    }

    /// Takes the start and the end of a call out.
    pub(super) fn lift(&mut self, call: usize) {
        for node in [start_node(call), end_node(call)] {
            let (previous, next) = (self.previous[node], self.next[node]);
            self.next[previous] = next;
            self.previous[next] = previous;
        }
    }

    /// Puts the call that was lifted last back in.
    pub(super) fn unlift(&mut self, call: usize) {
        for node in [end_node(call), start_node(call)] {
            let (previous, next) = (self.previous[node], self.next[node]);
            self.next[previous] = node;
            self.previous[next] = node;
        }
    }

    fn join(&mut self, node: usize, next: usize) {
        self.next[node] = next;
        self.previous[next] = node;
    }
}

/// Starts have odd numbers, ends and the head even ones. A call without an end leaves its end's node by itself.
fn start_node(call: usize) -> usize {
    2 * call + 1
}

fn end_node(call: usize) -> usize {
    2 * call + 2
}
