//! Revocation by the real programs: while nodes run, after they were started again, at a full store; and links that end with
//! their certificates.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs;
use std::time::Duration;

use rumormill_testkit::nodes::{Net, Node, rumormill, said};
use rumormill_testkit::wait::{PATIENCE, until};
use rumormill_transport::LocalCa;

/// The code of `rumormill certs ...`, and all that it says.
fn told(net: &Net, words: &[&str]) -> (Option<i32>, String) {
    let done = net.try_certs(words);
    (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

fn state(node: &Node) -> &str {
    node.state.to_str().unwrap()
}

/// The file of the list goes: what a node knows now it knows by its store.
fn forget_file(net: &Net) {
    fs::remove_file(net.home().join("revoked.bin")).unwrap();
}

#[test]
fn a_revoked_key_is_cut_by_default_and_stays_so_when_nodes_are_started_again() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let mut bob = net.start("bob", &[&alice]);
    let mut carol = net.start("carol", &[&bob]);
    for text in ["one", "two"] {
        carol.send(text);
    }
    until("alice has them", || alice.texts().len() == 2);
    let said = net.certs(&["revoke", "carol", "--state", state(&alice)]);
    assert!(said.contains("its first 2 messages count, later ones do not"), "{said}");
    until("all know", || [&alice, &bob].iter().all(|node| node.metric("node_revocation_list") == 1));
    until("carol has no link", || bob.peers().len() == 1 && carol.peers().is_empty());
    until("each knows what the other has", || {
        bob.peers()[0]["revocations"] == 1 && alice.peers()[0]["revocations"] == 1
    });
    let shown = alice.ask(&["peers"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("revocation list 1 of 20") && shown.contains(", 1 node\n"), "{shown}");
    // She comes again, after the loss of her store too.
    carol.says("this node is revoked");
    carol.term();
    fs::remove_dir_all(&carol.state).unwrap();
    carol.start();
    forget_file(&net);
    bob.kill();
    bob.start();
    alice.term();
    alice.start();
    for node in [&alice, &bob] {
        assert_eq!(node.metric("node_revocation_list"), 1, "known at once after a restart");
        assert!(node.metric("node_revocation_issued") > 1_700_000_000);
    }
    until("they are linked", || alice.peers().len() == 1 && bob.peers().len() == 1);
    alice.send("still here");
    until("bob has it", || bob.texts() == ["one", "two", "still here"]);
    assert_eq!(alice.texts(), ["one", "two", "still here"]);
    assert_eq!(bob.metric("node_revoked_nodes"), 1);
    assert!(carol.peers().is_empty());
}

#[test]
fn without_a_node_that_says_what_counts_the_way_has_to_be_named() {
    let net = Net::new();
    let id = "11".repeat(32);
    let run = |words: &[&str]| {
        let mut command = rumormill();
        command.current_dir(net.dir.path()).args(["certs", "revoke", &id, "--home"]).arg(net.home()).args(words);
        let done = command.output().unwrap();
        (done.status.code(), said(&done))
    };
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2), "{said}");
    for word in ["no running node", "nothing was changed", "--state", "--no-cut", "--cut-all", "signs later"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (code, said) = run(&["--state", "nowhere"]);
    assert_eq!(code, Some(2), "{said}");
    let other = Net::new();
    let stranger = other.start("stranger", &[]);
    let (code, said) = run(&["--state", state(&stranger)]);
    assert!(code == Some(2) && said.contains("another network"), "{said}");
    assert!(!net.home().join("revoked.bin").exists(), "nothing was changed");
    assert_eq!(run(&["--no-cut", "--cut-all"]).0, Some(2));
    assert!(net.certs(&["revoke", &id, "--no-cut"]).contains("all its messages count, later ones too"));
    assert!(net.certs(&["revoke", &id, "--cut-all"]).contains("none of its messages counts"));
    let shown = net.certs(&["show"]);
    assert!(shown.contains("list 2, issued 20") && shown.contains("none of its messages counts"), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&net.certs(&["show", "--json"])).unwrap();
    assert!(shown["revocations_issued"].as_u64().unwrap() > 1_700_000_000, "{shown}");
}

#[test]
fn a_home_that_lost_its_list_says_so_and_gets_it_back_from_a_node() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let (ev, zed) = (format!("07{:062x}", 1), format!("07{:062x}", 2));
    let list = net.home().join("revoked.bin");
    let run = |words: &[&str]| {
        let done = net.try_certs(words);
        (done.status.code(), said(&done))
    };
    net.certs(&["revoke", &ev, "--no-cut"]);
    until("it is in force", || alice.metric("node_revocation_list") == 1);
    // The list alone is lost: the home knows it by itself.
    fs::remove_file(&list).unwrap();
    let (code, said) = run(&["revoke", &ev, "--cut-all"]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["list 1 was made here", "nothing was changed", "certs restore --state", "beside ca.pem", "--new-list"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let shown = net.certs(&["show"]);
    assert!(shown.contains("list 1 was made here") && shown.contains("certs restore"), "{shown}");
    assert!(json(&net, &["show", "--json"])["revocations_lost"].as_str().unwrap().contains("list 1"));
    assert_eq!(run(&["issue", "other"]).0, Some(1));
    // All that tells of it is lost: the node that is asked knows.
    fs::remove_file(net.home().join("revoked.number")).unwrap();
    for words in [&["--state", state(&alice)][..], &["--cut-all", "--state", state(&alice)]] {
        let (code, said) = run(&[&["revoke", &ev], words].concat());
        assert!(code == Some(1) && said.contains("the running node has list 1"), "{said}");
        assert!(!list.exists(), "nothing was written");
    }
    // Nobody is asked: the node sees the file, says so once, and shows it.
    net.certs(&["revoke", &zed, "--cut-all"]);
    alice.says("nothing of the revocation list in the file is in force");
    let peers = String::from_utf8_lossy(&alice.ask(&["peers"]).stdout).into_owned();
    assert!(peers.contains("list 1 is not the one that is in force") && peers.contains("certs restore"), "{peers}");
    assert_eq!(alice.metric("node_revocation_file_not_in_force"), 1);
    let (code, said) = run(&["revoke", &ev, "--state", state(&alice)]);
    assert!(code == Some(1) && said.contains("the running node has another list 1"), "{said}");
    let said = net.certs(&["restore", "--state", state(&alice)]);
    assert!(said.contains("put back 1 part; list 1 has 1 node\n") && said.contains(&zed), "{said}");
    until("the file is in force", || alice.metric("node_revocation_file_not_in_force") == 0);
    net.certs(&["revoke", &ev, "--cut-all", "--state", state(&alice)]);
    net.certs(&["revoke", &zed, "--cut-all"]);
    until("both are", || alice.metric("node_revocation_list") == 3 && alice.metric("node_revoked_nodes") == 2);
}

#[test]
fn a_damaged_number_or_list_is_named_and_mended_by_the_commands_it_names() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let ev = "11".repeat(32);
    let (list, number) = (net.home().join("revoked.bin"), net.home().join("revoked.number"));
    let run = |words: &[&str]| told(&net, words);
    net.certs(&["revoke", &ev, "--no-cut"]);
    until("it is in force", || alice.metric("node_revocation_list") == 1);
    for (file, with) in
        [(&number, ""), (&number, "abc"), (&number, "99999999999999999999"), (&list, ""), (&list, "abc")]
    {
        fs::write(file, with).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        for words in [&["issue", "n"][..], &["revoke", &ev, "--cut-all"], &["revoke", &ev, "--state", state(&alice)]] {
            let (code, said) = run(words);
            assert_eq!(code, Some(1), "{words:?} {said}");
            for words in [name, "certs restore --state", "certs revoke NAME --new-list"] {
                assert!(said.contains(words), "{words}: {said}");
            }
        }
        let (_, said) = run(&["show"]);
        assert!(said.contains(name) && said.contains("certs restore --state"), "{said}");
        let (code, said) = run(&["restore", "--state", state(&alice)]);
        assert_eq!(code, Some(0), "{name} {with:?} {said}");
        let done = if file == &number { "revoked.number was damaged: it says 1 now" } else { "revoked.bin.damaged" };
        assert!(said.contains(done), "{said}");
        assert_eq!(run(&["issue", "n"]).0, Some(0));
    }
    // No node has a list.
    let bare = Net::new();
    let run = |words: &[&str]| told(&bare, words);
    let bob = bare.start("bob", &[]);
    bob.says("listening");
    fs::write(bare.home().join("revoked.number"), "").unwrap();
    let (code, said) = run(&["restore", "--state", state(&bob)]);
    assert!(code == Some(1) && said.contains("ask another node") && said.contains("--new-list"), "{said}");
    assert_eq!(run(&["revoke", &ev, "--cut-all"]).0, Some(1));
    assert_eq!(run(&["revoke", &ev, "--cut-all", "--new-list"]).0, Some(0));
    assert_eq!(run(&["issue", "n"]).0, Some(0));
}

#[test]
fn a_revoked_key_stays_where_it_lies_until_a_new_one_is_asked_for() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    let issue = |words: &[&str]| {
        let mut command = rumormill();
        command.args(["certs", "issue", "fay", "--out"]).arg(&out).args(words).arg("--home").arg(net.home());
        let done = command.output().unwrap();
        (done.status.code(), said(&done))
    };
    assert_eq!(issue(&[]).0, Some(0));
    let key = fs::read(out.join("key.pem")).unwrap();
    net.certs(&["revoke", "fay", "--cut-all"]);
    let (code, said) = issue(&[]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["which is revoked", "another --out", "--new-key", "is kept beside it"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fs::read(out.join("key.pem")).unwrap(), key);
    let (code, said) = issue(&["--new-key"]);
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(fs::read(out.join("key.pem")).unwrap(), key);
    let kept =
        |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("key.pem.revoked-").then_some(entry);
    let kept: Vec<_> = fs::read_dir(&out).unwrap().flatten().filter_map(kept).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(kept[0].path()).unwrap(), key);
}

