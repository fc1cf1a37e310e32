//! A burst of one member takes nothing from what others say: at those who follow, and at doors.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumormill_node::follow::Next;
use rumormill_node::start;
use rumormill_wire::native::MessageKind;
use support::{Net, say, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Messages of the burst, more than a door or its peers take in the time.
const BURST: usize = 30_000;
const HONEST: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_one_member_takes_nothing_of_what_another_says_at_followers_and_doors() {
    let net = Net::new();
    let mut config = net.config("c", &[]);
    config.doors = vec!["peer-line,listen=127.0.0.1:0,name=room".parse().unwrap()];
    let c = start(config).await.unwrap();
    let a = net.start("a", &[("c", c.local_addr())]).await;
    let eve = net.start("eve", &[("c", c.local_addr())]).await;
    until("linked", async || c.peers().len() == 2).await;

    // One who follows, and a program of the menu chat at the door.
    let mut follow = c.follow().await;
    let (followed, brought) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&followed);
    tokio::spawn(async move {
        loop {
            match follow.next().await {
                Next::Messages(messages) => {
                    let texts = messages.iter().map(|message| message.text.as_raw().to_owned());
                    seen.lock().unwrap().extend(texts.filter(|text| text.starts_with("honest")));
                }
                Next::Missed(_) => {}
                Next::End => return,
            }
        }
    });
    let program = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = program.local_addr().unwrap();
    let read = Arc::clone(&brought);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = program.accept().await {
            let read = Arc::clone(&read);
            tokio::spawn(async move {
                let mut text = vec![0; 2_000];
                let len = stream.read(&mut text).await.unwrap_or(0);
                read.lock().unwrap().push(String::from_utf8_lossy(&text[..len]).into_owned());
            });
        }
    });
    let mut hello = TcpStream::connect(c.doors()[0].listen).await.unwrap();
    hello.write_all(format!("{own} me hello").as_bytes()).await.unwrap();
    drop(hello);
    // What was said before the door had heard of the program is not for it.
    until("the program is known", async || c.doors()[0].counters["messages_in"] > 0).await;
    say(&a, "honest, before").await;
    let has = |list: &Mutex<Vec<String>>, text: &str| list.lock().unwrap().iter().any(|line| line.contains(text));
    until("both are there", async || has(&followed, "honest, before") && has(&brought, "honest, before")).await;

    let burst = tokio::spawn(async move {
        let mut last = None;
        for _ in 0..BURST {
            last = Some(eve.submit(MessageKind::CHAT, "", "x".to_owned()).await.unwrap());
        }
        last.unwrap().await.unwrap();
        eve
    });
    for n in 0..HONEST {
        say(&a, &format!("honest {n:02}")).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let eve = burst.await.unwrap();
    until("all of the burst is there", async || {
        c.frontier_of(&eve.node_id()).0.iter().map(|(_, last)| last.0).sum::<u64>() >= BURST as u64
    })
    .await;
    for n in 0..HONEST {
        let text = format!("honest {n:02}");
        until(&format!("{text} at the follower"), async || has(&followed, &text)).await;
        until(&format!("{text} at the door"), async || has(&brought, &text)).await;
    }
    assert!(c.doors()[0].counters["dropped_out"] > 0, "the burst was more than the door takes: {:?}", c.doors());
}
