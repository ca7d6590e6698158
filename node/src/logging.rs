//! The log: lines on stderr by a filter that can be changed while the node runs.

use std::io;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::Log;

/// Characters of a filter.
const FILTER_MAX: usize = 4 << 10;

/// Why there is no log, or no other filter.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a filter.
    #[error("log filter `{filter}`: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// Why it is none.
        reason: String,
    },
    /// The process has a log already.
    #[error("logging was started twice: {0}")]
    Twice(#[from] TryInitError),
    /// The log is gone.
    #[error("there is no log any more")]
    Gone,
}

/// The running log's filter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Logs to stderr from here on.
///
/// # Errors
/// [`LogError::Filter`], [`LogError::Twice`].
pub fn start(log: &Log) -> Result<LogFilter, LogError> {
    let (filter, handle) = reload::Layer::new(parsed(&log.filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(io::stderr);
    if log.json {
        registry.with(lines.json()).try_init()?;
    } else {
        let colours = io::IsTerminal::is_terminal(&io::stderr());
        registry.with(lines.with_ansi(colours)).try_init()?;
    }
    Ok(LogFilter(handle))
}

impl LogFilter {
    /// Logs by `filter` from here on; gives it as it is understood.
    ///
    /// # Errors
    /// [`LogError::Filter`], [`LogError::Gone`]; the filter is then as before.
    pub fn set(&self, filter: &str) -> Result<String, LogError> {
        self.0.reload(parsed(filter)?).map_err(|_| LogError::Gone)?;
        self.get()
    }

    /// The filter in force.
    ///
    /// # Errors
    /// [`LogError::Gone`].
    pub fn get(&self) -> Result<String, LogError> {
        self.0.with_current(ToString::to_string).map_err(|_| LogError::Gone)
    }
}

fn parsed(filter: &str) -> Result<EnvFilter, LogError> {
    let refused = |reason: String| {
        let filter = filter.chars().take(FILTER_MAX).collect();
        LogError::Filter { filter, reason }
    };
    if filter.len() > FILTER_MAX {
        return Err(refused(format!("more than {FILTER_MAX} characters")));
    }
    EnvFilter::try_new(filter).map_err(|error| refused(error.to_string()))
}
