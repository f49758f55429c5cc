//! Phase 4: what harm could it do? One file and one page per procedure.
