//! What holds whatever a few links say.

use proptest::prelude::*;

use super::*;
use crate::protobuf_peer::store_and_forward::{MAX_STORED, MAX_STORED_BYTES};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a few links say, in any order: nothing is unbounded, nobody is told that one left of whom he was not told,
    /// every route leads over a link that is there, and no frame has an id below 1.
    #[test]
    fn invariants(events in prop::collection::vec((0u8..12, 0u64..12, -1i64..24, 0i64..24), 0..300)) {
        let mut bench = Bench::new(10);
        let mut told = BTreeSet::new();
        for (kind, link, id, other) in events {
            bench.now = bench.now.plus(300_000);
            let did = match kind {
                0 => bench.opened(link == 0).1,
                1 | 2 => bench.hear(link, ProtocolMessage::Start { id }),
                3 => bench.hear(link, ProtocolMessage::Welcome { id }),
                4 | 5 => bench.hear(link, ProtocolMessage::Join { id, via: other }),
                6 => bench.hear(link, ProtocolMessage::Leave { id }),
                7 | 8 => bench.hear(link, text(id, other, "t")),
                9 => bench.end(link),
                10 => bench.feed(Input::Timeout),
                _ => bench.send(other + 1, "s"),
            };
            for one in did {
                if let Gave(link, said) = one {
                    match said {
                        ProtocolMessage::Join { id, via } => {
                            prop_assert!(id > 0 && via == 10 && id != 10);
                            told.insert((link, id));
                        }
                        ProtocolMessage::Leave { id } => prop_assert!(told.remove(&(link, id))),
                        ProtocolMessage::Text { from, to, .. } => prop_assert!(from > 0 && to > 0 && to != 10),
                        _ => {}
                    }
                }
            }
            prop_assert_eq!(bench.router.table().len(), bench.router.routes.len());
            for (id, state) in &bench.router.links {
                let learned = bench.router.routes.values().filter(|route| route.link == *id && !route.direct).count();
                prop_assert_eq!(learned, state.learned);
            }
            let strangers = bench.router.links.iter().filter(|(_, state)| !matches!(state.stage, Stage::Peer(_)));
            let due: BTreeSet<_> = strangers.map(|(link, state)| (state.heard.after(HANDSHAKE), *link)).collect();
            prop_assert_eq!(&due, &bench.router.handshakes, "who has not said who it is has a deadline, and nobody else");
            prop_assert!(bench.router.buffer().count() <= MAX_STORED);
            prop_assert!(bench.router.stored.bytes() <= MAX_STORED_BYTES);
            prop_assert!(bench.router.buffer().all(|kept| kept.to > 0 && kept.to != 10));
        }
    }
}
