//! A client of PULL is given its letters, and what shows that it has read them: the end of its connection, and no write.
#![allow(clippy::unwrap_used, missing_docs, reason = "helpers of tests")]

mod push_pull_parts;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use push_pull_parts::*;
use rumormill_doors::push_pull::{MAX_CLIENTS, MAX_ITEMS};
use rumormill_testkit::counterparts::push_pull as legacy;

/// Longer than a door can think it takes to read.
const STANDS_STILL: Duration = Duration::from_secs(3);

/// A house with so many letters of 3 KB, each of them two items.
fn with_letters(spec: &str, letters: usize) -> House {
    let house = house(spec);
    (0..letters).for_each(|n| house.letters.put("a", &format!("{n:04}{}", "x".repeat(3_000))));
    house
}

/// A client that has been given all, and reads nothing.
fn still(house: &House, letters: u64) -> TcpStream {
    let stream = legacy::ask(house.addr, "PULL").unwrap();
    house.until_given(letters);
    stream
}

/// All texts that a PULL gives, as one.
fn pull_all(house: &House) -> String {
    all(&mut legacy::ask(house.addr, "PULL").unwrap())
}

#[test]
fn a_client_that_stands_still_and_dies_loses_nothing_and_keeps_nobody_waiting() {
    let house = with_letters(",gap=1ms", 10);
    let stream = still(&house, 10);
    // What comes meanwhile goes to others, and what was given does not.
    house.letters.put("b", "since");
    assert_eq!(pull_all(&house), "SUCCESS 1IP: b MSG:since");
    std::thread::sleep(STANDS_STILL);
    assert_eq!(pull_all(&house), "SUCCESS 0");
    drop(stream);
    house.letters.until("they come back", |waiting| waiting == 10);
    let back = pull_all(&house);
    assert!((0..10).all(|n| back.contains(&format!("MSG:{n:04}x"))), "{}", back.len());
    assert_eq!(house.counters.letters_back.load(Ordering::Relaxed), 10);
    house.until("read this time", |counters| counters.messages_out.load(Ordering::Relaxed) == 11);
    house.until_given(0);
}

#[test]
fn a_client_that_reads_a_part_and_dies_loses_nothing() {
    let house = with_letters(",gap=1ms", 10);
    let mut stream = still(&house, 10);
    stream.read_exact(&mut [0; 5_000]).unwrap();
    std::thread::sleep(STANDS_STILL);
    drop(stream);
    house.letters.until("all come back", |waiting| waiting == 10);
}

#[test]
fn a_client_that_reads_all_and_ends_leaves_nothing_to_the_next() {
    let house = with_letters(",gap=1ms", 10);
    let first = pull_all(&house);
    assert!((0..10).all(|n| first.contains(&format!("MSG:{n:04}x"))));
    assert_eq!(pull_all(&house), "SUCCESS 0");
    house.until("read", |counters| counters.messages_out.load(Ordering::Relaxed) == 10);
    assert_eq!(house.counters.letters_back.load(Ordering::Relaxed), 0);
}

#[test]
fn what_cannot_be_struck_off_does_not_seem_to_have_ended_and_comes_again() {
    let house = with_letters(",gap=1ms", 10);
    house.letters.3.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let mut stream = legacy::ask(house.addr, "PULL").unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all);
        assert_eq!(end.map_err(|why| why.kind()), Err(std::io::ErrorKind::ConnectionReset), "{}", all.len());
    }
    assert_eq!(house.letters.texts().len(), 10);
    house.letters.3.store(false, Ordering::Relaxed);
    assert!(pull_all(&house).starts_with("SUCCESS 20"));
    assert_eq!(pull_all(&house), "SUCCESS 0");
}

