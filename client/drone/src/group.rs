//! Several messages in one record, for links and ledgers that cannot take each alone.

use std::iter::Peekable;

use crate::entry::Entry;
use crate::limits::MESSAGE_BYTES_MAX;

/// Joins entries that lie less than `every_us` microseconds after the first of their group. A group
/// has time, clock and location of its first entry; its body is the bodies one after the other, so
/// nothing is lost or reordered. A group ends early where the clock or the content type changes and
/// where the body would outgrow a record. With 0 every entry stays alone.
pub fn group(entries: impl Iterator<Item = Entry>, every_us: u64) -> impl Iterator<Item = Entry> {
    Groups { entries: entries.peekable(), every_us }
}

struct Groups<I: Iterator<Item = Entry>> {
    entries: Peekable<I>,
    every_us: u64,
}

impl<I: Iterator<Item = Entry>> Iterator for Groups<I> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let mut group = self.entries.next()?;
        let every_us = self.every_us;
        while let Some(next) = self.entries.next_if(|next| belongs(&group, next, every_us)) {
            group.body.extend_from_slice(&next.body);
            if group.topic != next.topic {
                group.topic = None;
            }
        }
        Some(group)
    }
}

fn belongs(group: &Entry, next: &Entry, every_us: u64) -> bool {
    // Absolute: a clock that jumps back ends the group too.
    next.time_us.abs_diff(group.time_us) < every_us
        && next.clock == group.clock
        && next.content_type == group.content_type
        && group.body.len() + next.body.len() <= MESSAGE_BYTES_MAX
}
