//! Phase 2: is the model backdoored or the data poisoned? One file and one page per procedure.
