//! A directory server as people wrote it, without its pauses: the floor of what is to be expected of one thread.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Plain {
    pub addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Plain {
    pub fn start(registered: Arc<AtomicU64>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (addr, stop) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || serve(&socket, &registered, &stop)
        });
        Self { addr, stop, thread: Some(thread) }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(socket: &UdpSocket, registered: &AtomicU64, stop: &AtomicBool) {
    let mut list: Vec<(u16, u16)> = Vec::new();
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let Ok((6, _)) = socket.recv_from(&mut buffer) else { continue };
        let (name, port) = (u16::from_le_bytes([buffer[2], buffer[3]]), u16::from_le_bytes([buffer[4], buffer[5]]));
        if !list.iter().any(|(n, p)| *n == name || *p == port) {
            list.push((name, port));
            registered.fetch_add(1, Ordering::Relaxed);
        }
        let mut out = vec![0xc1, 0];
        out.extend(u16::try_from(list.len()).unwrap().to_le_bytes());
        for (name, port) in &list {
            out.extend(name.to_le_bytes());
            out.extend(port.to_le_bytes());
        }
        for (_, port) in &list {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let _ = socket.send_to(&out, ("127.0.0.1", *port));
        }
    }
}
