//! Whose pages these are: the operator's name, logo and accent, and the stylesheet they make.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::colour::Rgb;
use crate::seal::sha256;

const STYLESHEET: &str = include_str!("../../templates/assets/portero.css");
/// `--surface` of the stylesheet, light and dark.
const SURFACES: [Rgb; 2] = [Rgb(0xff, 0xff, 0xff), Rgb(0x1b, 0x21, 0x20)];
/// What text on the accent may be.
const ON_ACCENT: [&str; 2] = ["#ffffff", "#000000"];

/// An image that is served from our own origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
}

impl Logo {
    /// The kind of image is told by its first bytes, never by a file's name.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let content_type = match &*bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            text if std::str::from_utf8(text).is_ok_and(|t| t.contains("<svg") && t.trim_start().starts_with('<')) => "image/svg+xml",
            _ => return None,
        };
        Some(Self { bytes, content_type })
    }
}

/// What every page shows of the operator. Made once, at start.
#[derive(Clone, Debug)]
pub struct Brand {
    pub name: String,
    pub logo: Option<Logo>,
    stylesheet: String,
    version: String,
}

impl Default for Brand {
    fn default() -> Self {
        Self::new("Portero", None, None)
    }
}

impl Brand {
    /// `accent` is `#rrggbb`, checked by the configuration. It is used as it is on the theme where it can be read, and the nearest colour
    /// that can be read on the other: no colour has 4.5:1 on white and on the dark surface alike.
    #[must_use]
    pub fn new(name: &str, logo: Option<Logo>, accent: Option<&str>) -> Self {
        let mut stylesheet = as_sent(STYLESHEET);
        if let Some(accent) = accent.and_then(Rgb::parse) {
            let [light, dark] = SURFACES.map(|surface| accent.readable_on(surface));
            let rule = |c: Rgb| format!("--accent: {c}; --on-accent: {}; --glow: {c}12;", text_on(c));
            let (light, dark) = (rule(light), rule(dark));
            let _ = writeln!(
                stylesheet,
                "@layer tokens {{ :root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root:not([data-theme=\"light\"]) {{ {dark} }} }} \
                 :root[data-theme=\"dark\"] {{ {dark} }} }}"
            );
        }
        let version = URL_SAFE_NO_PAD.encode(&sha256(stylesheet.as_bytes())[..6]);
        Self { name: name.to_owned(), logo, stylesheet, version }
    }

    #[must_use]
    pub fn stylesheet(&self) -> &str {
        &self.stylesheet
    }

    /// Changes whenever the stylesheet does: part of its address, so that it can be kept for a year.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Without comments, indentation and the spaces between declarations, which are for whoever reads the file.
fn as_sent(stylesheet: &str) -> String {
    let mut sent = String::with_capacity(stylesheet.len());
    for line in stylesheet.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("/*") && line.ends_with("*/") {
            continue;
        }
        sent.push_str(&line.replace("; }", "}").replace("; ", ";").replace(" { ", "{"));
        sent.push('\n');
    }
    sent
}

/// What is written on a colour: whichever of the two stands out more.
fn text_on(colour: Rgb) -> &'static str {
    let contrast = |text: &str| Rgb::parse(text).map_or(0.0, |text| colour.contrast(text));
    if contrast(ON_ACCENT[0]) >= contrast(ON_ACCENT[1]) { ON_ACCENT[0] } else { ON_ACCENT[1] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::LEAST_CONTRAST;

    #[test]
    fn the_stylesheet_is_small_and_its_two_dark_blocks_agree() {
        let sent = Brand::default().stylesheet().len();
        assert!(sent < 16 * 1024, "{sent} bytes");
        let block = |from: &str| {
            let rest = STYLESHEET.split_once(from).expect("the block").1;
            let body = rest.split_once('}').expect("its end").0;
            body.lines().map(str::trim).filter(|line| line.starts_with("--")).collect::<Vec<_>>().join("\n")
        };
        let media = block(":root:not([data-theme=\"light\"]) {");
        assert!(media.contains("--accent"));
        assert_eq!(media, block(":root[data-theme=\"dark\"] {"));
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let parse = |hex| Rgb::parse(hex).expect("a colour");
        parse(a).contrast(parse(b))
    }

    #[test]
    fn colours_of_the_stylesheet_can_be_read() {
        let value = |theme: usize, name: &str| {
            let (at, found) = STYLESHEET.match_indices(&format!(" {name}: #")).nth(theme).expect("a token");
            &STYLESHEET[at + found.len() - 1..][..7]
        };
        for theme in [0, 1] {
            assert_eq!(Rgb::parse(value(theme, "--surface")), Some(SURFACES[theme]));
            for surface in ["--page", "--surface"] {
                // WCAG 2.2, 1.4.3: "a contrast ratio of at least 4.5:1"
                for text in ["--ink", "--muted", "--accent", "--danger", "--warn", "--good"] {
                    let ratio = contrast(value(theme, text), value(theme, surface));
                    assert!(ratio >= 4.5, "{text} on {surface}, theme {theme}: {ratio:.2}");
                }
            }
            // WCAG 2.2, 1.4.11: "a contrast ratio of at least 3:1 against adjacent color(s)"
            assert!(contrast(value(theme, "--line"), value(theme, "--surface")) >= 3.0);
            assert!(contrast(value(theme, "--accent"), value(theme, "--on-accent")) >= 4.5);
        }
    }

    #[test]
    fn any_accent_becomes_one_that_can_be_read() {
        for accent in ["#000000", "#ffffff", "#ff0000", "#ffff00", "#7a7a7a", "#3b5bdb"].map(|hex| Rgb::parse(hex).expect("a colour")) {
            for surface in SURFACES {
                let readable = accent.readable_on(surface);
                assert!(readable.contrast(surface) >= LEAST_CONTRAST);
                assert!(Rgb::parse(text_on(readable)).expect("a colour").contrast(readable) >= LEAST_CONTRAST);
            }
        }
        let brand = Brand::new("Casa", None, Some("#3b5bdb"));
        assert!(brand.stylesheet().contains("--accent: #3b5bdb; --on-accent: #ffffff;"));
        assert_ne!(brand.version(), Brand::default().version());
    }

    #[test]
    fn a_logo_is_what_its_bytes_say() {
        assert_eq!(Logo::new(b"<svg xmlns='x'/>".to_vec()).map(|l| l.content_type), Some("image/svg+xml"));
        assert_eq!(Logo::new(b"\x89PNG\r\n\x1a\n....".to_vec()).map(|l| l.content_type), Some("image/png"));
        assert_eq!(Logo::new(b"GIF89a".to_vec()), None);
    }
}
