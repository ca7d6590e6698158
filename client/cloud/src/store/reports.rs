//! Reports of finished sweeps.

use super::{Store, StoreError, loaded, stored};
use crate::limits::REPORTS_KEPT;

impl Store {
    /// Number of the last finished sweep and its report as JSON text.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_report(&self) -> Result<Option<(u64, String)>, StoreError> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT sweep, report FROM findings ORDER BY sweep DESC LIMIT 1")
                .fetch_optional(&self.readers)
                .await
                .map_err(|source| self.failed(source))?;
        Ok(row.map(|(sweep, report)| (loaded(sweep), report)))
    }

    /// Keeps a sweep's report, and only the latest ones of the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_report(&self, sweep: u64, report: &str) -> Result<(), StoreError> {
        let mut writer = self.writer().await;
        let sql = "INSERT INTO findings (sweep, report) VALUES (?, ?)
            ON CONFLICT (sweep) DO UPDATE SET report = excluded.report";
        sqlx::query(sql)
            .bind(stored(sweep))
            .bind(report)
            .execute(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
        let done = sqlx::query("DELETE FROM findings WHERE sweep <= ?")
            .bind(stored(sweep.saturating_sub(REPORTS_KEPT)))
            .execute(&mut writer.connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }
}
