//! The menu over the plain format: the same server, table and dialler as the door's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumormill_wire::peer_line::{CONNECT, EXIT, Online, WHO_IS_ONLINE};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::transport::{Arrived, MAX_ARRIVED, Open, Sent, Transport};
use crate::counters::Counters;
use crate::cut;
use crate::error::DoorError;
use crate::lock::lock;
use crate::peer_line::config::KIND;
use crate::peer_line::dial::Dialler;
use crate::peer_line::listener::Listener;
use crate::peer_line::outbox::MAX_DIALS;
use crate::peer_line::outgoing::GOODBYE;
use crate::peer_line::server;
use crate::peer_line::session::ReceivedMessage;
use crate::peer_line::shared::{Shared, Sink};
use crate::peer_line::table::{AddressForm, PeerTable};
use crate::spec::Spec;

/// An answer that comes later than this is not shown.
const ANSWER: Duration = Duration::from_secs(5);
/// Addresses that were asked and may still answer.
const MAX_ASKED: usize = 2_048;

/// How the plain menu listens.
#[derive(Debug, Clone)]
pub struct Plain {
    /// The address to listen on: loopback, unless `insecure_bind`.
    pub listen: IpAddr,
    /// Leave to listen where other machines can reach it.
    pub insecure_bind: bool,
}

impl Default for Plain {
    fn default() -> Self {
        Self { listen: Ipv4Addr::LOCALHOST.into(), insecure_bind: false }
    }
}

impl Open for Plain {
    type Transport = PlainTransport;

    async fn open(self, name: &str, port: u16) -> Result<(PlainTransport, Arrived), DoorError> {
        let mut spec = Spec::new(KIND).insecure_bind(self.insecure_bind);
        spec.set("listen", &SocketAddr::new(self.listen, port).to_string())?;
        let Listener { tcp, udp, local } = Listener::bind(spec.listen(None)?, false, false).await?;
        let (show, arrived) = mpsc::channel(MAX_ARRIVED);
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let sink = Show { show, asked };
        let shared = Shared::new(Arc::new(Mutex::new(PeerTable::new(local))), Arc::new(Counters::default()), sink);
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(tcp, shared.clone()));
        let udp = udp.map(Arc::new);
        if let Some(udp) = udp.clone() {
            let shared = shared.clone();
            serving.spawn(async move { crate::peer_line::online::serve(&udp, shared).await });
        }
        let dialler = Arc::new(Dialler { own: local, team: name.to_owned(), source_port: None });
        Ok((PlainTransport { shared, dialler, udp, serving }, arrived))
    }
}

/// Gives what arrives to the screen of the menu, one line each.
#[derive(Debug, Clone)]
struct Show {
    show: mpsc::Sender<Result<String, DoorError>>,
    asked: Arc<Mutex<BTreeMap<SocketAddr, Instant>>>,
}

impl Sink for Show {
    async fn take(&self, heard: ReceivedMessage, left: bool, _: IpAddr) -> bool {
        let (start, text) = match &heard.who {
            None => (String::new(), heard.text.as_str()),
            Some(who) if who.team.is_empty() => (format!("{} ", who.addr), heard.text.as_str()),
            Some(who) => (format!("{} {} ", who.addr, who.team), heard.text.as_str()),
        };
        // A message is one line, and what stands in it does not move the cursor.
        let mut shown = cut::shown(&format!("{start}{text}"));
        if left {
            shown.push('\n');
            shown.push_str(&cut::shown(&format!("{start}left")));
        }
        self.show.send(Ok(shown)).await.is_ok()
    }

    fn answer(&self, from: SocketAddr, online: Online<'_>) {
        let asked = lock(&self.asked).remove(&from);
        if asked.is_none_or(|asked| asked.elapsed() > ANSWER) {
            return;
        }
        let all: Vec<_> = online.addresses().map(|addr| addr.to_string()).collect();
        let all = if all.is_empty() { "nobody".to_owned() } else { all.join(" ") };
        let _ = self.show.try_send(Ok(format!("Online at {from}: {all}")));
    }
}

