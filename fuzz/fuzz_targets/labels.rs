#![no_main]

#[path = "../readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((_, read)) = readers::READERS.iter().find(|(name, _)| *name == "labels") {
        read(bytes);
    }
});
