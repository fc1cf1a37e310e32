//! PUSH and PULL as legacy clients know them, with letters in memory behind the door.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "helpers of tests")]

mod push_pull_parts;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use push_pull_parts::*;
use rumormill_doors::Outgoing;
use rumormill_doors::push_pull::MAX_ITEMS;
use rumormill_testkit::counterparts::push_pull as legacy;
use tokio::sync::oneshot;

#[test]
fn a_request_comes_in_one_read_or_many_with_or_without_an_end() {
    let house = house(",idle=100ms");
    let pause = Duration::from_millis(10);
    let mut expected = Vec::new();
    for (parts, contents) in [
        (&["PUSH IP:bob MSG:plain"][..], "plain"),
        (&["PUSH IP:bob MSG:newline\n"], "newline"),
        (&["PUSH IP:bob MSG:both\r\n"], "both"),
        (&["PU", "SH IP:b", "ob MS", "G:in par", "ts"], "in parts"),
        (&["PUSH IP:bob MSG:a MSG:b  grüße \u{1f600} ", ""], "a MSG:b  grüße \u{1f600} "),
        (&["PUSH IP:bob MSG:"], ""),
        (&["PUSH IP:bob MSG:ends\r", "\n", "\r\n"], "ends"),
    ] {
        assert_eq!(exchange(house.addr, parts, pause), "SUCCESS", "{parts:?}");
        expected.push(contents.to_owned());
    }
    assert_eq!(house.letters.texts(), expected);
    // The end of the stream ends it at once, and the reply still comes.
    let mut stream = legacy::ask(house.addr, "PUSH IP:bob MSG:ended").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all(&mut stream), "SUCCESS");
    let bytes: Vec<_> = "PUSH IP:bob MSG:byte by byte".chars().map(String::from).collect();
    let parts: Vec<_> = bytes.iter().map(String::as_str).collect();
    assert_eq!(exchange(house.addr, &parts, Duration::from_millis(1)), "SUCCESS");
    assert_eq!(house.letters.texts().len(), expected.len() + 2);
}

