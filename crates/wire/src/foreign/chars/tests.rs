use std::collections::BTreeMap;

use proptest::prelude::*;
use unicode_properties::GeneralCategoryGroup as Group;

use super::*;
use crate::Foreign;
use crate::foreign::json;

fn all() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn whole(text: &str) -> String {
    Foreign::new(text).whole().to_string()
}

fn times(text: &str, c: char) -> usize {
    text.chars().filter(|at| *at == c).count()
}

/// The most marks, by Unicode's categories and no table of ours, that stand in a row.
fn most_marks(text: &str) -> usize {
    let (mut most, mut row) = (0, 0);
    for c in text.chars() {
        let is_mark = c.general_category_group() == Group::Mark;
        row = if is_mark { usize::saturating_add(row, 1) } else { 0 };
        most = most.max(row);
    }
    most
}

#[test]
fn other_blanks_than_the_usual_one_are_seen() {
    for blank in ['\u{a0}', '\u{1680}', '\u{2003}', '\u{2007}', '\u{202f}', '\u{205f}', '\u{3000}', '\t'] {
        let text = format!("a{blank}b c");
        let seen = format!("a\\u{{{:x}}}b c", u32::from(blank));
        assert_eq!(Foreign::new(&text).whole().to_string(), seen);
    }
}

#[test]
fn each_character_of_all_is_shown_by_its_category() {
    let mut count = BTreeMap::<_, u32>::new();
    for c in all() {
        let category = c.general_category();
        let code = if c == '\n' { "\\n".to_owned() } else { format!("\\u{{{:x}}}", u32::from(c)) };
        let (alone, row) = (whole(&format!("a{c}")), whole(&format!("a{}", c.to_string().repeat(8))));
        let kind = match c.general_category_group() {
            _ if is_seen_by_nobody(c) => Kind::Hidden,
            _ if is_conjoining(c) => Kind::Mark,
            Group::Mark => Kind::Mark,
            Group::Other => Kind::Hidden,
            Group::Separator if matches!(c, '\u{2028}' | '\u{2029}') => Kind::Hidden,
            _ => Kind::Seen,
        };
        assert_eq!(super::kind(c), kind, "{code} {category:?}");
        match kind {
            Kind::Hidden => {
                assert_eq!(alone, format!("a{code}"), "{category:?}");
                assert_eq!(row, format!("a{}", code.repeat(8)), "{category:?}");
                assert!(!Foreign::new(&format!("a{c}b")).quoted().to_string().contains(c), "{code} {category:?}");
                assert_eq!(Foreign::new(&format!("a{c}b")).word(), "a_b", "{code} {category:?}");
                assert!(c == '\n' || !json(&format!("\"a{c}b\"")).contains(c), "{code} {category:?}");
            }
            Kind::Mark => {
                assert_eq!(row, format!("a{}{}", c.to_string().repeat(6), code.repeat(2)), "{category:?}");
                assert_eq!(times(&json(&row.replace(&code, &c.to_string())), c), 6, "{code} {category:?}");
                let quoted = Foreign::new(&row.replace(&code, &c.to_string())).quoted().to_string();
                assert!([0, 6].contains(&times(&quoted, c)), "{quoted} {category:?}");
                for nothing_below in ["", " ", "\n", "\u{200b}", "\u{378}"] {
                    let text = format!("{nothing_below}{c}");
                    assert!(!whole(&text).contains(c), "{text:?} {category:?}");
                    assert!(!Foreign::new(&text).quoted().to_string().contains(c), "{text:?} {category:?}");
                    assert!(!Foreign::new(&text).word().contains(c), "{text:?} {category:?}");
                    assert!(!json(&format!("\"{text}\"")).contains(c), "{text:?} {category:?}");
                }
            }
            Kind::Seen if category == Category::SpaceSeparator && c != ' ' => assert_eq!(alone, format!("a{code}")),
            Kind::Seen => assert_eq!((alone.as_str(), times(&row, c) >= 8), (format!("a{c}").as_str(), true)),
        }
        *count.entry(format!("{category:?}")).or_default() += 1;
    }
    // What Unicode calls ignorable by default (DerivedCoreProperties), whatever its category.
    let ignorable = [
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x200b, 0x200f),
        (0x202a, 0x202e),
        (0x2060, 0x206f),
        (0x3164, 0x3164),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfff8),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0000, 0xe0fff),
    ];
    assert!(ignorable.into_iter().flat_map(|(low, high)| low..=high).filter_map(char::from_u32).all(is_hidden));
    // The table is whole: what the compiler's own tables know as letters and digits has a category here.
    assert!(all().filter(|c| c.is_alphanumeric()).all(|c| c.general_category() != Category::Unassigned));
    assert!(
        count["NonspacingMark"] > 2_000 && count["Unassigned"] > 800_000 && count["PrivateUse"] == 137_468,
        "{count:?}"
    );
}

