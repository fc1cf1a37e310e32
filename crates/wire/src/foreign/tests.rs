use proptest::prelude::*;

use super::*;

/// One of each kind that must never reach a terminal.
const HOSTILE: [char; 22] = [
    '\u{1b}',
    '\0',
    '\n',
    '\r',
    '\u{7f}',
    '\u{85}',
    '\u{9b}',
    '\u{ad}',
    '\u{61c}',
    '\u{180e}',
    '\u{200b}',
    '\u{200c}',
    '\u{200e}',
    '\u{2028}',
    '\u{2029}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{feff}',
    '\u{e000}',
    '\u{e0041}',
    '\u{10fffe}',
];

#[test]
fn what_is_hidden_is_made_visible_everywhere() {
    for c in HOSTILE {
        let text = format!("a{c}b");
        let text = Foreign::new(&text);
        let code = if c == '\n' { "\\n".to_owned() } else { format!("\\u{{{:x}}}", u32::from(c)) };
        let expected = format!("a{code}b");
        assert_eq!(text.to_string(), expected);
        assert_eq!(text.whole().to_string(), expected);
        assert_eq!(text.typed().to_string(), expected);
        assert_eq!(text.quoted().to_string(), format!("\"{expected}\""));
        assert_eq!(format!("{text:?}"), format!("\"{expected}\""));
        assert_eq!(format!("{:?}", text.to_text()), format!("\"{expected}\""));
        assert_eq!(text.word(), "a_b");
    }
    assert_eq!(Foreign::new("a\tb").typed().to_string(), "a\tb");
    assert_eq!(Foreign::new("a\tb").whole().to_string(), "a\\u{9}b");
}

#[test]
fn what_people_write_is_shown_as_they_wrote_it() {
    let flags = ["Grüße, naïve e\u{301}", "Привет", "שלום", "你好", "C:\\new, \"quoted\" (late)"];
    let emoji = [
        "\u{1f600}",
        "\u{2764}\u{fe0f}",
        "\u{1f469}\u{200d}\u{1f680}",
        "1\u{fe0f}\u{20e3}",
        "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
    ];
    let joined = ["\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}", "\u{915}\u{94d}\u{200d}\u{937}"];
    for text in flags.into_iter().chain(emoji).chain(joined) {
        assert_eq!(Foreign::new(text).to_string(), text);
        assert_eq!(Foreign::new(text).whole().to_string(), text);
    }
    for hidden in ["a\u{200d}b", "a\u{fe0f}", "\u{200d}\u{1f680}", "\u{1f680}\u{200d}", "\u{301}a", " \u{301}"] {
        assert!(Foreign::new(hidden).to_string().contains("\\u{"), "{hidden:?}");
    }
    let tower = format!("a{}", "\u{301}".repeat(50));
    assert!(Foreign::new(&tower).whole().to_string().chars().filter(|c| *c == '\u{301}').count() < 10);
}

#[test]
fn what_is_shown_is_bounded_and_says_how_much_is_missing() {
    let long = "x".repeat(1_000);
    assert_eq!(Foreign::new(&long).to_string(), format!("{}\u{2026}(+800)", "x".repeat(200)));
    let hidden = "\u{10ffff}".repeat(500);
    assert!(Foreign::new(&hidden).to_string().chars().count() < MAX_SHOWN.saturating_add(10));
    assert_eq!(Foreign::new(&long).whole().to_string(), long);
}

#[test]
fn a_long_run_of_blanks_is_counted_and_not_shown() {
    let text = |blanks: usize| format!("a{}b", " ".repeat(blanks));
    let few = text(MAX_BLANKS);
    assert_eq!(Foreign::new(&few).whole().to_string(), few);
    for blanks in [MAX_BLANKS + 1, 2_000, 60_000] {
        let (many, counted) = (text(blanks), format!("a \u{2026}(+{} blanks) b", blanks - 2));
        let many = Foreign::new(&many);
        assert_eq!((many.to_string(), many.whole().to_string()), (counted.clone(), counted.clone()));
        assert_eq!(many.quoted().to_string(), format!("\"{counted}\""));
        assert_eq!(many.typed().to_string(), text(blanks), "programs get what was typed");
        assert_eq!(Foreign::new(&counted).whole().to_string(), counted, "shown twice is shown once");
    }
    let many = format!("{}x{}", " ".repeat(100), " ".repeat(100));
    assert_eq!(Foreign::new(&many).first(20).to_string(), " \u{2026}(+98 blanks) x\u{2026}(+100)");
}

#[test]
fn a_name_ends_no_quotation_and_takes_no_mark() {
    let name = Foreign::new("bob\" by alice\\ (late): \u{301}");
    assert_eq!(name.quoted().to_string(), "\"bob\\u{22} by alice\\ (late): \\u{301}\"");
    // One that encloses, and those for letters of any script.
    for mark in ['\u{301}', '\u{20dd}', '\u{fe20}', '\u{488}'] {
        let (name, code) = (format!("bob{mark}"), u32::from(mark));
        assert_eq!(Foreign::new(&name).quoted().to_string(), format!("\"bob\\u{{{code:x}}}\""));
        assert_eq!(Foreign::new(&name).word(), "bob_");
    }
    assert_eq!(
        (Foreign::new("a-1_b.").name().to_string(), Foreign::new("a: b").name().to_string()),
        ("a-1_b.".into(), "\"a: b\"".into())
    );
    assert_eq!(Foreign::new("alice/udp-mesh? @3b62: (x)").word(), "alice_udp-mesh___3b62:__x_");
}

proptest! {
    #[test]
    fn one_line_and_nothing_hidden(text in any::<String>()) {
        let text = Foreign::new(&text);
        for shown in [text.to_string(), text.whole().to_string(), text.quoted().to_string(), format!("{text:?}"), text.word()] {
            prop_assert!(!shown.chars().any(|c| is_hidden(c) && !matches!(c, '\u{fe0e}' | '\u{fe0f}' | '\u{200c}' | '\u{200d}')), "{shown:?}");
        }
        let twice = text.whole().to_string();
        prop_assert_eq!(Foreign::new(&twice).whole().to_string(), twice, "shown twice is shown once");
        let quoted = text.quoted().to_string();
        prop_assert_eq!(quoted.matches('"').count(), 2, "the quotation ends where it ends");
        prop_assert!(text.word().len() <= text.as_raw().len());
        prop_assert!(!text.word().contains([' ', '/', '?', '@']));
    }

    #[test]
    fn json_keeps_its_value(text in any::<String>(), hostile in prop::sample::select(HOSTILE.to_vec())) {
        let value = format!("{text}{hostile}");
        let plain = serde_json::to_string(&value).unwrap();
        let safe = json(&plain);
        prop_assert!(!safe.chars().any(is_hidden));
        prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), value);
    }
}
