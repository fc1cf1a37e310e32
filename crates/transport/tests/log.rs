//! A refusal stands in the log: who, and why in words.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use common::{Net, anywhere, raw_client, some_name, soon, until};
use rumormill_transport::Expect;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_refusal_is_logged_once_with_the_address_and_the_reason() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let (net, other) = (Net::new(), Net::new());
    let good = net.endpoint("good");
    let listener = good.bind(anywhere()).await.unwrap();
    let to = listener.local_addr();

    let mut plain = TcpStream::connect(to).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    until("the first line", || log.lines().len() == 1).await;

    let tcp = TcpStream::connect(to).await.unwrap();
    let nameless = tcp.local_addr().unwrap();
    let _nameless = soon("it", TlsConnector::from(Arc::new(raw_client(None))).connect(some_name(), tcp)).await;
    until("the second line", || log.lines().len() == 2).await;

    let foreign = soon("it", net.intruder(other.identity("peer")).dial(to, Expect::Any)).await;
    until("the third line", || log.lines().len() == 3).await;

    let lines = log.lines();
    let expected = [
        (plain.local_addr().unwrap().to_string(), "not TLS: plain text"),
        (nameless.to_string(), "no certificate"),
        ("127.0.0.1:".to_owned(), "certificate from another CA"),
    ];
    for (line, (peer, reason)) in lines.iter().zip(expected) {
        assert!(line.contains("INFO") && line.contains("rumormill::transport"), "{line}");
        assert!(line.contains(&format!("peer={peer}")) && line.contains(&format!("reason={reason}")), "{line}");
        assert!(!line.contains("GET"), "what a stranger sent is not logged: {line}");
    }
    drop(foreign);
}
