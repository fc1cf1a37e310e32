//! Sockets and clocks around the machine.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::push_pull::relay::arrives_whole;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::frames::{letter, line};
use super::link::{Event, Link};
use super::links::LinkId;
use super::machine::{Action, Machine};
use super::{Config, socket};
use crate::take::Taker;
use crate::{Counters, Outgoing, Porch};

/// A dial that takes longer has failed.
const DIAL_DEADLINE: Duration = Duration::from_secs(5);
/// Events of links that wait to be looked at.
const MAX_EVENTS: usize = 256;
/// Between two newcomers while the door is full: each has the time to greet before the next push it out.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// A peer whose machine is gone is noticed after about this.
const KEEPALIVE: Duration = Duration::from_secs(60);

type Ticket = oneshot::Sender<Result<(), String>>;
type Dialled = (IpAddr, std::io::Result<TcpStream>);

struct Shell {
    listen: IpAddr,
    start: Instant,
    machine: Machine<Ticket>,
    porch: Porch,
    events: mpsc::Sender<Event>,
    tasks: JoinSet<()>,
    dials: JoinSet<Dialled>,
    open: BTreeMap<LinkId, (mpsc::Sender<Vec<u8>>, AbortHandle)>,
    next: LinkId,
}

pub(super) async fn run(listener: TcpListener, config: &Config, porch: Porch) {
    let (events, mut coming) = mpsc::channel(MAX_EVENTS);
    let mut stop = porch.stop.clone();
    let mut shell = Shell {
        listen: config.listen.ip(),
        start: Instant::now(),
        machine: Machine::new(config),
        porch,
        events,
        tasks: JoinSet::new(),
        dials: JoinSet::new(),
        open: BTreeMap::new(),
        next: 0,
    };
    shell.machine.start();
    let counters = Arc::clone(&shell.porch.counters);
    let taker = Taker::new(&listener, "relay-43110", &counters);
    loop {
        shell.act();
        let wake = shell.machine.next_tick().map_or(shell.start, |wake| shell.start + wake);
        tokio::select! {
            // What a peer has said counts before the answer to it goes out. Newcomers come last: they make the events.
            biased;
            () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            Some(event) = coming.recv() => shell.event(event),
            Some(dialled) = shell.dials.join_next() => if let Ok((ip, stream)) = dialled { shell.dialled(ip, stream) },
            Some(_) = shell.tasks.join_next() => {}
            () = sleep_until(wake), if shell.machine.next_tick().is_some() => {
                let now = shell.now();
                shell.machine.tick(now);
            }
            outgoing = shell.porch.from_room.recv() => match outgoing {
                Some(outgoing) => shell.send(outgoing),
                None => break,
            },
            (stream, from) = taker.take() => shell.accepted(stream, from).await,
        }
    }
    shell.close();
}

impl Shell {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.action() {
            match action {
                Action::Dial(ip, port) => {
                    debug!(peer = %ip, "43110: dialling");
                    self.dials.spawn(dial(self.listen, SocketAddr::new(ip, port)));
                }
                Action::Write(id, bytes) => {
                    // There is one write at a time, so there is place.
                    let sent = self.open.get(&id).is_some_and(|(writes, _)| writes.try_send(bytes).is_ok());
                    if !sent {
                        debug!(id, "43110: a write to a link that ends");
                    }
                }
                Action::Close(id) => {
                    Counters::one(&self.porch.counters.refused_full);
                    if let Some((_, task)) = self.open.remove(&id) {
                        task.abort();
                    }
                }
                Action::Done(ticket, result) => drop(ticket.send(result)),
                Action::Dropped(frames) => Counters::add(&self.porch.counters.dropped_out, frames),
            }
        }
        Counters::set(&self.porch.counters.open, self.open.len());
        let waiting = self.machine.waiting() + self.porch.from_room.len();
        Counters::set(&self.porch.counters.waiting_out, waiting);
    }

    /// From the room, or a letter.
    fn send(&mut self, outgoing: Outgoing) {
        let outgoing = match outgoing {
            Outgoing { to: Some(ip), done: Some(done), text, .. } if text.is_empty() => {
                return self.machine.ask(ip, done);
            }
            outgoing => outgoing,
        };
        let (now, counters) = (self.now(), &self.porch.counters);
        let text = if outgoing.to.is_some() { &outgoing.text } else { &outgoing.line };
        if !arrives_whole(text) {
            Counters::one(&counters.cut);
            warn!("43110: a text with `|`: the older program shows only what follows the first");
        }
        let Some(ip) = outgoing.to else {
            let (frame, was_cut) = line(text);
            if was_cut {
                Counters::one(&counters.cut);
                info!("43110: a text was cut to what the older program can take");
            }
            self.machine.say(&frame, now);
            drop(outgoing.done.map(|done| done.send(Ok(()))));
            return;
        };
        self.machine.tell(ip, letter(text), outgoing.done, now);
    }

    /// Says of all that waits that it will not go out.
    fn close(&mut self) {
        self.machine.close();
        self.act();
        while let Ok(outgoing) = self.porch.from_room.try_recv() {
            drop(outgoing.done.map(|done| done.send(Err("the door closes".into()))));
        }
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Heard(id) => self.machine.heard(id, now),
            Event::Written(id) => {
                if self.machine.written(id, now) {
                    Counters::one(&self.porch.counters.messages_out);
                }
            }
            Event::Ended(id, by_them) => {
                self.open.remove(&id);
                self.machine.ended(id, by_them, now);
            }
        }
    }

    fn dialled(&mut self, ip: IpAddr, stream: std::io::Result<TcpStream>) {
        let now = self.now();
        match stream {
            Ok(stream) => {
                info!(peer = %ip, "43110: linked");
                let id = self.open(stream, ip);
                self.machine.dialled(id, ip, now);
            }
            Err(why) => {
                debug!(peer = %ip, %why, "43110: cannot be dialled");
                let nobody_listens = why.kind() == ErrorKind::ConnectionRefused;
                self.machine.dial_failed(ip, nobody_listens, &why.to_string(), now);
            }
        }
    }

    async fn accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let (ip, now) = (from.ip().to_canonical(), self.now());
        let id = self.open(stream, ip);
        if self.machine.accepted(id, ip, now) {
            self.act();
            sleep(FULL_PAUSE).await;
        }
    }

    fn open(&mut self, stream: TcpStream, ip: IpAddr) -> LinkId {
        let id = self.next;
        self.next += 1;
        let set = stream.set_nodelay(true);
        let set =
            set.and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)));
        if let Err(why) = set {
            debug!(%why, "43110");
        }
        let (into_room, counters) = (self.porch.into_room.clone(), Arc::clone(&self.porch.counters));
        let link = Link { id, ip, events: self.events.clone(), into_room, counters };
        let (writes, to_write) = mpsc::channel(1);
        let task = self.tasks.spawn(link.run(stream, to_write));
        self.open.insert(id, (writes, task));
        Counters::one(&self.porch.counters.opened);
        id
    }
}

/// From our own address, by which the other side knows us.
async fn dial(from: IpAddr, to: SocketAddr) -> Dialled {
    let work = async {
        let socket = socket(to)?;
        if !from.is_unspecified() {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        timeout(DIAL_DEADLINE, socket.connect(to)).await.map_err(|_| ErrorKind::TimedOut)?
    };
    (to.ip(), work.await)
}
