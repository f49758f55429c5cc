//! One table of caps on what readers of foreign bytes may use. Every row can be set, and each is named, with how to set
//! it, in the message of the error it causes.
//!
//! A cap protects the process and not a case: memory is the process's, whichever case is open. So one table stands for
//! the whole process ([`Limits::in_force`]); the command line may put another in force once, before anything is opened.
//! Readers that take `&Limits` can be given any other (tests, fuzzing).
//!
//! What keeps recursion off the stack (levels of Python, of ONNX sub-graphs, of JSON behind the parser's own 128) is no
//! row of this table: it is fixed, since a larger value would trade an error for a crash.

use std::sync::OnceLock;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name used by `--limit` and in messages.
    pub name: &'static str,
    /// The value in force.
    pub value: u64,
    /// The value when nobody sets it.
    pub usual: u64,
    /// The largest value it can be set to.
    pub most: u64,
    /// What it bounds.
    pub about: &'static str,
}

macro_rules! table {
    ($($(#[doc = $about:literal])+ $name:ident: $type:ty = $usual:expr $(, at most $most:expr)?;)*) => {
        /// What readers of foreign bytes may use.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $about])+ pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $usual,)* }
            }
        }

        impl Limits {
            /// The table, in its order.
            #[expect(clippy::cast_lossless, reason = "one line for columns of three widths")]
            pub fn rows(&self) -> Vec<Row> {
                let usual = Self::default();
                vec![$(Row {
                    name: stringify!($name),
                    value: self.$name as u64,
                    usual: usual.$name as u64,
                    most: [$($most,)? <$type>::MAX as u64][0],
                    about: concat!($($about),+),
                },)*]
            }

            fn place(&mut self, name: &str, value: u64) {
                match name {
                    // The table's own bounds were checked.
                    $(stringify!($name) => self.$name = <$type>::try_from(value).unwrap_or(<$type>::MAX),)*
                    _ => {}
                }
            }
        }
    };
}

