//! The directory with its sockets, turn by turn.

use super::*;

#[tokio::test]
async fn silence_counts_once_all_that_has_come_is_read() {
    let spec: crate::Spec = "udp-mesh,listen=127.0.0.1:0".parse().unwrap();
    let mut host = Host::bind(Config::from_spec(&spec).unwrap()).await.unwrap();
    let (from, counters) = (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Counters::default());
    // More than is read in a turn, and no more than any queue holds.
    for _ in 0..300 {
        from.send_to(&[0xc9, 0], host.listen).unwrap();
    }
    host.socket.readable().await.unwrap();
    assert!(!host.hear_members(&counters));
    assert_eq!(host.directory.seen_empty(), Timestamp::ZERO, "there is more");
    assert!(host.hear_members(&counters));
    assert!(host.directory.seen_empty() > Timestamp::ZERO);
    assert_eq!(counters.bytes_in.load(Ordering::Relaxed), 600);
}
