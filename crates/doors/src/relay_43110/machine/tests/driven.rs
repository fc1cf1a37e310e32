//! The machine as its driver sees it.

use super::*;
use crate::port::Author;

/// A machine that is told things in few words. What it rejects is another test's matter.
pub(super) struct DrivenMachine(pub(super) Machine<u32>);

impl DrivenMachine {
    pub(super) fn feed(&mut self, now: Timestamp, input: Input<'_, u32>) {
        let _ = self.0.handle(now, input);
    }
    pub(super) fn start(&mut self) {
        self.feed(at(0), Input::Start);
    }
    pub(super) fn accepted(&mut self, link: RelayLinkId, ip: IpAddr, now: Timestamp) {
        self.feed(now, Input::Accepted { link, ip });
    }
    pub(super) fn dialled(&mut self, link: RelayLinkId, ip: IpAddr, now: Timestamp) {
        self.feed(now, Input::Dialled { link, ip });
    }
    pub(super) fn dial_failed(&mut self, ip: IpAddr, nobody_listens: bool, why: &str, now: Timestamp) {
        self.feed(now, Input::DialFailed { ip, nobody_listens, why });
    }
    pub(super) fn useful(&mut self, link: RelayLinkId, now: Timestamp) {
        self.feed(now, Input::Useful { link });
    }
    /// True if that was the last of a message.
    pub(super) fn written(&mut self, link: RelayLinkId, now: Timestamp) -> bool {
        self.feed(now, Input::Written { link });
        let sent = self.0.outputs.iter().any(|output| *output == Output::Sent);
        self.0.outputs.retain(|output| *output != Output::Sent);
        sent
    }
    pub(super) fn ended(&mut self, link: RelayLinkId, by_them: bool, now: Timestamp) {
        self.feed(now, Input::Ended { link, by_them });
    }
    pub(super) fn broadcast_by(&mut self, author: Author, frame: &[u8], now: Timestamp) {
        self.feed(now, Input::Broadcast { author, frame });
    }
    pub(super) fn broadcast(&mut self, frame: &[u8], now: Timestamp) {
        self.feed(now, Input::Broadcast { author: None, frame });
    }
    pub(super) fn send(&mut self, ip: IpAddr, frames: Vec<Vec<u8>>, ticket: Option<u32>, now: Timestamp) {
        self.feed(now, Input::Send { author: None, ip, frames, ticket });
    }
    pub(super) fn probe(&mut self, ip: IpAddr, ticket: u32) {
        self.feed(at(0), Input::Probe { ip, ticket });
    }
    pub(super) fn timeout(&mut self, now: Timestamp) {
        self.feed(now, Input::Timeout);
    }
    pub(super) fn stop(&mut self) {
        self.feed(at(0), Input::Stop);
    }
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.0.next_timeout()
    }
    pub(super) fn waiting(&self) -> usize {
        self.0.waiting()
    }
}
