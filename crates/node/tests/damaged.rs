//! Small files that a node reads at its start, emptied or damaged by an editor or a disk: it starts, or names the file and a
//! way out that works.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumormill_node::config::IdentitySource;
use rumormill_node::{NodeConfig, NodeHandle, StartError, start};
use support::{Net, say, until_log};

const DAMAGE: [&[u8]; 3] = [b"", b"abc\n", b"\xff\xfe\0"];
const DAY: Duration = Duration::from_secs(86_400);

/// Starts, says something, stops.
async fn run(config: &NodeConfig, text: &str) -> Vec<String> {
    let node = start(config.clone()).await.unwrap();
    say(&node, text).await;
    let log = node.chat_log().await.unwrap();
    node.shutdown().await.unwrap();
    log
}

/// The same beside a neighbour, which has all that was said before the node stops.
async fn run_beside(config: &NodeConfig, beside: &NodeHandle, texts: &[&str]) {
    let node = start(config.clone()).await.unwrap();
    say(&node, texts.last().unwrap()).await;
    for node in [&node, beside] {
        assert_eq!(
            until_log(node, texts.len()).await,
            texts,
            "nothing was lost, and nothing withdrawn as written twice"
        );
    }
    node.shutdown().await.unwrap();
}

/// It does not start; what is said names the file, and what to do.
async fn refused(config: &NodeConfig, file: &Path, words: &[&str]) -> String {
    let why: StartError = match start(config.clone()).await {
        Ok(_) => panic!("it started with {}", file.display()),
        Err(why) => why,
    };
    let said = format!("{why}\n{}", why.next());
    for words in [&[file.to_str().unwrap()], words].concat() {
        assert!(said.contains(words), "{words}: {said}");
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_mark_or_incarnation_stops_no_node_and_no_message_is_lost_or_written_twice() {
    for with in DAMAGE {
        let net = Net::new();
        let (config, beside) = (net.on_disk("a", &[]), net.start("b", &[]).await);
        let mut linked = config.clone();
        linked.neighbours = net.config("a", &[("b", beside.local_addr())]).neighbours;
        run_beside(&linked, &beside, &["one"]).await;
        fs::write(config.state.clone().unwrap().join("log.mark"), with).unwrap();
        run_beside(&linked, &beside, &["one", "two"]).await;
        fs::write(net.dir.path().join("home/incarnations/a.incarnation"), with).unwrap();
        run_beside(&linked, &beside, &["one", "two", "three"]).await;
        beside.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_letters_and_members_are_named_and_moved_away() {
    for with in DAMAGE {
        let net = Net::new();
        let mut config = net.on_disk("a", &[]);
        config.doors =
            ["push-pull", "udp-mesh"].map(|kind| format!("{kind},listen=127.0.0.1:0").parse().unwrap()).into();
        run(&config, "one").await;
        let state = config.state.clone().unwrap();
        let (key, members) = (state.join("letters.key"), state.join("udp-mesh.members"));
        let whole = fs::read(&key).unwrap();
        fs::write(&key, with).unwrap();
        refused(&config, &key, &["put a copy of it back", "move it away"]).await;
        fs::write(&key, whole).unwrap();
        run(&config, "two").await;
        fs::write(&key, with).unwrap();
        fs::remove_file(&key).unwrap();
        fs::write(&members, with).unwrap();
        refused(&config, &members, &["move it away"]).await;
        fs::remove_file(&members).unwrap();
        fs::write(state.join("letters.jsonl"), with).unwrap();
        assert_eq!(run(&config, "three").await.len(), 3);
    }
}

fn private(path: PathBuf, bytes: &[u8]) -> PathBuf {
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_certificate_files_and_pins_are_named_with_what_mends_them() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    net.ca().issue("a", DAY, Some(&out)).unwrap();
    let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| out.join(name));
    let mut config = net.config("a", &[]);
    config.identity = IdentitySource::Files { cert: cert.clone(), key: key.clone(), ca: ca.clone() };
    let mut pinned = config.clone();
    let pins = net.dir.path().join("pins");
    pinned.identity = IdentitySource::Pinned { pins: pins.clone(), cert: cert.clone(), key: key.clone() };
    for with in DAMAGE {
        let words: [(&PathBuf, &[&str]); 3] = [
            (&cert, &["`rumormill certs issue NAME` makes it anew", "--out DIR", "move the damaged file away"]),
            (&key, &["put a copy of it back", "certs revoke NAME", "move this file away"]),
            (&ca, &["put a copy of it back", "from the host of any node"]),
        ];
        for (file, words) in words {
            let whole = fs::read(file).unwrap();
            fs::write(file, with).unwrap();
            refused(&config, file, words).await;
            private(file.clone(), &whole);
        }
        private(pins.clone(), with);
        // What is no text is named as that.
        let words: &[&str] = if with.is_ascii() { &["line 1", "network id", "Without a CA"] } else { &["not UTF-8"] };
        refused(&pinned, &pins, words).await;
        private(pins.clone(), format!("{}\n", net.ca().network()).as_bytes());
        start(pinned.clone()).await.unwrap().shutdown().await.unwrap();
        // The way out of the certificate, walked.
        fs::write(&cert, with).unwrap();
        fs::remove_file(&cert).unwrap();
        net.ca().issue("a", DAY, Some(&out)).unwrap();
        start(config.clone()).await.unwrap().shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_file_that_is_named_for_the_wrong_thing_is_told_from_a_damaged_one() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    net.ca().issue("a", DAY, Some(&out)).unwrap();
    let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| out.join(name));
    let mut config = net.config("a", &[]);
    let slips: [(&PathBuf, &PathBuf, &PathBuf, &PathBuf, &str); 8] = [
        (&cert, &cert, &ca, &cert, "holds a certificate where a private key is wanted"),
        (&cert, &ca, &ca, &ca, "holds a CA certificate where a private key is wanted"),
        (&key, &key, &ca, &key, "holds a private key where a node's certificate is wanted"),
        (&key, &cert, &ca, &key, "holds a private key where a node's certificate is wanted"),
        (&ca, &key, &ca, &ca, "holds a CA certificate where a node's certificate is wanted"),
        (&cert, &key, &cert, &cert, "holds a certificate where a CA certificate with a network id is wanted"),
        (&cert, &key, &key, &key, "holds a private key where a CA certificate with a network id is wanted"),
        (&ca, &ca, &cert, &ca, "holds a CA certificate where a private key is wanted"),
    ];
    // A copy of a certificate may be read by everybody; that it is no secret key is what is wrong with it.
    for bits in [0o600, 0o644] {
        for file in [&cert, &ca] {
            fs::set_permissions(file, fs::Permissions::from_mode(bits)).unwrap();
        }
        for (as_cert, as_key, as_ca, file, words) in slips {
            config.identity = IdentitySource::Files { cert: as_cert.clone(), key: as_key.clone(), ca: as_ca.clone() };
            let said = refused(&config, file, &[words, "nothing need be wrong with this file"]).await;
            assert!(!said.contains("move") && !said.contains("chmod"), "{said}");
        }
        for (file, words) in
            [(&ca, "holds a CA certificate"), (&cert, "holds a certificate"), (&key, "holds a private")]
        {
            config.identity = IdentitySource::Pinned { pins: file.clone(), cert: cert.clone(), key: key.clone() };
            refused(&config, file, &[words, "where a pin file is wanted", "\"Without a CA\""]).await;
        }
    }
    // Neither is a file in which there is nothing.
    fs::write(&cert, "").unwrap();
    config.identity = IdentitySource::Files { cert: key.clone(), key: cert.clone(), ca: ca.clone() };
    refused(&config, &key, &["where a node's certificate is wanted"]).await;
    config.identity = IdentitySource::Pinned { pins: ca.clone(), cert: key.clone(), key: key.clone() };
    refused(&config, &key, &["where a node's certificate is wanted"]).await;
    let empty = private(out.join("empty"), b"");
    fs::copy(&ca, &cert).unwrap();
    config.identity = IdentitySource::Files { cert, key: empty.clone(), ca };
    refused(&config, &empty, &["is not a PEM private key", "put a copy of it back"]).await;
}