#[test]
fn a_new_key_on_the_state_of_the_old_one_is_called_that_and_no_old_copy() {
    let net = Net::new();
    let mut fay = net.start("fay", &[]);
    fay.send("by the old key");
    assert_eq!(fay.term(), Some(0));
    net.certs(&["revoke", "fay", "--no-cut"]);
    net.certs(&["issue", "fay", "--new-key"]);
    let told = "the store was used with another key before";
    for (times, texts) in [(1, 2), (1, 3)] {
        fay.start();
        fay.send("by the new key");
        assert_eq!(fay.texts().len(), texts);
        assert_eq!(fay.term(), Some(0));
        assert_eq!(fay.said().matches(told).count(), times, "{}", fay.said());
    }
    assert!(!fay.said().contains("older than the mark"), "{}", fay.said());
}

/// A name whose old key still counts is no way to say which of the two keys is meant.
#[test]
fn the_new_key_of_a_name_is_not_revoked_in_place_of_the_old_one() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    let certs = |words: &[&str]| told(&net, words);
    let issue = |more: &[&str]| certs(&[&["issue", "dave", "--out", out.to_str().unwrap()], more].concat());
    assert_eq!(issue(&[]).0, Some(0));
    let id =
        || json(&net, &["show", out.join("cert.pem").to_str().unwrap(), "--json"])["node"].as_str().unwrap().to_owned();
    let old = id();
    assert_eq!(certs(&["revoke", "dave", "--no-cut"]).0, Some(0));
    assert_eq!(issue(&["--new-key"]).0, Some(0));
    let new = id();
    assert_ne!(old, new);
    let (code, said) = certs(&["revoke", "dave", "--cut-all"]);
    assert_eq!(code, Some(2), "{said}");
    for words in [&old, &new, "nothing was changed", "by its node id"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(certs(&["revoke", &old, "--cut-all"]).0, Some(0));
    assert_eq!(certs(&["revoke", "dave", "--cut-all"]).0, Some(0), "now it can only be the new one");
}

