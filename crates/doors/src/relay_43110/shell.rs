//! Sockets and clocks around the machine.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info};

use super::config::Config;
use super::frames::{line, message};
use super::link::{LinkEvent, LinkTask};
use super::links::RelayLinkId;
use super::machine::{Input, Machine, Output};
use crate::counters::Counters;
use crate::port::{Done, Outgoing, Port};
use crate::take::Taker;
use crate::unsent::Unsent;

/// A dial that takes longer has failed.
const DIAL_DEADLINE: Duration = Duration::from_secs(5);
/// Events of links that wait to be looked at.
const MAX_EVENTS: usize = 256;
/// Between two newcomers while the door is full: each has the time to greet before the next push it out.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// A peer whose machine is gone is noticed after about this.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Whom we dialled, and the connection, or why there is none.
type ConnectResult = (IpAddr, std::io::Result<TcpStream>);

struct Shell {
    listen: IpAddr,
    start: Instant,
    machine: Machine<Done>,
    port: Port,
    events: mpsc::Sender<LinkEvent>,
    tasks: JoinSet<()>,
    dials: JoinSet<ConnectResult>,
    open: BTreeMap<RelayLinkId, (mpsc::Sender<Vec<u8>>, AbortHandle)>,
    next: RelayLinkId,
}

pub(super) async fn run(listener: TcpListener, config: &Config, port: Port) {
    let (events, mut coming) = mpsc::channel(MAX_EVENTS);
    let mut stop = port.stop.clone();
    let mut shell = Shell {
        listen: config.listen.ip(),
        start: Instant::now(),
        machine: Machine::new(config),
        port,
        events,
        tasks: JoinSet::new(),
        dials: JoinSet::new(),
        open: BTreeMap::new(),
        next: 0,
    };
    shell.feed(Input::Start);
    let counters = Arc::clone(&shell.port.counters);
    let taker = Taker::new(&listener, "relay-43110", &counters);
    loop {
        let (due, wake) = (shell.machine.next_timeout().is_some(), shell.wake());
        tokio::select! {
            // What a peer has said counts before the answer to it goes out. Newcomers come last: they make the events.
            biased;
            () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            Some(event) = coming.recv() => shell.event(event),
            Some(dialled) = shell.dials.join_next() => if let Ok((ip, stream)) = dialled { shell.dialled(ip, stream) },
            Some(_) = shell.tasks.join_next() => {}
            () = sleep_until(wake), if due => shell.feed(Input::Timeout),
            outgoing = shell.port.from_room.recv() => match outgoing {
                Some(outgoing) => shell.send(outgoing),
                None => break,
            },
            (stream, from) = taker.take() => shell.accepted(stream, from).await,
        }
    }
    shell.close();
}

impl Shell {
    /// Feeds the machine and does what it says. It is told of nothing that it does not have, except of a link that has just
    /// been closed.
    fn feed(&mut self, input: Input<'_, Done>) {
        let now = Timestamp::at(self.start.elapsed());
        if let Err(why) = self.machine.handle(now, input) {
            debug!(%why, "43110");
        }
        while let Some(output) = self.machine.poll_output() {
            self.act(output);
        }
        Counters::set(&self.port.counters.open, self.open.len());
        let waiting = self.machine.waiting().saturating_add(self.port.from_room.len());
        Counters::set(&self.port.counters.waiting_out, waiting);
    }

    /// When the machine's timeout is due.
    fn wake(&self) -> Instant {
        let at = self.machine.next_timeout().unwrap_or_default();
        self.start.checked_add(at.since_zero()).unwrap_or(self.start)
    }