#[test]
fn a_request_that_goes_on_behind_a_line_end_is_refused_as_a_whole() {
    let house = house("");
    let pause = Duration::from_millis(20);
    for parts in [
        &["PUSH IP:bob MSG:pay 10 EUR\nto nobody before Friday"][..],
        &["PUSH IP:bob MSG:pay 10 EUR\n", "to nobody before Friday\n"],
        &["PUSH IP:bob MSG:pay 10 EUR\r\n\r\nto nobody", " before Friday"],
        &["PUSH IP:bob MSG:pay 10 EUR\nPUSH IP:anna MSG:hello\n"],
        &["PULL\nPUSH IP:bob MSG:hello"],
    ] {
        assert_eq!(exchange(house.addr, parts, pause), "FAIL", "{parts:?}");
    }
    assert!(house.letters.texts().is_empty(), "no part of a text is sent");
    house.until("each is counted", |counters| counters.malformed.load(Ordering::Relaxed) == 5);
    // What comes after the reply cannot change it, but is counted.
    let mut stream = legacy::ask(house.addr, "PUSH IP:bob MSG:pay 10 EUR\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"SUCCESS");
    stream.write_all(b"to nobody before Friday").unwrap();
    house.until("it is counted", |counters| counters.malformed.load(Ordering::Relaxed) == 6);
}

#[test]
fn a_push_that_is_no_request_is_one_that_failed() {
    let house = house("");
    let long = format!("PUSH IP:bob MSG:{}", "x".repeat(200_000));
    for push in [long.as_str(), "PUSH IP:bob MSG:one\ntwo", "PUSH IP: MSG:x"] {
        assert_eq!(exchange(house.addr, &[push], Duration::ZERO), "FAIL");
    }
    house.until("all are counted", |counters| counters.dropped_in.load(Ordering::Relaxed) == 3);
    // One that asks for nothing to be sent loses nothing.
    assert_eq!(exchange(house.addr, &["hello"], Duration::ZERO), "FAIL");
    house.until("it is counted", |counters| counters.malformed.load(Ordering::Relaxed) == 4);
    house.until("no more", |counters| counters.dropped_in.load(Ordering::Relaxed) == 3);
}

#[test]
fn the_longest_request_is_taken_whole() {
    let house = house("");
    let contents = "é".repeat(16_384);
    assert_eq!(legacy::push(house.addr, "bob", &contents).unwrap(), "SUCCESS");
    assert_eq!(house.letters.texts(), std::slice::from_ref(&contents));
    assert_eq!(legacy::push(house.addr, "bob", &format!("{contents}x")).unwrap(), "FAIL");
    let pulled = legacy::pull(house.addr).unwrap();
    assert!(pulled.iter().all(|item| item.len() <= 2_048), "items that the legacy client reads at once");
    let whole: String = pulled.iter().map(|item| item.strip_prefix("IP: bob MSG:").unwrap()).collect();
    assert!(whole == contents, "nothing of a long letter is lost");
}

#[test]
fn an_items_length_tells_the_pieces_of_a_letter_from_letters() {
    let house = house("");
    let full = 2_048 - "IP: s3 MSG:".len();
    // The last but one would fill its item to the last byte.
    let lengths = [2_100, 3, 2_100, full + 1, full - 4, full, 7];
    let sent: Vec<_> = lengths.iter().map(|len| "y".repeat(*len)).collect();
    sent.iter().for_each(|text| house.letters.put("s3", text));
    let items = legacy::pull(house.addr).unwrap();
    assert_eq!(items.len(), 11, "SUCCESS counts items");
    let (mut letters, mut open) = (Vec::new(), String::new());
    for item in &items {
        open.push_str(item.strip_prefix("IP: s3 MSG:").unwrap());
        if item.len() < 2_045 {
            letters.push(std::mem::take(&mut open));
        }
    }
    assert_eq!(letters, sent);
    house.until("read", |counters| counters.messages_out.load(Ordering::Relaxed) == 7);
}

#[test]
fn what_is_no_request_fails_and_web_pages_hear_nothing() {
    let house = house(",idle=50ms");
    for request in [
        "PUSH",
        "PUSH IP:a",
        "PUSH IP: MSG:x",
        "PUSH IP:nobody MSG:x",
        "PULLED",
        "pull",
        "hello\n",
        "\n",
        "PULL \n",
        "PUSH IP:a\u{7} MSG:x",
        "SUCCESS 3",
    ] {
        assert_eq!(exchange(house.addr, &[request], Duration::ZERO), "FAIL", "{request}");
    }
    for page in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /PULL HTTP/1.1\r\n\r\nPUSH IP:bob MSG:evil\n",
        "\u{16}\u{3}\u{1}\nPUSH IP:bob MSG:evil\n",
        "\0\u{3}\nPUSH IP:bob MSG:evil\n",
    ] {
        assert_eq!(exchange(house.addr, &[page], Duration::ZERO), "", "{page}");
    }
    assert!(house.letters.texts().is_empty());
}

#[test]
fn each_read_of_the_old_client_is_one_message_and_what_was_pulled_is_gone() {
    let house = house("");
    assert_eq!(legacy::pull(house.addr).unwrap(), [""; 0]);
    let sent: Vec<_> = (0..20).map(|n| format!("message {n} MSG: x")).collect();
    sent.iter().for_each(|text| house.letters.put("127.0.0.5", text));
    let expected: Vec<_> = sent.iter().map(|text| format!("IP: 127.0.0.5 MSG:{text}")).collect();
    assert_eq!(legacy::pull(house.addr).unwrap(), expected);
    house.letters.put("anna", "since");
    assert_eq!(legacy::pull(house.addr).unwrap(), ["IP: anna MSG:since"]);
    assert_eq!(legacy::pull(house.addr).unwrap(), [""; 0]);
    assert_eq!(exchange(house.addr, &["PULL\r\n"], Duration::ZERO), "SUCCESS 0");
    house.until("all were read", |counters| counters.messages_out.load(Ordering::Relaxed) == 21);
}

#[test]
fn a_client_that_dies_in_the_middle_loses_nothing() {
    let house = house(",gap=150ms");
    (0..5).for_each(|n| house.letters.put("a", &n.to_string()));
    for reads in 0..4 {
        assert_eq!(legacy::pull_and_die(house.addr, reads).unwrap(), 5, "after {reads} reads");
    }
    assert_eq!(legacy::pull(house.addr).unwrap().len(), 5);
    assert_eq!(legacy::pull(house.addr).unwrap().len(), 0);
}