#[test]
fn a_list_is_kept_at_a_full_store() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--store-max".into(), "1MiB".into()]);
    alice.start();
    let mut talk = alice.talk().unwrap();
    let text = "x".repeat(30_000);
    let mut sent = 0;
    while talk.send(&text).is_ok() {
        sent += 1;
        assert!(sent < 100, "it never fills");
    }
    net.certs(&["revoke", &"22".repeat(32), "--state", state(&alice)]);
    until("it is in force", || alice.metric("node_revocation_list") == 1);
    alice.kill();
    forget_file(&net);
    alice.start();
    assert_eq!(alice.metric("node_revocation_list"), 1);
}

#[test]
fn a_list_that_a_node_has_shown_once_is_there_after_the_kill_that_follows() {
    let rounds = if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 100 } else { 8 };
    let net = Net::new();
    let (file, aside) = (net.home().join("revoked.bin"), net.dir.path().join("aside"));
    let mut alice = net.start("alice", &[]);
    for round in 1..=rounds {
        let mut talk = alice.talk().unwrap();
        net.certs(&["revoke", &format!("{round:064x}"), "--no-cut"]);
        let deadline = std::time::Instant::now() + PATIENCE;
        while talk.metric("node_revocation_list").unwrap() < round {
            assert!(std::time::Instant::now() < deadline, "list {round} never came into force");
        }
        alice.kill();
        fs::rename(&file, &aside).unwrap();
        alice.start();
        assert_eq!(alice.metric("node_revocation_list"), round, "shown before the kill");
        fs::rename(&aside, &file).unwrap();
    }
}

