//! What each operation does.

use bytes::Bytes;
use rumormill_wire::native::{Frame, MessageKind};

use super::cast::WALL_US;
use super::finding::Finding;
use super::ops::{Kind, Op, Switches};
use super::world::World;
use crate::io::{Input, Ticket};

/// What a shell that works at once does in a row, at most.
const MAX_JOBS: usize = 4_096;

impl World<'_> {
    /// One operation. `raw` are the bytes behind it.
    pub(super) fn operate(&mut self, op: Op, raw: &[u8]) -> Result<(), Finding> {
        if self.last_link == 0 {
            for end in 0..2 {
                self.begin(end, 0)?;
            }
            self.link()?;
        }
        let args = op.args;
        let (end, slot) = (usize::from(args[0] % 2), usize::from(args[0] % 4));
        match op.kind {
            Kind::Link => self.link()?,
            Kind::Unlink => self.unlink()?,
            Kind::Deliver => drop(self.deliver(end, args[1].into())?),
            Kind::Up => self.open(slot, args[1])?,
            Kind::Down => self.hang_up(slot)?,
            Kind::Read => self.read_all(slot)?,
            Kind::Sign => {
                if let Some(bundle) = self.sign(args) {
                    self.say_bundle(slot, bundle.bytes(), args[6])?;
                }
            }
            Kind::Resend => {
                if let Some(bundle) = self.book.bundle(args[2]) {
                    let mut bytes = bundle.bytes().to_vec();
                    let at = usize::from(args[4]) % bytes.len();
                    bytes[at] ^= args[5];
                    self.say_bundle(slot, &bytes, args[3])?;
                }
            }
            Kind::Status => self.status(args)?,
            Kind::Buckets => self.buckets(args)?,
            Kind::Range => self.range(args)?,
            Kind::Member => self.member(args)?,
            Kind::Proof => {
                if let Some(proof) = self.proof(args) {
                    self.say_frame(slot, &Frame::Proof(proof))?;
                }
            }
            Kind::Issue => self.issue(args),
            Kind::Revoked => self.revoke(slot, args[1], args[2])?,
            Kind::Raw => self.say(slot, Bytes::copy_from_slice(raw))?,
            Kind::Submit => {
                self.last_ticket += 1;
                let body = Bytes::from(vec![b'x'; usize::from(args[1])]);
                let (ticket, room) = (Ticket(self.last_ticket), "r".repeat(usize::from(args[2])));
                self.give(end, Input::Submit { ticket, kind: MessageKind::CHAT, room, body })?;
            }
            Kind::Work => {
                for _ in 0..args[2].max(1) {
                    self.work(end, args[1] & 1 == 1)?;
                }
            }
            Kind::Commit => self.commit(end, args[1].max(1).into())?,
            Kind::Wait => self.wait(u64::from(args[0]) * u64::from(args[0]) * 1_000)?,
            Kind::Wall => self.step_wall(end, args[1])?,
            Kind::Full => {
                self.nodes[end].full = true;
                // Nothing more of it is committed.
                self.nodes[end].appended.clear();
                self.give(end, Input::StoreFull)?;
            }
            Kind::Revisions => self.revisions(args)?,
            Kind::Window => self.window(end, args[1], usize::from(args[2]))?,
            Kind::Restart => self.restart(end, args[1] & 1 == 1, usize::from(args[1] >> 1 & 1))?,
        }
        if self.switches.has(Switches::PROMPT) {
            self.all_work()?;
        }
        Ok(())
    }

    fn window(&mut self, end: usize, part: u8, slot: usize) -> Result<(), Finding> {
        let bytes = (self.config.link_window / 256 * usize::from(part)).max(2_048);
        let liars = self.slots.get(slot).and_then(Option::as_ref).map(|slot| (slot.end, slot.link));
        let honest = || self.wire.as_ref().map(|wire| (end, wire.links[end]));
        let Some((end, link)) = liars.or_else(honest) else { return Ok(()) };
        self.reach("window");
        self.give(end, Input::Window { link, bytes })
    }

    fn step_wall(&mut self, end: usize, how: u8) -> Result<(), Finding> {
        let by = i64::from(how >> 2);
        let offset = match how % 4 {
            0 => WALL_US,
            1 => WALL_US + by * 600_000_000,
            2 => WALL_US - by * 600_000_000,
            _ => WALL_US + by * 1_000_000,
        };
        self.nodes[end].offset = offset;
        self.nodes[end].steps += 1;
        self.give(end, Input::WallOffset(offset))
    }

    /// Time passes, and both engines are told.
    pub(super) fn wait(&mut self, us: u64) -> Result<(), Finding> {
        self.now += us;
        for end in 0..2 {
            self.give(end, Input::Timeout)?;
        }
        Ok(())
    }

    /// Shells and stores do all that they were asked.
    pub(super) fn all_work(&mut self) -> Result<bool, Finding> {
        let mut done = false;
        for end in 0..2 {
            for _ in 0..MAX_JOBS {
                if !self.work(end, false)? {
                    break;
                }
                done = true;
            }
            done |= !self.nodes[end].appended.is_empty();
            self.commit(end, usize::MAX)?;
        }
        Ok(done)
    }
}
