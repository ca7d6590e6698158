//! How RocksDB is set up: durable before fast, and small in memory.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    LruCacheOptions, SliceTransform,
};

use super::keys::{Column, LEAF_PREFIX, ROOT_PREFIX};

/// Bytes of one column family's write buffer. Small ones keep a full disk reopenable.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// The same of the index by leaf.
const LEAVES_BUFFER_BYTES: usize = 16 << 20;
/// Sorted files of that index before they are merged.
const LEAVES_FILES: i32 = 8;
/// Bytes of all write buffers together, after which the fullest is flushed.
const WRITE_BUFFERS_BYTES: usize = 40 << 20;
/// Bytes of write-ahead log after which the oldest buffers are flushed: bounds the time to open.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the manifest before a new one is begun.
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// RocksDB's own log files: how many, and bytes of each.
const LOG_FILES_MAX: usize = 4;
const LOG_BYTES_MAX: usize = 1 << 20;
/// Threads that flush and compact.
const BACKGROUND_JOBS: i32 = 2;
/// The cache is in 4 parts: in the 64 that RocksDB makes of it, the filter of a large file, which is one entry of over a MiB,
/// has no room and is read again for each lookup.
const CACHE_SHARD_BITS: i32 = 2;
/// Bits per key of the filters that spare a lookup of what is not there.
const FILTER_BITS: f64 = 10.0;

/// What a user may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of blocks, indexes and filters held in memory.
    pub cache_bytes: usize,
    /// Table files held open at a time.
    pub open_files_max: u16,
}

impl Default for Options {
    fn default() -> Self {
        // Filters and indexes of a million blocks with ten million records are about 28 MiB.
        Self { cache_bytes: 64 << 20, open_files_max: 256 }
    }
}

/// Settings of the database; `fresh` may create it, otherwise it must be complete.
pub(super) fn database(options: &Options, fresh: bool) -> rocksdb::Options {
    let mut settings = rocksdb::Options::default();
    settings.create_if_missing(fresh);
    settings.create_missing_column_families(fresh);
    settings.set_error_if_exists(fresh);
    settings.set_paranoid_checks(true);
    // Refuses damage inside the log; only a torn tail, never acknowledged, is dropped.
    settings.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    settings.set_track_and_verify_wals_in_manifest(true);
    settings.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    settings.set_max_total_wal_size(WAL_BYTES_MAX);
    settings.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    settings.set_max_open_files(i32::from(options.open_files_max));
    settings.set_max_background_jobs(BACKGROUND_JOBS);
    settings.set_keep_log_file_num(LOG_FILES_MAX);
    settings.set_max_log_file_size(LOG_BYTES_MAX);
    settings.set_log_level(LogLevel::Warn);
    settings.set_stats_dump_period_sec(0);
    settings
}

/// Settings that take what comes before damage in the log for the whole.
pub(super) fn rewinding(options: &Options) -> rocksdb::Options {
    let mut settings = database(options, false);
    settings.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    settings.set_track_and_verify_wals_in_manifest(false);
    settings
}

/// Settings under which a table that cannot be opened is no reason not to open the rest.
pub(super) fn reading(options: &Options) -> rocksdb::Options {
    let mut settings = rewinding(options);
    settings.set_paranoid_checks(false);
    settings
}

/// Every column family with its settings; they share one cache.
pub(super) fn columns(options: &Options) -> Vec<ColumnFamilyDescriptor> {
    let mut lru = LruCacheOptions::default();
    lru.set_capacity(options.cache_bytes);
    lru.set_num_shard_bits(CACHE_SHARD_BITS);
    let cache = Cache::new_lru_cache_opts(&lru);
    let unnamed = ColumnFamilyDescriptor::new("default", any(&cache, Filter::Key));
    let named =
        Column::ALL.map(|column| ColumnFamilyDescriptor::new(column.name(), settings_of(column, &cache)));
    [unnamed].into_iter().chain(named).collect()
}

fn settings_of(column: Column, cache: &Cache) -> rocksdb::Options {
    let mut settings = any(cache, filter_of(column));
    if matches!(column, Column::Bodies | Column::Leaves) {
        // Hashes do not compress.
        settings.set_compression_type(DBCompressionType::None);
    }
    if let Filter::Prefix(bytes) = filter_of(column) {
        settings.set_prefix_extractor(SliceTransform::create_fixed_prefix(bytes));
    }
    if column == Column::Leaves {
        // One row a record, in no order: what is merged seldom is not written over and over.
        settings.set_write_buffer_size(LEAVES_BUFFER_BYTES);
        settings.set_level_zero_file_num_compaction_trigger(LEAVES_FILES);
    }
    settings
}

/// What the filters of a column tell to be absent without a read. They share the cache with what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// A key.
    Key,
    /// Every key that begins with so many bytes: files without one are not read.
    Prefix(usize),
    /// Nothing: but for checks it is read in order.
    None,
}

fn filter_of(column: Column) -> Filter {
    match column {
        Column::Leaves => Filter::Prefix(LEAF_PREFIX),
        Column::Roots => Filter::Prefix(ROOT_PREFIX),
        Column::Heights | Column::Kinds => Filter::None,
        _ => Filter::Key,
    }
}

fn any(cache: &Cache, filter: Filter) -> rocksdb::Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    if filter != Filter::None {
        tables.set_bloom_filter(FILTER_BITS, false);
        tables.set_whole_key_filtering(filter == Filter::Key);
    }
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut settings = rocksdb::Options::default();
    settings.set_write_buffer_size(WRITE_BUFFER_BYTES);
    settings.set_compression_type(DBCompressionType::Lz4);
    settings.set_block_based_table_factory(&tables);
    settings
}
