//! Programs of the menu chat that write in brackets, and those that announce another loopback address than they listen on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod peer_line_parts;

use std::net::SocketAddr;

use peer_line_parts::*;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What a program with brackets makes of a message: it cuts the first and last character off the first word.
fn cut(message: &str) -> Option<(SocketAddr, String)> {
    let (first, rest) = message.split_once(' ').unwrap();
    let inner = first.get(1..first.len() - 1).unwrap();
    Some((inner.parse().ok()?, rest.to_owned()))
}

#[tokio::test]
async fn a_contact_with_brackets_is_spoken_to_in_its_form_once_it_has_spoken_and_told_quit() {
    let old = Legacy::new().await;
    let mut yard = Yard::new(&format!(",contact={}", old.1)).await;
    let first = old.takes().await.0;
    // Nothing tells its form yet: what it makes of a plain first word is a broken address.
    assert_eq!(first, format!("{} team connect", yard.at));
    assert_ne!(cut(&first).map(|(addr, _)| addr), Some(yard.at));
    let hello = format!("<127.0.0.1:{}> miners hi", old.1.port());
    say(yard.at, &hello).await;
    yard.hears(&format!("miners {}", old.1), "hi").await;
    drop(yard.says("hello"));
    // The port in brackets is ours, the address the receiver's.
    assert_eq!(cut(&old.takes().await.0), Some((yard.at, "team alice@c0de: hello".to_owned())));
    // It leaves by its own word, and comes again.
    say(yard.at, hello.replace("hi", "quit")).await;
    yard.hears(&format!("miners {}", old.1), "has left").await;
    say(yard.at, &hello).await;
    yard.hears(&format!("miners {}", old.1), "hi").await;
    yard.stop.send(true).unwrap();
    assert_eq!(cut(&old.takes().await.0), Some((yard.at, "team quit".to_owned())), "`exit` is a text to it");
}

#[tokio::test]
async fn a_contact_named_in_brackets_is_spoken_to_so_from_the_first_word_on() {
    let old = Legacy::new().await;
    let yard = Yard::new(&format!(",contact={0},bracketed={0}", old.1)).await;
    assert_eq!(cut(&old.takes().await.0), Some((yard.at, "team connect".to_owned())));
    yard.stop.send(true).unwrap();
    assert_eq!(cut(&old.takes().await.0), Some((yard.at, "team quit".to_owned())));
}

/// Two listeners with one port: at 127.0.0.1 and at 127.0.1.1.
async fn both() -> (Legacy, Legacy) {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = one.local_addr().unwrap();
        let twin = SocketAddr::new([127, 0, 1, 1].into(), at.port());
        if let Ok(two) = TcpListener::bind(twin).await {
            return (Legacy(one, at), Legacy(two, twin));
        }
    }
}

async fn nothing_comes(old: &Legacy) {
    let taken = timeout(std::time::Duration::from_millis(300), old.0.accept()).await;
    assert!(taken.is_err(), "a second connection to one peer");
}

#[tokio::test]
async fn a_peer_that_listens_at_127_0_0_1_and_announces_127_0_1_1_is_one_peer() {
    let (old, twin) = both().await;
    let mut yard = Yard::new(&format!(",contact={}", old.1)).await;
    assert_eq!(old.takes().await.0, format!("{} team connect", yard.at));
    say(yard.at, format!("{} t hi", twin.1)).await;
    yard.hears(&format!("t {}", twin.1), "hi").await;
    drop(yard.says("hello"));
    assert_eq!(old.takes().await.0, format!("{} team alice@c0de: hello", yard.at));
    nothing_comes(&twin).await;
    // Its exit leaves nobody behind.
    say(yard.at, format!("{} t exit", twin.1)).await;
    yard.hears(&format!("t {}", twin.1), "has left").await;
    assert!(yard.says("anybody?").await.unwrap().is_err());
}

#[tokio::test]
async fn who_announces_the_address_at_which_it_does_not_listen_is_reached_at_the_other() {
    let (old, twin) = both().await;
    let (at, announced) = (old.1, twin.1);
    drop(twin);
    let mut yard = Yard::new("").await;
    say(yard.at, format!("{announced} t hi")).await;
    yard.hears(&format!("t {announced}"), "hi").await;
    let told = yard.says("hello");
    assert_eq!(old.takes().await.0, format!("{} team alice@c0de: hello", yard.at));
    told.await.unwrap().unwrap();
    say(yard.at, format!("{at} t exit")).await;
    yard.hears(&format!("t {at}"), "has left").await;
    yard.stop.send(true).unwrap();
    nothing_comes(&old).await;
    assert!(TcpStream::connect(announced).await.is_err());
}
