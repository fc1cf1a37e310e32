//! Many peers, each with a socket of its own, and what each knows of the directory.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::udp_mesh::extended::{CONTEXT, Change, Extended, signed_part};
use rumormill_wire::udp_mesh::{Datagram, NameChar};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// What they speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One character.
    Legacy,
    /// Long names, signed.
    Extended,
    /// As legacy peers, but with numbers for names: there are more than characters.
    Plain,
}

struct Peer {
    socket: Rc<UdpSocket>,
    birth: Vec<u8>,
    keepalive: Vec<u8>,
    knows: Rc<Cell<Known>>,
}

/// What a peer knows of the directory.
#[derive(Clone, Copy, Default)]
struct Known {
    entries: usize,
    version: u64,
}

/// All of them. Their listeners end with them.
pub struct Peers {
    all: Vec<Peer>,
    _listeners: JoinSet<()>,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 65_536]);
}

/// Reads for ever; counts the entries of what comes, which is all that a legacy peer of the page would look at.
async fn listen(socket: Rc<UdpSocket>, knows: Rc<Cell<Known>>) {
    let mut coming = 0;
    while socket.readable().await.is_ok() {
        BUFFER.with_borrow_mut(|buffer| {
            while let Ok(len) = socket.try_recv(buffer) {
                hear(&buffer[..len], &knows, &mut coming);
            }
        });
    }
}

fn hear(bytes: &[u8], knows: &Cell<Known>, coming: &mut usize) {
    if let [0xc1, 0, low, high, ..] = bytes {
        knows.set(Known { entries: usize::from(u16::from_le_bytes([*low, *high])), version: 0 });
        return;
    }
    match Datagram::parse(bytes) {
        Ok(Datagram::Extended(Extended::Part(part))) => {
            let (offset, total) = (usize::try_from(part.offset).unwrap(), usize::try_from(part.total).unwrap());
            if offset == 0 || offset == *coming {
                *coming = offset + part.iter().count();
            }
            if *coming == total {
                (*coming, _) = (usize::MAX, knows.set(Known { entries: total, version: part.version }));
            }
        }
        Ok(Datagram::Extended(Extended::Changes(changes))) if changes.base == knows.get().version => {
            let mut known = knows.get();
            for change in changes.iter() {
                known.version += 1;
                match change {
                    Change::Came(_) => known.entries += 1,
                    Change::Went(_) => known.entries -= 1,
                }
            }
            knows.set(known);
        }
        _ => {}
    }
}

fn birth(form: Form, n: usize, addr: SocketAddr, pair: &Ed25519KeyPair) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Plain => {
            let name = u16::try_from(n).unwrap();
            out = [[0xc0, 0], name.to_le_bytes(), addr.port().to_le_bytes()].concat();
        }
        Form::Legacy => {
            // The last characters are for the directory itself.
            let name = NameChar::all().nth(n).unwrap();
            Datagram::Birth { name, port: addr.port() }.encode(&mut out).unwrap();
        }
        Form::Extended => {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
            let (time, key) = (u64::try_from(time).unwrap(), pair.public_key().as_ref().try_into().unwrap());
            let name = format!("peer {n}");
            let claim = Extended::Birth { time, key, addr, name: &name, signature: [0; 64] };
            Datagram::Extended(claim).encode(&mut out).unwrap();
            let signature = pair.sign(&[CONTEXT, signed_part(&out)].concat());
            let len = signed_part(&out).len();
            out.truncate(len);
            out.extend_from_slice(signature.as_ref());
        }
    }
    out
}

impl Peers {
    pub async fn bind(form: Form, count: usize) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let (mut all, mut listeners) = (Vec::new(), JoinSet::new());
        for n in 0..count {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
            // As a peer of ours has it.
            socket.set_recv_buffer_size(4 << 20).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            let socket = Rc::new(UdpSocket::from_std(socket.into()).unwrap());
            socket.writable().await.unwrap();
            let addr = socket.local_addr().unwrap();
            let knows = Rc::new(Cell::new(Known::default()));
            let keepalive = match form {
                Form::Legacy => vec![0xc3, 0, birth(form, n, addr, &pair)[2], 0],
                Form::Extended | Form::Plain => Vec::new(),
            };
            listeners.spawn_local(listen(Rc::clone(&socket), Rc::clone(&knows)));
            all.push(Peer { socket, birth: birth(form, n, addr, &pair), keepalive, knows });
        }
        Self { all, _listeners: listeners }
    }

    pub fn birth(&self, n: usize, server: SocketAddr) {
        let _ = self.all[n].socket.try_send_to(&self.all[n].birth, server);
    }

    pub fn keepalive(&self, n: usize, server: SocketAddr) {
        let peer = &self.all[n];
        let version = peer.knows.get().version.to_le_bytes();
        let extended = [&[0xe3, 0x52][..], &version].concat();
        let _ = peer.socket.try_send_to(if peer.keepalive.is_empty() { &extended } else { &peer.keepalive }, server);
    }

    pub fn keepalive_len(&self) -> usize {
        if self.all[0].keepalive.is_empty() { 10 } else { self.all[0].keepalive.len() }
    }

    /// How many know of so many entries.
    pub fn complete(&self, entries: usize) -> usize {
        self.all.iter().filter(|peer| peer.knows.get().entries == entries).count()
    }
}