table! {
    /// Bytes of one file read into memory.
    file_bytes: u64 = 8 << 30;
    /// Bytes of a text file: case file, labels, CSV, network description.
    text_bytes: u64 = 16 << 20;
    /// Files and folders below a folder.
    folder_files: usize = 2_000_000;
    /// Folders in folders.
    folder_depth: usize = 64;
    /// Bytes of a safetensors or npy header.
    header_bytes: u64 = 100_000_000;
    /// Dimensions of a tensor.
    rank: usize = 8, at most 32;
    /// Numbers of one tensor.
    tensor_elements: u64 = 1 << 31;
    /// Tensors of a file.
    tensors: usize = 200_000;
    /// Bytes a compressed data set or checkpoint may unpack to.
    unpacked_bytes: u64 = 8 << 30;
    /// Bytes unpacked from one member while triage looks into it.
    member_bytes: u64 = 64 << 20;
    /// Bytes that all members of one file together unpack to while triage looks into them.
    scanned_bytes: u64 = 1 << 30;
    /// Bytes that the members of an archive may declare together, where that is also beyond `archive_ratio`.
    declared_bytes: u64 = 4 << 30;
    /// Unpacked to packed size above which something counts as a bomb, once it is larger than `bomb_bytes`.
    archive_ratio: u64 = 200;
    /// Unpacked bytes below which anything may compress as well as it likes.
    bomb_bytes: u64 = 16 << 20;
    /// Members of an archive.
    archive_entries: usize = 65_536;
    /// Containers in containers that are opened.
    archive_depth: u32 = 4, at most 64;
    /// Memory for the dictionary of an xz or lzma stream, in KiB.
    dictionary_kib: u32 = 64 << 10;
    /// Opcodes of all pickles of a file.
    pickle_opcodes: u64 = 50_000_000;
    /// Values a pickle machine holds: objects, and elements of containers.
    pickle_values: u64 = 6_000_000;
    /// Values on the stack of a pickle machine.
    pickle_stack: usize = 1_000_000;
    /// Open marks of a pickle machine.
    pickle_marks: usize = 10_000;
    /// Memo slots of a pickle machine.
    pickle_memo: usize = 4_000_000;
    /// Containers in containers of a pickle.
    pickle_depth: u32 = 10_000, at most 10_000;
    /// Pickles one after the other in a file.
    pickle_streams: usize = 10_000;
    /// Bytes of the pickle in a checkpoint.
    pickle_bytes: u64 = 1 << 30;
    /// Levels of a safetensors header.
    json_depth: usize = 32, at most 127;
    /// Bytes of one JSON string.
    json_string: usize = 900_000;
    /// Keys and elements of one JSON document.
    json_values: usize = 5_000_000;
    /// Objects of an HDF5 file.
    hdf5_objects: usize = 100_000;
    /// Nodes of a network.
    graph_nodes: usize = 200_000;
    /// Numbers of a constant that a network makes while it is read.
    constant_numbers: usize = 1 << 24;
    /// Whole numbers that a network uses as a shape or as indices while it is read.
    shape_numbers: usize = 1 << 16;
    /// Files beside an ONNX file that its weights lie in.
    external_files: usize = 16;
    /// Bytes of values alive at once while a network runs over one image.
    activation_bytes: u64 = 4 << 30;
    /// Width or height of an image, in pixels.
    image_side: u32 = 16_384;
    /// Samples of a data set.
    samples: usize = 10_000_000;
    /// Bytes of a log or table of a pipeline.
    log_bytes: u64 = 512 << 20;
    /// Rows of a table of a pipeline.
    table_rows: usize = 5_000_000;
    /// Files of a folder of a pipeline.
    pipeline_files: usize = 20_000;
    /// Bytes of one script or definition of a pipeline.
    script_bytes: u64 = 4 << 20;
    /// Bytes of all scripts and definitions of a folder.
    scripts_bytes: u64 = 256 << 20;
    /// Nodes of a YAML or TOML tree, aliases included.
    tree_nodes: usize = 400_000;
    /// Levels of a YAML or TOML tree.
    tree_depth: usize = 100, at most 200;
    /// Hosts of an egress log.
    hosts: usize = 200_000;
    /// Stages of an artefact chain.
    stages: usize = 100;
    /// Checkpoints of a training run.
    checkpoints: usize = 500;
    /// Bytes of one checkpoint of a training run.
    checkpoint_bytes: u64 = 2 << 30;
    /// Commits that are walked.
    commits: usize = 2_000;
    /// Bytes of one pack of a git repository.
    pack_bytes: u64 = 512 << 20;
    /// Bytes of all packs of a git repository.
    packs_bytes: u64 = 1 << 30;
    /// Bytes of a trigger that the analyst gives as files.
    trigger_bytes: u64 = 64 << 20;
    /// Bytes of the reference model that accuracy is compared with.
    reference_bytes: u64 = 512 << 20;
}

/// Rows counted in bytes that are alive in memory at once: `--max-memory` lowers them.
const IN_MEMORY: [&str; 3] = ["file_bytes", "unpacked_bytes", "activation_bytes"];

static IN_FORCE: OnceLock<Limits> = OnceLock::new();

