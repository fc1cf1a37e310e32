//! Inputs go to the engine, and what comes of them is done.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use rumormill_gossip::{Check, Input, Reject};

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
        let mut jobs = VecDeque::new();
        if self.is_sealed() && last_words::is_new(&input) {
            return (Ok(()), jobs);
        }
        let now = self.clock.now();
        let result = self.shell(state, &mut jobs).take(now, input);
        loop {
            if let Some(appends) = state.bundle_pacer.due(now) {
                let _ = self.shell(state, &mut jobs).take(now, Input::Committed { appends });
                state.bundle_pacer.sent(state.links.values());
            }
            let Some(input) = state.answers.pop_front().or_else(|| self.hand_over(state)) else { break };
            let _ = self.shell(state, &mut jobs).take(now, input);
        }
        let next = [state.engine.next_timeout(), state.bundle_pacer.deadline()].into_iter().flatten().min();
        if let Some(at) = next.filter(|at| state.armed.is_none_or(|armed| *at < armed)) {
            state.armed = Some(at);
            self.timer.notify_one();
        }
        (result, jobs)
    }

    /// Sleeps until the engine wants to be woken, and wakes it, to the end: neighbours are given what we wrote while the node stops, too.
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
                    let _ = self.drive(Input::Timeout);
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
