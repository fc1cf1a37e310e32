use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn ask<'a>(callsite: usize, reason: &'a str, subject: &'a str) -> Ask<'a> {
    Ask { callsite: Callsite(callsite, 0), message: "a line", reason, subject, bytes: 200, error: false, debug: false }
}

/// Lines written when `each` asks a thousand times a second for a minute.
fn in_a_minute(limiter: &mut Limiter, each: impl Fn(u64) -> (usize, String, String)) -> usize {
    let mut written = 0;
    for ms in 0..60_000 {
        let (callsite, reason, subject) = each(ms);
        let now = Duration::from_millis(ms);
        written += usize::from(limiter.take(&ask(callsite, &reason, &subject), now));
    }
    written
}

#[test]
fn one_peer_gets_a_few_lines_for_a_reason_and_the_rest_is_counted() {
    let mut limiter = Limiter::default();
    let written = in_a_minute(&mut limiter, |_| (1, "does not hold".into(), "mallory".into()));
    assert!((8..=15).contains(&written), "{written}");
    let left: u64 = limiter.left_out;
    assert_eq!(usize::try_from(left).unwrap() + written, 60_000);
    // Another peer and another reason are heard at once.
    assert!(limiter.take(&ask(1, "does not hold", "bob"), MINUTE));
    assert!(limiter.take(&ask(1, "another", "mallory"), MINUTE));
    let said = limiter.summary(MINUTE, false);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].lines, said[0].subjects, said[0].reason.as_str()), (left, 1, "does not hold"));
    assert_eq!(said[0].most, [(left, "mallory".to_owned())]);
    assert_eq!(said[0].message, "a line");
    assert!(limiter.summary(MINUTE * 2, true).is_empty(), "said once");
}

#[test]
fn thousands_of_strangers_share_what_a_place_has() {
    let mut limiter = Limiter::default();
    let written = in_a_minute(&mut limiter, |n| (1, "not TLS".into(), format!("198.51.{}.0/24", n % 10_000)));
    assert!(written <= 110, "{written}");
    assert!(limiter.subjects.len() <= MAX_SUBJECTS);
    let said = limiter.summary(MINUTE, false);
    assert_eq!(said.len(), 1, "one callsite and one reason: {said:?}");
    assert!(said[0].subjects >= 9_900 && said[0].most.len() == MAX_NAMED, "{said:?}");
    assert_eq!(said[0].reason, "not TLS", "of those that made room too");
    let lines: u64 = said.iter().map(|one| one.lines).sum();
    assert_eq!(usize::try_from(lines).unwrap() + written, 60_000, "nothing is lost from the count");
}

#[test]
fn reasons_that_a_peer_makes_up_cost_a_bounded_number_of_lines() {
    let mut limiter = Limiter::default();
    let written = in_a_minute(&mut limiter, |n| (1, format!("reason {n}"), "mallory".into()));
    assert!(written <= MAX_REASONS + 110, "{written}");
    assert!(limiter.callsites[&Callsite(1, 0)].reasons.len() <= MAX_REASONS);
}

#[test]
fn all_together_stay_below_a_mebibyte_a_minute_and_the_first_of_a_kind_is_never_left_out() {
    let mut limiter = Limiter::default();
    let mut bytes = 0;
    for ms in 0..60_000_u64 {
        let (callsite, subject) = (usize::try_from(ms % 100).unwrap(), (ms % 777).to_string());
        let one = Ask { bytes: 2_000, ..ask(callsite, "", &subject) };
        if limiter.take(&one, Duration::from_millis(ms)) {
            bytes += one.bytes;
        }
    }
    assert!(bytes < 1 << 20, "{bytes}");
    assert!(limiter.take(&Ask { bytes: 2_000, ..ask(900, "", "") }, MINUTE), "new and so heard");
    assert!(limiter.take(&Ask { bytes: 2_000, error: true, ..ask(5, "", "our disk") }, MINUTE), "an error of our own");
    let stop = Ask { bytes: 2_000, ..ask(901, "", "") };
    assert!(limiter.take(&stop, MINUTE), "the end is said");
}

#[test]
fn what_was_left_out_is_said_by_place_and_reason_in_few_lines() {
    let mut limiter = Limiter::default();
    let written = in_a_minute(&mut limiter, |n| {
        let callsite = usize::try_from(n % 20).unwrap();
        (
            callsite,
            format!("reason {}", n % 3),
            if n % 7 == 0 { "mallory".into() } else { format!("host {}", n % 1_000) },
        )
    });
    let said = limiter.summary(MINUTE, true);
    assert_eq!(said.len(), MAX_SUMMARY + 1, "60 kinds: {said:?}");
    let lines: u64 = said.iter().map(|one| one.lines).sum();
    assert_eq!(usize::try_from(lines).unwrap() + written, 60_000);
    let (rest, kinds) = said.split_last().unwrap();
    assert_eq!((rest.message.as_str(), rest.reason.as_str()), ("other lines", ""));
    assert!(kinds.iter().all(|one| one.most[0].1 == "mallory" && one.subjects > 40), "{said:?}");
    assert!(kinds.is_sorted_by_key(|one| std::cmp::Reverse(one.lines)));
}

#[test]
fn it_comes_back_with_time() {
    let mut limiter = Limiter::default();
    in_a_minute(&mut limiter, |_| (1, String::new(), "mallory".into()));
    assert!(!limiter.take(&ask(1, "", "mallory"), MINUTE));
    assert!(limiter.take(&ask(1, "", "mallory"), MINUTE + SUBJECT_EVERY));
    assert!(limiter.summary(MINUTE, false).len() == 1);
    limiter.left_out = 0;
    assert!(limiter.summary(MINUTE * 3, false).is_empty(), "silence is not said");
}
