//! Which characters a name may be made of: such as show. What shows nothing, or turns the direction of the text around it, makes two names look alike,
//! or one read as another.
//!
//! Called for the names of people and organisations, user names and addresses (`users`, `organizations`, `email`).

use std::ops::RangeInclusive;

/// Unicode's formatting and filling characters, and the selectors of variants: nothing of them is seen by itself.
const HIDDEN: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{13430}'..='\u{1345f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Between letters that change their form by them (Persian, Hindi), and behind signs that have several (pictures).
const JOINERS: [char; 4] = ['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];

/// Is it seen, without a control character's powers?
#[must_use]
pub fn shows(c: char) -> bool {
    !c.is_control() && !HIDDEN.iter().any(|hidden| hidden.contains(&c))
}

/// May a name be written so? Everything shows, or joins what has several forms; no alphabet of Europe has.
#[must_use]
pub fn is_legible(text: &str) -> bool {
    let mut before = ' ';
    text.chars().all(|c| {
        let legible = shows(c) || (JOINERS.contains(&c) && before >= '\u{590}' && !JOINERS.contains(&before) || is_a_picture_s(before, c));
        before = c;
        legible
    })
}

/// Behind the selector of a picture another one may be joined to it.
const fn is_a_picture_s(before: char, c: char) -> bool {
    matches!((before, c), ('\u{fe0f}', '\u{200d}'))
}

/// What is left of it when everything is gone that shows nothing.
#[must_use]
pub fn seen(text: &str) -> String {
    text.chars().filter(|c| shows(*c)).collect()
}

/// A name as an old system kept it, without what is not seen and joins nothing.
#[must_use]
pub fn mended(name: &str) -> String {
    if is_legible(name) { name.to_owned() } else { seen(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_is_a_name() {
        for name in [
            "Ana María Ñuño",
            "O’Brien-Šimůnek",
            "李小龍",
            "محمد\u{200c}رضا",
            "क\u{94d}\u{200d}ष",
            "Ἀθηνᾶ",
            "עִבְרִית",
            "❤\u{fe0f} Ana",
            "👩\u{1f3fd}\u{200d}💻",
            "🏳\u{fe0f}\u{200d}🌈",
            "A\u{301}",
            "",
        ] {
            assert!(is_legible(name), "{name}");
        }
    }

    #[test]
    fn what_hides_or_turns_is_none() {
        for hidden in [
            "A\u{200b}",
            "\u{202e}A",
            "A\u{2066}b",
            "A\u{ad}na",
            "\u{feff}Ana",
            "Ana\u{200d}",
            "A\u{200c}na",
            "A\u{fe0f}",
            "\u{3164}",
            "A\u{34f}b",
            "a\nb",
            "a\u{2028}b",
            "\u{115f}",
            "\u{2800}",
            "A\u{e0041}",
            "A\u{180e}b",
            "李\u{200d}\u{200d}",
            "\u{200d}李",
            "Ана\u{200d}",
        ] {
            assert!(!is_legible(hidden), "{hidden:?}");
        }
        assert_eq!(seen("\u{202e}A\u{200b}\u{fe0f}na"), "Ana");
    }
}
