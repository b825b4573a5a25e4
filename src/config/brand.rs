//! `[brand]`: name, logo and colour of the pages.
//!
//! No colour has 4.5:1 on white and on the dark surface alike: the accent must be readable on one of the two, and `browser::brand` uses the
//! nearest readable one on the other.

use std::path::PathBuf;

use super::reader::Reader;
use super::reader::Setting;
use super::source::Raw;
use crate::colour::{LEAST_CONTRAST, Rgb};

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
        if let Some(accent) = self.accent.as_deref().and_then(Rgb::parse) {
            let (light, dark) = (accent.contrast(LIGHT), accent.contrast(DARK));
            if light < LEAST_CONTRAST && dark < LEAST_CONTRAST {
                let passes = nearest(accent).show();
                let reason = format!(
                    "{} has a contrast of {light:.1}:1 to the light surface and {dark:.1}:1 to the dark one; {LEAST_CONTRAST}:1 on one of them is the least \
                     that can be read. The nearest that passes is {passes}",
                    accent.show()
                );
                reader.problem("brand.accent", reason, Some(&passes));
            }
        }
    }
}

/// The first colour on the way to black or to white, whichever is nearer, that can be read on one of the surfaces.
fn nearest(colour: Rgb) -> Rgb {
    let readable = |mixed: &Rgb| mixed.contrast(LIGHT) >= LEAST_CONTRAST || mixed.contrast(DARK) >= LEAST_CONTRAST;
    (0..=255).flat_map(|step| [colour.towards(Rgb::BLACK, step), colour.towards(Rgb::WHITE, step)]).find(readable).unwrap_or(Rgb::BLACK)
}

impl Setting for Rgb {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        Self::parse(&text).ok_or_else(|| format!("{text} is not a colour such as #0b6b5d"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(text: &str) -> Rgb {
        Rgb::parse(text).expect("a colour")
    }

    #[test]
    fn contrast_is_measured_as_wcag_says() {
        let black = rgb("#000000");
        assert!((LIGHT.contrast(black) - 21.0).abs() < 1e-9);
        // The example everybody knows: #767676 is the lightest grey that passes on white, #777777 does not.
        assert!(rgb("#767676").contrast(LIGHT) >= LEAST_CONTRAST);
        assert!(rgb("#777777").contrast(LIGHT) < LEAST_CONTRAST);
    }

    #[test]
    fn an_accent_that_cannot_be_read_anywhere_has_a_nearest_that_can() {
        assert_eq!(nearest(rgb("#0b6b5d")), rgb("#0b6b5d"), "what passes stays");
        let between = rgb("#7c7c7c");
        assert!(between.contrast(LIGHT) < LEAST_CONTRAST && between.contrast(DARK) < LEAST_CONTRAST);
        assert_eq!(nearest(between), rgb("#767676"));
    }

    #[test]
    fn a_colour_is_six_digits() {
        for wrong in ["red", "#fff", "0b6b5d", "#0b6b5g", "#+b6b5d", "#0b6b5d0", "#é1234"] {
            assert!(Rgb::parse(wrong).is_none(), "{wrong}");
        }
    }
}
