//! The configuration file: TOML read into settings, and settings shown as TOML.

use std::ops::Range;
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::{FILE_BYTES_MAX, Key, Origin, Setting, Settings};

/// Characters of a wrong value that are quoted.
const QUOTE_CHARS_MAX: usize = 40;

/// The file being read.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// The line of a place, from 1.
    fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File { path: self.path.into(), line: self.line(at) }
    }

    /// What stands there instead of what is wanted.
    fn described(&self, value: &DeValue<'_>, span: Range<usize>) -> String {
        let kind = match value {
            DeValue::Array(_) => return "a list".into(),
            DeValue::Table(_) => return "a table".into(),
            DeValue::String(_) => "the text",
            DeValue::Integer(_) => "the whole number",
            DeValue::Float(_) => "the number",
            DeValue::Boolean(_) => "the truth value",
            DeValue::Datetime(_) => "the time",
        };
        let written = self.text.get(span).unwrap_or_default();
        let quoted: String =
            written.lines().next().unwrap_or_default().chars().take(QUOTE_CHARS_MAX).collect();
        format!("{kind} {quoted}")
    }
}

impl Settings {
    pub(super) fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
        if text.len() > FILE_BYTES_MAX {
            return Err(ConfigError::TooLong { path: path.into() });
        }
        let source = Source { path, text: &text };
        let table = DeTable::parse(&text).map_err(|error| ConfigError::Toml {
            path: path.into(),
            line: source.line(error.span().map_or(0, |span| span.start)),
            message: error.message().into(),
        })?;
        self.read_table(table.get_ref(), "", &source)
    }

    fn read_table(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        source: &Source<'_>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            let at = name.span().start;
            match (Key::named(&full), value.get_ref()) {
                (Some(key), found) => {
                    let text = text_of(key, found).ok_or_else(|| ConfigError::Type {
                        origin: source.origin(at),
                        key,
                        found: source.described(found, value.span()),
                    })?;
                    self.set(key, text, source.origin(at));
                }
                (None, DeValue::Table(inner)) if Key::ALL.iter().any(|key| in_table(*key, &full)) => {
                    self.read_table(inner, &format!("{full}."), source)?;
                }
                (None, _) => {
                    let (path, line) = (source.path.into(), source.line(at));
                    return Err(ConfigError::UnknownKey { path, line, key: full });
                }
            }
        }
        Ok(())
    }
}

impl Setting {
    /// The value of the setting `key` as it stands in a configuration file; none if it is not set. The value
    /// is one that [`Settings::config`] takes.
    pub fn as_toml(&self, key: Key) -> Option<Value> {
        let text = || Value::String(self.value.clone());
        let value = match key {
            Key::Peers => {
                let peers = self.value.split(',').map(str::trim).filter(|peer| !peer.is_empty());
                Value::Array(peers.map(|peer| Value::String(peer.into())).collect())
            }
            Key::MiningShare => self.value.parse().map_or_else(|_| text(), Value::Float),
            Key::StorageMinFree | Key::StorageScrub | Key::LimitsRequests | Key::LimitsSubmissions => {
                self.value.parse().map_or_else(|_| text(), Value::Integer)
            }
            Key::LogJson => self.value.parse().map_or_else(|_| text(), Value::Boolean),
            Key::TlsCertificates | Key::TlsKey | Key::PresharedKey | Key::ReadyFile | Key::Follow
                if self.value.is_empty() =>
            {
                return None;
            }
            Key::Data
            | Key::Spec
            | Key::Key
            | Key::PresharedKey
            | Key::Listen
            | Key::Http
            | Key::TlsCertificates
            | Key::TlsKey
            | Key::LogFilter
            | Key::ReadyFile
            | Key::Follow => text(),
        };
        Some(value)
    }
}

/// Whether `key` lies in the table named `table`.
fn in_table(key: Key, table: &str) -> bool {
    key.name().strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

/// A TOML value as the text that flags and environment would have; none if it has another type.
fn text_of(key: Key, value: &DeValue<'_>) -> Option<String> {
    match (key, value) {
        (Key::Peers, DeValue::Array(items)) => {
            let items: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            items.map(|items| items.join(","))
        }
        (Key::MiningShare, DeValue::Float(number)) => Some(number.as_str().into()),
        (Key::MiningShare, DeValue::Integer(number)) if number.radix() == 10 => Some(number.as_str().into()),
        (key, DeValue::Integer(number)) if key.is_whole() && number.radix() == 10 => {
            Some(number.as_str().into())
        }
        (Key::LogJson, DeValue::Boolean(truth)) => Some(truth.to_string()),
        (Key::Peers | Key::MiningShare | Key::LogJson, _) => None,
        (key, _) if key.is_whole() => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        (_, _) => None,
    }
}
