//! Three hosts from nothing, by the steps of docs/operations.md: three network namespaces on a bridge of each test's own.
//!
//! Needs root and the `ip` and `tc` commands, so they are ignored in a plain run: `cargo test --test netns -- --ignored`, as `.ci/run` does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_range_loop, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

const RUMORMILL: &str = env!("CARGO_BIN_EXE_rumormill");
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn sh(command: &str) -> Output {
    Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap()
}

fn must(command: &str) {
    let done = sh(command);
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Namespaces, bridge and nodes; all of it goes when this does.
struct Hosts {
    mark: String,
    dir: tempfile::TempDir,
    nodes: Vec<Child>,
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        for n in 0..NAMES.len() {
            sh(&format!("ip netns del {}", self.host(n)));
        }
        sh(&format!("ip netns del {}", self.hub()));
    }
}

impl Hosts {
    fn host(&self, n: usize) -> String {
        format!("rm{}-{}", self.mark, NAMES[n])
    }

    /// The bridge has a namespace of its own: nothing of it touches the machine's network.
    fn hub(&self) -> String {
        format!("rm{}-hub", self.mark)
    }

    fn build() -> Self {
        static BUILT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), BUILT.fetch_add(1, Relaxed));
        let hosts = Self { mark, dir: tempfile::tempdir().unwrap(), nodes: Vec::new() };
        let hub = hosts.hub();
        must(&format!("ip netns add {hub} && ip -n {hub} link add br0 type bridge && ip -n {hub} link set br0 up"));
        for n in 0..NAMES.len() {
            let (host, addr) = (hosts.host(n), address(n));
            must(&format!("ip netns add {host}"));
            must(&format!("ip link add eth0 netns {host} type veth peer name port{n} netns {hub}"));
            must(&format!("ip -n {hub} link set port{n} master br0 up"));
            must(&format!(
                "ip -n {host} addr add {addr}/24 dev eth0 && ip -n {host} link set eth0 up && ip -n {host} link set lo up"
            ));
        }
        hosts
    }

    /// So many bits a second go to a host and from it, through a queue of so many bytes.
    fn narrow(&self, n: usize, rate: &str, queue: u32) {
        let limit = format!("burst 4kb limit {queue}");
        must(&format!("ip netns exec {} tc qdisc add dev eth0 root tbf rate {rate} {limit}", self.host(n)));
        must(&format!("ip netns exec {} tc qdisc add dev port{n} root tbf rate {rate} {limit}", self.hub()));
    }

    /// Each has a certificate, and its node runs.
    fn start(&mut self) {
        self.start_with("");
    }

    /// The same with settings of its own.
    fn start_with(&mut self, more: &str) {
        let root = self.dir.path().to_owned();
        must(&format!("{RUMORMILL} certs init --home {}/ca", root.display()));
        for (n, name) in NAMES.iter().enumerate() {
            must(&format!("{RUMORMILL} certs issue {name} --home {0}/ca --out {0}/{name}", root.display()));
            let place = root.join(name);
            fs::write(place.join("node.toml"), settings(n, &place) + more).unwrap();
            let log = fs::File::create(root.join(format!("{name}.log"))).unwrap();
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &self.host(n), RUMORMILL, "node", "--config"]);
            command.arg(place.join("node.toml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            self.nodes.push(command.spawn().unwrap());
        }
        for n in 0..NAMES.len() {
            self.until("two links each", || {
                let peers = self.on(n, &format!("peers --json {}", self.state(n)));
                String::from_utf8_lossy(&peers.stdout).matches("TLSv1.3").count() == 2
            });
        }
    }

    fn on(&self, n: usize, arguments: &str) -> Output {
        sh(&format!("ip netns exec {} {RUMORMILL} {arguments}", self.host(n)))
    }

    fn state(&self, n: usize) -> String {
        format!("--state {}/{}/state", self.dir.path().display(), NAMES[n])
    }

    fn send(&self, n: usize, text: &str) {
        let sent = self.on(n, &format!("send '{text}' {}", self.state(n)));
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    fn log(&self, n: usize) -> String {
        String::from_utf8(self.on(n, &format!("log --json {}", self.state(n))).stdout).unwrap()
    }

    /// What the nodes said of themselves.
    fn logs(&self) -> Vec<String> {
        NAMES.iter().map(|name| fs::read_to_string(self.dir.path().join(format!("{name}.log"))).unwrap()).collect()
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn address(n: usize) -> String {
    format!("10.77.0.{}", n + 1)
}

fn settings(n: usize, dir: &Path) -> String {
    let neighbours: Vec<_> =
        (0..NAMES.len()).filter(|m| *m != n).map(|m| format!("\"{}@{}:20000\"", NAMES[m], address(m))).collect();
    let dir = dir.display();
    format!(
        "name = \"{}\"\nlisten = \"{}:20000\"\nneighbour = [{}]\nstate = \"{dir}/state\"\ncert = \"{dir}/cert.pem\"\n\
         key = \"{dir}/key.pem\"\nca = \"{dir}/ca.pem\"\n",
        NAMES[n],
        address(n),
        neighbours.join(", ")
    )
}

#[test]
#[ignore = "needs root and the ip command (Debian: iproute2)"]
fn three_hosts_are_set_up_from_the_operations_page_alone() {
    let mut hosts = Hosts::build();
    hosts.start();
    for (n, name) in NAMES.iter().enumerate() {
        hosts.send(n, &format!("from {name}"));
    }
    for n in 0..NAMES.len() {
        hosts.until("all three messages", || hosts.log(n).lines().count() == 3);
    }
    let keys = |n: usize| -> Vec<(String, u64, String)> {
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let key = |v: serde_json::Value| (v["origin"].to_string(), v["seq"].as_u64().unwrap(), v["text"].to_string());
        hosts.log(n).lines().map(line).map(key).collect()
    };
    assert_eq!(keys(0), keys(1));
    assert_eq!(keys(1), keys(2));
}

/// Both neighbours bring the same megabyte over a line of 32 KiB/s, so it is there after a minute and more.
#[test]
#[ignore = "needs root and the ip and tc commands (Debian: iproute2)"]
fn behind_a_narrow_line_no_link_is_lost_and_a_word_comes_before_what_was_poured() {
    let mut hosts = Hosts::build();
    hosts.start();
    let ends = |hosts: &Hosts| hosts.logs().iter().map(|log| log.matches("link down").count()).sum::<usize>();
    // Of two links that come up at once one has ended by now.
    let before = ends(&hosts);
    hosts.narrow(2, "262144bit", 30_000);
    let text = "x".repeat(30_000);
    for n in 0..40 {
        hosts.send(0, &format!("poured {n} {text}"));
    }
    for n in 0..8 {
        let word = format!("word {n}");
        hosts.send(1, &word);
        hosts.until(&word, || hosts.log(2).contains(&format!("\"{word}\"")));
    }
    let poured = hosts.log(2).matches("\"poured ").count();
    assert!(poured < 40, "the line is not narrow: all {poured} are there");
    assert_eq!(ends(&hosts), before, "{:?}", hosts.logs());
}

/// A bundle of 30 kB takes five seconds here, longer than a neighbour may be silent: whoever receives it hears that some of it arrives.
#[test]
#[ignore = "needs root and the ip and tc commands (Debian: iproute2)"]
fn a_bundle_that_takes_longer_than_a_neighbour_may_be_silent_is_a_sign_of_life() {
    let mut hosts = Hosts::build();
    hosts.start_with("ping = \"1s\"\n");
    // Two that share the line would keep each other silent, too.
    hosts.nodes[1].kill().unwrap();
    hosts.until("bob's links have ended", || [0, 2].iter().all(|n| hosts.logs()[*n].contains("link down peer=bob")));
    // All that is on its way finds room: nothing is lost, and what is sent arrives bit by bit.
    hosts.narrow(2, "49152bit", 1_000_000);
    for n in 0..3 {
        hosts.send(0, &format!("long {n} {}", "x".repeat(30_000)));
    }
    hosts.until("all of it", || hosts.log(2).matches("\"long ").count() == 3);
    assert!(!hosts.logs()[2].contains("does not answer peer=alice"), "{:?}", hosts.logs());
}
