//! What a transaction does, every kind in its own words.

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::{Action, Anchor, Enrolment};
use maud::{Markup, html};

use super::page::facts;
use super::{amount, moment, name};

/// The action as a list of facts.
pub(super) fn told(action: &Action) -> Markup {
    match action {
        Action::Anchor(anchor) => anchored(anchor),
        Action::Enrol(enrolment) => enrolled(enrolment),
        Action::Admit { role, key } => {
            facts(&[("Admits", name::key_full(key)), ("As", html! { (name::role(*role)) })])
        }
        Action::Revoke { key, suspect_since } => revoked(key, *suspect_since),
        Action::RevokeDevice { device, suspect_since } => revoked(device, *suspect_since),
        Action::SetAdmins { threshold, keys } => facts(&[
            ("Approvals wanted", html! { (threshold) " of " (keys.len()) }),
            ("Admins", html! { ol.plain { @for key in keys { li { (name::full(key)) } } } }),
        ]),
        Action::SetParameters { parameters, height } => facts(&[
            ("Block time", html! { (moment::span(parameters.block_time_ms)) }),
            (
                "Finality depth",
                html! {
                    @match parameters.finality_depth { 0 => "no bound", depth => { (amount::counted(depth, "block", "blocks")) } }
                },
            ),
            ("From height", html! { (amount::count(*height)) }),
        ]),
        Action::Activate { rule, height } => {
            facts(&[("Rule", html! { (rule) }), ("From height", html! { (amount::count(*height)) })])
        }
        Action::Succeed { successor, possession } => facts(&[
            ("Successor", name::key_full(successor)),
            ("Its agreement", html! { code.hash { (possession) } }),
        ]),
        Action::Ready => {
            html! { p { "The node announces that it will mine: the spacing rule counts it from the next block on." } }
        }
    }
}

fn anchored(anchor: &Anchor) -> Markup {
    if anchor.leaf_count == 0 {
        return facts(&[
            ("Holds", html! { "nothing: a heartbeat, which says that there was nothing to anchor" }),
            ("Kind", html! { (name::anchor_kind(anchor.kind)) }),
        ]);
    }
    facts(&[
        ("Batch root", name::batch_full(&anchor.root)),
        ("Holds", html! { (amount::counted(anchor.leaf_count.into(), "record", "records")) }),
        ("Kind", html! { (name::anchor_kind(anchor.kind)) }),
        (
            "First record",
            html! { (moment::claimed(anchor.first_time)) span.note { " as its sender claims" } },
        ),
        ("Last record", html! { (moment::claimed(anchor.last_time)) span.note { " as its sender claims" } }),
    ])
}

fn enrolled(enrolment: &Enrolment) -> Markup {
    facts(&[
        ("Device", name::key_full(&enrolment.device)),
        ("Kind", html! { (enrolment.kind) }),
        ("Area", html! { (enrolment.area) }),
        ("Its agreement", html! { code.hash { (enrolment.possession) } }),
    ])
}

fn revoked(key: &PublicKey, suspect_since: u64) -> Markup {
    facts(&[
        ("Revokes", name::key_full(key)),
        ("In doubt from height", html! { (amount::count(suspect_since)) " on" }),
    ])
}
