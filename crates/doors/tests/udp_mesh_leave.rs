//! A peer of the extended form that says something and leaves: its text and its LEAVE come by two sockets, in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::net::UdpSocket;

use aws_lc_rs::signature::Ed25519KeyPair;
use rumormill_wire::udp_mesh::extended::Extended;

mod udp_mesh_parts;

use udp_mesh_parts::signed::{keys, signed, signed_birth, socket, time};
use udp_mesh_parts::{Running, until};

/// Its key, the socket of its texts and that of its words to the directory.
async fn joined(door: &Running) -> (Ed25519KeyPair, UdpSocket, UdpSocket) {
    let (pair, own, speak) = (keys(), socket(), socket());
    speak.send_to(&signed_birth(&pair, "anna", own.local_addr().unwrap()), door.addr).unwrap();
    until("she is a member", || door.count(|c| &c.open) == 2).await;
    (pair, own, speak)
}

#[tokio::test]
async fn a_text_that_comes_behind_the_leave_of_its_author_is_heard_once_and_nothing_later() {
    // P-U7
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let (pair, own, speak) = joined(&door).await;
    let text = |time, text| signed(&pair, Extended::Text { time, text, signature: [0; 64] });
    let now = time();
    let (last, leave) =
        (text(now + 1, "goodbye"), signed(&pair, Extended::Leave { time: now + 2, signature: [0; 64] }));
    speak.send_to(&leave, door.addr).unwrap();
    until("she has left", || door.count(|c| &c.open) == 1).await;
    own.send_to(&last, door.peer).unwrap();
    assert_eq!(door.heard().await, ("anna".into(), "goodbye".into()));
    // Said again, signed after she left, or by another key it is nobody's.
    own.send_to(&last, door.peer).unwrap();
    own.send_to(&text(now + 3, "I am not here"), door.peer).unwrap();
    let forged = signed(&keys(), Extended::Text { time: now + 1, text: "forged", signature: [0; 64] });
    own.send_to(&forged, door.peer).unwrap();
    until("they are refused", || door.count(|c| &c.refused_other) == 3).await;
    assert!(door.room.incoming.try_recv().is_err());
    door.stop().await;
}
