//! Files as `torch.save` writes them: a zip archive of stored members, a pickle of protocol 2 among them. Written by
//! hand so that the bytes are known; nothing here reads, loads or runs a pickle.

use crate::network::Graph;
use flate2::Crc;

/// A state dict as a file. `code`, if there is some, is Python source that the pickle would hand to `exec` if anyone
/// loaded it.
pub(super) fn saved(graph: &Graph, name: &str, code: Option<&str>) -> Vec<u8> {
    let mut pickle = Pickle(vec![0x80, 2]);
    if let Some(code) = code {
        pickle.global("__builtin__", "exec");
        pickle.text(code);
        // One argument, call, forget the result.
        pickle.0.extend([0x85, b'R', b'0']);
    }
    pickle.global("collections", "OrderedDict");
    pickle.0.extend(b")R(");
    let mut members =
        vec![("version".to_owned(), b"3\n".to_vec()), ("byteorder".to_owned(), b"little".to_vec())];
    for (key, param) in graph.params.iter().enumerate() {
        pickle.text(&param.name);
        pickle.tensor(key, param.value.shape());
        let bytes = param.value.iter().flat_map(|v| v.to_le_bytes()).collect();
        members.push((format!("data/{key}"), bytes));
    }
    pickle.0.extend(b"u.");
    members.insert(0, ("data.pkl".to_owned(), pickle.0));
    zip(&members.into_iter().map(|(m, bytes)| (format!("{name}/{m}"), bytes)).collect::<Vec<_>>())
}

/// Opcodes of protocol 2.
struct Pickle(Vec<u8>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
    }

    fn number(&mut self, n: usize) {
        self.0.push(b'J');
        self.0.extend((n as u32).to_le_bytes());
    }

    fn numbers(&mut self, all: &[usize]) {
        self.0.push(b'(');
        for &n in all {
            self.number(n);
        }
        self.0.push(b't');
    }

    /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
    fn tensor(&mut self, key: usize, shape: &[usize]) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.extend(b"((");
        self.text("storage");
        self.global("torch", "FloatStorage");
        self.text(&key.to_string());
        self.text("cpu");
        self.number(shape.iter().product());
        self.0.extend(b"tQ");
        self.number(0);
        self.numbers(shape);
        let strides: Vec<usize> = (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect();
        self.numbers(&strides);
        self.0.push(0x89);
        self.global("collections", "OrderedDict");
        self.0.extend(b")RtR");
    }
}

/// A zip archive of stored members, each file's data at a multiple of 64 bytes as `torch.save` has it.
fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let mut crc = Crc::new();
        crc.update(data);
        let at = out.len();
        // The padding is an extra field ("FB"), as there.
        let bare = at + 30 + name.len() + 4;
        let padding = bare.next_multiple_of(64) - bare;
        let mut common = Vec::new();
        // Version 2.0, no flags, stored, 1 January 1980.
        common.extend([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]);
        common.extend(crc.sum().to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend((4 + padding as u16).to_le_bytes());
        out.extend(name.bytes());
        out.extend(b"FB");
        out.extend((padding as u16).to_le_bytes());
        out.extend(std::iter::repeat_n(b'Z', padding));
        out.extend(data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        // No extra field, no comment, disk 0, no attributes.
        directory.extend([0; 12]);
        directory.extend((at as u32).to_le_bytes());
        directory.extend(name.bytes());
    }
    let (start, count) = (out.len() as u32, members.len() as u16);
    let size = directory.len() as u32;
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Limits;
    use crate::lab::architecture::architecture;
    use crate::network::train::initialise;
    use std::io::Read;

    #[test]
    fn an_independent_reader_finds_the_members_as_they_were_written() {
        let description = architecture("mlp", [1, 16, 16], 3).unwrap();
        let graph = initialise(&description, 0, &Limits::default()).unwrap();
        let bytes = saved(&graph, "epoch-1", None);
        assert_eq!(bytes, saved(&graph, "epoch-1", None));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(zip.len(), 3 + graph.params.len());
        for (key, param) in graph.params.iter().enumerate() {
            let mut member = zip.by_name(&format!("epoch-1/data/{key}")).unwrap();
            assert_eq!(member.data_start() % 64, 0);
            let mut data = Vec::new();
            member.read_to_end(&mut data).unwrap();
            let read: Vec<f32> = data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!(read, param.value.iter().copied().collect::<Vec<f32>>());
        }
    }
}
