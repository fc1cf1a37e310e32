//! The members by everything that they are looked up by: each index says the same.

use rumormill_limits::Timestamp;

use super::Directory;
use super::input::Output;
use super::member::{Id, Member};

impl Directory {
    pub(super) fn insert(&mut self, now: Timestamp, member: Member) {
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        if member.own.is_none() {
            self.sources.extend(member.birth.map(|birth| (birth, id)));
        }
        if let Some(character) = member.character {
            self.characters.insert(character, id);
            self.ports.insert(member.addr.port(), id);
            self.lent = self.lent.saturating_add(usize::from(member.own.is_some()));
        }
        if let Some(own) = &member.own {
            self.names.insert(own.name.clone(), id);
            self.births.extend(member.birth.map(|birth| (birth, id)));
        }
        self.addrs.insert(member.addr, id);
        let here = self.by_ip.entry(member.addr.ip()).or_default();
        *here = here.saturating_add(1);
        self.feed.came(&member);
        self.feed.mark(now, self.members.len());
        self.members.insert(id, member);
    }

    pub(super) fn remove(&mut self, now: Timestamp, id: Id) -> Option<Member> {
        let member = self.members.remove(&id)?;
        if let Some(character) = member.character {
            self.characters.remove(&character);
            self.ports.remove(&member.addr.port());
            self.lent = self.lent.saturating_sub(usize::from(member.own.is_some()));
        }
        if let Some(own) = &member.own {
            self.names.remove(&own.name);
            if let Some(birth) = member.birth {
                self.births.remove(&birth);
            }
        }
        if let Some(birth) = member.birth {
            self.sources.remove(&(birth, id));
        }
        self.addrs.remove(&member.addr);
        if let Some(here) = self.by_ip.get_mut(&member.addr.ip()) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_ip.remove(&member.addr.ip());
            }
        }
        self.outputs.push_back(Output::Gone { addr: member.addr });
        self.feed.went(&member);
        self.feed.mark(now, self.members.len());
        Some(member)
    }

    /// Ports, characters and addresses that the members hold, for tests: each index says the same.
    #[cfg(test)]
    #[doc(hidden)]
    pub(crate) fn is_sound(&self) -> bool {
        let characters: std::collections::BTreeSet<_> = self.members.values().filter_map(|m| m.character).collect();
        let ports: std::collections::BTreeSet<_> =
            self.members.values().filter(|m| m.character.is_some()).map(|m| m.addr.port()).collect();
        let names = self.members.values().filter(|m| m.own.is_some()).count();
        let births = self.members.values().filter(|m| m.own.is_some() && m.birth.is_some()).count();
        characters.len() == self.characters.len()
            && ports.len() == self.ports.len()
            && characters.len() == ports.len()
            && names == self.names.len()
            && births == self.births.len()
            && self.addrs.len() == self.members.len()
            && self.sources.len() == self.members.values().filter(|m| m.own.is_none() && m.birth.is_some()).count()
            && self.sources.iter().all(|(from, id)| self.members.get(id).is_some_and(|m| m.birth == Some(*from)))
            && self.by_ip.values().sum::<usize>() == self.members.len()
    }
}
