//! Whole sessions, with our own proxy and with one that behaves like those in use.
//!
//! `RUMORMILL_RUNS=20` repeats the main session; the default is one run with each proxy.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use rumormill_testkit::classroom_place::{Place, Whose};
use rumormill_testkit::ports::ports;
use rumormill_testkit::stalls::unless_stalled;
use rumormill_testkit::wait::until;

fn runs() -> usize {
    std::env::var("RUMORMILL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1)
}

/// A proxy that ended by itself has ended its processes; those of one that had to be killed notice that it has gone.
fn nobody_is_left(place: &Place, code: Option<i32>) {
    assert!(code.is_none() || place.running().is_empty(), "{:?}", place.running());
    until("nobody is left", || place.running().is_empty());
}

/// Four processes, a message to each, the log of each; then one crashes and comes back with another n and port.
fn session(whose: Whose, run: usize) -> Result<(), String> {
    let place = Place::linked();
    let mut proxy = place.proxy(whose);
    for id in 0..4 {
        proxy.say(&format!("{id} start 4 {}", 10_004 + id));
    }
    for id in 0..4 {
        proxy.say(&format!("{id} msg {} message-of-{id}", id * 7));
    }
    for id in 0..4 {
        proxy.say(&format!("{id} get chatLog"));
    }
    proxy.say("1 crash\n1 start 5 10011\n1 get chatLog\n1 msg 9 back\n3 get chatLog");
    let (code, out, err) = proxy.exit();
    nobody_is_left(&place, code);
    let shown: Vec<_> = out.lines().collect();
    let first = shown.first().copied().unwrap_or_default();
    let mut texts: Vec<_> = first.split(',').collect();
    texts.sort_unstable();
    let all = texts == ["message-of-0", "message-of-1", "message-of-2", "message-of-3"];
    let back = format!("{first},back");
    let good = all && shown == [first, first, first, first, first, &back] && code == Some(0);
    if good { Ok(()) } else { Err(format!("run {run}, {whose:?}: exit code {code:?}, {out}{err}")) }
}

#[test]
fn our_proxy_shows_one_log_everywhere_and_after_a_crash() {
    for run in 0..runs() {
        session(Whose::Ours, run).unwrap();
    }
}

#[test]
#[ignore = "needs python3, for the old proxy"]
fn a_proxy_as_they_are_in_use_shows_one_log_everywhere_and_after_a_crash() {
    for run in 0..runs() {
        // It gives a process one second, and its messages another.
        unless_stalled(|| session(Whose::Old, run));
    }
}

fn two_sessions(whose: Whose) {
    let place = Place::with_own_ports();
    let [a, b] = ports();
    for text in ["first", "second"] {
        unless_stalled(|| {
            let mut proxy = place.proxy(whose);
            proxy.say(&format!("0 start 2 {a}\n1 start 2 {b}\n0 msg 1 {text}\n0 get chatLog"));
            let ended = proxy.exit();
            nobody_is_left(&place, ended.0);
            let good = ended == (Some(0), format!("{text}\n"), String::new());
            if good { Ok(()) } else { Err(format!("{whose:?}: {ended:?}")) }
        });
    }
}

#[test]
fn one_session_after_another_in_one_directory_begins_with_an_empty_log() {
    two_sessions(Whose::Ours);
}

#[test]
#[ignore = "needs python3, for the old proxy"]
fn one_session_after_another_by_the_old_proxy_begins_with_an_empty_log() {
    two_sessions(Whose::Old);
}

fn killed(whose: Whose) {
    let place = Place::with_own_ports();
    let [a, b] = ports();
    let mut proxy = place.proxy(whose);
    proxy.say(&format!("0 start 2 {a}\n1 start 2 {b}\n0 msg 1 old\n0 get chatLog"));
    assert_eq!(proxy.shown(), "old\n");
    proxy.kill();
    let mut proxy = place.proxy(Whose::Ours);
    proxy.say(&format!("1 start 2 {b}\n0 start 2 {a}\n0 msg 1 new"));
    let mut shown = String::new();
    until("the message", || {
        proxy.say("1 get chatLog");
        shown = proxy.shown();
        shown != "\n"
    });
    assert_eq!(shown, "new\n", "after {whose:?}");
    assert_eq!(proxy.exit(), (Some(0), String::new(), String::new()), "after {whose:?}");
    assert_eq!(place.running(), Vec::<u32>::new());
}

#[test]
fn a_proxy_that_is_killed_leaves_nobody_and_no_log_to_the_next() {
    killed(Whose::Ours);
}

#[test]
#[ignore = "needs python3, for the old proxy"]
fn an_old_proxy_that_is_killed_leaves_nobody_and_no_log_to_the_next() {
    killed(Whose::Old);
}

#[test]
fn a_signal_ends_our_proxy_as_exit_does() {
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::with_own_ports();
        let mut proxy = place.proxy(Whose::Ours);
        let [a] = ports();
        proxy.say(&format!("0 start 1 {a}"));
        until("the process", || place.running().len() == 1);
        let kill = Command::new("kill").args([&format!("-{signal}"), &proxy.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(proxy.end().0, Some(0), "SIG{signal}");
        assert_eq!(place.running(), Vec::<u32>::new(), "SIG{signal}");
    }
}

#[test]
fn our_proxy_says_what_the_old_one_hangs_on() {
    let place = Place::with_own_ports();
    let [a, b] = ports();
    let mut proxy = place.proxy(Whose::Ours);
    // An empty log, an id that is no integer, a crashed process.
    proxy.say(&format!("0 start 2 {a}\n1 start 2 {b}\n0 get chatLog\n0 msg one hello\n1 crash\n1 get chatLog"));
    proxy.say("0 msg 1 two,  spaces and\ta tab\n0 get chatLog");
    let (code, out, err) = proxy.exit();
    assert_eq!(out, "\ntwo,  spaces and\ta tab\n");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].starts_with("error: line 4: at byte 6: expected an integer as message id"), "{err}");
    assert!(lines[1].starts_with("error: line 6: process 1 is not running"), "{err}");
    assert_eq!(code, Some(1), "lines failed");
}

