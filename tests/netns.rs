//! Three hosts from nothing, by the steps of docs/operations.md: three network namespaces on a bridge of this test's own.
//!
//! Needs root and the `ip` command, so it is ignored in a plain run: `cargo test --test netns -- --ignored`, as `.ci/run` does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_range_loop, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
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
    mark: u32,
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
        let hosts = Self { mark: std::process::id(), nodes: Vec::new() };
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

    fn on(&self, n: usize, arguments: &str) -> Output {
        sh(&format!("ip netns exec {} {RUMORMILL} {arguments}", self.host(n)))
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
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display();
    must(&format!("{RUMORMILL} certs init --home {root}/ca"));
    let mut hosts = Hosts::build();
    for (n, name) in NAMES.iter().enumerate() {
        must(&format!("{RUMORMILL} certs issue {name} --home {root}/ca --out {root}/{name}"));
        let place = dir.path().join(name);
        fs::write(place.join("node.toml"), settings(n, &place)).unwrap();
    }
    for (n, name) in NAMES.iter().enumerate() {
        let log = fs::File::create(dir.path().join(format!("{name}.log"))).unwrap();
        let config = dir.path().join(name).join("node.toml");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &hosts.host(n), RUMORMILL, "node", "--config"]).arg(config);
        hosts.nodes.push(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }
    let state = |n: usize| format!("--state {root}/{}/state", NAMES[n]);
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            let logs: Vec<_> =
                NAMES.iter().map(|name| fs::read_to_string(dir.path().join(format!("{name}.log")))).collect();
            assert!(Instant::now() < deadline, "{what}: {logs:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    for n in 0..NAMES.len() {
        until("two links each", &|| {
            let peers = hosts.on(n, &format!("peers --json {}", state(n)));
            String::from_utf8_lossy(&peers.stdout).matches("TLSv1.3").count() == 2
        });
    }
    for n in 0..NAMES.len() {
        let sent = hosts.on(n, &format!("send 'from {}' {}", NAMES[n], state(n)));
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }
    let log = |n: usize| String::from_utf8(hosts.on(n, &format!("log --json {}", state(n))).stdout).unwrap();
    for n in 0..NAMES.len() {
        until("all three messages", &|| log(n).lines().count() == 3);
    }
    let keys = |n: usize| -> Vec<(String, u64, String)> {
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let key = |v: serde_json::Value| (v["origin"].to_string(), v["seq"].as_u64().unwrap(), v["text"].to_string());
        log(n).lines().map(line).map(key).collect()
    };
    assert_eq!(keys(0), keys(1));
    assert_eq!(keys(1), keys(2));
}
