//! Addresses may be forged: what goes to whoever has not shown that it receives is bounded, and who is honest is told all the same.

use rumormill_wire::udp_mesh::extended::Extended;

use super::super::budgets::{AGAIN, UNSHOWN};
use super::super::member::Has;
use super::driven::page_of;
use super::*;

fn named(n: u16, name: &str) -> Claim<&str> {
    Claim { time: 1, key: [9; 32], addr: at(n), name }
}

/// Members of the extended form that have shown that they receive.
fn with_members(count: u16) -> DrivenDirectory {
    let mut directory = DrivenDirectory::new(Limits { members: 2_000, by_address: 2_000, ..limits() }, 1);
    for n in 0..count {
        let name = format!("member {n}");
        let now = ms(n.into());
        directory.claim(now, at(10_000 + n), named(20_000 + n, &name), || true);
        let page = directory.page_at(at(20_000 + n));
        assert!(directory.keepalive_extended(now, at(10_000 + n), page));
        sent(&mut directory, now);
    }
    sent(&mut directory, ms(9_000));
    directory
}

fn bytes_to(sent: &[(SocketAddr, Vec<u8>)], to: SocketAddr) -> usize {
    sent.iter().filter(|(addr, _)| *addr == to).map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn who_has_shown_nothing_is_sent_no_more_than_three_times_what_came_in_its_name() {
    // P-U10
    let mut directory = with_members(300);
    let (victim, from) = (at(3_001), at(9_001));
    let mut came = 114 + "forged".len();
    directory.claim(ms(10_000), from, named(3_001, "forged"), || true);
    let version = directory.version();
    let mut to_victim = 0;
    for n in 0..200_u64 {
        let now = ms(10_000 + 1_100 * n);
        // Versions that anybody can know.
        assert!(directory.keepalive_extended(now, from, [0, 1, version, u64::MAX][usize::try_from(n % 4).unwrap()]));
        came += 10;
        if n % 5 == 0 {
            // The others are told of changes meanwhile.
            directory.claim(now, at(9_500), named(3_500, &format!("guest {n}")), || true);
            directory.leave(now, at(9_500), 2, |_| true);
        }
        let sent = sent(&mut directory, now);
        assert!(sent.iter().all(|(to, bytes)| *to != victim || page_of(bytes).is_some() && bytes.len() < 120));
        to_victim += bytes_to(&sent, victim);
        assert!(to_victim <= 3 * came, "{to_victim} for {came}");
    }
    assert!(to_victim > 300 && directory.held() > 0, "it is asked again and again, as far as it pays: {to_victim}");
    assert!(!directory.directory.takes_text(Timestamp::at(ms(300_000)), victim, 9) && directory.saved().len() == 300);
    // Whoever has received the page names its version, which is another for each, and has all at once.
    let page = directory.page_at(victim);
    assert_ne!(page, directory.page_at(at(20_000)));
    assert!(directory.keepalive_extended(ms(300_000), from, page));
    let told = bytes_to(&sent(&mut directory, ms(300_000)), victim);
    assert!(told > 300 * 50, "{told}");
    assert!(directory.directory.takes_text(Timestamp::at(ms(300_000)), victim, 9) && directory.saved().len() == 301);
}

#[test]
fn heartbeats_in_the_name_of_members_that_receive_make_it_send_the_whole_within_a_share() {
    let mut directory = with_members(500);
    let mut bytes = 0;
    for n in 0..100_u64 {
        let now = ms(20_000 + 100 * n);
        for member in 0..500 {
            directory.keepalive_extended(now, at(10_000 + member), 0);
        }
        bytes += sent(&mut directory, now).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    }
    let most = (4 << 20) + 10 * (1 << 20);
    assert!(bytes <= most && bytes > most / 2, "{bytes}: what a network has at once and in ten seconds, {AGAIN:?}");
    assert!(directory.held() > 100);
    // Who has lost something has it again then.
    for n in 0..3_000_u64 {
        sent(&mut directory, ms(31_000 + 100 * n));
    }
    let version = directory.version();
    assert!(directory.others().all(|m| matches!(m.has, Has::Version(has) if has == version)));
}

#[test]
fn births_of_old_peers_in_forged_names_are_answered_within_a_share_and_the_honest_are_told_soon() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    let (mut all, mut last, mut to_honest) = (0, String::new(), 0);
    let characters: Vec<_> = NameChar::all().filter(|l| l.get() != 'A').collect();
    let mut told_late = Duration::ZERO;
    for n in 0..10_000_u64 {
        let now = ms(n);
        // Each second ninety others come from other forged addresses; the last fell silent.
        let which = usize::try_from(n % 94).unwrap();
        let turn = u8::try_from(n / 1_000).unwrap();
        let forged = SocketAddr::from(([10, turn, u8::try_from(which).unwrap(), 1], 9));
        directory.birth(now, forged, characters[which], 4_000 + u16::try_from(n % 5_000).unwrap());
        if n % 500 == 0 {
            assert!(directory.keepalive(now, at(9_001), character('A')));
            directory.look(now);
        }
        for (to, bytes) in sent(&mut directory, now) {
            all += bytes.len();
            if to == at(3_001) {
                (last, to_honest) = (listed(&bytes), to_honest + bytes.len());
            }
        }
        let shown: String = directory.characters.keys().map(|l| l.get()).collect();
        told_late = if last == shown { Duration::ZERO } else { told_late + ms(1) };
    }
    assert!(all <= 262_144 + 10 * 65_536, "{all}: {UNSHOWN:?}");
    assert!(to_honest <= 4_096 + 10 * 512 && to_honest > 4_096, "{to_honest}");
    assert!(directory.held() > 0);
    // What it was not told at once it is told as soon as its share is there again.
    let told = (10_000..12_000).map(ms).find_map(|now| {
        let sent = sent(&mut directory, now);
        sent.into_iter().filter(|(to, _)| *to == at(3_001)).map(|(_, bytes)| listed(&bytes)).next_back()
    });
    let shown: String = directory.characters.keys().map(|l| l.get()).collect();
    assert!(told.unwrap_or(last) == shown);
}