#[test]
fn a_list_that_the_disk_does_not_take_is_tried_again_and_in_the_end_the_node_stops() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    until("a link", || alice.peers().len() == 1);
    alice.send("before");
    bob.send("of bob");
    until("alice has it", || String::from_utf8_lossy(&alice.ask(&["log"]).stdout).contains("of bob"));
    let limit = |alice: &Node, bytes| {
        let id = rustix::process::Pid::from_child(alice.child.as_ref().unwrap());
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(id), rustix::process::Resource::Fsize, limit).unwrap();
    };
    let wal = alice.state.join("log.db-wal");
    limit(&alice, Some(fs::metadata(&wal).unwrap().len()));
    net.certs(&["revoke", "bob", "--no-cut"]);
    until("it is tried", || alice.metric("node_lists_not_kept") >= 2);
    assert_eq!(alice.metric("node_revocation_list"), 0, "what is not durable is not in force");
    assert_eq!(alice.peers().len(), 1);
    limit(&alice, None);
    until("it is in force", || alice.metric("node_revocation_list") == 1);
    until("bob has no link", || alice.peers().is_empty() && bob.peers().is_empty());
    let log = |words: &[&str]| String::from_utf8_lossy(&alice.ask(words).stdout).into_owned();
    assert!(
        log(&["log"]).contains(" bob (revoked): of bob") && log(&["log"]).contains(" alice: before"),
        "{}",
        log(&["log"])
    );
    assert!(log(&["log", "--json"]).contains("\"revoked\":true"));
    limit(&alice, Some(fs::metadata(&wal).unwrap().len()));
    net.certs(&["revoke", &"22".repeat(32), "--no-cut"]);
    until("it ends", || alice.child.as_mut().unwrap().try_wait().unwrap().is_some());
    assert_eq!(alice.child.take().unwrap().wait().unwrap().code(), Some(1), "{}", alice.said());
    alice.says("a revocation list cannot be kept: this node stops");
}

#[test]
fn a_link_ends_when_a_certificate_does_and_both_sides_say_why() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let dir = net.dir.path().join("short");
    let issued = LocalCa::open(&net.home()).unwrap().issue("bob", Duration::from_secs(15), Some(&dir)).unwrap();
    let mut bob = net.node("bob", &[&alice]);
    bob.words.drain(..2);
    for (key, path) in [("--cert", &issued.certificate), ("--key", &issued.key), ("--ca", &issued.ca)] {
        bob.words.extend([key.to_owned(), path.display().to_string()]);
    }
    bob.start();
    until("a link", || alice.peers().len() == 1);
    let ends = alice.peers()[0]["certificate_not_after"].as_u64().unwrap();
    let shown = String::from_utf8_lossy(&alice.ask(&["peers"]).stdout).into_owned();
    assert!(shown.contains("bob's certificate ends in 0 days"), "{shown}");
    alice.says("the certificate of a neighbour ends in 0 days");
    bob.says("our certificate ends in 0 days");
    until("no link", || alice.peers().is_empty() && bob.peers().is_empty());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now > ends, "not before its time");
    // Whichever side sees it first tells the other.
    let says_one =
        |node: &Node, words: [&str; 2]| until(words[0], || words.iter().any(|words| node.said().contains(words)));
    says_one(&alice, ["the certificate of bob has expired", "the certificate of this side has expired"]);
    says_one(&bob, ["the certificate of bob has expired", "your certificate has expired"]);
    bob.says("our certificate has expired: it ended 20");
    let shown = String::from_utf8_lossy(&bob.ask(&["peers"]).stdout).into_owned();
    assert!(shown.contains("our certificate has expired"), "{shown}");
    // It is no misbehaviour: with a renewed certificate bob is linked again at once, without a restart.
    LocalCa::open(&net.home()).unwrap().issue("bob", Duration::from_secs(86_400), Some(&dir)).unwrap();
    bob.says("new links use the renewed certificate");
    until("linked again", || alice.peers().len() == 1);
}

