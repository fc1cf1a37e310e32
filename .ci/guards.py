#!/usr/bin/env python3
"""Takes each guard against hostile peers out, one at a time, in a copy of the sources, and sees that a test fails.

Usage: .ci/guards.py [--check] [word ...]
  --check   only see that every guard still stands where this list says
  word      only guards whose name holds one of the words
Takes some minutes for each. Exits with 1 if a guard can go without a test failing.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIARS = ["-p", "rumormill-gossip", "--test", "liars"]
REVOCATION = ["-p", "rumormill-gossip", "--test", "revocation"]
ATTACKERS = ["-p", "rumormill-node", "--test", "attackers"]
PROOFS = ["-p", "rumormill-gossip", "--test", "proofs"]
ORDERS = ["-p", "rumormill-gossip", "--test", "orders"]
HELD = ["-p", "rumormill-gossip", "--test", "held"]
# The seeds of the engine's fuzz target.
SEEDS = ["-p", "rumormill-gossip", "--test", "corpus"]
GREETINGS = ["-p", "rumormill-node", "--test", "greetings"]
CONTROL_PORT = ["-p", "rumormill-doors", "--lib"]
FULL = ["-p", "rumormill-gossip", "--test", "full"]
TIME = ["-p", "rumormill-node", "--test", "time"]
STATE = ["-p", "rumormill-node", "--test", "state"]

# Name, file, what stands there, what takes its place, test command, test that has to fail.
GUARDS = [
    ("flood: frames a second for a node id", "crates/transport/src/rates.rs",
     "if self.rates.frames.check().is_err() {", "if false {",
     ATTACKERS, "a_flood_of_gaps_and_pings_that_reads_nothing_slows_itself_only"),
    ("frame over the limit", "crates/wire/src/native/frame.rs",
     "Ok(len @ 1..=MAX_FRAME_LEN) => Ok(Some", "Ok(len @ 1..=99_999_999) => Ok(Some",
     ATTACKERS, "a_frame_over_the_limit_ends_the_link_before_its_bytes_are_waited_for"),
    ("crash: nothing new is passed on", "crates/node/src/hub/last_words.rs",
     "self.sealed.store(true, Relaxed);", "",
     ["-p", "rumormill-node", "--test", "last_words"],
     "what_was_said_is_at_the_neighbours_and_nothing_new_is_passed_on"),
    ("crash: a neighbour that does not read", "crates/node/src/hub/last_words.rs",
     "if late == 0 || Instant::now() >= deadline {", "if late == 0 && Instant::now() <= deadline + LAST_COMMIT * 999 {",
     ["-p", "rumormill-client", "--test", "classroom_order"],
     "a_neighbour_that_does_not_read_holds_up_no_crash_and_gets_what_was_said_before_it_and_nothing_else"),
    ("control port: of the log only what the client takes is read", "crates/doors/src/classroom/session.rs",
     "self.write(&out).await?;", "if reply.is_some() { continue; } self.write(&out).await?;",
     CONTROL_PORT, "a_reply_is_read_from_the_log_only_as_fast_as_the_client_takes_it"),
    ("control port: a client that takes nothing", "crates/doors/src/classroom/session.rs",
     "timeout(self.reply_deadline, self.stream.write(out))", "timeout(self.reply_deadline * 9_999, self.stream.write(out))",
     CONTROL_PORT, "a_client_that_takes_nothing_of_a_reply_is_let_go_and_counted"),
    ("control port: the share of a day", "crates/node/src/control.rs",
     "if !self.share.takes_bytes(", "if false && !self.share.takes_bytes(",
     ["-p", "rumormill-node", "--test", "classroom_door"],
     "a_control_port_takes_whole_sessions_and_no_more_than_its_share_of_a_day"),
    ("control port: silent clients make room", "crates/doors/src/classroom/seats.rs",
     "if since.elapsed() >= idle =>", "if since.elapsed() >= idle * 9_999 =>",
     CONTROL_PORT, "a_silent_client_keeps_its_place_until_a_newcomer_needs_it"),
    ("control port: one that is served keeps its place", "crates/doors/src/classroom/seats.rs",
     "self.set(State::Served)", "self.wait()",
     CONTROL_PORT, "the_longest_silent_one_makes_room_and_one_that_is_served_never"),
    ("bad signature", "crates/gossip/src/bundle.rs",
     ".map_err(|_| Invalid::Signature)?;", ".map_err(|_| Invalid::Signature).unwrap_or_default();",
     ATTACKERS, "a_bad_signature_ends_the_link_and_nothing_is_kept"),
    ("bad signature: the link ends", "crates/gossip/src/engine/verdict.rs",
     'self.misbehaved(sender.link, "a bundle that does not hold");', "",
     ATTACKERS, "a_bad_signature_ends_the_link_and_nothing_is_kept"),
    ("forged copy: the next one of its place is run", "crates/gossip/src/engine/verdict.rs",
     "self.run_check(next);", "let _ = next;",
     LIARS, "a_forged_copy_is_found_and_does_not_suppress_the_true_one"),
    ("numbers near the end: no bundle beyond the frontier", "crates/gossip/src/engine/rumor.rs",
     "if known { ByNumber::Check(Purpose::Chain) } else { ByNumber::Gap }",
     "let _ = known; ByNumber::Check(Purpose::Chain)",
     LIARS, "numbers_near_the_end_and_gaps_are_dropped_and_bounded"),
    ("clock from 2200: ours is not pulled along", "crates/gossip/src/clock.rs",
     "if near {", "if true {",
     LIARS, "clocks_from_1970_and_2200_neither_pull_ours_nor_part_the_logs"),
    ("clock from 2200: it is not shown", "crates/node/src/view.rs",
     "&& place.clock.0 <= until_us", "&& until_us > 0",
     ["-p", "rumormill-node", "--lib", "view"], "view::tests"),
    ("clock from 1970: it is shown as late", "crates/node/src/view.rs",
     "let late = received.saturating_sub(place.clock.0) > AHEAD_US;", "let late = received == u64::MAX;",
     ["-p", "rumormill-node", "--lib", "view"], "view::tests"),
    ("clock from ahead: followers and doors are told when its time has come", "crates/node/src/hub/due.rs",
     "self.followers.tell(News::Due(part));", "drop(part);",
     TIME, "a_message_from_ahead_is_told_to_everybody_once_when_its_time_has_come"),
    ("a slow follower: bytes that wait for it", "crates/node/src/hub/news.rs",
     "while self.bytes > FOLLOW_BYTES || self.kept.len()", "while self.kept.len()",
     ["-p", "rumormill-node", "--lib", "news"], "a_follower_that_reads_nothing_costs_a_bounded_number_of_bytes_and_learns_what_it_missed"),
    ("clock from ahead: what was told is not told again", "crates/node/src/follow.rs",
     "entries.into_iter().filter(|entry| so_far.fence", "entries.into_iter().filter(|entry| true || so_far.fence",
     TIME, "those_who_begin_to_follow_in_the_middle_are_told_each_message_once"),
    ("our clock was wrong: a new incarnation when it is put right", "crates/gossip/src/clock.rs",
     "let back = highest.saturating_sub(wall_us) > MAX_AHEAD_US;", "let back = false;",
     ["-p", "rumormill-gossip", "--test", "clocks"],
     "a_clock_put_right_begins_a_new_incarnation_then_and_there"),
    ("a letter key near 2^64: it does not count before its time", "crates/node/src/letters/keys.rs",
     "key.clock.0 > self.wall.now_us().saturating_add(AHEAD_US)", "key.clock.0 < self.wall.now_us() / 2",
     ["-p", "rumormill-node", "--lib", "letters::keys"], "letters::keys::tests"),
    ("a letter key: the newest incarnation counts", "crates/node/src/letters/keys.rs",
     "(believed, incarnation, key.seq.0)", "(believed, key.clock.0, incarnation.min(1) * key.seq.0)",
     ["-p", "rumormill-node", "--lib", "letters::keys"], "letters::keys::tests"),
    ("planted keys: a directory that others can write", "crates/transport/src/private.rs",
     "if mode & WRITABLE != 0 {\n        return Err(NotOurs::Writable { mode }.into());\n    }\n    let named",
     "let named",
     ["-p", "rumormill-transport", "--lib", "private"], "private::tests"),
    ("planted keys: a key that others can write", "crates/transport/src/private.rs",
     "if mode & WRITABLE != 0 {\n        return Err(NotOurs::Writable { mode }.into());\n    }\n    if key",
     "if key",
     ["-p", "rumormill-transport", "--lib", "private"], "private::tests"),
    ("a store of another network", "crates/node/src/opened/binding.rs",
     "Some(Ok(found)) if found == network.0 => Ok(()),", "Some(Ok(_)) => Ok(()),",
     STATE, "a_store_of_another_network_is_refused_with_both_ids_and_left_as_it_is"),
    ("an old copy of the store", "crates/node/src/keeper.rs",
     "if found.life < mark.life || chain {", "if found.life < mark.life && !chain && chain {",
     STATE, "an_old_copy_of_the_store_put_back_is_found_with_no_neighbour_there"),
    ("a store replaced under the node", "crates/node/src/keeper.rs",
     "Ok(false) => return Err", "Ok(false) if seen.path.as_os_str().is_empty() => return Err",
     STATE, "a_store_replaced_under_a_running_node_stops_it_and_what_is_there_is_not_touched"),
    ("clock that does not rise", "crates/gossip/src/engine/verdict.rs",
     "bundle.first_clock() <= last)", "bundle.first_clock() < last)",
     LIARS, "a_clock_that_does_not_rise_is_invalid_for_everybody"),
    ("nothing at all: no HELLO", "crates/node/src/link/greet.rs",
     "tokio::time::timeout(greeting.deadline, both)",
     "tokio::time::timeout(greeting.deadline.saturating_mul(1_000), both)",
     ATTACKERS, "one_that_says_nothing_is_let_go_before_and_after_hello"),
    ("nothing at all: no PONG, nor any frame", ["crates/node/src/housekeeping.rs", "crates/node/src/start/limits.rs"],
     ["ping_silent(&hub, micros(ping));", "idle: config.ping.saturating_mul(6),"],
     ["let _ = (ping_silent, micros(ping));", "idle: config.ping.saturating_mul(6_000),"],
     ATTACKERS, "one_that_says_nothing_is_let_go_before_and_after_hello"),
    ("another network", "crates/node/src/link/greet.rs",
     "Ok(Frame::Hello(hello)) if hello.network != ours.network => Err(GreetError::Network),", "",
     ATTACKERS, "a_wrong_hello_is_answered_with_the_reason"),
    ("another version", "crates/node/src/link/greet.rs",
     "Ok(Frame::Hello(Hello { min, max, .. })) if min > VERSION || max < VERSION => {",
     "Ok(Frame::Hello(Hello { min, max, .. })) if min > max => {",
     ATTACKERS, "a_wrong_hello_is_answered_with_the_reason"),
    ("a ban", "crates/node/src/hub/links.rs",
     "if let Some(left) = state.bans.remaining(&link.facts.peer, Instant::now()) {", "if let Some(left) = None::<Duration> {",
     ATTACKERS, "broken_frames_end_the_link_with_a_ban"),
    ("a second HELLO", "crates/gossip/src/engine/links.rs",
     'Ok(_) => self.misbehaved(id, "a frame that has no place after HELLO"),', "Ok(_) => {}",
     ATTACKERS, "broken_frames_end_the_link_with_a_ban"),
    ("frame that breaks the form", "crates/gossip/src/engine/links.rs",
     'self.misbehaviour(id, "a frame that breaks the form");', "return Ok(());",
     LIARS, "malformed_frames_end_the_link_and_only_that"),
    ("links before HELLO: two a member", "crates/node/src/link/greetings.rs",
     "while table.of(&node) >= PER_NODE {", "while false {",
     GREETINGS, "a_member_that_says_no_hello_holds_two_links_and_keeps_nobody_out"),
    ("links before HELLO: they count with those that are up", "crates/node/src/link/greetings.rs",
     "while table.greeting.len() >= room.max(SPARE)", "while table.greeting.len() >= usize::MAX",
     GREETINGS, "links_that_greet_count_with_those_that_are_up"),
    ("invalid length: a ban", "crates/node/src/link/pump.rs",
     'hub.breach(link, "a frame of a length that no frame has");',
     'link.bye(ByeCode::PROTOCOL, "a frame of a length that no frame has");',
     GREETINGS, "a_length_that_no_frame_has_is_banned_before_and_after_hello"),
    ("invalid length before HELLO: a ban", "crates/node/src/link/pump.rs",
     "if error.is_breach() {", "if false {",
     GREETINGS, "a_length_that_no_frame_has_is_banned_before_and_after_hello"),
    ("known addresses: few for each member", "crates/node/src/known.rs",
     "while self.of(&node).count() > PER_NODE", "while self.of(&node).count() > 1_000",
     GREETINGS, "a_member_is_known_at_two_addresses_and_at_none_once_it_is_revoked"),
    ("a ban: also before HELLO", "crates/node/src/link/pump.rs",
     "if let Some(left) = hub.banned_s(&peer.node()) {", "if let Some(left) = None {",
     GREETINGS, "a_length_that_no_frame_has_is_banned_before_and_after_hello"),
    ("known addresses: they end with revocation", "crates/node/src/housekeeping.rs",
     "known.forget(now, |node| hub.checker.revoked.revokes(node) || hub.banned_s(node).is_some());", "known.forget(now, |_| false);",
     GREETINGS, "a_member_is_known_at_two_addresses_and_at_none_once_it_is_revoked"),
    ("known addresses: they end with time", "crates/node/src/known.rs",
     "now.saturating_duration_since(*at) < KEPT && !gone(node)", "now.saturating_duration_since(*at) < KEPT * 9 && !gone(node)",
     ["-p", "rumormill-node", "--lib", "known"], "known::tests"),
    ("handshakes: one cap for members and strangers", "crates/transport/src/gate.rs",
     "while self.count >= self.limits.in_flight.max(1) {", "while !member && self.count >= self.limits.in_flight.max(1) {",
     ["-p", "rumormill-transport", "--lib", "gate"], "gate::tests"),
    ("handshakes: members keep their half", "crates/transport/src/gate.rs",
     "let of_members = if member { members >= half } else { members > half };", "let of_members = !member || members >= half;",
     ["-p", "rumormill-transport", "--lib", "gate"], "gate::tests"),
    ("descriptors: some are kept for files", "crates/transport/src/accept.rs",
     "if tcp.as_raw_fd() < first_kept {", "if tcp.as_raw_fd() < i32::MAX {",
     ["-p", "rumormill-client", "--test", "descriptors"], "descriptors_for_files_are_kept_whoever_comes"),
    ("certificate of nobody", "crates/gossip/src/engine/verdict.rs",
     'self.misbehaved(id, "a certificate that does not belong to this network");', "",
     ATTACKERS, "a_certificate_of_nobody_ends_the_link"),
    ("author without a certificate", "crates/gossip/src/engine/rumor.rs",
     "} else if !admitted && !self.accounts.member_checks.contains_key(&origin.node) {", "} else if false {",
     LIARS, "an_author_without_a_certificate_or_with_a_false_one_gets_nowhere"),
    ("STATUS that heard more than was said", "crates/gossip/src/engine/status.rs",
     "if status.heard > link.sent {", "if false {",
     LIARS, "boasting_statuses_cost_bounded_memory_and_answers"),
    ("our own future claimed from far ahead", "crates/gossip/src/engine/own.rs",
     "if self.recovery.ahead {\n", "if false {\n",
     ["-p", "rumormill-gossip"], "test"),
    ("greed: bytes a day", "crates/gossip/src/greed.rs",
     "account.bytes.holds(as_u64(bytes)) &&", "",
     LIARS, "a_greedy_member_is_held_back_and_others_are_not"),
    ("greed: incarnations a day", "crates/gossip/src/greed.rs",
     "&& (!fresh || account.incarnations.holds(1))", "",
     LIARS, "incarnations_without_end_are_held_back"),
    ("two histories", "crates/gossip/src/engine/verdict.rs",
     "Refusal::Fork => self.evidence(bundle, sender.link),", "Refusal::Fork => {}",
     LIARS, "an_equivocator_is_found_proved_and_contained_at_one_place_everywhere"),
    ("two histories, of one length", "crates/gossip/src/engine/status.rs",
     "self.heads_differ(id, origin, next);", "",
     LIARS, "an_equivocator_is_found_proved_and_contained_at_one_place_everywhere"),
    ("revocation cuts what comes and what is there", ["crates/gossip/src/engine/rumor.rs", "crates/gossip/src/engine/revoked.rs"],
     ["let cut = self.revocations.limit(origin);", "|chain| chain.cut = cut);"],
     ["let cut = None;", "|chain| { let _ = (chain, cut); });"],
     REVOCATION, "a_signed_list_in_bytes_drops_the_link_and_cuts_the_chain_the_same_everywhere"),
    ("our own future claimed again and again", "crates/gossip/src/engine/own.rs",
     "if let Some(link) = self.links.get_mut(&id).filter(|link| !link.answered_own) {",
     'if self.recovery.ahead { self.new_incarnation(""); } if let Some(link) = self.links.get_mut(&id) {',
     LIARS, "a_neighbour_that_claims_our_own_future_moves_us_once_and_never_into_a_fork"),
    ("proofs about what is not there: checked", "crates/gossip/src/engine/proofs.rs",
     "return if self.checks.has_origin(*origin) { Use::Later } else { Use::None };", "return Use::Needed;",
     PROOFS, "a_flood_of_proofs_about_made_up_incarnations_costs_nothing_and_closes_the_network_to_nobody"),
    ("proofs about what is not there: beyond what is", "crates/gossip/src/engine/proofs.rs",
     "&& place <= chain.next)", ")",
     PROOFS, "a_proof_that_comes_before_the_messages_that_it_is_about_is_of_no_use_yet"),
    ("proofs in vain: a flood is banned", "crates/gossip/src/engine/proofs.rs",
     "if !self.accounts.may_send_in_vain(peer, self.now) {", "if false {",
     ATTACKERS, "a_flood_of_proofs_is_dropped_and_banned_and_a_newcomer_is_heard"),
    ("a chain withdrawn whole looks like none", "crates/gossip/src/chain.rs",
     "self.entry(origin).filter(|entry| entry.next > Seq::FIRST)", "self.entry(origin)",
     ORDERS, "all_end_alike_whatever_comes_first"),
    ("three branches: an ended chain shows its own", "crates/gossip/src/chain.rs",
     "map_or(HeadHash::ZERO, |(_, head)| head)", "map_or(HeadHash::ZERO, |_| HeadHash::ZERO)",
     PROOFS, "three_branches_end_at_the_lowest_place_also_where_the_first_proof_names_a_certain_one"),
    ("falling places: the rate", "crates/gossip/src/engine/proofs.rs",
     "Some(_) if self.greed.allows_place(&origin.node, self.now) => Use::Needed,", "Some(_) if true => Use::Needed,",
     PROOFS, "places_that_fall_again_and_again_are_taken_at_a_bounded_rate_and_the_lowest_wins_in_the_end"),
    ("falling places: steps of a search", "crates/gossip/src/engine/forks.rs",
     "if self.fork_place(&origin).is_none() {", "if true {",
     PROOFS, "a_long_search_tells_and_writes_its_first_and_its_last_step_only"),
    ("forked chains: nothing is sent beyond their end", "crates/gossip/src/engine/status.rs",
     "if entry.state == EntryState::Forked {", "if false {",
     PROOFS, "a_node_that_may_not_lower_a_place_yet_is_sent_nothing_again_and_again"),
    ("origins: each member keeps some", "crates/gossip/src/engine/allowance.rs",
     "|| of_node < share)", ")",
     PROOFS, "incarnations_of_one_member_leave_places_for_all_others"),
    ("origins: so many of one member", "crates/gossip/src/engine/allowance.rs",
     "of_node < self.config.max_origins_per_node &&", "",
     PROOFS, "one_member_has_so_many_origins_and_no_more"),
    ("searches: one that stands still makes room", "crates/gossip/src/engine/forks.rs",
     "|| stands", "|| (stands && false)",
     PROOFS, "a_neighbour_that_does_not_answer_holds_up_no_search_with_another"),
    ("claims: one node's links share", "crates/gossip/src/engine/allowance.rs",
     "MAX_BEHIND.checked_div(links).unwrap_or(MAX_BEHIND)", "links.max(MAX_BEHIND)",
     PROOFS, "claims_of_one_node_are_remembered_for_all_its_links_together"),
    ("text of others: what is hidden is shown", "crates/wire/src/foreign/chars.rs",
     "_ => !is_hidden(c),", "_ => true,",
     ["-p", "rumormill-wire", "--lib", "foreign"], "foreign::tests"),
    ("text of others: a claim stands in quotation marks", "crates/client/src/shown.rs",
     "claimed.as_foreign().quoted())", "claimed.as_foreign().whole())",
     ["-p", "rumormill-client", "--lib", "shown"], "one_message_is_one_line_of_its_author"),
    ("text of others: a claim is one word where it goes out", "crates/node/src/view.rs",
     "self.claimed.as_foreign().word())", "self.claimed.as_raw())",
     ["-p", "rumormill-node", "--lib", "view"], "view::tests"),
    ("text of others: rooms that nobody could see are not written", "crates/wire/src/native/builder.rs",
     "match room.chars().find(|c| is_hidden(*c)) {", "match None::<char> {",
     ["-p", "rumormill-wire", "--lib", "builder"], "a_room_that_nobody_could_see_is_not_written_and_yet_carried"),
    ("text of others: a field of the log is one field", "crates/node/src/logging/record.rs",
     'Value::Text(text) => write!(line, "{}", Foreign::new(text).quoted()),', "Value::Text(text) => line.write_str(text),",
     ["-p", "rumormill-node", "--lib", "logging"], "whatever_stands_in_a_record_it_is_one_line_and_moves_nothing"),
    ("log volume: lines about one subject", "crates/node/src/logging/limit.rs",
     "let of_subject = ask.debug || subject.bucket.left >= 1.0;", "let of_subject = true;",
     ["-p", "rumormill-node", "--lib", "logging"], "one_peer_gets_a_few_lines_for_a_reason_and_the_rest_is_counted"),
    ("log volume: lines of one place", "crates/node/src/logging/limit.rs",
     "of_subject && place.bucket.left >= 1.0", "of_subject",
     ["-p", "rumormill-node", "--lib", "logging"], "thousands_of_strangers_share_what_a_place_has"),
    ("log volume: bytes of all lines", "crates/node/src/logging/limit.rs",
     "&& (ask.error || total.left >= bytes);", ";",
     ["-p", "rumormill-node", "--lib", "logging"], "all_together_stay_below_a_mebibyte_a_minute_and_the_first_of_a_kind_is_never_left_out"),
    ("refused: the next try is later", "crates/node/src/link/plan.rs",
     "if ended.refused { self.refused.next(rng) } else { self.nobody.next(rng) }", "self.nobody.next(rng)",
     ["-p", "rumormill-node", "--lib", "plan"], "a_refusal_is_tried_minutes_later_in_the_end"),
    ("refused: a neighbour that is banned here is not dialled", "crates/node/src/link/dial.rs",
     "if let Some(left) = hub.banned(name, known) {", "if let Some(left) = None::<Duration> {",
     ["-p", "rumormill-node", "--test", "neighbours"], "one_that_is_banned_here_is_left_alone_until_the_ban_ends"),
    ("refused: who wants to be left alone is", "crates/node/src/link/plan.rs",
     "delay.max(ended.retry_after().min(LONGEST_RETRY_AFTER))", "delay",
     ["-p", "rumormill-node", "--lib", "plan"], "who_wants_to_be_left_alone_is_for_some_minutes"),
    ("revocation: no incarnation that is not listed counts", "crates/wire/src/native/revocations.rs",
     "let last = cut.get(&origin.incarnation).map_or(0, |seq| seq.0);",
     "let last = cut.get(&origin.incarnation)?.0;",
     REVOCATION, "what_a_revoked_key_signs_later_counts_nowhere_whatever_incarnation_and_messenger"),
    ("revocation: an older part changes nothing", "crates/wire/src/native/revocations.rs",
     "let newer = part.number > self.number_of(part.place);", "let newer = true;",
     ["-p", "rumormill-wire", "--lib", "revocations"], "a_part_replaces_an_older_one_of_its_place_and_no_other"),
    ("revocation: who passes on a false list loses its link", "crates/gossip/src/engine/revoked.rs",
     'self.misbehaved(id, "a revocation list that the CA did not sign");', "let _ = id;",
     REVOCATION, "a_list_that_the_ca_did_not_sign_ends_the_link_of_whoever_passed_it_on"),
    ("revocation: the CA's signature", "crates/transport/src/revocation.rs",
     ".map_err(|_| BadList::Signature)?;", ".map_err(|_| BadList::Signature).unwrap_or_default();",
     ["-p", "rumormill-transport", "--test", "certificates"], "a_changed_list_or_one_of_another_ca_counts_for_nothing"),
    ("revocation: a cut has a bound", "crates/transport/src/revoke.rs",
     "shorten(cut, MAX_CUT_INCARNATIONS);", "let _ = cut;",
     ["-p", "rumormill-transport", "--test", "revoke"], "a_member_cannot_make_its_own_revocation_too_large"),
    ("post-quantum required", "crates/transport/src/trust.rs",
     "if !post_quantum {", "if true || !post_quantum {",
     ["-p", "rumormill-transport", "--test", "visible"], "where_post_quantum_is_required"),
    ("full store: what is held is not sent again", "crates/gossip/src/engine/status.rs",
     "if entry.state == EntryState::Hold || link.hold {", "if false {",
     FULL, "a_refused_author_and_a_full_table_are_lag_at_both_ends_and_not_sent_again"),
    ("full store: no two full lists for ever", "crates/gossip/src/engine/status.rs",
     "if nothing_new && (self.store_full || link.hold) {", "if false {",
     FULL, "a_full_node_costs_no_traffic_that_grows"),
    ("full store: nothing passes twice", "crates/gossip/src/engine/rumor.rs",
     "let passed = first < self.passed_to(&origin);", "let passed = false;",
     FULL, "two_full_nodes_and_a_ring_of_them_pass_each_bundle_once"),
    ("full store: whoever has most there loses first", "crates/gossip/src/passing.rs",
     "self.shares.iter().max_by_key(|(_, share)| share.bytes)", "self.shares.iter().min_by_key(|(_, share)| share.bytes)",
     ["-p", "rumormill-gossip", "--lib", "passing"], "whoever_has_most_loses_first"),
    ("an author over its rate is not asked for before a bundle fits", "crates/gossip/src/engine/held.rs",
     "Why::OverRate => !self.greed.allows(&origin.node, MAX_BUNDLE_LEN, fresh, self.now),", "Why::OverRate => false,",
     FULL, "a_refused_author_and_a_full_table_are_lag_at_both_ends_and_not_sent_again"),
    ("more origins than one STATUS names", "crates/gossip/src/link.rs",
     "self.dirty_over = true;", "",
     FULL, "more_origins_than_one_status_names_are_not_forgotten"),
    ("copies that wait for a certificate that is none: all go", "crates/gossip/src/engine/verdict.rs",
     "            if waiting.is_empty() {\n                break;\n            }\n            for check in waiting {\n                self.unadmitted(node, check);\n            }\n", "            for check in waiting {\n                self.unadmitted(node, check);\n            }\n            break;\n",
     HELD, "copies_that_wait_for_a_certificate_that_is_none_are_let_go"),
    ("dropped bundles: the list of what to say", "crates/gossip/src/link.rs",
     "if self.dirty.len() < MAX_DIRTY || self.dirty.contains(&origin) {", "if true {",
     HELD, "bundles_that_are_dropped_make_a_short_list_of_what_to_say"),
    ("certificates being checked", "crates/gossip/src/engine/allowance.rs",
     "self.member_checks.len() < MAX_MEMBER_CHECKS || of_peer < MEMBER_SHARE", "of_peer < usize::MAX",
     HELD, "certificates_being_checked_are_bounded"),
    ("bundles being checked", "crates/gossip/src/checks.rs",
     "self.copies.len() < self.limit || held < SHARE.min(self.limit)", "held < usize::MAX",
     HELD, "bundles_being_checked_are_bounded"),
    ("fuzz seeds: signatures", "crates/gossip/src/bundle.rs",
     ".map_err(|_| Invalid::Signature)?;", ".map_err(|_| Invalid::Signature).unwrap_or_default();",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: a second copy of a place", "crates/gossip/src/engine/verdict.rs",
     "self.run_check(next);", "let _ = next;",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: a clock that does not rise", "crates/gossip/src/engine/verdict.rs",
     "bundle.first_clock() <= last)", "bundle.first_clock() < last)",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: ranges asked for", "crates/gossip/src/engine/feed.rs",
     "known && link.pulls.len() < MAX_PULLS", "known",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: what is sent to a peer that does not read", "crates/gossip/src/engine/feed.rs",
     "link.window <= 0 ||", "",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: nothing after a farewell", "crates/gossip/src/engine/links.rs",
     ".get_mut(&id).filter(|link| !link.closing) else { return false }", ".get_mut(&id) else { return false }",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: cursors", "crates/gossip/src/link.rs",
     "self.cursors.len() >= limit", "limit == usize::MAX",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: a clock set back begins a new chain", "crates/gossip/src/engine/own.rs",
     "if self.chains.get(&self.author.origin).is_some_and(ends_later) {", "if false {",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
    ("fuzz seeds: greed", "crates/gossip/src/greed.rs",
     "account.bytes.holds(as_u64(bytes)) &&", "",
     SEEDS, "seeds_get_where_they_say_and_are_up_to_date"),
]


def main():
    words = [word for word in sys.argv[1:] if word != "--check"]
    missing = [name for name, file, old, *_ in GUARDS
               if any(text not in (ROOT / path).read_text() for path, text in zip(listed(file), listed(old)))]
    for name in missing:
        print(f"{name}: the guard no longer stands where this list says")
    if missing or "--check" in sys.argv:
        print(f"{len(GUARDS) - len(missing)} of {len(GUARDS)} guards stand")
        return 1 if missing else 0
    survived = 0
    with tempfile.TemporaryDirectory(prefix="guards-") as copy:
        copy = Path(copy) / "src"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git", "corpus"))
        for name, file, old, new, command, test in GUARDS:
            if words and not any(word in name for word in words):
                continue
            survived += not fails_without(copy, file, old, new, command, test, name)
    return 1 if survived else 0


def listed(one_or_more):
    """What stands behind two guards goes only when both do."""
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def fails_without(copy, file, old, new, command, test, name):
    sound = {}
    for path, before, after in zip(listed(file), listed(old), listed(new)):
        sound[path] = (copy / path).read_text()
        (copy / path).write_text(sound[path].replace(before, after, 1))
    run = ["cargo", "test", "--offline", "--config", 'build.rustflags=["-Awarnings"]', *command]
    if command in (LIARS, ATTACKERS, PROOFS, ORDERS, REVOCATION, GREETINGS, FULL, TIME, STATE, HELD, SEEDS):
        run.append(test)
    try:
        done = subprocess.run(run, cwd=copy, capture_output=True, text=True, timeout=300)
        text, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired:
        text, code = "timed out", 1
    for path, before in sound.items():
        (copy / path).write_text(before)
    if "error: could not compile" in text:
        print(f"{name}: DOES NOT COMPILE without it\n{text[-1500:]}", flush=True)
        return False
    print(f"{name}: {'a test fails' if code else 'NO TEST FAILS'} ({test})", flush=True)
    return code != 0


if __name__ == "__main__":
    sys.exit(main())