/// The menu over the plain format, as the older programs speak it.
#[derive(Debug)]
pub struct PlainTransport {
    shared: Shared<Show>,
    dialler: Arc<Dialler>,
    udp: Option<Arc<UdpSocket>>,
    serving: JoinSet<()>,
}

async fn deliver(dialler: &Dialler, to: SocketAddr, form: AddressForm, text: &str) -> Result<Sent, String> {
    let delivered = dialler.deliver(to, form, text).await.map_err(|why| match why.kind() {
        std::io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        std::io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => why.to_string(),
    })?;
    let sent = Sent { cut: delivered.cut };
    delivered.closed(false).await;
    Ok(sent)
}

impl PlainTransport {
    /// One message to all, a few at once; what became of each, in the order of the table.
    async fn to_all(&self, text: &'static str) -> Vec<(SocketAddr, Result<Sent, String>)> {
        let all = self.shared.table().to_dial();
        let (mut dials, mut results) = (JoinSet::new(), BTreeMap::new());
        let mut waiting = all.iter().copied();
        loop {
            while dials.len() < MAX_DIALS
                && let Some((to, form)) = waiting.next()
            {
                let dialler = Arc::clone(&self.dialler);
                dials.spawn(async move { (to, deliver(&dialler, to, form, text).await) });
            }
            match dials.join_next().await {
                Some(Ok((to, result))) => drop(results.insert(to, result)),
                Some(Err(_)) => {}
                None => break,
            }
        }
        all.into_iter().filter_map(|(to, _)| Some((to, results.remove(&to)?))).collect()
    }
}

impl Transport for PlainTransport {
    async fn send(&mut self, to: SocketAddr, text: &str) -> Result<Sent, String> {
        let form = self.shared.table().form(to);
        let sent = deliver(&self.dialler, to, form, text).await?;
        // It knows us now, so it is told when we leave; it is a connected peer once it writes or is connected to.
        if to != self.dialler.own {
            self.shared.table().reached(to, false);
        }
        Ok(sent)
    }

    async fn peers(&mut self) -> Vec<SocketAddr> {
        self.shared.table().listed()
    }

    async fn connect(&mut self) -> Vec<(SocketAddr, Result<(), String>)> {
        let results = self.to_all(CONNECT).await;
        let mut table = self.shared.table();
        for (to, result) in &results {
            match result {
                Ok(_) => table.reached(*to, true),
                Err(_) => drop(table.failed(*to)),
            }
        }
        let mut results: Vec<_> = results.into_iter().map(|(to, result)| (to, result.map(drop))).collect();
        // Somebody else named these: to dial them would serve whoever wants us to.
        let others = table.listed().into_iter().filter(|addr| table.get(*addr).is_some_and(|peer| !peer.dial));
        results.extend(others.map(|addr| (addr, Err("only others have named it".to_owned()))));
        results
    }

    async fn ask(&mut self, whom: Option<SocketAddr>) -> Result<(), String> {
        let udp = self.udp.as_ref().ok_or("another program has this port for datagrams")?;
        let whom = match whom {
            Some(whom) => vec![whom],
            None => self.shared.table().to_dial().into_iter().map(|(addr, _)| addr).collect(),
        };
        if whom.is_empty() {
            return Err("no peer is known".to_owned());
        }
        for addr in whom {
            {
                let mut asked = lock(&self.shared.sink.asked);
                asked.retain(|_, at| at.elapsed() <= ANSWER);
                if asked.len() >= MAX_ASKED {
                    return Err("too many were asked just now".to_owned());
                }
                asked.insert(addr, Instant::now());
            }
            udp.send_to(WHO_IS_ONLINE.as_bytes(), addr).await.map_err(|why| format!("{addr}: {why}"))?;
        }
        Ok(())
    }

    async fn leave(&mut self) {
        let _ = timeout(GOODBYE, self.to_all(EXIT)).await;
        // The port is free again afterwards.
        self.serving.shutdown().await;
    }
}
