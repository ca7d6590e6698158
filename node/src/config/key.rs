//! The settings' names in each layer: `mining.share`, `DRONECHAIN_NODE_MINING_SHARE`, `--mining-share`.

/// What the names of all environment variables start with.
pub const ENV_PREFIX: &str = "DRONECHAIN_NODE_";
/// The variable that names the configuration file.
pub const ENV_FILE: &str = "DRONECHAIN_NODE_CONFIG";

/// What whole numbers are in words.
const WHOLE: &str = "a whole number";

/// A setting's name; in order of `config show`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `data`
    Data,
    /// `spec`
    Spec,
    /// `key`
    Key,
    /// `preshared_key`
    PresharedKey,
    /// `listen`
    Listen,
    /// `http`
    Http,
    /// `tls.certificates`
    TlsCertificates,
    /// `tls.key`
    TlsKey,
    /// `peers`
    Peers,
    /// `limits.requests_per_s`
    LimitsRequests,
    /// `limits.submissions_per_s`
    LimitsSubmissions,
    /// `mining.share`
    MiningShare,
    /// `storage.min_free_mib`
    StorageMinFree,
    /// `storage.scrub_rows_per_s`
    StorageScrub,
    /// `log.filter`
    LogFilter,
    /// `log.json`
    LogJson,
    /// `ready_file`
    ReadyFile,
    /// `follow`
    Follow,
}

impl Key {
    /// Every setting.
    pub const ALL: [Self; 18] = [
        Self::Data,
        Self::Spec,
        Self::Key,
        Self::PresharedKey,
        Self::Listen,
        Self::Http,
        Self::TlsCertificates,
        Self::TlsKey,
        Self::Peers,
        Self::LimitsRequests,
        Self::LimitsSubmissions,
        Self::MiningShare,
        Self::StorageMinFree,
        Self::StorageScrub,
        Self::LogFilter,
        Self::LogJson,
        Self::ReadyFile,
        Self::Follow,
    ];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Spec => "spec",
            Self::Key => "key",
            Self::PresharedKey => "preshared_key",
            Self::Listen => "listen",
            Self::Http => "http",
            Self::TlsCertificates => "tls.certificates",
            Self::TlsKey => "tls.key",
            Self::Peers => "peers",
            Self::LimitsRequests => "limits.requests_per_s",
            Self::LimitsSubmissions => "limits.submissions_per_s",
            Self::MiningShare => "mining.share",
            Self::StorageMinFree => "storage.min_free_mib",
            Self::StorageScrub => "storage.scrub_rows_per_s",
            Self::LogFilter => "log.filter",
            Self::LogJson => "log.json",
            Self::ReadyFile => "ready_file",
            Self::Follow => "follow",
        }
    }

    /// The flag.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Data => "--data",
            Self::Spec => "--spec",
            Self::Key => "--key",
            Self::PresharedKey => "--preshared-key",
            Self::Listen => "--listen",
            Self::Http => "--http",
            Self::TlsCertificates => "--tls-certificates",
            Self::TlsKey => "--tls-key",
            Self::Peers => "--peer",
            Self::LimitsRequests => "--requests-per-s",
            Self::LimitsSubmissions => "--submissions-per-s",
            Self::MiningShare => "--mining-share",
            Self::StorageMinFree => "--min-free-mib",
            Self::StorageScrub => "--scrub-rows-per-s",
            Self::LogFilter => "--log",
            Self::LogJson => "--log-json",
            Self::ReadyFile => "--ready-file",
            Self::Follow => "--follow",
        }
    }

    /// What a file must have as its value, in words.
    pub(super) const fn form(self) -> &'static str {
        match self {
            Self::Peers => "a list of texts in quotes",
            Self::MiningShare => "a number",
            Self::LimitsRequests | Self::LimitsSubmissions | Self::StorageMinFree | Self::StorageScrub => {
                WHOLE
            }
            Self::LogJson => "true or false",
            Self::Data
            | Self::Spec
            | Self::Key
            | Self::PresharedKey
            | Self::Listen
            | Self::Http
            | Self::TlsCertificates
            | Self::TlsKey
            | Self::LogFilter
            | Self::ReadyFile
            | Self::Follow => "a text in quotes",
        }
    }

    /// Whether its values are whole numbers.
    pub(super) fn is_whole(self) -> bool {
        self.form() == WHOLE
    }

    /// The environment variable.
    pub fn env(self) -> String {
        format!("{ENV_PREFIX}{}", self.name().replace('.', "_").to_uppercase())
    }

    /// The setting with this name in files.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}
