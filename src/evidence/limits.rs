//! One table of caps. Each is named in the message of the error it causes.

/// What readers of foreign bytes may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file read into memory.
    pub file_bytes: u64,
    /// Bytes of a safetensors or npy header.
    pub header_bytes: u64,
    /// Dimensions of a tensor.
    pub rank: usize,
    /// Elements of one tensor.
    pub tensor_elements: u64,
    /// Nodes of a graph.
    pub graph_nodes: usize,
    /// Tensors of a file.
    pub tensors: usize,
    /// Bytes a compressed file may unpack to.
    pub unpacked_bytes: u64,
    /// Files in a folder.
    pub folder_files: usize,
    /// Width or height of an image, in pixels.
    pub image_side: u32,
    /// Samples of a data set.
    pub samples: usize,
    /// Bytes of a text file (case file, labels, CSV, network description).
    pub text_bytes: u64,
    /// Bytes of values alive at once while a network runs over one image.
    pub activation_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 8 << 30,
            header_bytes: 100_000_000,
            rank: 8,
            tensor_elements: 1 << 31,
            graph_nodes: 200_000,
            tensors: 200_000,
            unpacked_bytes: 8 << 30,
            folder_files: 2_000_000,
            image_side: 16_384,
            samples: 10_000_000,
            text_bytes: 16 << 20,
            activation_bytes: 4 << 30,
        }
    }
}
