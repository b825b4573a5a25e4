//! Colours and whether text in them can be read (WCAG 2.2). A leaf.

use std::fmt;

/// WCAG 2.2 §1.4.3: "The visual presentation of text and images of text has a contrast ratio of at least 4.5:1".
pub const LEAST_CONTRAST: f64 = 4.5;

/// A colour of the sRGB space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    pub const BLACK: Self = Self(0, 0, 0);
    pub const WHITE: Self = Self(255, 255, 255);

    /// `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        let channel = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self(channel(0)?, channel(2)?, channel(4)?))
    }

    /// WCAG 2.2, "relative luminance".
    #[must_use]
    pub fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// WCAG 2.2, "contrast ratio".
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// `step` 255ths of the way to another colour.
    #[must_use]
    pub fn towards(self, other: Self, step: u8) -> Self {
        let mix = |from: u8, to: u8| {
            let (from, to, step) = (i32::from(from), i32::from(to), i32::from(step));
            u8::try_from(from + (to - from) * step / 255).expect("between two bytes")
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The nearest mixture with black or white, whichever is away from the surface, that can be read on it.
    #[must_use]
    pub fn readable_on(self, surface: Self) -> Self {
        let away = if surface.luminance() > 0.5 { Self::BLACK } else { Self::WHITE };
        (0..=255).map(|step| self.towards(away, step)).find(|mixed| mixed.contrast(surface) >= LEAST_CONTRAST).unwrap_or(away)
    }
}

/// As it stands in a style sheet: `#rrggbb`.
impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_measured_as_wcag_says() {
        assert!((Rgb::BLACK.contrast(Rgb::WHITE) - 21.0).abs() < 0.01);
        assert!((Rgb(0x76, 0x76, 0x76).contrast(Rgb::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn what_cannot_be_read_moves_until_it_can() {
        for colour in [Rgb(0x7c, 0x7c, 0x7c), Rgb(0xff, 0xff, 0), Rgb::BLACK, Rgb::WHITE] {
            for surface in [Rgb::WHITE, Rgb(0x1b, 0x21, 0x20)] {
                assert!(colour.readable_on(surface).contrast(surface) >= LEAST_CONTRAST, "{colour} on {surface}");
            }
        }
        let readable = Rgb(0x0b, 0x6b, 0x5d);
        assert_eq!(readable.readable_on(Rgb::WHITE), readable);
    }

    #[test]
    fn only_six_hexadecimal_digits_are_a_colour() {
        assert_eq!(Rgb::parse("#0B6b5d"), Some(Rgb(0x0b, 0x6b, 0x5d)));
        for text in ["0b6b5d", "#0b6b5", "#0b6b5dd", "#+b6b5d", "#ñb6b5", "", "#"] {
            assert_eq!(Rgb::parse(text), None, "{text}");
        }
    }
}
