use super::*;
use proptest::prelude::*;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn table() -> PeerTable {
    PeerTable::new(addr("127.0.0.1:8080"))
}

fn name(table: &mut PeerTable, text: &str, from: &str) -> Named {
    table.name(addr(text), AddressForm::Plain, ip(from), LOCAL, true)
}

#[test]
fn each_once_in_the_order_they_came() {
    let mut table = table();
    assert_eq!(name(&mut table, "127.0.0.1:9", "127.0.0.1"), Named::Added);
    assert_eq!(name(&mut table, "127.0.0.1:7", "127.0.0.1"), Named::Added);
    assert_eq!(name(&mut table, "127.0.0.1:9", "127.0.0.1"), Named::Known);
    assert_eq!(name(&mut table, "127.0.0.1:8080", "127.0.0.1"), Named::Own);
    assert_eq!(table.listed(), [addr("127.0.0.1:9"), addr("127.0.0.1:7")]);
    assert!(table.exit(addr("127.0.0.1:9"), LOCAL));
    assert!(!table.exit(addr("127.0.0.1:9"), LOCAL));
    assert_eq!(table.listed(), [addr("127.0.0.1:7")]);
}

#[test]
fn a_third_party_is_listed_and_never_dialled() {
    let mut table = table();
    name(&mut table, "10.0.0.9:80", "10.0.0.5");
    name(&mut table, "127.0.0.1:22", "10.0.0.5");
    name(&mut table, "127.0.0.7:22", "127.0.0.1");
    name(&mut table, "10.0.0.5:22", "10.0.0.5");
    name(&mut table, "0.0.0.0:22", "127.0.0.1");
    assert_eq!(table.listed().len(), 5);
    let dialled: Vec<_> = table.to_dial().into_iter().map(|(addr, _)| addr).collect();
    assert_eq!(dialled, [addr("127.0.0.7:22"), addr("10.0.0.5:22")]);
    assert!(!table.exit(addr("10.0.0.5:22"), ip("10.0.0.6")), "nobody else speaks for it");
    assert!(table.exit(addr("10.0.0.9:80"), ip("10.0.0.5")), "who named it takes it back");
    name(&mut table, "127.0.0.1:22", "127.0.0.1");
    assert_eq!(table.to_dial().len(), 3, "it spoke for itself");
}

#[test]
fn one_peer_under_the_two_addresses_of_a_hosts_file_is_one_entry() {
    let mut table = table();
    // It was written to at one address, and announces the other; and the other way round.
    for (port, first, second) in [(9, "127.0.0.1", "127.0.1.1"), (7, "127.0.1.1", "127.0.0.1")] {
        let (first, second) = (SocketAddr::new(ip(first), port), SocketAddr::new(ip(second), port));
        table.reached(first, true);
        assert_eq!(table.name(second, AddressForm::Plain, LOCAL, LOCAL, true), Named::Known);
        table.reached(second, true);
        assert_eq!((table.listed(), table.to_dial().len()), (vec![first], 1));
        assert_eq!((table.entry(second), table.get(second).is_some()), (first, true));
        assert!(table.exit(second, LOCAL), "its own exit leaves nothing behind");
        assert!(table.is_empty());
        table.name(second, AddressForm::Plain, LOCAL, LOCAL, true);
        table.name(first, AddressForm::Plain, LOCAL, LOCAL, true);
        assert!(table.exit(first, LOCAL) && table.is_empty());
    }
    // Others are told apart by their addresses.
    for name in ["127.0.0.1:9", "127.0.0.2:9", "127.0.1.2:9", "127.0.1.1:8"] {
        table.name(addr(name), AddressForm::Plain, LOCAL, LOCAL, true);
    }
    assert_eq!(table.len(), 4);
    assert_eq!(name(&mut table, "127.0.1.1:8080", "127.0.0.1"), Named::Added, "we are not at that one");
}

