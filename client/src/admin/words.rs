//! What a decision of the admins does, in words.

use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::Action;

/// What `action` does, in one line. Only of what admins decide.
pub fn words(action: &Action) -> String {
    match action {
        Action::Admit { role, key } => format!("admit {key} as {}", role_words(*role)),
        Action::Revoke { key, suspect_since: u64::MAX } => format!("revoke {key} for good"),
        Action::Revoke { key, suspect_since } => {
            format!("revoke {key} for good; what it signed from height {suspect_since} on is in doubt")
        }
        Action::SetAdmins { threshold, keys } => {
            let keys = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("replace the admins: from then on {threshold} of these sign: {keys}")
        }
        Action::SetParameters { parameters, height } => {
            let depth = match parameters.finality_depth {
                0 => "reorganisations of any depth".to_owned(),
                depth => format!("reorganisations of at most {depth} blocks"),
            };
            format!("from height {height} on: a block each {} ms, {depth}", parameters.block_time_ms)
        }
        Action::Activate { rule, height } => {
            format!("activate rule {rule} from height {height} on; nodes that do not know it stop there")
        }
        Action::Enrol(_)
        | Action::RevokeDevice { .. }
        | Action::Succeed { .. }
        | Action::Ready
        | Action::Anchor(_) => "nothing that admins decide".into(),
    }
}

fn role_words(role: Role) -> &'static str {
    match role {
        Role::Node => "a node: it mines and serves",
        Role::Controller => "a controller: it anchors data and commands and enrols devices",
        Role::Operator => "an operator: a cloud server or auditor",
        Role::Device => "a device",
    }
}
