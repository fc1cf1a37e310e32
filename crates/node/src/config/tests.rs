use rumormill_testkit::offered::offered;

use super::*;

fn options() -> NodeOptions {
    NodeOptions { name: Some("alice".into()), state: Some("/tmp/x".into()), ..NodeOptions::default() }
}

#[test]
fn the_documented_example_is_taken() {
    let config = NodeConfig::build(&NodeOptions {
        listen: Some("127.0.0.1:20000".into()),
        control: Some("127.0.0.1:10000".into()),
        neighbour: vec!["bob@127.0.0.1:20001".into(), "bob@127.0.0.1:20001".into()],
        dissemination: Some("mongering".into()),
        ..options()
    })
    .unwrap();
    assert_eq!((config.store, config.durability), (StoreKind::Sqlite, Durability::Full));
    assert_eq!(config.dissemination, Dissemination::Mongering);
    assert_eq!(config.neighbours.len(), 1, "a neighbour named twice is one");
    assert_eq!(config.socket_path(), Some("/tmp/x/node.sock".into()));
}

#[test]
fn errors_name_the_field_the_value_and_what_is_allowed() {
    type Change = fn(&mut NodeOptions, String);
    let cases: [(&str, &str, Change, &str); 14] = [
        ("name", "A!", |o, v| o.name = Some(v), "a-z"),
        ("listen", "x", |o, v| o.listen = Some(v), "address:port"),
        ("control", "0.0.0.0:1", |o, v| o.control = Some(v), "127.0.0.0/8"),
        ("store", "disk", |o, v| o.store = Some(v), "sqlite, memory"),
        ("durability", "some", |o, v| o.durability = Some(v), "full, normal"),
        ("dissemination", "flood", |o, v| o.dissemination = Some(v), "tree, mongering"),
        ("max-message", "40000", |o, v| o.max_message = Some(v), "1 to 32768"),
        ("anti-entropy", "1ms", |o, v| o.anti_entropy = Some(v), "100ms to 3600s"),
        ("max-links", "0", |o, v| o.links = Some(v), "1 to 4096"),
        ("state", "file:x", |o, v| o.state = Some(v), "not a URI"),
        ("state", "", |o, v| o.state = Some(v), "a path"),
        ("neighbour", "bob@127.0.0.1:0", |o, v| o.neighbour = vec![v], "1 to 65535"),
        ("neighbour", "[::]:20000", |o, v| o.neighbour = vec![v], "one host"),
        ("log-level", "loud", |o, v| o.log_level = Some(v), "error, warn"),
    ];
    for (field, value, change, allowed) in cases {
        let mut options = options();
        change(&mut options, value.to_owned());
        let error = NodeConfig::build(&options).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains(value) && error.contains(allowed), "{error}");
    }
}

#[test]
fn each_neighbour_can_have_its_place() {
    let with = |links: &str, neighbours: &[&str]| {
        let neighbour = neighbours.iter().map(|text| (*text).to_owned()).collect();
        NodeConfig::build(&NodeOptions { links: Some(links.into()), neighbour, ..options() })
    };
    let three = ["bob@127.0.0.1:1", "carol@127.0.0.1:2", "127.0.0.1:3"];
    assert!(with("3", &three).is_ok());
    let refused = with("2", &three).unwrap_err().to_string();
    assert!(refused.contains("max-links: `2`") && refused.contains("3 or more"), "{refused}");
    assert!(with("1", &["bob@127.0.0.1:1", "bob@127.0.0.1:2"]).is_ok(), "one name has one link");
}

#[test]
fn identity_files_come_together() {
    let with = |cert: bool, key: bool, ca: bool, pins: bool| {
        let some = |yes: bool| yes.then(|| "f".to_owned());
        NodeConfig::build(&NodeOptions {
            cert: some(cert),
            key: some(key),
            ca: some(ca),
            pins: some(pins),
            ..options()
        })
    };
    assert!(matches!(with(true, true, true, false).unwrap().identity, IdentitySource::Files { .. }));
    assert!(matches!(with(true, true, false, true).unwrap().identity, IdentitySource::Pinned { .. }));
    for (cert, key, ca, pins) in
        [(true, false, true, false), (false, true, true, false), (true, true, false, false), (true, true, true, true)]
    {
        assert!(with(cert, key, ca, pins).is_err());
    }
}

#[test]
fn a_store_on_disk_needs_a_directory() {
    let error = NodeConfig::build(&NodeOptions { state: None, ..options() }).unwrap_err().to_string();
    assert!(error.contains("state"), "{error}");
    let memory = NodeOptions { state: None, store: Some("memory".into()), ..options() };
    assert_eq!(NodeConfig::build(&memory).unwrap().socket_path(), None);
}

#[test]
fn what_an_error_offers_is_taken_by_the_setting() {
    let mut ranges = 0;
    for key in NodeOptions::KEYS {
        let with = |value: &str| {
            let mut options = options();
            if *key == "neighbour" {
                options.neighbour.clear()
            }
            assert!(options.set(key, value.to_owned()), "{key}");
            NodeConfig::build(&options).map(drop).map_err(|why| why.to_string())
        };
        let Err(refused) = with("?") else { continue };
        let offered = offered(&refused);
        ranges += usize::from(refused.contains(" to ") && !offered.is_empty());
        for value in offered {
            assert_eq!(with(&value), Ok(()), "{key}={value}, which this offers: {refused}");
        }
    }
    assert!(ranges >= 13, "every time, size and number: {ranges}");
}