fn json(net: &Net, words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&net.certs(words)).unwrap()
}

#[test]
fn a_certificate_is_shown_with_its_revocation_and_the_list_with_names() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    let cert = out.join("cert.pem").display().to_string();
    net.certs(&["issue", "vict", "--out", out.to_str().unwrap()]);
    net.certs(&["issue", "other"]);
    for what in ["vict", &cert, "other"] {
        assert!(!net.certs(&["show", what]).contains("revoked"), "nobody is");
        assert!(json(&net, &["show", what, "--json"])["revoked"].is_null());
    }
    let said = net.certs(&["revoke", "vict", "--cut-all"]);
    assert!(said.contains("list 1 has 1 node\n"), "{said}");
    for what in ["vict", &cert] {
        let shown = net.certs(&["show", what]);
        assert!(shown.contains("\nrevoked     list 1, none of its messages counts\n"), "{shown}");
        let shown = json(&net, &["show", what, "--json"]);
        assert_eq!(shown["revoked"]["list"], 1, "{shown}");
        assert_eq!(shown["revoked"]["cut"], serde_json::json!({}), "{shown}");
    }
    assert!(!net.certs(&["show", "other"]).contains("revoked"));
    let id = json(&net, &["show", "vict", "--json"])["node"].as_str().unwrap().to_owned();
    let stranger = "33".repeat(32);
    net.certs(&["revoke", &stranger, "--no-cut"]);
    // The name goes to another key, and the list still says whose the old one was.
    net.certs(&["issue", "vict"]);
    assert!(!net.certs(&["show", "vict"]).contains("revoked"), "a new key");
    assert!(net.certs(&["show", &cert]).contains("revoked     list 2, none"), "the old one");
    let shown = net.certs(&["show"]);
    assert!(shown.contains("list 2, issued 20") && shown.contains(", 2 nodes\n"), "{shown}");
    assert!(shown.contains(&format!("\n  {id} (vict) none of its messages counts\n")), "{shown}");
    assert!(shown.contains(&format!("\n  {stranger} all its messages count")), "{shown}");
    let shown = json(&net, &["show", "--json"]);
    let of = |node: &str| shown["revoked"].as_array().unwrap().iter().find(|one| one["node"] == node).unwrap().clone();
    assert_eq!((&of(&id)["names"], &of(&id)["cut"]), (&serde_json::json!(["vict"]), &serde_json::json!({})));
    assert!(of(&stranger)["names"].as_array().unwrap().is_empty() && of(&stranger)["cut"].is_null(), "{shown}");
    // Where the list does not hold, it is not passed over in silence.
    fs::write(net.home().join("revoked.bin"), "x").unwrap();
    assert!(net.certs(&["show", "other"]).contains("revoked     not known: "));
    assert!(json(&net, &["show", "other", "--json"])["revoked"]["unknown"].is_string());
}

#[test]
fn what_is_no_certificate_is_named_with_a_fitting_next_step() {
    let net = Net::new();
    let here = net.dir.path().display().to_string();
    net.certs(&["revoke", &"33".repeat(32), "--no-cut"]);
    let list = net.home().join("revoked.bin").display().to_string();
    for (what, words, next) in [
        ("nobody", "no certificate for nobody was issued here", "`rumormill certs issue nobody`"),
        ("/nonexistent", "there is no file /nonexistent", "name a certificate"),
        ("./nonexistent", "there is no file ./nonexistent", "name a certificate"),
        (&here, "it is a directory", "name a certificate"),
        ("/dev/zero", "no regular file", "name a certificate"),
        (&list, "is no certificate in PEM", "with nothing given"),
    ] {
        let done = net.try_certs(&["show", what]);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(2), "{said}");
        let (error, after) = said.split_once("\n  next: ").unwrap();
        assert!(error.contains(words) && !error.contains("I/O"), "{said}");
        assert!(after.contains(next) && (what == "nobody" || !after.contains("certs issue /")), "{said}");
    }
}
