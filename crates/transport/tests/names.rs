//! What a name, a key and a pin file bind together; and one CA however many processes ask for it at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{DAY, Forged, Net, network};
use rcgen::{KeyPair, PKCS_ED25519};
use rumormill_transport::{CaError, Identity, LocalCa, Refusal, Trust};
use rumormill_wire::NodeId;
use rustls_pki_types::UnixTime;

const PROCESSES: usize = 8;
const HOME: &str = "RUMORMILL_TEST_RACE_HOME";

/// Run by the test below in processes of its own; by itself it has nothing to do.
#[test]
#[ignore = "run by the test below as a process"]
fn one_of_the_racing_processes() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let home = Path::new(&home);
    let begun = Instant::now();
    let ca = LocalCa::open_or_create(home).unwrap();
    let identity = ca.open_or_issue("shared").unwrap();
    let own = ca.open_or_issue(&format!("node-{}", std::process::id())).unwrap();
    println!("\nmade {} {} {} {}", ca.network(), identity.node(), own.node(), begun.elapsed().as_millis());
}

#[test]
fn racing_processes_end_with_one_ca_and_one_key_for_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("state/rumormill");
    let spawn = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_of_the_racing_processes", "--ignored", "--nocapture"])
            .env(HOME, &home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..PROCESSES).map(spawn).collect();
    let mut made = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("made ")).expect("what it made").to_owned();
        made.push(line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(made.len(), PROCESSES);
    assert!(made.iter().all(|one| one[..2] == made[0][..2]), "{made:?}");
    let mut own: Vec<_> = made.iter().map(|one| &one[2]).collect();
    own.sort();
    own.dedup();
    assert_eq!(own.len(), PROCESSES, "every name has a key of its own");
    let slowest = made.iter().map(|one| one[3].parse::<u64>().unwrap()).max().unwrap();
    println!("the slowest of {PROCESSES} took {slowest} ms");
}

#[test]
fn a_key_that_lies_in_the_home_goes_with_its_name() {
    let net = Net::new();
    let here = net.identity("bob").node();
    let out = net.dir.path().join("out");
    let issued = net.ca.issue("bob", DAY, Some(&out)).unwrap();
    assert_eq!(Identity::load(&issued.certificate, &issued.key).unwrap().node(), here);
    fs::write(&issued.key, "no key").unwrap();
    assert!(matches!(net.ca.issue("bob", DAY, Some(&out)), Err(CaError::Content { .. })));
    let other_kind = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    fs::write(&issued.key, other_kind.serialize_pem()).unwrap();
    assert!(matches!(net.ca.issue("bob", DAY, Some(&out)), Err(CaError::Content { .. })), "only Ed25519");
}

fn pins(net: &Net, text: &str) -> Result<Trust, String> {
    let file = net.dir.path().join("pins");
    fs::write(&file, text).unwrap();
    Trust::pinned(&file).map_err(|why| why.to_string())
}

#[test]
fn a_pinned_node_needs_no_ca_but_dates_that_hold() {
    let net = Net::new();
    // Signed by nobody that we know, with another name and network: the pin alone counts.
    let key = || KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = net.params("whatever");
    params.custom_extensions = vec![network(&[9; 32])];
    let own = Forged::new(&params, &net.issuer(key()), key());
    let node = own.identity().node();
    let trust = pins(&net, &format!("{}\n{node} dora\n", net.ca.network())).unwrap();
    let at = |time: SystemTime| {
        UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
    };
    let now = SystemTime::now();
    assert_eq!(trust.check_link(&own.der, at(now)).unwrap().name, "dora");
    assert_eq!(trust.check_link(&own.der, at(now - 2 * DAY)), Err(Refusal::NotYetValid));
    assert_eq!(trust.check_link(&own.der, at(now + 2 * DAY)), Err(Refusal::Expired));
    params.not_after = (now - 3 * DAY).into();
    params.not_before = (now - 4 * DAY).into();
    assert_eq!(trust.check_member(&node, &own.der).unwrap().name, "dora");
    let other = Forged::new(&params, &net.issuer(key()), key());
    let stranger = other.identity().node();
    assert_eq!(trust.check_member(&stranger, &other.der), Err(Refusal::NotPinned));
    let trust = pins(&net, &format!("{}\n{stranger} dora\n", net.ca.network())).unwrap();
    assert_eq!(trust.check_member(&stranger, &other.der).unwrap().name, "dora", "dates judge links, never messages");
}

#[test]
fn two_pinned_nodes_do_not_share_a_name() {
    let net = Net::new();
    let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
    let why = pins(&net, &format!("{}\n{a} bob\n{b} bob\n", net.ca.network())).unwrap_err();
    assert!(why.contains("line 3") && why.contains("twice"), "{why}");
}

#[test]
fn a_key_has_one_name() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(&dir.path().join("home")).unwrap();
    let keys = dir.path().join("keys");
    let first = ca.issue("mallory", DAY, Some(&keys)).unwrap();
    let node = Identity::load(&first.certificate, &first.key).unwrap().node();
    let before = fs::read(&first.certificate).unwrap();
    match ca.issue("zed", DAY, Some(&keys)) {
        Err(CaError::Named { path, node: found, other }) => {
            assert_eq!((path, found, other.as_str()), (first.key.clone(), node, "mallory"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&first.certificate).unwrap(), before, "nothing was written");
    assert!(matches!(ca.issued("zed"), Err(CaError::Unknown(_))));
    ca.issue("mallory", DAY, Some(&keys)).expect("a renewal keeps key and name");
    ca.issue("zed", DAY, None).expect("with a key of its own");
}