impl Limits {
    /// The table that stands for this process: what was put in force at its start, else the usual values.
    pub fn in_force() -> &'static Self {
        IN_FORCE.get_or_init(Self::default)
    }

    /// Makes this the table of the process. To be called once, before anything is opened.
    ///
    /// # Errors
    /// A table is in force already: something was read, or this was called twice.
    pub fn put_in_force(self) -> Result<(), AlreadySet> {
        IN_FORCE.set(self).map_err(|_| AlreadySet)
    }

    /// Sets one row, as in `file_bytes=16G`: a whole number, with `K`, `M`, `G` or `T` for powers of 1024.
    ///
    /// # Errors
    /// No such row, no such number, 0, or more than the row's bound; says which.
    pub fn set(&mut self, setting: &str) -> Result<(), String> {
        let (name, value) = setting.split_once('=').ok_or("it has no '=': write NAME=VALUE")?;
        let name = name.trim().replace('-', "_");
        let Some(row) = self.rows().into_iter().find(|r| r.name == name) else {
            return Err(format!(
                "there is no limit '{}'; `laocoon explain limits` lists them",
                super::text::visible(&name)
            ));
        };
        let value = amount(value)?;
        if value == 0 || value > row.most {
            return Err(format!("{name} can be 1 to {}, not {value}", row.most));
        }
        self.place(&name, value);
        Ok(())
    }

    /// Lowers what is counted in bytes of memory to `bytes`, so that what cannot fit is refused before it is read.
    pub fn within(&mut self, bytes: u64) {
        for row in self.rows().into_iter().filter(|r| IN_MEMORY.contains(&r.name)) {
            self.place(row.name, row.value.min(bytes.max(1)));
        }
    }

    /// Rows that are not at their usual value.
    pub fn changed(&self) -> Vec<Row> {
        self.rows().into_iter().filter(|r| r.value != r.usual).collect()
    }
}

/// A second table was to be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limits of this process were set already")]
pub struct AlreadySet;

/// A whole number, with `K`, `M`, `G` or `T` (also `KiB`, `KB`, …) for powers of 1024 and `_` between digits.
///
/// # Errors
/// It is no such number, or is beyond 64 bits.
pub fn amount(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!("'{}' is no whole number", super::text::visible(text)));
    }
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("'{}' is no unit; K, M, G and T are", super::text::visible(unit))),
    };
    let number: u64 = number
        .replace('_', "")
        .parse()
        .map_err(|_| format!("'{}' is no whole number", super::text::visible(text)))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{} is too large", super::text::visible(text)))
}

/// What a message says about a cap: its value, its name, and how to set another.
pub(crate) fn said(name: &str, value: impl std::fmt::Display) -> String {
    format!("the cap is {value} ({name}; --limit {name}=N sets another)")
}

/// [`said`] of a row.
macro_rules! cap {
    ($limits:expr, $name:ident) => {
        $crate::evidence::limits::said(stringify!($name), $limits.$name)
    };
}
pub(crate) use cap;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_set_by_its_name_and_says_what_it_bounds() {
        let usual = Limits::default();
        let rows = usual.rows();
        assert!(rows.len() > 40 && usual.changed().is_empty());
        for row in &rows {
            assert!(row.about.trim().ends_with('.') && row.usual <= row.most, "{}", row.name);
            let mut set = usual.clone();
            set.set(&format!("{}={}", row.name, row.usual - 1)).unwrap();
            let changed = set.changed();
            assert_eq!((changed.len(), changed[0].name, changed[0].value), (1, row.name, row.usual - 1));
            let too_much = row.most.checked_add(1);
            assert!(too_much.is_none_or(|n| set.set(&format!("{}={n}", row.name)).is_err()), "{}", row.name);
        }
    }

    #[test]
    fn settings_are_read_strictly() {
        let mut limits = Limits::default();
        limits.set("file-bytes=2G").unwrap();
        limits.set("rank = 1_2").unwrap();
        limits.set("header_bytes=3 MiB").unwrap();
        assert_eq!((limits.file_bytes, limits.rank, limits.header_bytes), (2 << 30, 12, 3 << 20));
        for (wrong, why) in [
            ("rank", "NAME=VALUE"),
            ("ranks=3", "explain limits"),
            ("rank=0", "1 to 32"),
            ("rank=33", "1 to 32"),
            ("rank=-1", "no whole number"),
            ("rank=3x", "no unit"),
            ("file_bytes=99999999999999T", "too large"),
            ("archive_depth=65", "1 to 64"),
        ] {
            let said = limits.set(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
        limits.within(1 << 20);
        assert_eq!(
            (limits.file_bytes, limits.unpacked_bytes, limits.text_bytes),
            (1 << 20, 1 << 20, 16 << 20)
        );
        assert_eq!(cap!(limits, rank), "the cap is 12 (rank; --limit rank=N sets another)");
    }
}
