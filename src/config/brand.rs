//! `[brand]`: name, logo and colour of the pages.
//!
//! No colour has 4.5:1 on white and on the dark surface alike: the accent must be readable on one of the two, and `browser::brand` uses the
//! nearest readable one on the other.

use std::path::PathBuf;

use super::reader::Reader;
use super::reader::Setting;
use super::source::Raw;

/// How the pages present themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    pub name: String,
    /// A file with an SVG, PNG or WebP image; served from our own origin.
    pub logo: Option<PathBuf>,
    /// `#rrggbb`; none: the colour of the style sheet.
    pub accent: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Portero".to_owned(), logo: None, accent: None }
    }
}

/// `--surface` of the style sheet, light and dark.
const LIGHT: Rgb = Rgb(0xff, 0xff, 0xff);
const DARK: Rgb = Rgb(0x1b, 0x21, 0x20);
/// WCAG 2.2 §1.4.3: "The visual presentation of text and images of text has a contrast ratio of at least 4.5:1".
const LEAST: f64 = 4.5;
const MAX_LOGO: u64 = 256 * 1024;

impl Brand {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let name = reader.get("brand.name", Self::default().name);
        let logo: Option<PathBuf> = reader.optional("brand.logo");
        let accent: Option<Rgb> = reader.optional("brand.accent");
        Self { name, logo, accent: accent.map(|accent| accent.show()) }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        if self.name.is_empty() || self.name.chars().count() > 60 || self.name.chars().any(char::is_control) {
            reader.problem("brand.name", "is not 1 to 60 characters of text".to_owned(), Some("Example"));
        }
        if let Some(path) = &self.logo {
            let known = path.extension().and_then(|e| e.to_str()).is_some_and(|e| ["svg", "png", "webp"].contains(&e));
            let reason = match std::fs::metadata(path) {
                _ if !known => Some("is none of .svg, .png, .webp".to_owned()),
                Err(error) => Some(format!("cannot be read: {error}")),
                Ok(file) if !file.is_file() => Some("is not a file".to_owned()),
                Ok(file) if file.len() > MAX_LOGO => Some(format!("is larger than {} KiB", MAX_LOGO / 1024)),
                Ok(_) => None,
            };
            if let Some(reason) = reason {
                reader.problem("brand.logo", format!("{} {reason}", path.display()), None);
            }
        }
        if let Some(accent) = self.accent.as_deref().and_then(|accent| Rgb::parse(&Raw::Text(accent.to_owned())).ok()) {
            let (light, dark) = (accent.contrast(LIGHT), accent.contrast(DARK));
            if light < LEAST && dark < LEAST {
                let passes = nearest(accent).show();
                let reason = format!(
                    "{} has a contrast of {light:.1}:1 to the light surface and {dark:.1}:1 to the dark one; {LEAST}:1 on one of them is the least \
                     that can be read. The nearest that passes is {passes}",
                    accent.show()
                );
                reader.problem("brand.accent", reason, Some(&passes));
            }
        }
    }
}

/// A colour of the sRGB space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl Rgb {
    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// `step` 255ths of the way to another colour.
    fn towards(self, other: Self, step: u8) -> Self {
        let mix = |from: u8, to: u8| {
            let (from, to, step) = (i32::from(from), i32::from(to), i32::from(step));
            u8::try_from(from + (to - from) * step / 255).expect("between two bytes")
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// The first colour on the way to black or to white, whichever is nearer, that can be read on one of the surfaces.
fn nearest(colour: Rgb) -> Rgb {
    let black = Rgb(0, 0, 0);
    let readable = |mixed: &Rgb| mixed.contrast(LIGHT) >= LEAST || mixed.contrast(DARK) >= LEAST;
    (0..=255).flat_map(|step| [colour.towards(black, step), colour.towards(LIGHT, step)]).find(readable).unwrap_or(black)
}

/// As it stands in a style sheet: `#rrggbb`.
impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Setting for Rgb {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let wrong = || format!("{text} is not a colour such as #0b6b5d");
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii()).ok_or_else(wrong)?;
        let channel = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
        // `from_str_radix` takes a sign; a colour has none.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self(channel(0)?, channel(2)?, channel(4)?))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(text: &str) -> Rgb {
        Rgb::parse(&Raw::Text(text.to_owned())).expect("a colour")
    }

    #[test]
    fn contrast_is_measured_as_wcag_says() {
        let black = rgb("#000000");
        assert!((LIGHT.contrast(black) - 21.0).abs() < 1e-9);
        // The example everybody knows: #767676 is the lightest grey that passes on white, #777777 does not.
        assert!(rgb("#767676").contrast(LIGHT) >= LEAST);
        assert!(rgb("#777777").contrast(LIGHT) < LEAST);
    }

    #[test]
    fn an_accent_that_cannot_be_read_anywhere_has_a_nearest_that_can() {
        assert_eq!(nearest(rgb("#0b6b5d")), rgb("#0b6b5d"), "what passes stays");
        let between = rgb("#7c7c7c");
        assert!(between.contrast(LIGHT) < LEAST && between.contrast(DARK) < LEAST);
        assert_eq!(nearest(between), rgb("#767676"));
    }

    #[test]
    fn a_colour_is_six_digits() {
        for wrong in ["red", "#fff", "0b6b5d", "#0b6b5g", "#+b6b5d", "#0b6b5d0", "#é1234"] {
            assert!(Rgb::parse(&Raw::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
