//! Every counter is shown: one that is added and not exported fails here.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;

use rumormill_node::start;
use support::{Net, until};

/// The fields of a struct of numbers, by what it prints.
fn fields(counters: &impl Debug) -> BTreeSet<String> {
    let printed = format!("{counters:?}");
    let (_, inside) = printed.split_once('{').unwrap();
    let names = inside.split([',', '{']).filter_map(|part| Some(part.split_once(':')?.0.trim().to_owned()));
    names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_counter_of_the_engine_the_links_and_the_doors_is_in_the_metrics() {
    let net = Net::new();
    let mut config = net.config("a", &[]);
    config.doors = vec!["classroom,listen=127.0.0.1:0".parse().unwrap()];
    let a = start(config).await.unwrap();
    let b = net.start("b", &[("a", a.local_addr())]).await;
    until("linked", async || a.peers().len() == 1).await;
    let all: BTreeSet<_> = a.metrics().into_iter().map(|(name, _)| name).collect();
    assert_eq!(all.len(), a.metrics().len(), "each name once");
    let of = |room: &str| -> BTreeSet<_> { all.iter().filter_map(|name| name.strip_prefix(room)).collect() };
    let engine = fields(&a.stats());
    assert!(engine.len() > 30 && engine.contains("bundles_accepted"), "{engine:?}");
    for name in &engine {
        assert!(of("gossip_").contains(name.as_str()), "gossip::Stats::{name} is shown nowhere");
    }
    let door = fields(&rumormill_doors::Counters::default());
    assert!(door.len() > 10 && door.contains("over_share"), "{door:?}");
    assert_eq!(of("door_classroom_"), door.iter().map(String::as_str).collect());
    let of_doors: BTreeSet<_> = a.doors()[0].counters.keys().cloned().collect();
    assert_eq!(of_doors, door, "`doors` shows the same");
    // Those of the links have other names there: as many as there are.
    let links = fields(net.endpoint("c").metrics());
    let shown: BTreeSet<_> = of("transport_").into_iter().filter(|name| !name.starts_with("refused_")).collect();
    assert!(links.contains("refused") && links.contains("over_rate"), "{links:?}");
    assert_eq!(
        shown.len(),
        links.iter().filter(|name| !["refused", "data", "poisoned"].contains(&name.as_str())).count()
    );
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}
