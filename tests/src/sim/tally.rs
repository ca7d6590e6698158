//! What happened in a run, counted by group and name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Counts of one run or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Tally {
    pub(super) fn count(&mut self, group: &'static str, name: &str) {
        self.add(group, name, 1);
    }

    pub(super) fn add(&mut self, group: &'static str, name: &str, more: u64) {
        let group = self.0.entry(group).or_default();
        match group.get_mut(name) {
            Some(count) => *count += more,
            None => {
                group.insert(name.to_owned(), more);
            }
        }
    }

    /// A larger value replaces a smaller one.
    pub(super) fn peak(&mut self, name: &str, value: u64) {
        let peak = self.0.entry(PEAKS).or_default().entry(name.to_owned()).or_default();
        *peak = value.max(*peak);
    }

    /// How often.
    pub fn of(&self, group: &str, name: &str) -> u64 {
        self.0.get(group).and_then(|group| group.get(name)).copied().unwrap_or(0)
    }

    /// The sum of a group.
    pub fn sum(&self, group: &str) -> u64 {
        self.0.get(group).map_or(0, |group| group.values().sum())
    }

    /// Takes the counts of another run in.
    pub fn merge(&mut self, other: &Self) {
        for (group, counts) in &other.0 {
            for (name, count) in counts {
                if *group == PEAKS { self.peak(name, *count) } else { self.add(group, name, *count) }
            }
        }
    }

    /// Groups and names as objects.
    pub fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// One line a group.
    pub fn to_text(&self) -> String {
        let line = |(group, counts): (&&str, &BTreeMap<String, u64>)| {
            let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            format!("{group}: {}\n", counts.join(", "))
        };
        self.0.iter().map(line).collect()
    }
}

const PEAKS: &str = "peaks";
