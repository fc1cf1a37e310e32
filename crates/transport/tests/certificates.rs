//! The local CA: made once by whoever comes first, private, and strict about names, revocations and where it serves.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use common::{DAY, Net, anywhere};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::revocation::{BadList, check_file};
use rumormill_transport::{
    CaError, DialError, Endpoint, EndpointConfig, Expect, Identity, LocalCa, NODE_VALIDITY, Refusal, Revocations, Trust,
};
use rumormill_wire::{Incarnation, NodeId, Seq};

/// Every file and directory below, and their modes.
fn modes(dir: &Path) -> Vec<(String, bool, u32)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        out.push((entry.file_name().into_string().unwrap(), meta.is_dir(), meta.permissions().mode() & 0o777));
        if meta.is_dir() {
            out.extend(modes(&entry.path()));
        }
    }
    out
}

#[test]
fn racing_threads_end_with_one_ca_and_identities_that_load() {
    const THREADS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let home = Arc::new(dir.path().join("a/b"));
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (home, start) = (Arc::clone(&home), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                let ca = LocalCa::open_or_create(&home).unwrap();
                let own = ca.open_or_issue(&format!("node-{n}")).unwrap();
                let shared = ca.open_or_issue("shared").unwrap();
                (ca.network(), ca.certificate().clone(), own, shared.node())
            })
        })
        .collect();
    let made: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (network, certificate, _, shared) = &made[0];
    let trust = Trust::from_ca(certificate).unwrap();
    for (n, (its_network, its_certificate, own, its_shared)) in made.iter().enumerate() {
        assert_eq!((its_network, its_certificate, its_shared), (network, certificate, shared));
        assert_eq!(own.name(), format!("node-{n}"));
        trust.check_member(&own.node(), own.certificate_der()).unwrap();
    }
    let modes = modes(dir.path());
    assert!(modes.iter().any(|(name, _, _)| name == "ca.key"));
    for (name, is_dir, mode) in modes {
        assert_eq!(mode, if is_dir { 0o700 } else { 0o600 }, "{name}");
        assert!(!name.contains("new"), "{name} was left over");
    }
}