#[test]
fn how_somebody_writes_is_remembered_when_it_has_left() {
    let mut table = table();
    let peer = addr("127.0.0.1:9");
    assert_eq!(table.form(peer), AddressForm::Plain);
    table.name(peer, AddressForm::Bracketed, LOCAL, LOCAL, true);
    assert!(table.exit(peer, LOCAL));
    assert_eq!((table.form(peer), table.form(addr("127.0.1.1:9"))), (AddressForm::Bracketed, AddressForm::Bracketed));
    table.reached(peer, true);
    assert_eq!(table.get(peer).unwrap().form, AddressForm::Bracketed);
    table.name(peer, AddressForm::Plain, LOCAL, LOCAL, true);
    table.exit(peer, LOCAL);
    assert_eq!(table.form(peer), AddressForm::Plain, "another program has the port now");
    for port in 1..1_000 {
        table.learn(SocketAddr::new(LOCAL, port), AddressForm::Bracketed);
    }
    assert_eq!(table.bracketed.len(), MAX_BRACKETED);
    assert_eq!(table.form(addr("127.0.0.1:999")), AddressForm::Bracketed);
    // Nobody says how a third party writes.
    table.name(addr("10.0.0.9:80"), AddressForm::Bracketed, ip("10.0.0.5"), LOCAL, true);
    assert_eq!(table.form(addr("10.0.0.9:81")), AddressForm::Plain);
}

#[test]
fn who_never_answers_is_taken_out_and_who_answers_starts_anew() {
    let mut table = table();
    let peer = addr("127.0.0.1:9");
    name(&mut table, "127.0.0.1:9", "127.0.0.1");
    assert!(!table.failed(peer) && !table.failed(peer));
    table.reached(peer, true);
    assert!(!table.failed(peer) && !table.failed(peer) && table.failed(peer));
    assert!(table.is_empty() && !table.failed(peer));
    table.reached(peer, false);
    assert!(table.listed().is_empty() && table.to_dial().len() == 1);
    table.reached(peer, true);
    assert_eq!(table.listed(), [peer]);
}

#[test]
fn a_flood_of_names_displaces_nobody_who_answers() {
    let mut table = table();
    let (honest, chatty) = (addr("127.0.0.1:9"), addr("127.0.0.1:10"));
    name(&mut table, "127.0.0.1:9", "127.0.0.1");
    table.reached(honest, true);
    for _ in 0..2 {
        table.name(chatty, AddressForm::Plain, LOCAL, LOCAL, true);
    }
    for n in 0..3 * u16::try_from(MAX_PEERS).unwrap() {
        table.name(SocketAddr::new(LOCAL, 10_000 + n), AddressForm::Plain, LOCAL, LOCAL, true);
    }
    assert_eq!(table.len(), MAX_PEERS);
    assert!(table.get(honest).is_some() && table.get(chatty).is_some());
    assert_eq!(table.name(addr("127.0.0.1:11"), AddressForm::Plain, LOCAL, LOCAL, false), Named::Full);
}

#[test]
fn one_network_does_not_fill_it() {
    let mut table = table();
    let from = ip("10.0.0.5");
    for port in 1..500 {
        table.name(SocketAddr::new(from, port), AddressForm::Plain, from, LOCAL, true);
    }
    assert_eq!(table.len(), MAX_BY_NETWORK);
    for port in 1..500 {
        table.reached(SocketAddr::new(from, port), true);
    }
    assert_eq!(table.name(SocketAddr::new(from, 999), AddressForm::Plain, from, LOCAL, true), Named::Full);
    assert_eq!(name(&mut table, "10.0.0.6:1", "10.0.0.6"), Named::Added);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_keeps_its_bounds(steps in proptest::collection::vec((0u8..5, 0u8..4, 1u16..2_000, 0u8..4), 0..3_000)) {
        let mut table = table();
        for (what, host, port, from) in steps {
            let ip = |n: u8| IpAddr::from(if n == 0 { [127, 0, 0, 1] } else { [10, 0, 0, n] });
            let peer = SocketAddr::new(ip(host), port);
            match what {
                0 => table.reached(peer, from == 0),
                1 => drop(table.failed(peer)),
                2 => drop(table.exit(peer, ip(from))),
                _ => drop(table.name(peer, AddressForm::Plain, ip(from), LOCAL, true)),
            }
            prop_assert!(table.len() <= MAX_PEERS);
        }
        for (addr, _) in table.to_dial() {
            prop_assert!(table.get(addr).unwrap().dial);
        }
        for n in 1u8..4 {
            let network = table.peers.keys().filter(|a| a.ip() == IpAddr::from([10, 0, 0, n])).count();
            prop_assert!(network <= MAX_BY_NETWORK);
        }
    }
}
