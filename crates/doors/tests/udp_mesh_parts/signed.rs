//! Datagrams of the extended form, signed, and plain sockets to send them by.

use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::{CONTEXT, Extended, signed_part};

pub fn socket() -> StdSocket {
    StdSocket::bind("127.0.0.1:0").unwrap()
}

pub fn time() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub fn keys() -> Ed25519KeyPair {
    Ed25519KeyPair::generate().unwrap()
}

/// A BIRTH of the extended form.
pub fn signed_birth(pair: &Ed25519KeyPair, name: &str, addr: SocketAddr) -> Vec<u8> {
    let key = pair.public_key().as_ref().try_into().unwrap();
    signed(pair, Extended::Birth { time: time(), key, addr, name, signature: [0; 64] })
}

pub fn signed(pair: &Ed25519KeyPair, datagram: Extended<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Datagram::Extended(datagram).encode(&mut out).unwrap();
    let signature = pair.sign(&[CONTEXT, signed_part(&out)].concat());
    let len = signed_part(&out).len();
    out.truncate(len);
    out.extend_from_slice(signature.as_ref());
    out
}

pub fn version(version: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Datagram::Extended(Extended::KeepAlive { version }).encode(&mut out).unwrap();
    out
}

/// Bytes that stand in a socket.
pub fn received(socket: &StdSocket) -> Vec<Vec<u8>> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 70_000];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|len| buffer[..len].to_vec())).collect()
}