#[test]
fn a_process_alone_keeps_its_log_over_a_crash_with_our_proxy() {
    let place = Place::with_own_ports();
    let [a, b] = ports();
    let mut proxy = place.proxy(Whose::Ours);
    proxy.say(&format!(
        "0 start 1 {a}\n0 msg 1 kept\n0 get chatLog\n0 crash\n0 start 1 {b}\n0 msg 2 more\n0 get chatLog"
    ));
    assert_eq!(proxy.exit(), (Some(0), "kept\nkept,more\n".into(), String::new()));
}

fn through_a_door(whose: Whose) {
    let place = Place::with_own_ports();
    let [control, door] = ports();
    let node = format!(
        "echo $$ > pid; exec {} --name c --state state --listen 127.0.0.1:0 --control 127.0.0.1:$3 \
         --door peer-line,listen=127.0.0.1:{door},name=room",
        env!("CARGO_BIN_EXE_rumormill-node")
    );
    place.script("process", &node);
    place.script("stopall", "kill $(cat pid)");
    let mut proxy = place.proxy(whose);
    proxy.say(&format!("0 start 1 {control}"));
    until("the menu chat hears", || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", door)) else { return false };
        stream.write_all(b"127.0.0.1:9 team hi  there").is_ok()
    });
    // Until it is in the log: asked at the node, since the old proxy hangs on an empty one.
    until("it is in the log", || {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", control)).unwrap());
        let mut line = String::new();
        stream.get_mut().write_all(b"get chatLog\n").unwrap();
        stream.read_line(&mut line).is_ok() && line.contains("there")
    });
    proxy.say("0 get chatLog");
    let (code, out, err) = proxy.exit();
    assert!(out.starts_with("team_127.0.0.1:9/peer-line?@") && out.ends_with(":hi__there\n"), "{whose:?}: {out}{err}");
    assert_eq!(code, Some(0), "{whose:?}: {err}");
    std::fs::remove_dir_all(place.path("state")).unwrap();
}

#[test]
fn a_proxy_that_shows_one_word_of_a_log_shows_what_came_by_a_door() {
    through_a_door(Whose::Ours);
}

#[test]
#[ignore = "needs python3, for the old proxy"]
fn an_old_proxy_shows_what_came_by_a_door() {
    through_a_door(Whose::Old);
}

#[test]
fn stopall_ends_what_was_started_in_its_directory_and_nothing_else() {
    let (here, there) = (Place::with_own_ports(), Place::with_own_ports());
    let [a, b, c] = ports();
    let (mut mine, mut too, mut other) = (here.process(0, 2, a), here.process(1, 2, b), there.process(0, 1, c));
    // All are up: they answer.
    assert!(mine.log().is_empty() && too.log().is_empty());
    assert_eq!(here.running().len(), 2);
    here.stop_all();
    // They leave when asked: none has to be killed.
    assert!(mine.child.wait().unwrap().success() && too.child.wait().unwrap().success());
    other.say("msg 1 alive\n");
    assert_eq!(other.log(), ["alive"]);
}