#[test]
fn what_a_crash_left_or_others_put_there_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    // A process with our number died in the middle of making an automatic CA.
    let half = home.join(format!("ca.new-{}", std::process::id()));
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("automatic"), b"").unwrap();
    let ca = LocalCa::init(&home).unwrap();
    assert!(!ca.is_automatic(), "the CA that was asked for is not the half one");
    // A link in the place of the file that is to be renamed: the key must not go where it points.
    let node = home.join("nodes/n");
    fs::create_dir_all(&node).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, b"kept").unwrap();
    std::os::unix::fs::symlink(&elsewhere, node.join("key.pem.rumormill-new")).unwrap();
    ca.open_or_issue("n").unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"kept");
    assert_eq!(fs::symlink_metadata(node.join("key.pem")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_ca_is_not_made_twice_on_purpose_and_names_are_checked() {
    let net = Net::new();
    let home = net.ca.home();
    assert!(matches!(LocalCa::init(home), Err(CaError::Exists(_))));
    assert_eq!(LocalCa::open_or_create(home).unwrap().certificate(), net.ca.certificate());
    assert!(!LocalCa::open_or_create(home).unwrap().is_automatic());
    assert!(matches!(LocalCa::open(&home.join("no")), Err(CaError::Missing(_))));
    for name in ["", "..", "a/b", "A", "-a", "a-", "ä", &"a".repeat(64)] {
        assert!(matches!(net.ca.issue(name, DAY, None), Err(CaError::Name(_))), "{name:?}");
        assert!(matches!(net.ca.open_or_issue(name), Err(CaError::Name(_))), "{name:?}");
        assert!(matches!(net.ca.issued(name), Err(CaError::Unknown(_))), "{name:?}");
    }
}

#[test]
fn a_renewed_certificate_keeps_the_key_and_a_foreign_key_is_refused() {
    let net = Net::new();
    let first = net.identity("n");
    let issued = net.ca.issue("n", 7 * DAY, None).unwrap();
    let second = Identity::load(&issued.certificate, &issued.key).unwrap();
    assert_eq!(first.node(), second.node());
    assert_ne!(first.certificate_der(), second.certificate_der());
    let until = net.ca.issued("n").unwrap().not_after;
    assert!(until > SystemTime::now() + 6 * DAY && until < SystemTime::now() + NODE_VALIDITY - DAY);
    let other = net.ca.issue("other", DAY, Some(&net.dir.path().join("out"))).unwrap();
    assert!(Identity::load(&issued.certificate, &other.key).is_err());
    assert_eq!(net.ca.issued("other").unwrap().name, "other", "it can be revoked by name");
    assert!(!net.ca.home().join("nodes/other/key.pem").exists(), "a key that went elsewhere is not kept");
    let secret = format!("{:?}", first);
    assert!(!secret.contains("pair") && !secret.contains("pkcs8"), "{secret}");
}

#[test]
fn certificates_of_others_in_the_directory_are_not_replaced() {
    let (net, other) = (Net::new(), Net::new());
    let foreign = other.ca.issue("n", DAY, Some(&other.dir.path().join("out"))).unwrap();
    let out = net.dir.path().join("out");
    let issued = net.ca.issue("n", DAY, Some(&out)).unwrap();
    let (ours, our_ca) = (fs::read(&issued.certificate).unwrap(), fs::read(&issued.ca).unwrap());
    let (theirs, their_ca) = (fs::read(&foreign.certificate).unwrap(), fs::read(&foreign.ca).unwrap());
    for (path, ours, theirs) in [(&issued.certificate, &ours, &theirs), (&issued.ca, &our_ca, &their_ca)] {
        for theirs in [theirs.as_slice(), b"my notes\n", b""] {
            fs::write(path, theirs).unwrap();
            let why = net.ca.issue("n", DAY, Some(&out)).unwrap_err().to_string();
            assert!(why.contains(&path.display().to_string()) && why.contains("move it away"), "{why}");
            assert_eq!(fs::read(path).unwrap(), theirs);
        }
        fs::write(path, ours).unwrap();
        assert_eq!(net.ca.issue("n", DAY, Some(&out)).unwrap(), issued);
    }
}

#[test]
fn a_name_is_given_to_one_node_until_that_is_revoked() {
    let net = Net::new();
    let (here, there) = (net.dir.path().join("here"), net.dir.path().join("there"));
    let first = net.ca.issue("n", DAY, Some(&here)).unwrap();
    let node = net.ca.issued("n").unwrap().node;
    for out in [Some(there.as_path()), None] {
        let again = net.ca.issue("n", DAY, out);
        assert!(matches!(&again, Err(CaError::Taken { node: taken, .. }) if *taken == node), "{again:?}");
    }
    assert!(matches!(net.ca.open_or_issue("n"), Err(CaError::Taken { .. })));
    // To where its key lies it is issued again.
    assert_eq!(net.ca.issue("n", 2 * DAY, Some(&here)).unwrap(), first);
    assert_eq!(net.ca.issued("n").unwrap().node, node);
    net.ca.revoke(node, None).unwrap();
    let second = net.ca.issue("n", DAY, Some(&there)).unwrap();
    let second = Identity::load(&second.certificate, &second.key).unwrap();
    assert_ne!(second.node(), node);
    assert_eq!(net.ca.issued("n").unwrap().node, second.node());
    // A revoked key that lies where the certificate goes, in the home or elsewhere, is not certified again.
    for out in [Some(there.as_path()), None] {
        let revoked = net.ca.issued("n").unwrap().node;
        net.ca.revoke(revoked, None).unwrap();
        let next = net.ca.issue_new_key("n", DAY, out).unwrap();
        let next = Identity::load(&next.certificate, &next.key).unwrap();
        assert!(![node, revoked].contains(&next.node()));
    }
    let home = net.identity("n").node();
    net.ca.revoke(home, None).unwrap();
    let elsewhere = net.ca.issue("n", DAY, Some(&net.dir.path().join("third"))).unwrap();
    assert_ne!(Identity::load(&elsewhere.certificate, &elsewhere.key).unwrap().node(), home);
}

#[test]
fn a_revoked_key_is_replaced_only_when_that_is_asked_for_and_is_kept() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    for (at, dir) in [(Some(out.as_path()), out.clone()), (None, net.ca.home().join("nodes/home"))] {
        let name = if at.is_some() { "n" } else { "home" };
        let issued = net.ca.issue(name, DAY, at).unwrap();
        let (node, key) = (net.ca.issued(name).unwrap().node, fs::read(&issued.key).unwrap());
        net.ca.revoke(node, None).unwrap();
        let files = || {
            let read = |entry: fs::DirEntry| (entry.path(), fs::read(entry.path()).unwrap());
            fs::read_dir(&dir).unwrap().map(|entry| read(entry.unwrap())).collect::<BTreeMap<_, _>>()
        };
        let before = files();
        // Under another name it is the same.
        for other in [name, "other"].iter().filter(|other| at.is_some() || **other == name) {
            let why = net.ca.issue(other, DAY, at).unwrap_err();
            assert!(
                matches!(&why, CaError::RevokedKey { path, node: of } if *path == issued.key && *of == node),
                "{why}"
            );
        }
        assert_eq!(files(), before, "nothing was changed");
        let quarantine = dir.join(format!("key.pem.revoked-{}", &node.to_string()[..16]));
        fs::write(&quarantine, "somebody's own").unwrap();
        let why = net.ca.issue_new_key(name, DAY, at).unwrap_err();
        assert!(matches!(&why, CaError::NotTheKey(path) if *path == quarantine), "{why}");
        assert_eq!(
            (fs::read(&issued.key).unwrap(), fs::read(&quarantine).unwrap()),
            (key.clone(), b"somebody's own".to_vec())
        );
        fs::remove_file(&quarantine).unwrap();
        let next = net.ca.issue_new_key(name, DAY, at).unwrap();
        assert_ne!(Identity::load(&next.certificate, &next.key).unwrap().node(), node);
        assert_eq!(fs::read(&quarantine).unwrap(), key, "the old key is kept");
        assert_eq!(fs::metadata(&quarantine).unwrap().permissions().mode() & 0o777, 0o600);
        // One that is not revoked stays, whatever is asked for.
        let kept = fs::read(&next.key).unwrap();
        net.ca.issue_new_key(name, DAY, at).unwrap();
        assert_eq!(fs::read(&next.key).unwrap(), kept);
    }
}

#[test]
fn a_later_revocation_without_a_cut_keeps_the_cut() {
    let net = Net::new();
    let (node, cut) = (NodeId([1; 32]), BTreeMap::from([(Incarnation(3), Seq(17))]));
    net.ca.revoke(node, Some(cut.clone())).unwrap();
    assert_eq!(cuts(&net.ca.revoke(node, None).unwrap().list), BTreeMap::from([(node, Some(cut))]));
}

fn cuts(list: &Revocations) -> BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>> {
    list.nodes().map(|(node, revoked)| (*node, revoked.cut.clone())).collect()
}

#[test]
fn a_network_certificate_is_no_ca() {
    let net = Net::new();
    let identity = net.identity("n");
    assert!(Trust::from_ca(&identity.certificate_der().to_vec().into()).is_none());
    assert!(Trust::network_ca(&net.ca.home().join("nodes/n/cert.pem")).is_err());
    assert!(Trust::network_ca(&net.ca.home().join("ca/ca.key")).is_err());
    assert_eq!(Trust::network_ca(&net.ca.certificate_path()).unwrap().network(), net.ca.network());
}

/// Puts a certificate of these dates, in days from now, in the place of one that the CA issued.
fn misdate(ca: &LocalCa, name: &str, from: i32, until: i32) {
    let at = |days: i32| {
        let by = DAY * days.unsigned_abs();
        if days < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    };
    let read = |path: &Path| rcgen::KeyPair::from_pem(&fs::read_to_string(path).unwrap()).unwrap();
    let place = ca.home().join("nodes").join(name);
    let mut params = rcgen::CertificateParams::new([format!("{name}.rumormill.internal")]).unwrap();
    params.custom_extensions = vec![common::network(&ca.network().0)];
    (params.not_before, params.not_after) = (at(from).into(), at(until).into());
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    let id = ca.network().to_string();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, format!("Rumormill {}", &id[..16]));
    let issuer = rcgen::Issuer::new(issuer, read(&ca.home().join("ca/ca.key")));
    let made = params.signed_by(&read(&place.join("key.pem")), &issuer).unwrap();
    fs::write(place.join("cert.pem"), made.pem()).unwrap();
}

