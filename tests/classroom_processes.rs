//! Processes as proxies start them: how soon they listen, how fast a line of four is, what they never do.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rumormill_testkit::classroom_place::{Control, Place};
use rumormill_testkit::ports::ports;
use rumormill_testkit::stalls::unless_stalled;
use rumormill_testkit::wait::{PATIENCE, until};

/// What a proxy gives a process to listen.
const LISTEN: Duration = Duration::from_secs(1);

fn line_of<const N: usize>(place: &Place) -> [Control; N] {
    let mut id = 0;
    let n = u32::try_from(N).unwrap();
    let mut controls = ports::<N>().map(|port| {
        id += 1;
        place.process(id - 1, n, port)
    });
    // Linked from end to end: what the first says, the last has.
    controls[0].say("msg 0 linked\n");
    until("the line", || controls.iter_mut().all(|control| !control.log().is_empty()));
    controls
}

#[test]
fn four_at_once_in_a_fresh_directory_listen_within_a_second_with_both_cores_busy() {
    unless_stalled(four_at_once);
}

fn four_at_once() -> Result<(), String> {
    let busy = Arc::new(AtomicBool::new(true));
    let cores = std::thread::available_parallelism().unwrap().get();
    let burners: Vec<_> = (0..cores)
        .map(|_| {
            let busy = Arc::clone(&busy);
            std::thread::spawn(move || while busy.load(Ordering::Relaxed) {})
        })
        .collect();
    let place = Place::with_own_ports();
    let ports = ports::<4>();
    let begun = Instant::now();
    let children: Vec<_> = (0_u32..)
        .zip(ports)
        .map(|(id, port)| {
            let words = [id, 4, port.into()].map(|word| word.to_string());
            place.command(&place.path("process")).args(words).spawn().unwrap()
        })
        .collect();
    let mut took = Vec::new();
    for port in ports {
        until("the control port", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        took.push(begun.elapsed());
    }
    busy.store(false, Ordering::Relaxed);
    burners.into_iter().for_each(|burner| burner.join().unwrap());
    place.stop_all();
    for mut child in children {
        until("its end", || child.try_wait().unwrap().is_some());
    }
    if took.iter().all(|took| *took < LISTEN) { Ok(()) } else { Err(format!("{took:?}")) }
}

#[test]
fn an_idle_line_of_four_carries_a_message_from_end_to_end_in_milliseconds() {
    unless_stalled(an_idle_line_of_four);
}

fn an_idle_line_of_four() -> Result<(), String> {
    let place = Place::with_own_ports();
    let mut line = line_of::<4>(&place);
    let mut took = Vec::new();
    for round in 0..50 {
        let text = format!("round-{round}");
        let begun = Instant::now();
        line[0].say(&format!("msg {round} {text}\n"));
        while line[3].log().last() != Some(&text) {
            assert!(begun.elapsed() < PATIENCE, "{text} never came");
        }
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let good = took[25] < Duration::from_millis(50);
    if good { Ok(()) } else { Err(format!("median {:?}, most {:?}", took[25], took[49])) }
}

#[test]
fn a_thousand_messages_to_each_of_four_are_everywhere_in_one_order() {
    let place = Place::with_own_ports();
    let mut line = line_of::<4>(&place);
    for (id, control) in line.iter_mut().enumerate() {
        let lines: String = (0..1_000).map(|n| format!("msg {n} of-{id}-{n}\n")).collect();
        control.say(&lines);
    }
    for control in &mut line {
        assert!(control.log().len() > 1_000, "a get shows what came before it on its connection");
    }
    until("all messages", || line.iter_mut().all(|control| control.log().len() == 4_001));
    let logs: Vec<_> = line.iter_mut().map(Control::log).collect();
    assert!(logs.iter().all(|log| log == &logs[0]), "one order");
    for id in 0..4 {
        let mine: Vec<_> = logs[0].iter().filter(|text| text.starts_with(&format!("of-{id}-"))).collect();
        assert!(
            mine.iter().enumerate().all(|(n, text)| **text == format!("of-{id}-{n}")),
            "in the order they were said"
        );
    }
}

#[test]
fn a_process_started_again_with_another_n_and_port_has_all_at_its_first_get() {
    unless_stalled(a_process_started_again);
}

fn a_process_started_again() -> Result<(), String> {
    let place = Place::with_own_ports();
    let mut line = line_of::<3>(&place);
    line[1].say("msg 1 before\n");
    until("the message", || line[2].log().len() == 2);
    line[1].say("crash\n");
    let status = line[1].child.wait().unwrap();
    assert!(!status.success(), "{status}: no farewell");
    line[0].say("msg 2 meanwhile\n");
    let [port] = ports();
    let begun = Instant::now();
    let mut again = place.process(1, 4, port);
    std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    let log = again.log();
    if log != ["linked", "before", "meanwhile"] {
        return Err(format!("{log:?} a second after its launch"));
    }
    again.say("msg 3 back\n");
    until("the new message", || line[2].log().len() == 4);
    assert_eq!(line[2].log(), ["linked", "before", "meanwhile", "back"]);
    Ok(())
}

#[test]
fn what_is_no_command_has_no_reply_and_stores_nothing() {
    let place = Place::with_own_ports();
    let [port] = ports();
    let mut alone = place.process(0, 1, port);
    assert!(alone.log().is_empty());
    alone.say("msg\nmsg x no\nmsg 1\nmsg 1 \ngets\ngetchatLog\nchatLog a\n\nhello\n\u{1}\u{2}\nget chatLog\n");
    assert_eq!(alone.reply(), "chatLog \n");
    let mut raw = TcpStream::connect(("127.0.0.1", port)).unwrap();
    raw.write_all(b"msg 1 \xff\xfe\nmsg 2 well\n").unwrap();
    until("the message", || alone.log() == ["well"]);
    alone.say("get chatLog\nget chatLog\nget chatLog\n");
    for _ in 0..3 {
        assert_eq!(alone.reply(), "chatLog well\n");
    }
}

#[test]
fn output_that_cannot_be_written_and_input_that_never_ends_are_left_alone() {
    let place = Place::with_own_ports();
    let [port, taken] = ports();
    let null = || Stdio::from(fs::File::open("/dev/null").unwrap());
    let (commands, keep) = std::io::pipe().unwrap();
    let mut command = place.command(&place.path("process"));
    command.args(["0", "1", &port.to_string()]).stdin(commands.try_clone().unwrap()).stdout(null()).stderr(null());
    let mut alone = Control::connect(command.spawn().unwrap(), port);
    (&keep).write_all(b"the commands to come\n").unwrap();
    // Each of these makes it say something on standard error.
    let mut web = TcpStream::connect(("127.0.0.1", port)).unwrap();
    web.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(web);
    alone.say("msg 1 still-here\n");
    assert_eq!(alone.log(), ["still-here"]);
    drop(keep);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut &commands, &mut rest).unwrap();
    assert_eq!(rest, b"the commands to come\n", "nobody else read them");
    assert_eq!(alone.log(), ["still-here"], "the end of its input is nothing to it");
    let _holder = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let status = place.command(&place.path("process")).args(["0", "1", &taken.to_string()]).status().unwrap();
    assert_eq!(status.code(), Some(1), "a port that is taken is an error, not a panic");
}
