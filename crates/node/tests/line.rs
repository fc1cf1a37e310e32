//! A line of nodes: what one says, all show, in one order.

mod support;

use rumormill_wire::native::MessageKind;
use support::{Net, say, until, until_log};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_end_says_the_other_shows() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    let c = net.start("c", &[("b", b.local_addr())]).await;
    say(&a, "from a").await;
    say(&c, "from c").await;
    let logs = [until_log(&a, 2).await, until_log(&b, 2).await, until_log(&c, 2).await];
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[1], logs[2]);
    until("in sync", async || b.peers().len() == 2 && b.peers().iter().all(|peer| peer.in_sync)).await;
    let peers = b.peers();
    assert_eq!((peers[0].name.as_str(), peers[0].direction.as_str()), ("a", "outbound"));
    assert_eq!((peers[1].name.as_str(), peers[1].direction.as_str()), ("c", "inbound"));
    assert_eq!((peers[0].tls_version.as_str(), peers[0].tls_group.as_str()), ("TLSv1.3", "X25519MLKEM768"));
    assert_eq!(b.name_of(&a.node_id()).as_deref(), Some("a"));
    assert_eq!(c.name_of(&a.node_id()).as_deref(), Some("a"), "the certificate came with the first message");
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_each_arrive_everywhere_in_one_order() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    let c = net.start("c", &[("b", b.local_addr())]).await;
    let d = net.start("d", &[("c", c.local_addr())]).await;
    let nodes = [a, b, c, d];
    for n in 0..1_000 {
        for node in &nodes {
            let text = format!("{} {n}", node.name());
            drop(node.submit(MessageKind::CHAT, "", text).await.unwrap());
        }
    }
    let first = until_log(&nodes[0], 4_000).await;
    assert_eq!(first.len(), 4_000);
    for node in &nodes[1..] {
        assert_eq!(until_log(node, 4_000).await, first);
    }
    // Read piece by piece, it is the same log.
    let (mut pieces, mut after) = (Vec::new(), None);
    loop {
        let page = nodes[3].page(after, 333).await.unwrap();
        assert!(page.len() <= 333);
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        pieces.extend(page.into_iter().map(|message| message.text.into_raw()));
    }
    assert_eq!(pieces, first);
    for node in &nodes {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_each_other_keep_one_link() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let at = a.local_addr();
    a.shutdown().await.unwrap();
    drop(a);
    // Now that the addresses are known, both are started with the other as neighbour.
    let b = net.start("b", &[("a", at)]).await;
    let mut config = net.config("a", &[("b", b.local_addr())]);
    config.listen = at;
    let a = rumormill_node::start(config).await.unwrap();
    say(&a, "one").await;
    say(&b, "two").await;
    assert_eq!(until_log(&a, 2).await, until_log(&b, 2).await);
    until("one link", async || a.peers().len() == 1 && b.peers().len() == 1).await;
    assert_ne!(a.peers()[0].direction, b.peers()[0].direction, "it is the same link on both sides");
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_while_it_links_up_leaves_no_link_behind() {
    let net = Net::new();
    let b = net.start("b", &[]).await;
    for _ in 0..20 {
        let a = net.start("a", &[("b", b.local_addr())]).await;
        a.shutdown().await.unwrap();
    }
    // Were an earlier one still linked, this one would be refused as a duplicate.
    let a = net.start("a", &[("b", b.local_addr())]).await;
    say(&a, "hello").await;
    assert_eq!(until_log(&b, 1).await, ["hello"]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}
