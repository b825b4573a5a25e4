//! `[brand]`: name, logo and colour of the pages.
//!
//! A colour that passes on white does not pass on the dark surface: one `accent` is given, and its dark counterpart follows from it unless
//! `accent_dark` is given, too. What is given must pass; what follows is made to pass.

use std::path::PathBuf;

use super::reader::Reader;
use super::reader::Setting;
use super::source::{Raw, Source};

/// How the pages present themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    pub name: String,
    /// A file with an SVG, PNG or WebP image; served from our own origin.
    pub logo: Option<PathBuf>,
    /// None: the colours of the style sheet.
    pub accent: Option<Accent>,
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Portero".to_owned(), logo: None, accent: None }
    }
}

/// The accent in both themes, and what is written on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent {
    pub light: Rgb,
    pub on_light: Rgb,
    pub dark: Rgb,
    pub on_dark: Rgb,
}

/// `--page` and `--surface` of the style sheet.
const LIGHT: [Rgb; 2] = [Rgb(0xf5, 0xf6, 0xf4), Rgb(0xff, 0xff, 0xff)];
const DARK: [Rgb; 2] = [Rgb(0x12, 0x16, 0x15), Rgb(0x1b, 0x21, 0x20)];
const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);
const BLACK: Rgb = Rgb(0, 0, 0);
/// WCAG 2.2 §1.4.3: "The visual presentation of text and images of text has a contrast ratio of at least 4.5:1".
const LEAST: f64 = 4.5;
const MAX_LOGO: u64 = 256 * 1024;

impl Brand {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let name = reader.get("brand.name", Self::default().name);
        let logo: Option<PathBuf> = reader.optional("brand.logo");
        let light: Option<Rgb> = reader.optional("brand.accent");
        let dark: Option<Rgb> = reader.optional("brand.accent_dark");
        let accent = light.map(|light| {
            let dark = dark.unwrap_or_else(|| {
                let follows = nearest(light, WHITE, &DARK);
                reader.note("brand.accent_dark", Some(follows.show()), Source::Derived("from brand.accent"));
                follows
            });
            Accent { light, on_light: on(light), dark, on_dark: on(dark) }
        });
        if light.is_none() && dark.is_some() {
            reader.problem("brand.accent_dark", "is set without brand.accent".to_owned(), None);
        }
        Self { name, logo, accent }
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
        if let Some(accent) = &self.accent {
            for (key, colour, surfaces, towards) in
                [("brand.accent", accent.light, &LIGHT, BLACK), ("brand.accent_dark", accent.dark, &DARK, WHITE)]
            {
                let least = least_contrast(colour, surfaces);
                if least < LEAST {
                    let passes = nearest(colour, towards, surfaces).show();
                    let reason = format!(
                        "{} has a contrast of {least:.1}:1 to the surface it stands on; {LEAST}:1 is the least that can be read. The nearest \
                         that passes is {passes}",
                        colour.show()
                    );
                    reader.problem(key, reason, Some(&passes));
                }
            }
        }
    }
}

/// A colour of the sRGB space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

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

fn least_contrast(colour: Rgb, surfaces: &[Rgb]) -> f64 {
    surfaces.iter().map(|surface| colour.contrast(*surface)).fold(f64::INFINITY, f64::min)
}

/// The first colour on the way to white or black that can be read on all the surfaces.
fn nearest(colour: Rgb, end: Rgb, surfaces: &[Rgb]) -> Rgb {
    (0..=255).map(|step| colour.towards(end, step)).find(|mixed| least_contrast(*mixed, surfaces) >= LEAST).unwrap_or(end)
}

/// Black or white, whichever reads better on it. One of the two always has 4.5:1.
fn on(colour: Rgb) -> Rgb {
    if colour.contrast(WHITE) >= colour.contrast(BLACK) { WHITE } else { BLACK }
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
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 1e-9);
        // The example everybody knows: #767676 is the lightest grey that passes on white, #777777 does not.
        assert!(rgb("#767676").contrast(WHITE) >= LEAST);
        assert!(rgb("#777777").contrast(WHITE) < LEAST);
    }

    #[test]
    fn our_own_accents_pass_and_a_pale_one_has_a_nearest_that_does() {
        assert!(least_contrast(rgb("#0b6b5d"), &LIGHT) >= LEAST);
        assert!(least_contrast(rgb("#5fd0bd"), &DARK) >= LEAST);
        for colour in ["#ffcc00", "#5fd0bd", "#ffffff", "#000000", "#0b6b5d", "#3366ff"] {
            assert!(least_contrast(nearest(rgb(colour), BLACK, &LIGHT), &LIGHT) >= LEAST, "{colour}");
            assert!(least_contrast(nearest(rgb(colour), WHITE, &DARK), &DARK) >= LEAST, "{colour}");
            assert!(on(rgb(colour)).contrast(rgb(colour)) >= LEAST, "{colour}");
        }
        assert_eq!(nearest(rgb("#0b6b5d"), BLACK, &LIGHT), rgb("#0b6b5d"), "what passes stays");
    }

    #[test]
    fn a_colour_is_six_digits() {
        for wrong in ["red", "#fff", "0b6b5d", "#0b6b5g", "#+b6b5d", "#0b6b5d0", "#é1234"] {
            assert!(Rgb::parse(&Raw::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
