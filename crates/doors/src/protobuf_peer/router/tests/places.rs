//! More who come than there are places.

use super::*;

#[test]
fn a_thousand_who_only_connect_leave_room_for_one_who_talks() {
    let mut bench = Bench::new(10);
    let (talker, _) = bench.peer(11);
    bench.hear(talker, text(11, 10, "hello"));
    for n in 0..1_000 {
        bench.now = bench.now.plus(1_000);
        bench.opened(false);
        bench.peer(1_000 + n);
    }
    assert!(bench.router.is_open(talker));
    assert!(bench.router.links() <= MAX_NEW + MAX_PEERS, "{}", bench.router.links());
    let (late, did) = bench.peer(12);
    assert!(did.contains(&Gave(late, ProtocolMessage::Welcome { id: 10 })));
}

#[test]
fn newcomers_who_each_speak_once_throw_out_nobody_who_was_there_and_leave_the_next_a_place() {
    let mut bench = Bench::new(10);
    let far = |n: i64| IpAddr::from([192, 0, 2, n.to_le_bytes()[0]]);
    let (link, _) = bench.opened_from(far(1), false);
    bench.hear(link, ProtocolMessage::Start { id: 11 });
    let (talker, _) = bench.peer(12);
    bench.hear(talker, text(12, 10, "hello"));
    let (listener, _) = bench.peer(13);
    let arrive = |bench: &mut Bench, address: IpAddr, id: i64| {
        bench.now = bench.now.plus(1_000);
        let (link, _) = bench.opened_from(address, false);
        bench.hear(link, ProtocolMessage::Start { id });
        bench.hear(link, text(id, 10, "hi"));
        link
    };
    (1_000..1_500).for_each(|id| _ = arrive(&mut bench, LOCAL, id));
    // One more that is honest has time to speak, and to stay while it does.
    let late = arrive(&mut bench, LOCAL, 14);
    for id in 2_000..2_200 {
        arrive(&mut bench, LOCAL, id);
        if id % 16 == 0 {
            bench.hear(late, text(14, 10, "still here"));
        }
    }
    let open = |bench: &Bench| [link, talker, listener, late].map(|link| bench.router.is_open(link));
    assert_eq!(open(&bench), [true; 4]);
    // Another address finds a place too, and takes none of who has fewer.
    (3_000..3_500).for_each(|id| _ = arrive(&mut bench, far(2), id));
    assert_eq!(open(&bench)[..3], [true; 3]);
    let of = |owner: Owner| bench.router.links.values().filter(|link| link.owner == owner).count();
    assert_eq!((of(Owner::of(LOCAL)), of(Owner::of(far(2)))), (63, 64));
    assert!(bench.router.links() <= MAX_PEERS, "{}", bench.router.links());
}
