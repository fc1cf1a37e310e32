//! Inputs go to the machine, and what comes of them is done.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use rumormill_gossip::{Check, Input, Reject};
use rumormill_machine as machine;
use rumormill_peering as peering;

use super::last_words;
use super::state::{Driver, State};
use crate::clock::WALL_STEP_US;
use crate::counters::Counters;
use crate::lock;

/// A step of the wall clock by more than this, in microseconds, may change which certificates are valid.
const CERTIFICATE_STEP_US: u64 = 60_000_000;

impl Driver {
    /// Feeds an input and does all that comes of it, checks included.
    pub(crate) fn drive(&self, input: Input) -> Result<(), Reject> {
        let (result, jobs) = self.feed(input);
        self.finish(jobs);
        result
    }

    /// Does work until none comes of it any more.
    pub(super) fn finish(&self, mut checks: VecDeque<Check>) {
        while let Some(check) = checks.pop_front() {
            checks.extend(self.feed(check.run(&self.checker)).1);
        }
    }

    /// The same for threads that must not be held up by checks: they go to the runtime.
    pub(crate) fn spawn_drive(&self, input: Input) {
        let (_, jobs) = self.feed(input);
        self.spawn_finish(jobs);
    }

    pub(super) fn spawn_finish(&self, jobs: VecDeque<Check>) {
        if jobs.is_empty() {
            return;
        }
        if let Some(driver) = self.me.upgrade() {
            self.runtime.spawn(async move { driver.finish(jobs) });
        }
    }

    fn feed(&self, input: Input) -> (Result<(), Reject>, VecDeque<Check>) {
        let mut state = lock(&self.state);
        self.feed_locked(&mut state, input)
    }

    /// Feeds answers that came while nothing was fed.
    pub(super) fn feed_answers(&self, state: &mut State) -> VecDeque<Check> {
        match state.answers.pop_front() {
            Some(input) => self.feed_locked(state, input).1,
            None => VecDeque::new(),
        }
    }

    pub(super) fn feed_locked(&self, state: &mut State, input: Input) -> (Result<(), Reject>, VecDeque<Check>) {
        if self.is_sealed() && last_words::is_new(&input) {
            return (Ok(()), VecDeque::new());
        }
        match self.take_locked(state, machine::Input::Gossip(input)) {
            (Err(machine::Reject::Gossip(why)), jobs) => (Err(why), jobs),
            (_, jobs) => (Ok(()), jobs),
        }
    }

    /// Feeds an input of any kind.
    pub(super) fn take_locked(
        &self,
        state: &mut State,
        input: machine::Input<'_>,
    ) -> (Result<(), machine::Reject>, VecDeque<Check>) {
        let (now, mut jobs) = (self.clock.now(), VecDeque::new());
        if *self.stopping.borrow() && !core::mem::replace(&mut state.stop_told, true) {
            let _ = self.shell(state, &mut jobs).feed(now, machine::Input::Links(peering::Input::Stopping));
        }
        let result = self.shell(state, &mut jobs).feed(now, input);
        while let Some(input) = state.answers.pop_front().or_else(|| self.hand_over(state)) {
            let _ = self.shell(state, &mut jobs).feed(now, machine::Input::Gossip(input));
        }
        let next = state.machine.next_timeout();
        if let Some(at) = next.filter(|at| state.armed.is_none_or(|armed| *at < armed)) {
            state.armed = Some(at);
            self.timer.notify_one();
        }
        if !state.dials.is_empty() {
            self.to_dial.notify_one();
        }
        (result, jobs)
    }

    /// The time has come for which the machine asked, or may have. It is told first what its links were doing, if it is to judge them.
    pub(crate) fn tick(&self) {
        let mut state = lock(&self.state);
        if state.machine.judges_links(self.clock.now()) {
            self.tell_links(&mut state);
        }
        let (_, jobs) = self.take_locked(&mut state, machine::Input::Timeout);
        drop(state);
        self.finish(jobs);
    }

    /// Sleeps until the machine wants to be woken, and wakes it, to the end: neighbours are given what we wrote while the node stops, too,
    /// and links may still come up.
    pub(crate) async fn run_timer(&self) {
        let mut drained = self.drained.subscribe();
        loop {
            let armed = lock(&self.state).armed;
            let sleep = async {
                match armed {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {
                    lock(&self.state).armed = None;
                    self.tick();
                }
                () = self.timer.notified() => {}
                _ = drained.wait_for(|drained| *drained) => return,
            }
        }
    }

    /// Tells the engine when the wall clock has been set.
    pub(crate) fn check_wall(&self) {
        let offset = self.clock.wall_offset();
        if offset.abs_diff(self.wall_offset.load(Relaxed)) <= WALL_STEP_US {
            return;
        }
        let (moved, far) = {
            let mut state = lock(&self.state);
            let step = offset.abs_diff(state.wall_offset);
            let moved = step > WALL_STEP_US;
            if moved {
                state.wall_offset = offset;
                self.wall_offset.store(offset, Relaxed);
                Counters::set(&self.counters.own_clock_suspected, 0);
                state.clocks.forget();
            }
            (moved, step > CERTIFICATE_STEP_US)
        };
        if moved {
            let _ = self.drive(Input::WallOffset(offset));
        }
        if far {
            // A certificate that was not valid by the wrong clock may be now.
            self.try_again();
        }
    }
}
