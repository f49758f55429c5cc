//! Phase 1: what are these files, are they what they claim, can opening them hurt? One file and one page per procedure.
