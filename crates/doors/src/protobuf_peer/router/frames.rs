//! What the router does about each thing that a peer may say.

use rumormill_limits::Timestamp;

use super::super::framed::Printable;
use super::super::link::{Link, LinkId, Source, Stage, Why};
use super::super::message::{AROUND_TEXT, ProtocolMessage};
use super::super::store_and_forward::Waiting;
use super::input::{Output, SendOutcome};
use super::{HANDSHAKE, MAX_LEARNED, MAX_PEERS, MAX_ROUTES, Route, Router};
use crate::counters::Counters;

impl<T: Clone> Router<T> {
    pub(super) fn start(&mut self, link: LinkId, id: i64, now: Timestamp) {
        if id < 1 || id == self.id || self.routes.contains_key(&id) {
            Counters::one(&self.counters.refused_other);
            self.send(link, ProtocolMessage::Refused);
            self.depart(link);
            self.outputs.push_back(Output::Close { link, flush: true, why: Why::Taken(id) });
            return;
        }
        let Some(owner) = self.links.get(&link).map(|link| link.owner) else { return };
        let peer = |link: &Link<T>| link.peer().is_some();
        if self.links.values().filter(|link| peer(link)).count() >= MAX_PEERS {
            self.crowd_out(owner, |link| peer(link) && !link.called);
        }
        self.settle(link, id, now);
        self.send(link, ProtocolMessage::Welcome { id: self.id });
        self.hand_over(id, link);
        let known: Vec<_> = self.routes.keys().copied().filter(|known| *known != id).collect();
        for known in known {
            self.announce(known, link);
        }
        if !self.has_news(now) {
            return;
        }
        let others = self.links.iter().filter(|(other, state)| **other != link && peer(state)).map(|(other, _)| *other);
        for other in others.collect::<Vec<_>>() {
            self.announce(id, other);
        }
    }

    pub(super) fn welcome(&mut self, link: LinkId, id: i64, now: Timestamp) {
        let direct = self.routes.get(&id).is_some_and(|route| route.direct);
        if id < 1 || id == self.id || direct {
            Counters::one(&self.counters.refused_other);
            return self.close(link, Why::Taken(id));
        }
        self.settle(link, id, now);
        self.outputs.push_back(Output::Joined(id));
        self.hand_over(id, link);
    }

    /// A link has an id; a route by way of somebody else, if there was one, is no longer used.
    fn settle(&mut self, link: LinkId, id: i64, now: Timestamp) {
        self.forget(id);
        self.routes.insert(id, Route { link, direct: true });
        if let Some(state) = self.links.get_mut(&link) {
            self.handshakes.remove(&(state.heard.after(HANDSHAKE), link));
            (state.stage, state.heard) = (Stage::Peer(id), now);
        }
    }

    pub(super) fn text(&mut self, link: LinkId, (from, to, text): (i64, i64, String), now: Timestamp) {
        // Nobody else writes in our name, and 0 is nobody.
        if from < 1 || to < 1 || from == self.id {
            return Counters::one(&self.counters.refused_other);
        }
        let owned = self.routes.get(&from).is_some_and(|route| route.direct && route.link != link);
        let Some(state) = self.links.get_mut(&link) else { return };
        // What comes from further off bears ids that nobody told us of; but an id with a link of its own writes by that.
        if owned {
            if !std::mem::replace(&mut state.forged, true) {
                self.outputs.push_back(Output::Forged { link, from });
            }
            return Counters::one(&self.counters.refused_other);
        }
        (state.heard, state.spoke) = (now, true);
        if to == self.id {
            return self.outputs.push_back(Output::Deliver { from, text });
        }
        let source = state.peer().unwrap_or(from);
        self.forward(Some(link), Waiting { from, to, text, source, since: now });
    }

    pub(super) fn forward(&mut self, came: Option<LinkId>, message: Waiting) -> SendOutcome {
        let Waiting { from, to, text, .. } = &message;
        match self.routes.get(to).filter(|route| Some(route.link) != came).copied() {
            Some(route) => {
                let text = Printable::new(text);
                let whole = self.send_text(route.link, Source::Peer(message.source), (*from, *to, &text), None);
                if whole { SendOutcome::Out } else { SendOutcome::Dropped }
            }
            None => {
                let gone = self.stored.put(message);
                Counters::add(&self.counters.dropped_out, gone);
                SendOutcome::Stored
            }
        }
    }

    pub(super) fn join(&mut self, link: LinkId, peer: i64, id: i64) {
        let route = self.routes.get(&id).copied();
        // A direct peer stays one, whatever others say.
        if id < 1 || id == self.id || id == peer || route.is_some_and(|route| route.direct) {
            return Counters::one(&self.counters.refused_other);
        }
        if route.is_some_and(|route| route.link == link) {
            return;
        }
        let Some(state) = self.links.get_mut(&link) else { return };
        if state.learned >= MAX_LEARNED || (route.is_none() && self.routes.len() >= MAX_ROUTES) {
            return Counters::one(&self.counters.refused_full);
        }
        state.learned = state.learned.saturating_add(1);
        self.forget(id);
        self.routes.insert(id, Route { link, direct: false });
        self.hand_over(id, link);
    }

    pub(super) fn leave(&mut self, link: LinkId, id: i64) {
        if self.routes.get(&id) == Some(&Route { link, direct: false }) {
            self.forget(id);
        } else {
            Counters::one(&self.counters.refused_other);
        }
    }

    /// Drops the route to an id.
    pub(super) fn forget(&mut self, id: i64) {
        let Some(Route { link, direct: false }) = self.routes.remove(&id) else { return };
        if let Some(state) = self.links.get_mut(&link) {
            state.learned = state.learned.saturating_sub(1);
        }
    }

    fn hand_over(&mut self, id: i64, link: LinkId) {
        while let Some((number, waiting)) = self.stored.first(id) {
            // What finds no room stays where it is.
            if !self
                .links
                .get(&link)
                .is_some_and(|state| state.has_room(waiting.text.len().saturating_add(AROUND_TEXT)))
            {
                break;
            }
            let (from, source, text) = (waiting.from, waiting.source, Printable::new(&waiting.text));
            self.send_text(link, Source::Peer(source), (from, id, &text), None);
            self.stored.remove(number);
        }
    }

    /// Tells a peer of an id, unless that is behind it: it would think that the way there leads through us.
    fn announce(&mut self, id: i64, to: LinkId) {
        let behind = self.routes.get(&id).is_some_and(|route| route.link == to);
        let Some(state) = self.links.get_mut(&to) else { return };
        if state.announced.len() >= MAX_ROUTES {
            state.announced.retain(|id| self.routes.contains_key(id));
        }
        if behind || !self.send(to, ProtocolMessage::Join { id, via: self.id }) {
            return;
        }
        if let Some(state) = self.links.get_mut(&to) {
            state.announced.insert(id);
        }
    }
}
