//! `[log]`: what is written and how it looks.

use super::reader::{Reader, choices};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    Json,
    Pretty,
}
choices!(LogFormat { Auto: "auto", Json: "json", Pretty: "pretty" });

/// What is written and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,portero::storage=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let d = Self::default();
        Self { format: reader.get("log.format", d.format), level: reader.get("log.level", d.level) }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        if let Err(reason) = check_level(&self.level) {
            reader.problem("log.level", reason, Some("info"));
        }
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn check_level(level: &str) -> Result<(), String> {
    for directive in level.split(',').map(str::trim) {
        let (target, word) = directive.split_once('=').map_or((None, directive), |(target, word)| (Some(target), word));
        let target_is_plain =
            target.is_none_or(|target| !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        if !target_is_plain || !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err(format!("{directive} is neither a level ({}) nor module=level", LEVELS.join(", ")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_directives() {
        for good in ["info", "DEBUG", "info,portero::storage=debug", "warn, portero=trace"] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
        for bad in ["", "verbose", "info,", "=debug", "portero[span]=debug", "portero=loud"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }
}
