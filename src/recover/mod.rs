//! Phase 3: what does the trigger look like? One file and one page per procedure.