#[test]
fn a_client_that_is_there_for_all_writes_reads_none_and_dies_loses_nothing() {
    let house = house(",gap=1ms");
    let back = (0..20).any(|_| {
        house.letters.put("a", "letter");
        let stream = legacy::ask(house.addr, "PULL").unwrap();
        house.letters.until("it is struck off", |left| left == 0);
        drop(stream);
        // A client that does not end within a second is taken to be well: then once more.
        let waits = || !house.letters.texts().is_empty();
        let end = Instant::now() + Duration::from_secs(2);
        while !waits() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        waits()
    });
    assert!(back);
    assert_eq!(legacy::pull(house.addr).unwrap(), ["IP: a MSG:letter"]);
    assert_eq!(legacy::pull(house.addr).unwrap(), [""; 0]);
}

#[test]
fn what_a_client_has_seen_to_its_end_is_struck_off_by_then() {
    let house = house(",gap=1ms");
    for n in 0..5 {
        house.letters.put("a", &n.to_string());
        let mut stream = legacy::ask(house.addr, "PULL").unwrap();
        assert_eq!(all(&mut stream), format!("SUCCESS 1IP: a MSG:{n}"));
        // It has not closed its side, so the door still waits for that.
        assert_eq!(house.letters.texts(), [""; 0]);
    }
}

#[test]
fn a_client_that_closed_its_sending_half_gets_everything_or_keeps_everything() {
    let house = house(",gap=50ms");
    (0..3).for_each(|n| house.letters.put("a", &n.to_string()));
    for reads in 0..3 {
        let mut stream = legacy::ask(house.addr, "PULL").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        (0..reads).for_each(|_| assert!(stream.read(&mut [0; 2_048]).unwrap() > 0));
    }
    let mut stream = legacy::ask(house.addr, "PULL").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all(&mut stream), "SUCCESS 3IP: a MSG:0IP: a MSG:1IP: a MSG:2");
    assert_eq!(legacy::pull(house.addr).unwrap().len(), 0);
}

#[test]
fn two_pulls_at_once_never_get_the_same() {
    let house = house(",gap=2ms");
    let total = 60;
    let writer = {
        let letters = house.letters.clone();
        std::thread::spawn(move || {
            for n in 0..total {
                letters.put("a", &n.to_string());
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (seen, addr) = (Arc::clone(&seen), house.addr);
            std::thread::spawn(move || {
                for _ in 0..8 {
                    // All there is up to the end: reads that took two are two here.
                    let got = all(&mut legacy::ask(addr, "PULL").unwrap());
                    seen.lock().unwrap().extend(got.split("IP: a MSG:").skip(1).map(str::to_owned));
                }
            })
        })
        .collect();
    writer.join().unwrap();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let mut seen = seen.lock().unwrap().clone();
    let rest = all(&mut legacy::ask(house.addr, "PULL").unwrap());
    seen.extend(rest.split("IP: a MSG:").skip(1).map(str::to_owned));
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (total, total));
}

#[test]
fn one_pull_takes_only_so_many() {
    let house = house(",gap=1ms");
    (0..MAX_ITEMS + 3).for_each(|n| house.letters.put("a", &n.to_string()));
    let count = |text: &str| text.matches("IP: a MSG:").count();
    assert_eq!(count(&all(&mut legacy::ask(house.addr, "PULL").unwrap())), MAX_ITEMS);
    assert_eq!(count(&all(&mut legacy::ask(house.addr, "PULL").unwrap())), 3);
}

#[test]
fn a_door_that_closes_in_the_middle_of_a_pull_keeps_the_letters() {
    let house = house(",gap=5s");
    (0..3).for_each(|n| house.letters.put("a", &n.to_string()));
    let mut stream = legacy::ask(house.addr, "PULL").unwrap();
    stream.read_exact(&mut [0; 9]).unwrap();
    house.stop.send(true).unwrap();
    house.runtime.block_on(house.running).unwrap();
    assert!(!all(&mut stream).contains("MSG:2"));
    assert_eq!(house.letters.texts().len(), 3);
}

#[test]
fn the_rooms_talk_does_not_go_this_way() {
    let mut house = house("");
    let (done, told) = oneshot::channel();
    let talk = Outgoing {
        author: None,
        sender: "a".into(),
        text: "x".into(),
        line: "a@0: x".into(),
        to: None,
        done: Some(done),
    };
    assert!(house.room.as_ref().unwrap().way_out().give(talk));
    assert!(house.runtime.block_on(told).unwrap().is_err());
    assert_eq!(legacy::pull(house.addr).unwrap(), [""; 0]);
    house.room = None;
    house.runtime.block_on(house.running).unwrap();
}