#[test]
fn an_automatic_certificate_made_under_a_wrong_clock_is_made_anew_and_keeps_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(dir.path()).unwrap();
    let node = ca.open_or_issue("n").unwrap().node();
    for (from, until) in [(2, 400), (-400, -2), (-300, 3)] {
        misdate(&ca, "n", from, until);
        let again = ca.open_or_issue("n").unwrap();
        let (from, until) = again.valid();
        assert_eq!(again.node(), node);
        assert!(from <= SystemTime::now() && until > SystemTime::now() + 300 * DAY);
    }
    misdate(&ca, "n", -10, 100);
    assert!(ca.open_or_issue("n").unwrap().valid().1 < SystemTime::now() + 101 * DAY, "one that holds is left alone");
    // Whoever made the CA on purpose decides until when a node belongs; and a revoked key gets nothing.
    let net = Net::new();
    net.identity("n");
    misdate(&net.ca, "n", -10, -2);
    assert!(net.identity("n").valid().1 < SystemTime::now());
    ca.revoke(node, None).unwrap();
    misdate(&ca, "n", -10, -2);
    assert!(ca.open_or_issue("n").unwrap().valid().1 < SystemTime::now());
}

/// Whether a program is there.
#[test]
#[ignore = "needs openssl and python3"]
fn other_programs_read_the_keys() {
    let net = Net::new();
    let issued = net.ca.issue("n", DAY, None).unwrap();
    for path in [&issued.key, &net.ca.home().join("ca/ca.key")] {
        let done = std::process::Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(path).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let load = "import ssl, sys; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(sys.argv[1], sys.argv[2])";
    let mut python = std::process::Command::new("python3");
    let done = python.args(["-c", load]).args([&issued.certificate, &issued.key]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn keys_are_of_the_form_that_other_programs_read_and_older_ones_still_load() {
    use rustls_pki_types::pem::PemObject;
    let net = Net::new();
    let issued = net.ca.issue("n", DAY, None).unwrap();
    for path in [&issued.key, &net.ca.home().join("ca/ca.key")] {
        let der = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_file(path).unwrap();
        let der = der.secret_pkcs8_der();
        assert_eq!((der.len(), &der[..5]), (48, &[0x30, 0x2e, 0x02, 0x01, 0x00][..]), "PKCS#8, version 1");
    }
    // A key as the library writes it: version 2, with the public key. It loads, and a renewal writes it in version 1.
    let old = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let there = net.dir.path().join("old");
    fs::create_dir(&there).unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(there.join("key.pem"), old.serialize_pem()).unwrap();
    fs::set_permissions(there.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let again = net.ca.issue("old", DAY, Some(&there)).unwrap();
    let identity = Identity::load(&again.certificate, &again.key).unwrap();
    assert_eq!(identity.node().as_bytes(), old.public_key_raw());
    assert_ne!(fs::read_to_string(&again.key).unwrap(), old.serialize_pem());
    fs::write(&again.key, old.serialize_pem()).unwrap();
    assert_eq!(Identity::load(&again.certificate, &again.key).unwrap().node(), identity.node());
}

#[tokio::test]
async fn an_automatic_ca_serves_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(dir.path()).unwrap();
    assert!(ca.is_automatic() && LocalCa::open(dir.path()).unwrap().is_automatic());
    let endpoint = Endpoint::new(EndpointConfig {
        identity: ca.open_or_issue("n").unwrap(),
        trust: Trust::from_ca(ca.certificate()).unwrap(),
        loopback_only: ca.is_automatic(),
        admission: AdmissionLimits::default(),
        link: LinkLimits::default(),
        post_quantum: false,
    })
    .unwrap();
    for beyond in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:0.0.0.0]:0"] {
        let why = endpoint.bind(beyond.parse().unwrap()).await.unwrap_err();
        assert_eq!(why.kind(), std::io::ErrorKind::InvalidInput, "{beyond}: {why}");
        assert!(why.to_string().contains("rumormill certs init"), "{why}");
    }
    for beyond in ["192.0.2.1:9", "[2001:db8::1]:9", "[::ffff:192.0.2.1]:9"] {
        let dialled = endpoint.dial(beyond.parse().unwrap(), Expect::Any).await;
        assert!(matches!(dialled, Err(DialError::LoopbackOnly(_))), "{beyond}");
    }
    let listener = endpoint.bind(anywhere()).await.unwrap();
    assert!(endpoint.dial(listener.local_addr(), Expect::Any).await.is_ok());
}

#[test]
fn a_revocation_list_is_the_cas_and_goes_round() {
    let net = Net::new();
    let (bob, carol) = (NodeId([1; 32]), NodeId([2; 32]));
    let path = LocalCa::revocations_path(net.ca.home());
    let first = net.ca.revoke(bob, None).unwrap().list;
    let old = fs::read(&path).unwrap();
    assert_eq!(check_file(&old, &net.trust()), Ok(first.clone()));
    let cut = BTreeMap::from([(Incarnation(3), Seq(17)), (Incarnation(9), Seq(1))]);
    let second = net.ca.revoke(carol, Some(cut.clone())).unwrap().list;
    let bytes = fs::read(&path).unwrap();
    assert_eq!(check_file(&bytes, &net.trust()), Ok(second.clone()));
    assert_eq!((first.number(), second.number()), (1, 2));
    assert_eq!(cuts(&second), BTreeMap::from([(bob, None), (carol, Some(cut))]));
    assert!(second.revokes(&bob) && second.revokes(&carol) && !first.revokes(&carol));
    assert!(!second.revokes(&NodeId([3; 32])));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_changed_list_or_one_of_another_ca_counts_for_nothing() {
    let (net, other) = (Net::new(), Net::new());
    net.ca.revoke(NodeId([1; 32]), Some(BTreeMap::from([(Incarnation(3), Seq(17))]))).unwrap();
    let path = LocalCa::revocations_path(net.ca.home());
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(check_file(&changed, &net.trust()).is_err(), "byte {at}");
        assert!(check_file(&bytes[..at], &net.trust()).is_err(), "cut at {at}");
    }
    assert!(check_file(&[&bytes[..], &[0]].concat(), &net.trust()).is_err(), "one byte more");
    assert!(check_file(&[&bytes[..], &bytes[..]].concat(), &net.trust()).is_err(), "one part twice");
    assert_eq!(check_file(&bytes, &other.trust()), Err(BadList::Signature));
    let pins = net.dir.path().join("pins");
    fs::write(&pins, net.ca.network().to_string()).unwrap();
    assert_eq!(check_file(&bytes, &Trust::pinned(&pins).unwrap()), Err(BadList::NoCa));
    // The CA does not sign on top of what it did not sign.
    let mut changed = bytes;
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&path, &changed).unwrap();
    assert!(matches!(net.ca.revoke(NodeId([2; 32]), None), Err(CaError::ListDamaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), changed);
}

#[test]
fn an_author_is_judged_by_its_ca_and_key_and_not_by_dates() {
    let (net, other) = (Net::new(), Net::new());
    // Not valid yet; and begun long before the CA's own certificate, as after a renewal of that.
    for (from, link) in
        [(SystemTime::now() + 2 * DAY, Err(Refusal::NotYetValid)), (SystemTime::now() - 900 * DAY, Ok(()))]
    {
        let mut params = net.params("n");
        (params.not_before, params.not_after) = (from.into(), (SystemTime::now() + 9 * DAY).into());
        let forged = net.sign(&params);
        let node = forged.identity().node();
        let now = rustls_pki_types::UnixTime::now();
        assert_eq!(net.trust().check_link(&forged.der, now).map(drop), link);
        assert_eq!(net.trust().check_member(&node, &forged.der).map(|info| info.node), Ok(node));
        assert_eq!(other.trust().check_member(&node, &forged.der), Err(Refusal::UnknownCa));
        assert_eq!(net.trust().check_member(&NodeId([1; 32]), &forged.der), Err(Refusal::WrongName));
    }
}

#[test]
fn a_member_whose_certificate_has_run_out_stays_an_author() {
    let net = Net::new();
    let issued = net.ca.issue("brief", Duration::ZERO, None).unwrap();
    let identity = Identity::load(&issued.certificate, &issued.key).unwrap();
    let der = identity.certificate_der().to_vec().into();
    let later = SystemTime::now() + DAY;
    let later = rustls_pki_types::UnixTime::since_unix_epoch(later.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    assert_eq!(net.trust().check_link(&der, later), Err(Refusal::Expired));
    net.trust().check_member(&identity.node(), &der).unwrap();
}

#[test]
fn broken_pin_files_are_refused_with_their_line() {
    let net = Net::new();
    let file = net.dir.path().join("pins");
    let (network, node) = (net.ca.network(), NodeId([7; 32]));
    let cases = [
        (String::new(), 1),
        ("# only this\n".to_owned(), 1),
        ("xyz\n".to_owned(), 1),
        (format!("{network}\n\nabc bob\n"), 3),
        (format!("{network}\n{node}\n"), 2),
        (format!("{network}\n{node} Bob\n"), 2),
        (format!("{network}\n{node} bob\n{node} carol\n"), 3),
        (format!("{network}\n{node} bob\n{} bob\n", NodeId([8; 32])), 3),
    ];
    for (text, line) in cases {
        fs::write(&file, &text).unwrap();
        let why = Trust::pinned(&file).unwrap_err();
        assert!(why.to_string().contains(&format!("pins, line {line}: ")), "{text:?}: {why}");
    }
    fs::write(&file, format!("{network} # net\n{node} bob # him\n")).unwrap();
    assert_eq!(Trust::pinned(&file).unwrap().pins().map(|(node, _)| node).collect::<Vec<_>>(), [node]);
}