    fn act(&mut self, output: Output<Done>) {
        match output {
            Output::Dial { ip, port } => {
                debug!(peer = %ip, "43110: dialling");
                self.dials.spawn(dial(self.listen, SocketAddr::new(ip, port)));
            }
            Output::Write { link, bytes } => {
                // There is one write at a time, so there is place.
                let sent = self.open.get(&link).is_some_and(|(writes, _)| writes.try_send(bytes).is_ok());
                if !sent {
                    debug!(link, "43110: a write to a link that ends");
                }
            }
            Output::Close { link } => {
                Counters::one(&self.port.counters.refused_full);
                if let Some((_, task)) = self.open.remove(&link) {
                    task.abort();
                }
            }
            Output::Settled { ticket, result } => drop(ticket.send(result)),
            Output::Dropped(frames) => Counters::add(&self.port.counters.dropped_out, frames),
            Output::Sent => Counters::one(&self.port.counters.messages_out),
        }
    }

    /// From the room, or a letter.
    fn send(&mut self, outgoing: Outgoing) {
        let outgoing = match outgoing {
            Outgoing { to: Some(ip), done: Some(done), text, .. } if text.is_empty() => {
                return self.feed(Input::Probe { ip, ticket: done });
            }
            outgoing => outgoing,
        };
        let counters = &self.port.counters;
        let text = if outgoing.to.is_some() { &outgoing.text } else { &outgoing.line };
        let Some(ip) = outgoing.to else {
            let (frame, was_cut) = line(text);
            if was_cut {
                Counters::one(&counters.cut);
                info!("43110: a text was cut to what the legacy program can take");
            }
            self.feed(Input::Broadcast { author: outgoing.author, frame: &frame });
            drop(outgoing.done.map(|done| done.send(Ok(()))));
            return;
        };
        self.feed(Input::Send { author: outgoing.author, ip, frames: message(text), ticket: outgoing.done });
    }

    /// Says of all that waits that it will not go out.
    fn close(&mut self) {
        self.feed(Input::Stop);
        while let Ok(outgoing) = self.port.from_room.try_recv() {
            drop(outgoing.done.map(|done| done.send(Err(Unsent::Closes))));
        }
    }

    fn event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Heard(link) => self.feed(Input::Useful { link }),
            LinkEvent::Written(link) => self.feed(Input::Written { link }),
            LinkEvent::Ended(link, by_them) => {
                self.open.remove(&link);
                self.feed(Input::Ended { link, by_them });
            }
        }
    }

    fn dialled(&mut self, ip: IpAddr, stream: std::io::Result<TcpStream>) {
        match stream {
            Ok(stream) => {
                info!(peer = %ip, "43110: linked");
                let link = self.open(stream, ip);
                self.feed(Input::Dialled { link, ip });
            }
            Err(why) => {
                debug!(peer = %ip, %why, "43110: cannot be dialled");
                let nobody_listens = why.kind() == ErrorKind::ConnectionRefused;
                self.feed(Input::DialFailed { ip, nobody_listens, why: &why.to_string() });
            }
        }
    }

    async fn accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let (ip, before) = (from.ip().to_canonical(), self.open.len());
        let link = self.open(stream, ip);
        self.feed(Input::Accepted { link, ip });
        if self.open.len() <= before {
            // Somebody else had to make room.
            sleep(FULL_PAUSE).await;
        }
    }

    fn open(&mut self, stream: TcpStream, ip: IpAddr) -> RelayLinkId {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        let set = stream.set_nodelay(true);
        let set =
            set.and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)));
        if let Err(why) = set {
            debug!(%why, "43110");
        }
        let (into_room, counters) = (self.port.into_room.clone(), Arc::clone(&self.port.counters));
        let link = LinkTask { id, ip, events: self.events.clone(), into_room, counters };
        let (writes, to_write) = mpsc::channel(1);
        let task = self.tasks.spawn(link.run(stream, to_write));
        self.open.insert(id, (writes, task));
        Counters::one(&self.port.counters.opened);
        id
    }
}

/// From our own address, by which the other side knows us.
async fn dial(from: IpAddr, to: SocketAddr) -> ConnectResult {
    let work = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !from.is_unspecified() {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        timeout(DIAL_DEADLINE, socket.connect(to)).await.map_err(|_| ErrorKind::TimedOut)?
    };
    (to.ip(), work.await)
}