#[test]
fn marks_of_every_script_and_codes_that_are_not_used_are_bounded_and_seen() {
    // Thai, Hebrew, Arabic, Devanagari (both sorts), Tibetan, Myanmar, Cyrillic (around the letter), and between them.
    let marks = ['\u{e49}', '\u{5b0}', '\u{64b}', '\u{901}', '\u{93e}', '\u{f92}', '\u{1039}', '\u{488}', '\u{301}'];
    for c in marks {
        assert_eq!(times(&whole(&format!("a{}", c.to_string().repeat(20))), c), 6, "{c:?}");
    }
    let mixed: String = marks.iter().cycle().take(40).collect();
    assert_eq!(most_marks(&whole(&format!("a{mixed}"))), 6);
    // What joins does not begin a new letter.
    let joined = format!("\u{915}{}", "\u{94d}\u{200d}\u{93e}\u{200c}".repeat(20));
    assert!(whole(&joined).chars().filter(|c| !c.is_ascii()).count() <= 7, "{}", whole(&joined));
    for unused in
        ['\u{378}', '\u{530}', '\u{fdd0}', '\u{fffe}', '\u{1f02c}', '\u{40000}', '\u{4ffff}', '\u{dffff}', '\u{e0fff}']
    {
        assert_eq!(whole(&format!("a{unused}b")), format!("a\\u{{{:x}}}b", u32::from(unused)));
    }
}

#[test]
fn the_scripts_of_people_are_read_in_texts_and_in_names() {
    let names = [
        "\u{e1b}\u{e23}\u{e30}\u{e40}\u{e17}\u{e28}\u{e44}\u{e17}\u{e22} \u{e19}\u{e49}\u{e33}\u{e17}\u{e35}\u{e48}",
        "\u{5e9}\u{5c1}\u{5b8}\u{5dc}\u{5d5}\u{5b9}\u{5dd}",
        "\u{645}\u{64f}\u{62d}\u{64e}\u{645}\u{651}\u{64e}\u{62f}",
        "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947} \u{939}\u{93f}\u{902}\u{926}\u{940}",
        "\u{ba4}\u{bae}\u{bbf}\u{bb4}\u{bcd}",
        "\u{f56}\u{f66}\u{f92}\u{fb2}\u{f74}\u{f56}\u{f66}",
        "\u{1019}\u{103c}\u{1014}\u{103a}\u{1019}\u{102c}\u{1000}\u{103c}\u{103d}\u{1031}\u{1038}",
        "\u{1781}\u{17d2}\u{1798}\u{17c2}\u{179a}",
        "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
    ];
    for text in names {
        assert_eq!(whole(text), text);
        assert_eq!(Foreign::new(text).quoted().to_string(), format!("\"{text}\""));
        assert_eq!(Foreign::new(text).word(), text.replace(' ', "_"));
        assert_eq!(json(text), text);
    }
    // A joiner between marks, signs around a number, and letters with marks of no script.
    let texts =
        ["\u{9b0}\u{200c}\u{9cd}\u{9af}\u{9be}", "\u{6dd}\u{661}\u{662}", "\u{600}\u{661}", "Tie\u{302}\u{301}ng"];
    for text in texts {
        assert_eq!(whole(text), text);
    }
    assert_eq!(whole("a\u{600}\u{600}\u{661}\u{6dd}"), "a\\u{600}\u{600}\u{661}\\u{6dd}");
}

#[test]
fn a_joiner_stands_only_where_what_it_joins_does() {
    // The mark behind the joiner would be the seventh; the emoji is a code that is not used.
    let full = format!("\u{915}{}\u{200d}\u{94d}", "\u{94d}".repeat(5));
    for text in [full.as_str(), "\u{1f600}\u{200d}\u{1f02c}", "\u{985}\u{200d}\u{984}"] {
        let shown = whole(text);
        assert!(shown.contains("\\u{200d}\\u{"), "{shown}");
        assert_eq!(whole(&shown), shown);
    }
}

proptest! {
    #[test]
    fn no_mixture_of_marks_joiners_and_codes_climbs_or_hides(
        text in prop::collection::vec(prop::sample::select(vec![
            'a', ' ', '"', '\u{915}', '\u{94d}', '\u{93e}', '\u{301}', '\u{e49}', '\u{20dd}', '\u{200d}', '\u{200c}', '\u{fe0f}',
            '\u{1f600}', '\u{1f02c}', '\u{378}', '\u{600}', '\u{661}', '\u{1100}', '\u{1161}', '\u{984}', '1', '\u{34f}',
        ]), 0..60).prop_map(String::from_iter),
    ) {
        let shown = whole(&text);
        prop_assert!(most_marks(&shown) <= 6, "{shown:?}");
        prop_assert_eq!(whole(&shown), shown.clone(), "shown twice is shown once");
        let unseen = ['\u{1f02c}', '\u{378}', '\u{984}', '\u{34f}'];
        prop_assert!(!shown.contains(unseen));
        let foreign = Foreign::new(&text);
        for name in [foreign.quoted().to_string(), foreign.word()] {
            prop_assert!(most_marks(&name) <= 6 && !name.chars().any(is_hidden), "{name:?}");
        }
        let value = serde_json::to_string(&text).unwrap();
        prop_assert!(most_marks(&json(&value)) <= 6 && !json(&value).chars().any(is_hidden));
        prop_assert_eq!(serde_json::from_str::<String>(&json(&value)).unwrap(), text);
    }
}
