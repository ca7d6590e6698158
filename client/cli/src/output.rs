//! Results on stdout: text for people, or one JSON object.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// What scripts read when something does not verify.
#[derive(Serialize)]
struct Refusal<'a> {
    verified: bool,
    part: &'a str,
    reason: &'a str,
}

/// Where and how results are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes `value` as one line of JSON, or `text`. A reader that is gone is no error.
    pub(crate) fn result(self, value: &impl Serialize, text: impl Display) {
        let line = if self.json {
            serde_json::to_string(value).expect("results are maps of strings and numbers")
        } else {
            text.to_string()
        };
        drop(writeln!(io::stdout(), "{line}"));
    }

    /// With `--json`, says on stdout too which part does not verify; people have it on stderr.
    pub(crate) fn refusal(self, part: &str, reason: &str) {
        if self.json {
            self.result(&Refusal { verified: false, part, reason }, "");
        }
    }
}
