//! Seeds: real encodings that a target begins with, made by code and kept in the corpus.

use std::collections::BTreeMap;
use std::path::Path;

/// Holds the seeds of `target` in the tree to those made now, so that a changed layout does not go
/// unnoticed. With `DRONECHAIN_FUZZ_SEEDS` set it writes them instead and ends.
///
/// # Panics
/// If a seed in the tree is another, missing or one too many.
pub fn keep(target: &str, seeds: impl IntoIterator<Item = (impl Into<String>, Vec<u8>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let made: BTreeMap<_, _> =
        seeds.into_iter().map(|(name, bytes)| (format!("seed-{}", name.into()), bytes)).collect();
    if std::env::var_os("DRONECHAIN_FUZZ_SEEDS").is_some() {
        write(&folder, &made);
        std::process::exit(0);
    }
    let kept = read(&folder);
    for (name, bytes) in &made {
        assert!(kept.get(name) == Some(bytes), "corpus/{target}/{name} is stale; run scripts/fuzz --seeds");
    }
    let stray = kept.keys().find(|name| !made.contains_key(*name));
    assert_eq!(stray, None, "corpus/{target} has a seed that is made no more; run scripts/fuzz --seeds");
}

fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let seed = |file: std::fs::DirEntry| {
        let name = file.file_name().into_string().ok().filter(|name| name.starts_with("seed-"))?;
        Some((name, std::fs::read(file.path()).expect("the corpus can be read")))
    };
    files.filter_map(seed).collect()
}

fn write(folder: &Path, seeds: &BTreeMap<String, Vec<u8>>) {
    std::fs::create_dir_all(folder).expect("the corpus can be written");
    for name in read(folder).keys() {
        std::fs::remove_file(folder.join(name)).expect("the corpus can be written");
    }
    for (name, bytes) in seeds {
        std::fs::write(folder.join(name), bytes).expect("the corpus can be written");
    }
}
