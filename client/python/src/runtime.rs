//! Waiting: outside the interpreter, and with an ear for Ctrl-C.

use std::pin::{Pin, pin};
use std::process;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Signals are looked after this often during a wait.
const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// One for all clients of the process, with the process's id.
static RUNTIME: PyOnceLock<(u32, Runtime)> = PyOnceLock::new();

/// The runtime of all clients.
fn runtime(py: Python<'_>) -> PyResult<&'static Runtime> {
    let made = || -> PyResult<_> {
        let runtime = Builder::new_multi_thread().enable_all().thread_name("dronechain").build()?;
        Ok((process::id(), runtime))
    };
    let (owner, runtime) = RUNTIME.get_or_try_init(py, made)?;
    // Threads do not survive a fork: a wait would never end.
    if *owner != process::id() {
        let reason = "clients do not survive a fork; use multiprocessing's method \"spawn\"";
        return Err(PyRuntimeError::new_err(reason));
    }
    Ok(runtime)
}

/// Waits for `future`; a signal handler that raises ends the wait and drops it.
pub(crate) fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
    let runtime = runtime(py)?;
    let mut future = pin!(future);
    loop {
        let slice = py.detach(|| runtime.block_on(async { timeout(SIGNALS_EVERY, future.as_mut()).await }));
        match slice {
            Ok(value) => return Ok(value),
            Err(_elapsed) => py.check_signals()?,
        }
    }
}

/// As [`wait`], but what was begun goes on by itself after a signal: for what must not end half way.
pub(crate) fn wait_to_end<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let runtime = runtime(py)?;
    let mut future: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(future);
    loop {
        let slice = py.detach(|| runtime.block_on(async { timeout(SIGNALS_EVERY, future.as_mut()).await }));
        match slice {
            Ok(value) => return Ok(value),
            Err(_elapsed) => {
                if let Err(signal) = py.check_signals() {
                    runtime.spawn(future);
                    return Err(signal);
                }
            }
        }
    }
}