#[test]
fn texts_to_old_peers_have_a_share() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    directory.birth(ms(0), at(9_002), character('B'), 3_002);
    let mut take = |now: u64, port, bytes| directory.directory.takes_text(Timestamp::at(ms(now)), at(port), bytes);
    assert!((0..400).all(|n| take(n * 12, 3_001, 200)), "what an old peer can take of what people say");
    let long = (0..400).filter(|n| take(5_000 + n * 12, 3_001, 65_500)).count();
    assert!((4..=6).contains(&long), "{long}: 256 KiB at once, 32 KiB a second");
    assert!(take(9_800, 3_002, 65_500) && !take(9_800, 3_009, 1), "each has its own, and nobody else one");
}

#[test]
fn a_mesh_of_all_old_peers_is_told_whole_at_once() {
    let mut directory = directory();
    for (n, name) in (0..94_u16).zip(NameChar::all()) {
        directory.birth(ms(u64::from(n) * 10), at(9_000 + n), name, 3_000 + n);
        sent(&mut directory, ms(u64::from(n) * 10));
    }
    directory.birth(ms(5_000), at(9_500), character('~'), 3_500);
    let newcomer = sent(&mut directory, ms(5_000)).into_iter().find(|(to, _)| *to == at(3_500)).unwrap().1;
    assert_eq!((listed(&newcomer).len(), newcomer.len()), (95, 384));
}

#[test]
fn a_page_is_a_directory_of_one_and_no_two_members_have_the_same() {
    let mut directory = directory();
    directory.claim(ms(0), at(9_001), named(3_001, "anna"), || true);
    let [(to, bytes)] = &sent(&mut directory, ms(0))[..] else { panic!("one page") };
    let Ok(Datagram::Extended(Extended::Part(part))) = Datagram::parse(bytes) else { panic!("no page") };
    assert_eq!((*to, part.iter().map(|entry| entry.addr).collect::<Vec<_>>()), (at(3_001), vec![at(3_001)]));
    directory.leave(ms(1), at(9_001), 2, |_| true);
    directory.claim(ms(500), at(9_001), Claim { time: 3, ..named(3_001, "anna") }, || true);
    assert_ne!(page_of(&sent(&mut directory, ms(500))[0].1), Some(part.version), "what was seen before is of no use");
    assert!(directory.keepalive_extended(ms(500), at(9_001), part.version) && directory.saved().is_empty());
}