#[test]
fn a_client_that_has_read_all_and_asks_for_more_has_read_it() {
    let house = with_letters(",gap=1ms,unread=60m", 10);
    let mut stream = legacy::ask(house.addr, "PULL").unwrap();
    assert!(all(&mut stream).starts_with("SUCCESS 20"));
    house.until_given(10);
    // A line end is still of the first request, and no word of the client.
    stream.write_all(b"\r\n").unwrap();
    assert_eq!(pull_all(&house), "SUCCESS 0");
    assert_eq!(house.counters.messages_out.load(Ordering::Relaxed), 0);
    stream.write_all(b"PULL").unwrap();
    house.until("read", |counters| counters.messages_out.load(Ordering::Relaxed) == 10);
    assert_eq!(all(&mut stream), "", "one answer for each connection");
    assert_eq!(pull_all(&house), "SUCCESS 0");
    assert_eq!(house.counters.letters_back.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_given_to_a_client_that_neither_reads_nor_ends_comes_back_after_a_time() {
    let house = with_letters(",gap=1ms,unread=2s", 10);
    let begun = Instant::now();
    let stream = still(&house, 10);
    house.letters.until("they come back", |waiting| waiting == 10);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    house.until_given(0);
    drop(stream);
}

#[test]
fn whoever_takes_the_place_of_a_client_that_stands_still_takes_none_of_its_letters_away() {
    let house = with_letters(",gap=1ms", 10);
    let _still = still(&house, 10);
    let _crowd: Vec<_> = (0..MAX_CLIENTS).map(|_| TcpStream::connect(house.addr).unwrap()).collect();
    house.letters.until("they come back", |waiting| waiting == 10);
    house.until_given(0);
}

#[test]
fn what_is_given_when_the_door_closes_comes_back() {
    let house = with_letters(",gap=1ms", 10);
    let _still = still(&house, 10);
    house.stop.send(true).unwrap();
    house.runtime.block_on(house.running).unwrap();
    assert_eq!(house.letters.texts().len(), 10);
}

/// A client that has its count and reads no further; its letters are being given to it.
fn begins(house: &House, count: &str) -> TcpStream {
    let mut stream = legacy::ask(house.addr, "PULL").unwrap();
    assert_eq!(reads_count(&mut stream), count);
    stream
}

/// The first read: the count.
fn reads_count(stream: &mut TcpStream) -> String {
    let mut reply = [0; 2_048];
    let read = stream.read(&mut reply).unwrap();
    String::from_utf8(reply[..read].to_vec()).unwrap()
}

#[test]
fn a_client_that_is_still_being_given_its_letters_keeps_nobody_waiting() {
    // All of it would take 40 s.
    let house = with_letters(",gap=2s", 10);
    let still = begins(&house, "SUCCESS 20");
    assert_eq!(pull_all(&house), "SUCCESS 0");
    house.letters.put("b", "urgent");
    assert_eq!(pull_all(&house), "SUCCESS 1IP: b MSG:urgent");
    assert_eq!(house.letters.texts().len(), 10, "the first is in the middle of it");
    drop(still);
    // It is seen at once that it died, and not at the next write only.
    let end = Instant::now() + PATIENCE;
    while reads_count(&mut legacy::ask(house.addr, "PULL").unwrap()) != "SUCCESS 20" {
        assert!(Instant::now() < end, "all come back");
    }
}

#[test]
fn clients_that_pull_at_once_share_what_waits() {
    let house = with_letters(",gap=5ms", MAX_ITEMS / 2 + 3);
    let mut first = begins(&house, &format!("SUCCESS {MAX_ITEMS}"));
    // What one PULL cannot take is not held by it.
    let mut second = begins(&house, "SUCCESS 6");
    house.letters.put("b", "since");
    let mut third = begins(&house, "SUCCESS 1");
    assert_eq!(pull_all(&house), "SUCCESS 0");
    assert!(house.letters.texts().len() >= MAX_ITEMS / 2, "the first is in the middle of it");
    assert_eq!(all(&mut third), "IP: b MSG:since");
    let got = all(&mut first) + &all(&mut second);
    (0..MAX_ITEMS / 2 + 3).for_each(|n| assert_eq!(got.matches(&format!("MSG:{n:04}x")).count(), 1, "{n}"));
    drop((first, second, third));
    house.until_given(0);
    assert_eq!(house.counters.letters_back.load(Ordering::Relaxed), 0);
    assert!(house.letters.texts().is_empty());
}

#[test]
fn however_many_clients_stand_still_the_next_is_served() {
    let house = house(",gap=1ms");
    let mut all_still = Vec::new();
    for n in 1..=40 {
        house.letters.put("a", &n.to_string());
        all_still.push(still(&house, n));
    }
    house.letters.put("b", "for the next");
    assert_eq!(pull_all(&house), "SUCCESS 1IP: b MSG:for the next");
    assert_eq!(house.counters.refused_rate.load(Ordering::Relaxed), 0);
}
