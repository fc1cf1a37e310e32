//! What happens in the world, one thing after the other, in the order of its time.

use super::*;

pub(super) enum Happening {
    Input { node: usize, life: u64, input: Input },
    Timer { node: usize, life: u64, at: Timestamp },
}

impl World {
    pub fn say(&mut self, n: usize, text: &str) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let body = Bytes::from(text.to_owned());
        self.give(n, Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body });
        ticket
    }

    pub fn give(&mut self, n: usize, input: Input) {
        if !self.nodes[n].alive {
            return;
        }
        if let Input::Frame { link, bytes } = &input
            && matches!(Frame::decode(bytes), Ok(Frame::Rumor(_)))
        {
            *self.nodes[n].unreleased.entry(*link).or_default() += bytes.len();
        }
        let now = Timestamp(self.now);
        let Ok(taken) = At { world: self, n }.feed(now, input);
        taken.unwrap_or_else(|why| panic!("refused: {why}"));
        if let Some(at) = self.nodes[n].engine.next_timeout()
            && self.nodes[n].timer.is_none_or(|old| old > at)
        {
            self.nodes[n].timer = Some(at);
            let life = self.nodes[n].life;
            self.at(at.0.max(self.now), Happening::Timer { node: n, life, at });
        }
    }

    pub(super) fn at(&mut self, when: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((when, self.order), what);
    }

    pub(super) fn later(&mut self, n: usize, delay: u64, input: Input) {
        let life = self.nodes[n].life;
        self.at(self.now + delay, Happening::Input { node: n, life, input });
    }

    pub fn step(&mut self) -> bool {
        let Some(((when, _), happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(when);
        match happening {
            Happening::Timer { node, life, at } => {
                if self.nodes[node].life == life && self.nodes[node].timer == Some(at) {
                    self.nodes[node].timer = None;
                    self.give(node, Input::Timeout);
                }
            }
            Happening::Input { node, life, input } => {
                if self.nodes[node].life != life || !self.nodes[node].alive {
                    return true;
                }
                if let Input::Committed { appends } = input {
                    self.flush(node, appends);
                }
                if let Input::RevocationsKept { part } = &input {
                    self.nodes[node].disk.revocations.take(Arc::clone(part));
                }
                let gone = |link: &LinkId| !self.wires.contains_key(&(node, *link));
                match &input {
                    Input::Frame { link, .. } if gone(link) => return true,
                    _ => self.give(node, input),
                }
            }
        }
        true
    }

    pub(super) fn flush(&mut self, n: usize, appends: u64) {
        let now = self.now;
        let node = &mut self.nodes[n];
        // What came after the store was full is not in the queue.
        let done = usize::try_from(appends).unwrap() - node.flushed;
        node.flushed += done;
        let done: Vec<_> = node.queue.drain(..done).collect();
        for bytes in done {
            let place = node.disk.take(bytes);
            node.disk.arrived.insert(place, now);
        }
    }

    /// Runs until it holds; panics after `for_us` of virtual time.
    pub fn until(&mut self, for_us: u64, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = self.now + for_us;
        while !holds(self) {
            assert!(self.now < deadline && self.step(), "not within {for_us} us: {what}\n{}", self.describe());
        }
    }

    pub fn run_for(&mut self, us: u64) {
        let end = self.now + us;
        while self.queue.first_key_value().is_some_and(|((when, _), _)| *when <= end) {
            self.step();
        }
        self.now = end;
    }
}
